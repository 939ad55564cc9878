/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "plan/environment_file.h"

static int parse(struct strings *ret, const char *data, bool lenient, struct strings *notes, struct error *e)
{
        *e = (struct error){ 0 };
        return environment_file_parse(ret, "f", data, strlen(data), lenient, notes, e);
}

static char *joined(const struct strings *l)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < l->count; i++)
                text_addf(&t, "%s%s", i ? "|" : "", l->items[i]);
        return TAKE_PTR(t.data);
}

static void what_is_read(void **state)
{
        static const struct {
                const char *data, *expected;
        } rows[] = {
                { "", "" }, { "A=b\n", "A=b" }, { "A=b", "A=b" }, { "A=\n", "A=" }, { "A=", "A=" }, { "  A \t= b c \t\n", "A=b c" },
                { "# c\n; d\n\n \nA=b # no comment\n", "A=b # no comment" }, { "A=b;c\n", "A=b;c" }, { "A=b\r\nB=c\r\n", "A=b|B=c" },
                { "A='b c' \n", "A=b c" }, { "A=\" b \"\n", "A= b " }, { "A='b'\"c\"d\n", "A=bcd" }, { "A=\"b\" c\n", "A=bc" },
                { "A=b\"c\"\n", "A=b\"c\"" }, { "A=it's\n", "A=it's" }, { "A=b=c\n", "A=b=c" }, { "A=''\n", "A=" },
                /* Backslashes. */
                { "A=b\\\nc\n", "A=bc" }, { "A=b\\ \n", "A=b " }, { "A=\\'b\n", "A='b" }, { "A=b\\nc\n", "A=bnc" }, { "A=b\\\\c\n", "A=b\\c" },
                { "A=\"b\\\nc\"\n", "A=bc" }, { "A=\"\\\"\\\\\\`\\$\\n\"\n", "A=\"\\`$\\n" }, { "A='b\\'\n", "A=b\\" }, { "A=b\\", "A=b" },
                /* Quotes reach over lines. */
                { "A='b\nc'\nB=d\n", "A=b\nc|B=d" }, { "A=\"b\n# c\"\n", "A=b\n# c" },
                /* No comment is continued. */
                { "# c \\\nA=b\n", "A=b" }, { "# c \\d\nA=b\n", "A=b" },
                { "A=b\nA=c\n", "A=b|A=c" }, { "A=\xc3\xa9\tx\n", "A=\xc3\xa9\tx" }, { "_a1=x\n", "_a1=x" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_STRINGS struct strings l = { 0 }, notes = { 0 };
                struct error e;
                if (parse(&l, rows[i].data, false, &notes, &e) < 0)
                        fail_msg("%s: %s", rows[i].data, e.cause);
                CLEAN_FREE char *got = joined(&l);
                assert_string_equal(got, rows[i].expected);
        }
}

static void what_is_wrong(void **state)
{
        static const struct {
                const char *data, *cause, *line, *lenient;
        } rows[] = {
                { "A=b\nnothing\nB=c\n", "a line without =", "f:2", "A=b|B=c" }, { "nothing", "a line without =", "f:1", "" },
                { "export A=b\nB=c\n", "no valid variable name", "f:1", "B=c" }, { "1A=b\n", "no valid variable name", "f:1", "" },
                { "=b\nB=c\n", "no valid variable name", "f:1", "B=c" }, { "\nA='b\nc", "a quote that stays open", "f:2", "A=b\nc" },
                { "A=\"b\\", "a quote that stays open", "f:1", "A=b" }, { "A=\xff\n", "not UTF-8", "f:1", "" }, { "A=\x1b[2J\nB=c\n", "control", "f:1", "B=c" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_STRINGS struct strings l = { 0 }, lenient = { 0 }, notes = { 0 };
                struct error e;
                assert_int_equal(parse(&l, rows[i].data, false, &notes, &e), -EINVAL);
                assert_string_equal(e.id, "environment.syntax");
                assert_non_null(strstr(e.cause, rows[i].cause));
                assert_non_null(strstr(e.whiles[0], rows[i].line));
                assert_int_equal(notes.count, 0);
                assert_int_equal(parse(&lenient, rows[i].data, true, &notes, &e), 0);
                CLEAN_FREE char *got = joined(&lenient);
                assert_string_equal(got, rows[i].lenient);
                assert_int_equal(notes.count, 1);
                assert_non_null(strstr(notes.items[0], rows[i].line));
        }
}

static void limits(void **state)
{
        CLEAN_STRINGS struct strings l = { 0 }, notes = { 0 };
        CLEAN_TEXT struct text many = { 0 };
        CLEAN_FREE char *big = xalloc(ENVIRONMENT_FILE_MAX + 2, 1);
        struct error e = { 0 };
        (void)state;
        assert_int_equal(environment_file_parse(&l, "f", "A=b\0c", 5, true, &notes, &e), -EINVAL);
        memset(big, '#', ENVIRONMENT_FILE_MAX + 1);
        assert_int_equal(parse(&l, big, true, &notes, &e), -E2BIG);
        assert_string_equal(e.id, "environment.limit");
        big[ENVIRONMENT_FILE_MAX] = 0;
        assert_int_equal(parse(&l, big, false, &notes, &e), 0);
        for (unsigned i = 0; i <= ENVIRONMENT_FILE_VARIABLES_MAX; i++)
                text_addf(&many, "A%u=\n", i);
        assert_int_equal(parse(&l, many.data, true, &notes, &e), -E2BIG);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_read), cmocka_unit_test(what_is_wrong), cmocka_unit_test(limits) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
