/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

static void an_error_keeps_cause_hint_and_chain(void **state)
{
        (void)state;
        struct error e = { 0 };
        assert_int_equal(error_errno(&e, EPERM, "mount.refused", "mount(%s)", "/x"), -EPERM);
        error_hint(&e, "first");
        error_hint(&e, "second");
        assert_int_equal(error_while(&e, "applying %s", "ReadOnlyPaths=/x"), -EPERM);
        assert_string_equal(e.cause, "mount(/x): Operation not permitted");
        assert_string_equal(e.hint, "first");
        assert_string_equal(e.whiles[0], "applying ReadOnlyPaths=/x");
        error_status(&e, 226);
        error_status(&e, 1);
        assert_int_equal(e.exit_status, 226);
}

static void an_error_with_a_long_cause_is_cut_not_overrun(void **state)
{
        (void)state;
        struct error e = { 0 };
        char big[4096];
        memset(big, 'x', sizeof big - 1);
        big[sizeof big - 1] = 0;
        error_errno(&e, EIO, big, "%s", big);
        for (int i = 0; i < 10; i++)
                error_while(&e, "%s", big);
        assert_int_equal(strlen(e.cause), ERROR_CAUSE_MAX - 1);
        assert_int_equal(e.lines, ERROR_WHILE_MAX);
}

static void words_are_split_as_systemd_splits_them(void **state)
{
        (void)state;
        CLEAN_STRINGS struct strings l = { 0 };
        assert_int_equal(text_split_words(" a  'b c' \"d\\x41\\n\" e\\ f", &l), -EINVAL);
        strings_clear(&l);
        assert_int_equal(text_split_words(" a  'b c' \"d\\x41\\n\" e\\sf ''", &l), 0);
        assert_int_equal(l.count, 5);
        assert_string_equal(l.items[1], "b c");
        assert_string_equal(l.items[2], "dA\n");
        assert_string_equal(l.items[3], "e f");
        assert_string_equal(l.items[4], "");
        strings_clear(&l);
        assert_int_equal(text_split_words("'open", &l), -EINVAL);
        assert_int_equal(text_split_words("\\x00", &l), -EINVAL);
        static const char *const bad[] = { "\\0", "\\000", "\\400", "\\u0000", "\\ud800", "\\u12", "\\U00110000", "\\U0001f60", "\\", "\\q" };
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(text_split_words(bad[i], &l), -EINVAL);
        assert_int_equal(l.count, 0);
        assert_int_equal(text_split_words("\\u0041\\u00e4\\u20ac\\U0001f600\\101\\xff", &l), 0);
        assert_string_equal(l.items[0], "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" "A\xff");
        strings_clear(&l);
}

static void numbers_sizes_and_spans_are_checked(void **state)
{
        (void)state;
        uint64_t v;
        assert_int_equal(text_parse_uint("4294967296", UINT32_MAX, &v), -ERANGE);
        assert_int_equal(text_parse_uint("-1", UINT32_MAX, &v), -EINVAL);
        assert_int_equal(text_parse_uint("", 9, &v), -EINVAL);
        assert_int_equal(text_parse_size_bytes("1.5K", &v), 0);
        assert_int_equal(v, 1536);
        assert_int_equal(text_parse_size_bytes("infinity", &v), 0);
        assert_true(v == UINT64_MAX);
        assert_int_equal(text_parse_size_bytes("99999999999999999999", &v), -ERANGE);
        assert_int_equal(text_parse_size_bytes("1Q", &v), -EINVAL);
        assert_int_equal(text_parse_span_usec("2min 200ms", &v), 0);
        assert_int_equal(v, 120200000);
}

static void booleans_take_systemds_words_only(void **state)
{
        (void)state;
        bool b;
        assert_int_equal(text_parse_bool("On", &b), 0);
        assert_true(b);
        assert_int_equal(text_parse_bool("f", &b), 0);
        assert_false(b);
        assert_int_equal(text_parse_bool("enabled", &b), -EINVAL);
}

static void json_strings_are_always_valid_utf8(void **state)
{
        (void)state;
        CLEAN_TEXT struct text t = { 0 };
        text_add_json(&t, "a\"\\\n\xff\xc3\xa9");
        assert_string_equal(t.data, "\"a\\\"\\\\\\u000a\\ufffd\xc3\xa9\"");
}

static void siphash_gives_the_vectors_of_its_paper(void **state)
{
        (void)state;
        uint8_t key[16], data[15];
        for (unsigned i = 0; i < 16; i++)
                key[i] = (uint8_t)i;
        for (unsigned i = 0; i < 15; i++)
                data[i] = (uint8_t)i;
        assert_true(hash_sip24(data, 15, key) == 0xa129ca6149be45e5ULL);
        assert_true(hash_sip24(data, 0, key) == 0x726fdb47dd0e0e31ULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_error_keeps_cause_hint_and_chain),
                cmocka_unit_test(an_error_with_a_long_cause_is_cut_not_overrun),
                cmocka_unit_test(words_are_split_as_systemd_splits_them),
                cmocka_unit_test(numbers_sizes_and_spans_are_checked),
                cmocka_unit_test(booleans_take_systemds_words_only),
                cmocka_unit_test(json_strings_are_always_valid_utf8),
                cmocka_unit_test(siphash_gives_the_vectors_of_its_paper),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
