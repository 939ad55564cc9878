/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/denial_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void the_same_denial_is_one_row(void **state)
{
        CLEAN_DENIALS struct denial_table t = { 0 };
        CLEAN_TEXT struct text text = { 0 };
        (void)state;
        (void)denial_table_add(&t, "mkdir", "/a", "ReadOnlyPaths=/", 1);
        (void)denial_table_add(&t, "mkdir", "/b", "ReadOnlyPaths=/", 1);
        (void)denial_table_add(&t, "mkdir", "/a", "ReadOnlyPaths=/", 4);
        (void)denial_table_add(&t, "rmdir", "/a", NULL, 1);
        assert_int_equal(t.count, 3);
        denial_table_text(&t, 2, &text);
        assert_string_equal(text.data, "stopped  mkdir(/b)  by ReadOnlyPaths=/\nstopped  rmdir(/a)  by a filter\n");
        struct denial *moved = denial_table_move_last(&t, &t.rows[0]);
        assert_ptr_equal(moved, &t.rows[2]);
        assert_string_equal(moved->object, "/a");
        assert_int_equal(moved->times, 5);
}

static void what_has_no_room_is_counted(void **state)
{
        CLEAN_DENIALS struct denial_table t = { 0 };
        CLEAN_TEXT struct text text = { 0 };
        (void)state;
        for (int i = 0; i < 1000; i++) {
                char object[16];
                (void)snprintf(object, sizeof object, "/%d", i);
                struct denial *d = denial_table_add(&t, "mkdir", object, "x", 2);
                assert_int_equal(d != NULL, i < DENIAL_ROWS_MAX);
        }
        assert_int_equal(t.count, DENIAL_ROWS_MAX);
        assert_int_equal(t.lost, (1000 - DENIAL_ROWS_MAX) * 2);
        denial_table_text(&t, 0, &text);
        assert_string_equal(text.data, "and 1488 more\n");
        (void)denial_table_add(&t, "mkdir", "/0", "x", UINT64_MAX);
        assert_true(t.rows[0].times == UINT64_MAX);
}

static void a_row_is_one_line_whatever_the_payload_says(void **state)
{
        CLEAN_DENIALS struct denial_table t = { 0 };
        (void)state;
        struct denial *d = denial_table_add(&t, "mkdir", "/a\n\x1b[2J\x7f", "x", 1);
        assert_string_equal(d->object, "/a??[2J?");
        CLEAN_FREE char *long_text = xalloc(10000, 1);
        memset(long_text, 'x', 9999);
        d = denial_table_add(&t, long_text, long_text, long_text, 1);
        assert_int_equal(strlen(d->call), DENIAL_CALL_MAX);
        assert_int_equal(strlen(d->object), DENIAL_TEXT_MAX);
}

static void what_is_written_reads_as_the_same(void **state)
{
        CLEAN_DENIALS struct denial_table t = { .lost = 3 }, again = { 0 };
        CLEAN_TEXT struct text text = { 0 }, second = { 0 };
        struct error e = { 0 };
        (void)state;
        (void)denial_table_add(&t, "mkdir", "/\"a\"\\", "ReadOnlyPaths=/", 7);
        (void)denial_table_add(&t, "open", "/b", NULL, 1);
        denial_table_format(&t, &text);
        assert_int_equal(denial_table_parse(&again, "f", text.data, text.length, &e), 0);
        denial_table_format(&again, &second);
        assert_string_equal(text.data, second.data);
        assert_int_equal(again.lost, 3);
}

static void what_is_no_table_is_refused(void **state)
{
        static const char *const bad[] = { "", "[]", "{}", "{\"denials\":1}", "{\"denials\":[{\"call\":\"a\"}]}",
                                           "{\"denials\":[{\"call\":\"a\",\"object\":\"b\",\"origin\":\"c\",\"times\":-1}]}" };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_DENIALS struct denial_table t = { 0 };
                struct error e = { 0 };
                assert_true(denial_table_parse(&t, "f", bad[i], strlen(bad[i]), &e) < 0);
                assert_true(e.id[0] && !t.rows);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_same_denial_is_one_row),
                cmocka_unit_test(what_has_no_room_is_counted),
                cmocka_unit_test(a_row_is_one_line_whatever_the_payload_says),
                cmocka_unit_test(what_is_written_reads_as_the_same),
                cmocka_unit_test(what_is_no_table_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
