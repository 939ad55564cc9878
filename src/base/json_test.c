/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/json_diff.h"

static int parse(const char *text, struct json_document *d, struct error *e)
{
        return json_parse("t.json", text, strlen(text), d, e);
}

static void a_value_is_written_without_blanks_and_reads_as_the_same(void **state)
{
        (void)state;
        static const char *const rows[][2] = {
                { " { \"a\" : [ 1 , 2.50e3, -0 ] , \"b\" : { } , \"c\":null } ", "{\"a\":[1,2.50e3,-0],\"b\":{},\"c\":null}" },
                { "[true,false,\"\\u00e9\\n\\\"\\u0000x\\u0000\"]", "[true,false,\"\xc3\xa9\\u000a\\\"\\u0000x\\u0000\"]" },
                { "9223372036854775807", "9223372036854775807" },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_JSON struct json_document d = { 0 }, again = { 0 };
                CLEAN_TEXT struct text t = { 0 };
                assert_int_equal(parse(rows[i][0], &d, NULL), 0);
                json_add(&t, d.nodes);
                assert_string_equal(t.data, rows[i][1]);
                assert_int_equal(parse(t.data, &again, NULL), 0);
                assert_int_equal(again.count, d.count);
        }
}

static void a_member_is_found_by_its_name_and_null_is_none(void **state)
{
        (void)state;
        CLEAN_JSON struct json_document d = { 0 };
        assert_int_equal(parse("{\"ab\":[{}],\"a\":7,\"n\":null}", &d, NULL), 0);
        assert_int_equal(json_member(d.nodes, "a")->type, JSON_NUMBER);
        assert_int_equal(json_member(d.nodes, "ab")->type, JSON_ARRAY);
        assert_null(json_member(d.nodes, "n"));
        assert_null(json_member(d.nodes, "abc"));
        assert_null(json_member(json_member(d.nodes, "a"), "a"));
}

static void note_difference(void *context, const char *pointer, const struct json_node *old, const struct json_node *new)
{
        struct text *t = context;
        text_addf(t, "%s:", pointer);
        if (old)
                json_add(t, old);
        text_add(t, ">");
        if (new)
                json_add(t, new);
        text_add(t, ";");
}

static void two_documents_differ_where_their_values_do(void **state)
{
        (void)state;
        static const char *const rows[][3] = {
                { "{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1}", "" },
                { "{\"a\":{\"x/y~\":1}}", "{\"a\":{\"x/y~\":2}}", "/a/x~1y~0:1>2;" },
                { "{\"a\":1}", "{\"b\":null}", "/a:1>;/b:>null;" },
                { "[1,{\"k\":true},3]", "[1,{\"k\":false}]", "/1/k:true>false;/2:3>;" },
                { "\"s\"", "[\"s\"]", ":\"s\">[\"s\"];" },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_JSON struct json_document a = { 0 }, b = { 0 };
                CLEAN_TEXT struct text t = { 0 };
                text_add(&t, "");
                assert_int_equal(parse(rows[i][0], &a, NULL), 0);
                assert_int_equal(parse(rows[i][1], &b, NULL), 0);
                json_diff(a.nodes, b.nodes, note_difference, &t);
                assert_string_equal(t.data, rows[i][2]);
        }
}

/* ---- syntax ---- */

static void a_document_that_is_json_is_taken(void **state)
{
        (void)state;
        static const char *const good[] = {
                "null", "true", " false\n", "0", "-0", "12.5e-3", "1E+2", "\"\"", "[]", "{}", "[ ]", "{ }", "\t[1,\r\n2 , 3]",
                "{\"a\":1,\"b\":{\"a\":2}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"", "[[[[[[]]]]]]", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
                "{\"\":1}", "{\"a\\u0000\":1,\"a\":2}",
        };
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                CLEAN_JSON struct json_document d = { 0 };
                struct error e = { 0 };
                if (parse(good[i], &d, &e) < 0)
                        fail_msg("%s: %s", good[i], e.cause);
                assert_int_equal(d.nodes[0].span, d.count);
        }
}

static void a_document_that_is_not_json_is_refused_with_the_place(void **state)
{
        (void)state;
        static const struct {
                const char *text, *cause;
        } bad[] = {
                { "", "line 1, column 1: the document ends too early" },
                { "  ", "line 1, column 3: the document ends too early" },
                { "nul", "line 1, column 1: expected a value" },
                { "True", "line 1, column 1: expected a value" },
                { "'a'", "line 1, column 1: expected a value" },
                { "\xef\xbb\xbf{}", "line 1, column 1: expected a value" },
                { "[1,]", "line 1, column 4: expected a value" },
                { "[,1]", "line 1, column 2: expected a value" },
                { "[1 2]", "line 1, column 4: expected , or ]" },
                { "[1", "line 1, column 3: expected , or ]" },
                { "[", "line 1, column 2: the document ends too early" },
                { "{\"a\":1,}", "line 1, column 8: expected a name in quotes" },
                { "{a:1}", "line 1, column 2: expected a name in quotes" },
                { "{1:1}", "line 1, column 2: expected a name in quotes" },
                { "{\"a\" 1}", "line 1, column 6: expected :" },
                { "{\"a\"}", "line 1, column 5: expected :" },
                { "{\"a\":}", "line 1, column 6: expected a value" },
                { "{\"a\":1 \"b\":2}", "line 1, column 8: expected , or }" },
                { "{\"a\":1", "line 1, column 7: expected , or }" },
                { "1 1", "line 1, column 3: more text behind the value" },
                { "{}}", "line 1, column 3: more text behind the value" },
                { "// c\n1", "line 1, column 1: expected a value" },
                { "01", "line 1, column 1: invalid number" },
                { "-", "line 1, column 2: invalid number" },
                { "+1", "line 1, column 1: expected a value" },
                { ".5", "line 1, column 1: expected a value" },
                { "1.", "line 1, column 3: invalid number" },
                { "1e", "line 1, column 3: invalid number" },
                { "1e+", "line 1, column 4: invalid number" },
                { "-01", "line 1, column 2: invalid number" },
                { "0x10", "line 1, column 2: more text behind the value" },
                { "NaN", "line 1, column 1: expected a value" },
                { "\"a", "line 1, column 3: a string without its end" },
                { "\"a\nb\"", "line 1, column 3: a control character in a string" },
                { "\"\\x\"", "line 1, column 3: invalid escape" },
                { "\"\\", "line 1, column 3: invalid escape" },
                { "\"\\u12\"", "line 1, column 4: invalid \\u escape" },
                { "\"\\u12g4\"", "line 1, column 4: invalid \\u escape" },
                { "\"\\udc00\"", "line 1, column 4: invalid \\u escape" },
                { "\"\\ud800\"", "line 1, column 8: half a surrogate pair" },
                { "\"\\ud800x\"", "line 1, column 8: half a surrogate pair" },
                { "\"\\ud800\\u0041\"", "line 1, column 8: half a surrogate pair" },
                { "\"\\ud800\\ud800\"", "line 1, column 8: half a surrogate pair" },
                { "\"\xff\"", "line 1, column 2: invalid UTF-8" },
                { "\"\xc3\"", "line 1, column 2: invalid UTF-8" },
                { "\"\xc0\xaf\"", "line 1, column 2: invalid UTF-8" },
                { "\"\xed\xa0\x80\"", "line 1, column 2: invalid UTF-8" },
                { "\"\xf4\x90\x80\x80\"", "line 1, column 2: invalid UTF-8" },
                { "{\"a\":1,\"a\":2}", "line 1, column 14: the name \"a\" stands twice in one object" },
                { "{\"a\":1,\"b\":0,\"\\u0061\":2}", "line 1, column 25: the name \"a\" stands twice in one object" },
                { "{\n\"a\": [\n1,\n x]}", "line 4, column 2: expected a value" },
                /* What strings decode to does not move the place. */
                { "[\"a\\n\\n\\u000ab\", x]", "line 1, column 18: expected a value" },
        };
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_JSON struct json_document d = { 0 };
                struct error e = { 0 };
                CLEAN_FREE char *cause = xprintf("t.json: %s", bad[i].cause);
                assert_int_equal(parse(bad[i].text, &d, &e), -EINVAL);
                assert_string_equal(e.cause, cause);
                assert_string_equal(e.id, "json.syntax");
                assert_null(d.nodes);
        }
}

static void a_nul_byte_is_refused(void **state)
{
        (void)state;
        CLEAN_JSON struct json_document d = { 0 };
        struct error e = { 0 };
        assert_int_equal(json_parse("t", "1\0", 2, &d, &e), -EINVAL);
        assert_string_equal(e.cause, "t: line 1, column 2: a NUL byte");
}

static void nesting_has_an_end(void **state)
{
        (void)state;
        for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
                CLEAN_JSON struct json_document d = { 0 };
                CLEAN_TEXT struct text t = { 0 };
                struct error e = { 0 };
                for (int i = 0; i < depth; i++)
                        text_add(&t, i % 2 ? "{\"a\":" : "[");
                text_add(&t, "1");
                for (int i = depth; i-- > 0;)
                        text_add(&t, i % 2 ? "}" : "]");
                assert_int_equal(parse(t.data, &d, &e), depth > JSON_DEPTH_MAX ? -EINVAL : 0);
                if (depth > JSON_DEPTH_MAX)
                        assert_non_null(strstr(e.cause, "nested too deeply"));
        }
}

static void the_number_of_values_has_an_end(void **state)
{
        (void)state;
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        text_add(&t, "[1");
        for (int i = 0; i < JSON_NODES_MAX; i++)
                text_add_bytes(&t, ",1", 2);
        text_add(&t, "]");
        assert_int_equal(parse(t.data, &d, &e), -EINVAL);
        assert_non_null(strstr(e.cause, "too many values"));
}

/* ---- reading ---- */

static int read_one(const char *text, json_reader read, void *into, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        assert_int_equal(parse(text, &d, e), 0);
        const struct json_place top = json_top(&d, "t");
        return read(&top, into, e);
}

static void strings_are_decoded(void **state)
{
        (void)state;
        static const struct {
                const char *text, *value;
        } rows[] = {
                { "\"a\\\"\\\\\\/\\b\\f\\n\\r\\tb\"", "a\"\\/\b\f\n\r\tb" },
                { "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
                { "\"\\ud83d\\uDE00\"", "\xf0\x9f\x98\x80" },
                { "\"\\uffff\"", "\xef\xbf\xbf" },
                { "\"\"", "" },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FREE char *s = xstrdup("before");
                struct error e = { 0 };
                assert_int_equal(read_one(rows[i].text, json_string, &s, &e), 0);
                assert_string_equal(s, rows[i].value);
        }
        CLEAN_FREE char *kept = xstrdup("before");
        struct error e = { 0 };
        assert_int_equal(read_one("\"a\\u0000b\"", json_string, &kept, &e), -EINVAL);
        assert_string_equal(e.cause, "t: /: holds a NUL byte");
        assert_string_equal(kept, "before");
}

static void whole_numbers_keep_all_their_bits(void **state)
{
        (void)state;
        uint64_t u = 0;
        int64_t i = 0;
        uint32_t u32 = 0;
        int32_t i32 = 0;
        uint16_t u16 = 0;
        struct error e = { 0 };
        assert_int_equal(read_one("18446744073709551615", json_u64, &u, &e), 0);
        assert_true(u == UINT64_MAX);
        assert_int_equal(read_one("9007199254740993", json_u64, &u, &e), 0);
        assert_true(u == UINT64_C(9007199254740993));
        assert_int_equal(read_one("9223372036854775807", json_i64, &i, &e), 0);
        assert_true(i == INT64_MAX);
        assert_int_equal(read_one("-9223372036854775808", json_i64, &i, &e), 0);
        assert_true(i == INT64_MIN);
        assert_int_equal(read_one("-0", json_u64, &u, &e), 0);
        assert_true(u == 0);
        assert_int_equal(read_one("4294967295", json_u32, &u32, &e), 0);
        assert_true(u32 == UINT32_MAX);
        assert_int_equal(read_one("-2147483648", json_i32, &i32, &e), 0);
        assert_true(i32 == INT32_MIN);
        assert_int_equal(read_one("65535", json_u16, &u16, &e), 0);
        assert_true(u16 == UINT16_MAX);
}

static void numbers_beyond_their_type_are_refused_and_nothing_is_written(void **state)
{
        (void)state;
        static const struct {
                json_reader read;
                const char *text, *cause;
        } rows[] = {
                { json_u64, "18446744073709551616", "is out of range" },
                { json_u64, "100000000000000000000000000000000000000000", "is out of range" },
                { json_u64, "-1", "is not from 0 to 18446744073709551615" },
                { json_i64, "9223372036854775808", "is not from -9223372036854775808 to 9223372036854775807" },
                { json_i64, "-9223372036854775809", "is not from -9223372036854775808 to 9223372036854775807" },
                { json_u32, "4294967296", "is not from 0 to 4294967295" },
                { json_i32, "2147483648", "is not from -2147483648 to 2147483647" },
                { json_i32, "-2147483649", "is not from -2147483648 to 2147483647" },
                { json_u16, "65536", "is not from 0 to 65535" },
                { json_u32, "1.0", "expected a whole number" },
                { json_u32, "1e3", "expected a whole number" },
                { json_u32, "\"1\"", "expected a whole number" },
                { json_u32, "true", "expected a whole number" },
                { json_bool, "1", "expected true or false" },
                { json_bool, "\"true\"", "expected true or false" },
                { json_strings, "\"a\"", "expected an array" },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                uint64_t target[4] = { 7, 7, 7, 7 };
                struct error e = { 0 };
                CLEAN_FREE char *cause = xprintf("t: /: %s", rows[i].cause);
                assert_int_equal(read_one(rows[i].text, rows[i].read, target, &e), -EINVAL);
                assert_string_equal(e.cause, cause);
                assert_string_equal(e.id, "json.value");
                for (size_t k = 0; k < 4; k++)
                        assert_true(target[k] == 7);
        }
}

struct target {
        char *name;
        uint32_t count;
        bool on;
        struct strings list;
};

static const struct json_field target_fields[] = {
        { "name", json_string, offsetof(struct target, name), JSON_REQUIRED },
        { "count", json_u32, offsetof(struct target, count), 0 },
        { "on", json_bool, offsetof(struct target, on), 0 },
        { "list", json_strings, offsetof(struct target, list), 0 },
        { 0 },
};

static int read_target(const struct json_place *at, void *into, struct error *e)
{
        return json_object(at, target_fields, into, e);
}

static void target_done(struct target *t)
{
        free(t->name);
        strings_clear(&t->list);
}

static void an_object_is_read_by_its_table(void **state)
{
        (void)state;
        CLEAN(target_done) struct target t = { .count = 5 };
        struct error e = { 0 };
        assert_int_equal(read_one("{\"other\":[1,{\"name\":2}],\"list\":[\"a\",\"b\"],\"count\":null,\"on\":true,\"name\":\"n\",\"name\\u0000\":3}",
                                  read_target, &t, &e), 0);
        assert_string_equal(t.name, "n");
        assert_int_equal(t.count, 5); /* null is absent */
        assert_true(t.on);
        assert_int_equal(t.list.count, 2);
        assert_string_equal(t.list.items[1], "b");
}

static void what_does_not_fit_the_table_is_named_by_its_pointer(void **state)
{
        (void)state;
        static const struct {
                const char *text, *cause;
        } rows[] = {
                { "{}", "t: /name: is missing" },
                { "{\"name\":null}", "t: /name: is missing" },
                { "{\"name\":1}", "t: /name: expected a string" },
                { "{\"name\":\"n\",\"list\":[\"a\",1]}", "t: /list/1: expected a string" },
                { "{\"name\":\"n\",\"list\":[\"a\",null]}", "t: /list/1: expected a string" },
                { "{\"name\":\"n\",\"list\":{}}", "t: /list: expected an array" },
                { "[]", "t: /: expected an object" },
                { "null", "t: /: expected an object" },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN(target_done) struct target t = { 0 };
                struct error e = { 0 };
                assert_int_equal(read_one(rows[i].text, read_target, &t, &e), -EINVAL);
                assert_string_equal(e.cause, rows[i].cause);
        }
}

static int refuse_member(const struct json_place *at, void *into, struct error *e)
{
        (void)into;
        return json_fail(at, e, "no");
}

static int read_members(const struct json_place *at, void *into, struct error *e)
{
        return json_each_member(at, refuse_member, into, e);
}

static void a_pointer_escapes_and_cuts_names(void **state)
{
        (void)state;
        struct error e = { 0 };
        assert_int_equal(read_one("{\"a/b~c\":1}", read_members, NULL, &e), -EINVAL);
        assert_string_equal(e.cause, "t: /a~1b~0c: no");
        /* 79 bytes and a character of two: it is left out whole. */
        CLEAN_TEXT struct text t = { 0 }, cause = { 0 };
        text_add(&t, "{\"");
        text_add(&cause, "t: /");
        for (int i = 0; i < 79; i++) {
                text_add(&t, "x");
                text_add(&cause, "x");
        }
        text_add(&t, "\xc3\xa9\":1}");
        text_add(&cause, ": no");
        e = (struct error){ 0 };
        assert_int_equal(read_one(t.data, read_members, NULL, &e), -EINVAL);
        assert_string_equal(e.cause, cause.data);
        e = (struct error){ 0 };
        assert_int_equal(read_one("{\"a\\u0000b\":1}", read_members, NULL, &e), -EINVAL);
        assert_string_equal(e.cause, "t: /: a name holds a NUL byte");
}

static int read_word(const struct json_place *at, void *into, struct error *e)
{
        static const char *const words[] = { "one", "two", NULL };
        int r = json_word(at, words, e);
        if (r >= 0)
                *(int *)into = r;
        return r;
}

static void a_word_is_one_of_a_list(void **state)
{
        (void)state;
        int word = -1;
        struct error e = { 0 };
        assert_int_equal(read_one("\"two\"", read_word, &word, &e), 1);
        assert_int_equal(word, 1);
        assert_int_equal(read_one("\"three\"", read_word, &word, &e), -EINVAL);
        assert_string_equal(e.cause, "t: /: unknown word \"three\"");
        assert_string_equal(e.hint, "known are one, two");
}

static void a_document_is_printed_with_a_value_on_each_line(void **state)
{
        (void)state;
        static const char text[] = "{\"a\":[1,{\"b\\n\":-2.50e3}],\"empty\":{},\"none\":[],\"s\":\"\\u00e9\",\"t\":true,\"n\":null}";
        static const char wanted[] = "{\n  \"a\": [\n    1,\n    {\n      \"b\\u000a\": -2.50e3\n    }\n  ],\n  \"empty\": {},\n"
                                     "  \"none\": [],\n  \"s\": \"\xc3\xa9\",\n  \"t\": true,\n  \"n\": null\n}\n";
        CLEAN_JSON struct json_document d = { 0 };
        char *printed = NULL;
        size_t size = 0;
        assert_int_equal(json_parse("t", text, strlen(text), &d, NULL), 0);
        FILE *f = open_memstream(&printed, &size);
        json_print(f, &d);
        assert_int_equal(fclose(f), 0);
        assert_string_equal(printed, wanted);
        free(printed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_document_that_is_json_is_taken),
                cmocka_unit_test(a_value_is_written_without_blanks_and_reads_as_the_same),
                cmocka_unit_test(a_member_is_found_by_its_name_and_null_is_none),
                cmocka_unit_test(two_documents_differ_where_their_values_do),
                cmocka_unit_test(a_document_that_is_not_json_is_refused_with_the_place),
                cmocka_unit_test(a_nul_byte_is_refused),
                cmocka_unit_test(nesting_has_an_end),
                cmocka_unit_test(the_number_of_values_has_an_end),
                cmocka_unit_test(strings_are_decoded),
                cmocka_unit_test(whole_numbers_keep_all_their_bits),
                cmocka_unit_test(numbers_beyond_their_type_are_refused_and_nothing_is_written),
                cmocka_unit_test(an_object_is_read_by_its_table),
                cmocka_unit_test(what_does_not_fit_the_table_is_named_by_its_pointer),
                cmocka_unit_test(a_pointer_escapes_and_cuts_names),
                cmocka_unit_test(a_word_is_one_of_a_list),
                cmocka_unit_test(a_document_is_printed_with_a_value_on_each_line),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
