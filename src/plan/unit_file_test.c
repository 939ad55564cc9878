/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/unit_file.h"

static const char *const sections[] = { "Unit", "Service", NULL };

static int parse(struct unit_file *u, const char *data, bool lenient, struct error *e)
{
        *e = (struct error){ 0 };
        return unit_file_parse(u, "a.service", data, strlen(data), sections, lenient, e);
}

/* "SECTION.NAME=VALUE@LINE" for each assignment. */
static char *text_of(const struct unit_file *u)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < u->count; i++)
                text_addf(&t, "%s%s.%s=%s@%u", i ? "; " : "", u->lines[i].section, u->lines[i].name, u->lines[i].value, u->lines[i].number);
        return TAKE_PTR(t.data);
}

static const struct {
        const char *data, *expected;
} good[] = {
        { "", "" },
        { "[Unit]\nA=b\n", "Unit.A=b@2" },
        { "[Unit]\nA=b", "Unit.A=b@2" },
        { "  [Unit]  \n\t A \t=\t b c \r\n", "Unit.A=b c@2" },
        { "[Unit]\nA=\nA=x=y\n", "Unit.A=@2; Unit.A=x=y@3" },
        { "# c\n; d\n\n[Unit]\n # e\nA=b # no comment\n", "Unit.A=b # no comment@6" },
        { "\xef\xbb\xbf[Unit]\nA=b\n", "Unit.A=b@2" },
        /* Continued lines: the backslash is a blank, comments and empty lines between are none. */
        { "[Unit]\nA=b\\\nc\n", "Unit.A=b c@2" },
        { "[Unit]\nA=b\\\n  c\\\n\td\nB=e\n", "Unit.A=b   c \td@2; Unit.B=e@5" },
        { "[Unit]\nA=b\\\n# comment \\\n\n; more\nc\n", "Unit.A=b c@2" },
        { "[Unit]\nA=b\\\\\nB=c\n", "Unit.A=b\\\\@2; Unit.B=c@3" },
        { "[Unit]\nA=b\\\\\\\nB=c\n", "Unit.A=b\\\\ B=c@2" },
        { "[Unit]\nA=b\\", "Unit.A=b@2" },
        { "[Un\\\nit]\n", NULL },
        /* Other programs' words. */
        { "[X-Mine]\nwhatever\nA=b\n[Unit]\nX-A=b\nB=c\n", "Unit.B=c@6" },
        { "[Unit]\nA=b\n[Service]\nA=c\n[Unit]\nA=d\n", "Unit.A=b@2; Service.A=c@4; Unit.A=d@6" },
};

static void test_what_is_read(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                CLEAN_UNIT_FILE struct unit_file u = { 0 };
                struct error e;
                int r = parse(&u, good[i].data, false, &e);
                assert_int_equal(r, good[i].expected ? 0 : -EINVAL);
                CLEAN_FREE char *text = text_of(&u);
                if (good[i].expected)
                        assert_string_equal(text, good[i].expected);
                assert_int_equal(u.notes.count, 0);
        }
}

static const struct {
        const char *data, *cause, *where, *rest;
} bad[] = {
        { "A=b\n[Unit]\nB=c\n", "stands before the first section: \"A=b\"", "a.service:1", "Unit.B=c@3" },
        { "[Unit]\nword\nB=c\n", "is no assignment, for want of a =: \"word\"", "a.service:2", "Unit.B=c@3" },
        { "[Unit]\n=x\nB=c\n", "has no name before the =", "a.service:2", "Unit.B=c@3" },
        { "[Unit\nA=b\n[Unit]\nB=c\n", "a section's name does not end with ]: \"[Unit\"", "a.service:1", "Unit.B=c@4" },
        { "[Else]\nA=b\n[Unit]\nB=c\n", "unknown section \"Else\"", "a.service:1", "Unit.B=c@4" },
        { "[U\"t]\n[Unit]\nB=c\n", "unexpected characters in the name of the section \"U\"t\"", "a.service:1", "Unit.B=c@3" },
        { "[Unit]\nA=\xff\nB=c\n", "is not UTF-8", "a.service:2", "Unit.B=c@3" },
        { "[Unit]\nA\\\nb c\nB=c\n", "is no assignment, for want of a =: \"A b c\"", "a.service:2", "Unit.B=c@4" },
};

static void test_what_is_refused_and_passed_over_if_lenient(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_UNIT_FILE struct unit_file strict = { 0 }, lenient = { 0 };
                struct error e;
                CLEAN_FREE char *where = xprintf("reading %s", bad[i].where), *note = xprintf("%s: %s", bad[i].where, bad[i].cause);
                assert_int_equal(parse(&strict, bad[i].data, false, &e), -EINVAL);
                assert_string_equal(e.cause, bad[i].cause);
                assert_string_equal(e.whiles[0], where);
                assert_string_equal(e.id, "unit.syntax");
                assert_int_equal(parse(&lenient, bad[i].data, true, &e), 0);
                CLEAN_FREE char *text = text_of(&lenient);
                assert_string_equal(text, bad[i].rest);
                assert_int_equal(lenient.notes.count, 1);
                assert_string_equal(lenient.notes.items[0], note);
        }
}

static void test_nul_is_refused_even_if_lenient(void **state)
{
        (void)state;
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        struct error e = { 0 };
        static const char data[] = "[Unit]\nA=b\0c\n";
        assert_int_equal(unit_file_parse(&u, "a.service", data, sizeof data - 1, sections, true, &e), -EINVAL);
        assert_int_equal(u.count, 0);
}

/* count times the text. */
static char *repeat(const char *s, size_t count)
{
        CLEAN_TEXT struct text t = { 0 };
        for (size_t i = 0; i < count; i++)
                text_add(&t, s);
        return TAKE_PTR(t.data);
}

static void test_limits(void **state)
{
        (void)state;
        CLEAN_FREE char *bad_lines = repeat("x\n", UNIT_NOTES_MAX), *fits = repeat("x", UNIT_LINE_MAX - 2), *many = repeat("A=b\n", UNIT_LINES_MAX + 1), *joined = repeat("x\\\n", UNIT_LINE_MAX / 2 + 2);
        struct error e;
        const struct {
                char *data;
                int result;
        } rows[] = { { xprintf("[Unit]\nA=%s\n", fits), 0 },      { xprintf("[Unit]\nA=%sx\n", fits), -E2BIG },
                     { xprintf("[Unit]\n%s", bad_lines), 0 },            { xprintf("[Unit]\n%sx\n", bad_lines), -E2BIG },
                     { xprintf("[Unit]\nA=%s\n", joined), -E2BIG }, { xprintf("[Unit]\n%s", many), -E2BIG } };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_UNIT_FILE struct unit_file u = { 0 };
                assert_int_equal(parse(&u, rows[i].data, true, &e), rows[i].result);
                if (rows[i].result)
                        assert_string_equal(e.id, "unit.limit");
                free(rows[i].data);
        }
        CLEAN_TEXT struct text names = { 0 };
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        text_add(&names, "[Unit]\n");
        for (unsigned i = 0; i <= UNIT_NAMES_MAX; i++)
                text_addf(&names, "N%u=\n", i);
        assert_int_equal(parse(&u, names.data, true, &e), -E2BIG);
}

static void test_next_finds_in_order_over_files(void **state)
{
        (void)state;
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        struct error e = { 0 };
        static const char first[] = "[Unit]\nA=1\nB=2\n[Service]\nA=3\n", second[] = "[Unit]\nA=4\n";
        assert_int_equal(unit_file_parse(&u, "a.service", first, sizeof first - 1, sections, false, &e), 0);
        assert_int_equal(unit_file_parse(&u, "a.service.d/b.conf", second, sizeof second - 1, sections, false, &e), 0);
        size_t at = 0;
        assert_string_equal(unit_file_next(&u, "Unit", "A", &at)->value, "1");
        const struct unit_line *l = unit_file_next(&u, "Unit", "A", &at);
        CLEAN_FREE char *place = unit_file_place(&u, l);
        assert_string_equal(l->value, "4");
        assert_string_equal(place, "a.service.d/b.conf:2");
        assert_null(unit_file_next(&u, "Unit", "A", &at));
        at = 0;
        assert_string_equal(unit_file_next(&u, "Service", NULL, &at)->value, "3");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_read),
                cmocka_unit_test(test_what_is_refused_and_passed_over_if_lenient),
                cmocka_unit_test(test_nul_is_refused_even_if_lenient),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_next_finds_in_order_over_files),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
