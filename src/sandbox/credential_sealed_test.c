/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sandbox/credential_sealed.h"

/* "open sesame", of systemd-creds 252: encrypt --with-key=tpm2-absent --timestamp="2024-01-01 00:00:00 UTC". */
#define NAMED /* --name=key --not-after="2024-06-01 00:00:00 UTC" */ \
        "BYRp2vb1QySABUnaD46i+yAAAAABAAAADAAAABAAAACZgGDf8fgDcUnZY9oAAAAAXZV3zvy+2XiLTNzZhCFMxZpYAPtpHaC4qlWbxd8iLX83quR4EbG56Oc1T0hM6uhQGJqR"
#define NAMELESS /* --name= */ \
        "BYRp2vb1QySABUnaD46i+yAAAAABAAAADAAAABAAAACkETpZ8CiYYHlI814AAAAAiW4z1BCziDHEOkBRoqjIoqQs6Q2t6qrC6I7VjLVCFLmo4qH5ly9PFrJS76ETz99o9xzr"

enum { NOW_S = 1704067200 + 3600, LATE_S = 1717200000 + 1 };
#define SECOND UINT64_C(1000000)

static struct text sealed_of(const char *base64)
{
        struct text file = { 0 }, sealed = { 0 };
        text_add(&file, base64);
        assert_int_equal(credential_sealed_read(&file, &sealed, NULL), 0);
        text_clear(&file);
        return sealed;
}

static int open_with(const struct text *sealed, const void *key, size_t size, const char *name, uint64_t seconds, struct text *ret)
{
        struct error e = { 0 };
        const struct credential_expected expected = { name, seconds * SECOND };
        int r = credential_sealed_open(sealed, key, size, &expected, ret, &e);
        assert_true(r == 0 || !strcmp(e.id, "credential.encrypted"));
        assert_true(r == 0 || !ret->data);
        return r;
}

static int try(const struct text *sealed, const char *name, uint64_t seconds)
{
        CLEAN_TEXT struct text value = { 0 };
        return open_with(sealed, "", 0, name, seconds, &value);
}

static void the_value_is_found(void **state)
{
        (void)state;
        static const char *const texts[] = { NAMED, NAMELESS };
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                CLEAN_TEXT struct text sealed = sealed_of(texts[i]), value = { 0 };
                enum credential_key key;
                assert_int_equal(credential_sealed_key(&sealed, &key, NULL), 0);
                assert_int_equal(key, CREDENTIAL_KEY_NULL);
                assert_int_equal(open_with(&sealed, "", 0, "key", NOW_S, &value), 0);
                assert_int_equal(value.length, 11);
                assert_memory_equal(value.data, "open sesame", 11);
        }
}

static void binary_is_taken_as_well(void **state)
{
        (void)state;
        CLEAN_TEXT struct text sealed = sealed_of(NAMED), again = { 0 };
        assert_int_equal(credential_sealed_read(&sealed, &again, NULL), 0);
        assert_int_equal(try(&again, "key", NOW_S), 0);
}

static void name_and_time_are_held_to(void **state)
{
        (void)state;
        CLEAN_TEXT struct text named = sealed_of(NAMED), nameless = sealed_of(NAMELESS);
        assert_int_equal(try(&named, "other", NOW_S), -EBADMSG);
        assert_int_equal(try(&named, "ke", NOW_S), -EBADMSG);
        assert_int_equal(try(&named, "key", LATE_S), -ESTALE);
        assert_int_equal(try(&nameless, "other", LATE_S), 0);
}

static void another_key_opens_nothing(void **state)
{
        (void)state;
        CLEAN_TEXT struct text sealed = sealed_of(NAMED), value = { 0 };
        assert_int_equal(open_with(&sealed, "k", 1, "key", NOW_S, &value), -EBADMSG);
}

static void each_bit_counts(void **state)
{
        (void)state;
        CLEAN_TEXT struct text sealed = sealed_of(NAMED);
        for (size_t bit = 0; bit < sealed.length * 8; bit++) {
                sealed.data[bit / 8] ^= (char)(1 << bit % 8);
                assert_int_equal(try(&sealed, "key", NOW_S), -EBADMSG);
                sealed.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        assert_int_equal(try(&sealed, "key", NOW_S), 0);
}

static void what_is_cut_is_refused(void **state)
{
        (void)state;
        CLEAN_TEXT struct text sealed = sealed_of(NAMED);
        size_t whole = sealed.length;
        for (sealed.length = 0; sealed.length < whole; sealed.length++)
                assert_int_equal(try(&sealed, "key", NOW_S), -EBADMSG);
}

static void keys_of_a_chip_are_refused_with_the_reason(void **state)
{
        (void)state;
        CLEAN_TEXT struct text sealed = sealed_of("DHzAexF2RZGcSwvqCLwg/gAA");
        struct error e = { 0 };
        enum credential_key key;
        assert_int_equal(credential_sealed_key(&sealed, &key, &e), -ENOTSUP);
        assert_non_null(strstr(e.cause, "TPM2"));
}

static void what_is_something_else_is_refused(void **state)
{
        (void)state;
        static const char *const texts[] = { "", "secret!", "AAAA", "====" };
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                CLEAN_TEXT struct text file = { 0 }, sealed = { 0 };
                enum credential_key key;
                text_add(&file, texts[i]);
                assert_true(credential_sealed_read(&file, &sealed, NULL) < 0 || credential_sealed_key(&sealed, &key, NULL) < 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_value_is_found),
                cmocka_unit_test(binary_is_taken_as_well),
                cmocka_unit_test(name_and_time_are_held_to),
                cmocka_unit_test(another_key_opens_nothing),
                cmocka_unit_test(each_bit_counts),
                cmocka_unit_test(what_is_cut_is_refused),
                cmocka_unit_test(keys_of_a_chip_are_refused_with_the_reason),
                cmocka_unit_test(what_is_something_else_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
