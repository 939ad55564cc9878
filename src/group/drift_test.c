/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is drift and what is none, and what of it is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "group/drift.h"

static char *find(const char *wanted, const char *there, const char *prepared)
{
        CLEAN_JSON struct json_document a = { 0 }, b = { 0 };
        assert_int_equal(json_parse("wanted", wanted, strlen(wanted), &a, NULL), 0);
        assert_int_equal(json_parse("there", there, strlen(there), &b, NULL), 0);
        return drift_find(a.nodes, b.nodes, prepared);
}

struct row {
        const char *wanted, *there, *found; /* found NULL: nothing can be told */
};

static void check(const struct row *rows, size_t count, const char *prepared)
{
        for (size_t i = 0; i < count; i++) {
                CLEAN_FREE char *found = find(rows[i].wanted, rows[i].there, prepared);
                if (!rows[i].found != !found || (found && strcmp(found, rows[i].found)))
                        fail_msg("%s and %s: %s", rows[i].wanted, rows[i].there, found ? found : "NULL");
        }
}

static void what_both_have_is_compared(void **state)
{
        static const struct row rows[] = {
                { "{\"A\":1}", "{\"A\":1}", "" },
                { "{\"A\":1}", "{\"A\":2}", "/A is 2, not 1" },
                { "{\"A\":\"x\",\"B\":true}", "{\"B\":false,\"A\":\"y\"}", "/A is \"y\", not \"x\"; /B is false, not true" },
                { "{\"A\":{\"B\":{\"C\":1,\"D\":2}}}", "{\"A\":{\"B\":{\"C\":3,\"E\":9},\"F\":1}}", "/A/B/C is 3, not 1" },
                { "{\"a/b~\":1}", "{\"a/b~\":2}", "/a~1b~0 is 2, not 1" },
                { "{\"A\":\"\",\"B\":0}", "{\"A\":\"\",\"B\":0}", "" },
        };
        (void)state;
        check(rows, ELEMENTS(rows), NULL);
}

static void what_only_one_has_is_no_drift(void **state)
{
        static const struct row rows[] = {
                { "{\"A\":1}", "{}", NULL },
                { "{\"A\":1}", "{\"B\":1}", NULL },
                { "{\"A\":{\"B\":1}}", "{\"A\":{}}", NULL },
                { "{}", "{\"A\":1}", NULL },
                { "{\"A\":null}", "{\"A\":1}", NULL },
                { "{\"A\":1,\"B\":2}", "{\"A\":null,\"B\":2,\"C\":3}", "" },
                { "null", "{\"A\":1}", NULL },
                { "{\"A\":1}", "null", NULL },
                { "[1]", "[2]", NULL },
        };
        (void)state;
        check(rows, ELEMENTS(rows), NULL);
}

static void numbers_are_equal_however_they_are_written(void **state)
{
        static const struct row rows[] = {
                { "{\"A\":1}", "{\"A\":1.0}", "" },
                { "{\"A\":1e3}", "{\"A\":1000}", "" },
                { "{\"A\":9007199254740993}", "{\"A\":9007199254740992}", "/A is 9007199254740992, not 9007199254740993" },
                { "{\"A\":2}", "{\"A\":\"2\"}", "" },
                { "{\"A\":\"true\"}", "{\"A\":true}", "" },
                { "{\"A\":1}", "{\"A\":1.5}", "/A is 1.5, not 1" },
        };
        (void)state;
        check(rows, ELEMENTS(rows), NULL);
}

static void arrays_are_compared_whole(void **state)
{
        static const struct row rows[] = {
                { "{\"A\":[1,2]}", "{\"A\":[1,2.0]}", "" },
                { "{\"A\":[1,2]}", "{\"A\":[2,1]}", "/A is [2,1], not [1,2]" },
                { "{\"A\":[\"a\",\"b\"]}", "{\"A\":[\"b\",\"a\"]}", "" },
                { "{\"A\":[\"a\",\"a\"]}", "{\"A\":[\"a\",\"b\"]}", "/A is [\"a\",\"b\"], not [\"a\",\"a\"]" },
                { "{\"A\":[\"a\"]}", "{\"A\":[\"a\",\"b\"]}", "/A is [\"a\",\"b\"], not [\"a\"]" },
                { "{\"A\":[]}", "{\"A\":[]}", "" },
                { "{\"A\":[{\"B\":1,\"C\":null}]}", "{\"A\":[{\"B\":1}]}", "" },
                { "{\"A\":[{\"B\":1}]}", "{\"A\":[{\"B\":1,\"C\":2}]}", "/A is [{\"B\":1,\"C\":2}], not [{\"B\":1}]" },
                { "{\"A\":[[1],[\"x\"]]}", "{\"A\":[[1],[\"y\"]]}", "/A is [[1],[\"y\"]], not [[1],[\"x\"]]" },
        };
        (void)state;
        check(rows, ELEMENTS(rows), NULL);
}

static void another_shape_is_no_drift_but_a_text_in_place_of_a_whole_is(void **state)
{
        static const struct row rows[] = {
                { "{\"A\":1}", "{\"A\":{\"B\":1}}", NULL },
                { "{\"A\":\"x\"}", "{\"A\":[\"x\"]}", NULL },
                { "{\"A\":{\"team\":\"web\"}}", "{\"A\":[{\"Name\":\"team\"}]}", NULL },
                { "{\"A\":[1]}", "{\"A\":{\"B\":1}}", NULL },
                { "{\"A\":{\"B\":1}}", "{\"A\":7}", NULL },
                { "{\"A\":{\"B\":1}}", "{\"A\":\"B=2\"}", "/A is \"B=2\", not {\"B\":1}" },
        };
        (void)state;
        check(rows, ELEMENTS(rows), NULL);
}

static void what_a_flavor_changed_is_not_compared(void **state)
{
        static const struct row plain[] = { { "{\"A\":1,\"B\":{\"C\":1,\"D\":1},\"E\":[1]}", "{\"A\":2,\"B\":{\"C\":2,\"D\":2},\"E\":[2]}", "/B/D is 2, not 1" } };
        static const struct row all[] = { { "{\"A\":1}", "{\"A\":2}", NULL } };
        static const struct row longer[] = { { "{\"A\":1,\"AB\":1}", "{\"A\":2,\"AB\":2}", "/A is 2, not 1" } };
        (void)state;
        check(plain, ELEMENTS(plain), "/A /B/C /E/0");
        check(all, ELEMENTS(all), "*");
        check(longer, ELEMENTS(longer), "/AB");
}

static void what_a_flavor_changed_fits_into_a_tag(void **state)
{
        static const struct {
                const char *asked, *prepared, *tag;
        } rows[] = {
                { "{\"A\":1}", "{\"A\":1}", NULL },
                { NULL, NULL, NULL },
                { NULL, "{}", NULL },
                { "{\"A\":1,\"B\":[1,2]}", "{\"A\":2,\"B\":[1,3],\"C\":4}", "/A /B/1 /C" },
                { "{\"A\":1}", NULL, "/A" },
                { "{\"a b\":1}", "{\"a b\":2}", "*" },
                { "{\"A\":1}", "[]", "*" },
                { "{\"A\":1}", "{", "*" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FREE char *tag = drift_prepared(rows[i].asked, rows[i].prepared);
                if (!tag != !rows[i].tag || (tag && strcmp(tag, rows[i].tag)))
                        fail_msg("row %zu: %s", i, tag ? tag : "NULL");
        }
        CLEAN_TEXT struct text many = { 0 };
        for (int i = 0; i < 40; i++)
                text_addf(&many, "%s\"member-%d\":1", i ? "," : "{", i);
        text_add(&many, "}");
        CLEAN_FREE char *tag = drift_prepared("{}", many.data);
        assert_string_equal(tag, "*");
}

static void long_values_are_shortened_where_they_differ(void **state)
{
        CLEAN_TEXT struct text a = { 0 }, b = { 0 };
        (void)state;
        text_add(&a, "{\"Unit\":\"");
        for (int i = 0; i < 50; i++)
                text_add(&a, "ab\xc3\xa4 ");
        text_addf(&b, "%sMemoryMax=2G ", a.data);
        text_add(&a, "MemoryMax=1G ");
        for (int i = 0; i < 50; i++) {
                text_add(&a, "xyz ");
                text_add(&b, "xyz ");
        }
        text_add(&a, "\"}");
        text_add(&b, "\"}");
        CLEAN_FREE char *found = find(a.data, b.data, NULL);
        assert_non_null(strstr(found, "/Unit is ..."));
        assert_non_null(strstr(found, "MemoryMax=2G xyz"));
        assert_non_null(strstr(found, "MemoryMax=1G xyz"));
        assert_true(strlen(found) < 200);
        for (const char *s = found; *s; s += text_utf8_length(s))
                assert_true(text_utf8_length(s) > 0);
}

static void secrets_are_never_told(void **state)
{
        static const struct row rows[] = {
                { "{\"Password\":\"old\"}", "{\"Password\":\"new\"}", "/Password has changed" },
                { "{\"api_KEY\":1}", "{\"api_KEY\":2}", "/api_KEY has changed" },
                { "{\"Secrets\":{\"Db\":\"old\"}}", "{\"Secrets\":{\"Db\":\"new\"}}", "/Secrets/Db has changed" },
                { "{\"Env\":[\"TOKEN=old\"]}", "{\"Env\":[\"TOKEN=new\"]}", "/Env has changed" },
                { "{\"Env\":[{\"passwd\":\"old\"}]}", "{\"Env\":[{\"passwd\":\"new\"}]}", "/Env has changed" },
                { "{\"Unit\":\"Environment=DB_PASSWORD=old\"}", "{\"Unit\":\"nothing\"}", "/Unit has changed" },
        };
        (void)state;
        check(rows, ELEMENTS(rows), NULL);
}

static void very_many_differences_are_counted(void **state)
{
        CLEAN_TEXT struct text a = { 0 }, b = { 0 };
        (void)state;
        for (int i = 0; i < 1000; i++) {
                text_addf(&a, "%s\"member%d\":1", i ? "," : "{", i);
                text_addf(&b, "%s\"member%d\":2", i ? "," : "{", i);
        }
        text_add(&a, "}");
        text_add(&b, "}");
        CLEAN_FREE char *found = find(a.data, b.data, NULL);
        assert_true(strlen(found) < DRIFT_TEXT_MAX);
        assert_non_null(strstr(found, " more"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_both_have_is_compared),
                cmocka_unit_test(what_only_one_has_is_no_drift),
                cmocka_unit_test(numbers_are_equal_however_they_are_written),
                cmocka_unit_test(arrays_are_compared_whole),
                cmocka_unit_test(another_shape_is_no_drift_but_a_text_in_place_of_a_whole_is),
                cmocka_unit_test(what_a_flavor_changed_is_not_compared),
                cmocka_unit_test(what_a_flavor_changed_fits_into_a_tag),
                cmocka_unit_test(long_values_are_shortened_where_they_differ),
                cmocka_unit_test(secrets_are_never_told),
                cmocka_unit_test(very_many_differences_are_counted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
