/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/unit_words.h"

static const struct {
        const char *section, *name;
        enum unit_word kind;
} words[] = {
        { "Service", "ExecStart", UNIT_WORD_COMMANDS },
        { "Service", "Type", UNIT_WORD_ONE },
        { "Service", "ReadOnlyPaths", UNIT_WORD_LIST },
        { "Service", "CapabilityBoundingSet", UNIT_WORD_SET },
        { "Service", "MemoryMax", UNIT_WORD_ONE },
        { "Service", "TimeoutSec", UNIT_WORD_ONE },
        { "Service", "KillMode", UNIT_WORD_ONE },
        { "Unit", "After", UNIT_WORD_ADDS },
        { "Unit", "ConditionPathExists", UNIT_WORD_SHARED },
        { "Socket", "ListenStream", UNIT_WORD_SHARED },
        { "Install", "WantedBy", UNIT_WORD_LIST },
        { "Slice", "MemoryMax", UNIT_WORD_ONE },
        { "Slice", "KillMode", UNIT_WORD_UNKNOWN },
        { "Service", "After", UNIT_WORD_UNKNOWN },
        { "Service", "execstart", UNIT_WORD_UNKNOWN },
        { "Service", "ExecStar", UNIT_WORD_UNKNOWN },
        { "Service", "Type PIDFile", UNIT_WORD_UNKNOWN },
        { "Service", "", UNIT_WORD_UNKNOWN },
        { "Else", "Type", UNIT_WORD_UNKNOWN },
};

static void test_words(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(words); i++)
                assert_int_equal(unit_word_kind(words[i].section, words[i].name), words[i].kind);
}

static void test_sections(void **state)
{
        (void)state;
        for (int t = 0; t < UNIT_TYPES; t++) {
                assert_string_equal(unit_sections((enum unit_type)t)[0], "Unit");
                const char *own = unit_section_of((enum unit_type)t), *word = unit_type_word((enum unit_type)t);
                assert_true(!own || !strcmp(own + 1, word + 1));
        }
        assert_true(unit_section_has_sandbox("Service") && unit_section_has_sandbox("Slice"));
        assert_false(unit_section_has_sandbox("Unit") || unit_section_has_sandbox("Timer") || unit_section_has_sandbox("Else"));
}

static const struct {
        const char *body, *expected;
} merges[] = {
        { "", "" },
        { "[Service]\nType=a\nType=b\n", "Type=b" },
        { "[Service]\nType=a\nType=\n", "" },
        { "[Service]\nExecStart=a\nExecStart=b\n", "ExecStart=a ExecStart=b" },
        { "[Service]\nExecStart=a\nExecStart=\nExecStart=b\n", "ExecStart=b" },
        { "[Service]\nReadOnlyPaths=a\nType=x\nReadOnlyPaths=\n", "Type=x" },
        /* No capabilities is something else than nothing said. */
        { "[Service]\nCapabilityBoundingSet=a\nCapabilityBoundingSet=\n", "CapabilityBoundingSet=" },
        { "[Service]\nCapabilityBoundingSet=a\nCapabilityBoundingSet=\nCapabilityBoundingSet=~b\n", "CapabilityBoundingSet= CapabilityBoundingSet=~b" },
        { "[Unit]\nAfter=a\nAfter=\nAfter=b\n", "After=a After=b" },
        { "[Unit]\nConditionUser=a\nAssertUser=b\nConditionHost=\nConditionGroup=c\n", "AssertUser=b ConditionGroup=c" },
        { "[Timer]\nOnBootSec=1\nOnCalendar=\nOnActiveSec=2\n", "OnActiveSec=2" },
        /* The same name in two sections is two things. */
        { "[Unit]\nStartLimitBurst=1\n[Service]\nStartLimitBurst=\n", "StartLimitBurst=1" },
        { "[Service]\nUnheard=a\nUnheard=b\n", "Unheard=b" },
};

static void test_what_holds(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(merges); i++) {
                CLEAN_UNIT_FILE struct unit_file u = { 0 };
                CLEAN_TEXT struct text t = { 0 };
                size_t count = 0;
                assert_int_equal(unit_file_parse(&u, "a.service", merges[i].body, strlen(merges[i].body), NULL, false, NULL), 0);
                CLEAN_FREE size_t *kept = unit_merge(&u, &count);
                text_add(&t, "");
                for (size_t k = 0; k < count; k++)
                        text_addf(&t, "%s%s=%s", k ? " " : "", u.lines[kept[k]].name, u.lines[kept[k]].value);
                assert_string_equal(t.data, merges[i].expected);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_sections),
                cmocka_unit_test(test_what_holds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
