/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/inotify.h>

#include "plan/path_unit.h"

static const struct facts facts = { .unit = "x@1.path", .runtime_folder = "/run" };

static int read_text(const char *text, bool lenient, struct strings *notes, struct path_unit *ret, struct error *e)
{
        CLEAN_UNIT_FILE struct unit_file f = { 0 };
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        CLEAN_FREE char *whole = xprintf("[Path]\n%s\n", text);
        assert_int_equal(unit_file_parse(&f, "x.path", whole, strlen(whole), NULL, false, NULL), 0);
        assert_int_equal(unit_name_parse("x@1.path", &n, NULL), 0);
        return path_unit_parse(&f, &n, &facts, lenient, notes, ret, e);
}

static void test_values(void **state)
{
        (void)state;
        CLEAN_PATH_UNIT struct path_unit p = { 0 }, other = { 0 };
        assert_int_equal(read_text("PathExists=%t//a/\nPathExistsGlob=/b/*\nPathChanged=/c\nPathModified=/d\nDirectoryNotEmpty=/e\nMakeDirectory=yes\nDirectoryMode=0700\n"
                                   "TriggerLimitIntervalSec=5\nTriggerLimitBurst=0",
                                   false, NULL, &p, NULL),
                         0);
        assert_int_equal(p.count, 5);
        for (size_t i = 0; i < p.count; i++)
                assert_int_equal(p.specs[i].kind, i);
        assert_string_equal(p.specs[0].path, "/run/a");
        assert_true(p.make_directory && p.directory_mode == 0700 && p.trigger_limit_interval_usec == 5000000 && p.trigger_limit_burst == 0);
        assert_string_equal(p.unit, "x@1.service");
        assert_int_equal(read_text("PathExists=/a\nPathChanged=\nPathModified=/b\nUnit=%p.socket\nDirectoryMode=0700\nDirectoryMode=", false, NULL, &other, NULL), 0);
        assert_true(other.count == 1 && other.specs[0].kind == PATH_IS_MODIFIED && other.directory_mode == 0755 && other.trigger_limit_burst == 200);
        assert_string_equal(other.unit, "x.socket");
}

static const struct {
        const char *text, *id;
} bad[] = {
        { "", "path.empty" },
        { "PathExists=/a\nPathChanged=", "path.empty" },
        { "PathExists=a", "directive.value" },
        { "PathExists=/a/../b", "directive.value" },
        { "PathExists=%z", "specifier.unknown" },
        { "PathExists=/a\nUnit=y.path", "path.unit" },
        { "PathExists=/a\nUnit=y", "path.unit" },
        { "PathExists=/a\nUnit=y@.service", "path.unit" },
        { "PathExists=/a\nMakeDirectory=perhaps", "directive.value" },
        { "PathExists=/a\nDirectoryMode=9", "directive.value" },
        { "PathExists=/a\nTriggerLimitBurst=-1", "directive.value" },
        { "PathExists=/a\nTriggerLimitIntervalSec=soon", "directive.value" },
        { "PathExists=/a\nPathVanishes=/a", "directive.unknown" },
};

static void test_bad_ones(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_PATH_UNIT struct path_unit p = { 0 };
                struct error e = { 0 };
                assert_true(read_text(bad[i].text, false, NULL, &p, &e) < 0);
                if (!strstr(bad[i].text, "%z"))
                        assert_string_equal(e.id, bad[i].id);
        }
        CLEAN_PATH_UNIT struct path_unit p = { 0 };
        CLEAN_STRINGS struct strings notes = { 0 };
        assert_int_equal(read_text("PathExists=a\nPathExists=/b\nPathVanishes=/c", true, &notes, &p, NULL), 0);
        assert_true(notes.count == 2 && p.count == 1);
}

static void test_limit(void **state)
{
        (void)state;
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_PATH_UNIT struct path_unit p = { 0 };
        struct error e = { 0 };
        for (int i = 0; i <= PATH_SPECS_MAX; i++)
                text_addf(&t, "PathExists=/%d\n", i);
        assert_true(read_text(t.data, false, NULL, &p, &e) < 0);
        assert_string_equal(e.id, "path.limit");
}

static void test_masks(void **state)
{
        (void)state;
        assert_true(path_kind_is_event(PATH_IS_CHANGED) && path_kind_is_event(PATH_IS_MODIFIED) && !path_kind_is_event(PATH_IS_FILLED));
        assert_true(path_kind_mask(PATH_IS_MODIFIED) & IN_MODIFY && !(path_kind_mask(PATH_IS_CHANGED) & IN_MODIFY));
        assert_true(path_kind_mask(PATH_IS_FILLED) & IN_MOVED_TO);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_values), cmocka_unit_test(test_bad_ones), cmocka_unit_test(test_limit), cmocka_unit_test(test_masks) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
