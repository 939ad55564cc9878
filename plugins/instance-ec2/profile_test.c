/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "profile.h"

static const char text[] = "aws_access_key_id = NOBODY\n"
                           "# a comment\r\n"
                           "[default]\r\n"
                           "AWS_Access_Key_ID = A1\r\n"
                           "aws_secret_access_key=b=:c \n"
                           "s3 =\n"
                           "  region = nested\n"
                           "[ profile \"with blank\" ]\n"
                           "region: eu-west-1\n"
                           "[profile x] # behind it\n"
                           "role_arn = arn:aws:iam::1:role/x\n"
                           "sso_session = s\n"
                           "[x]\n"
                           "region = of-credentials\n";

static void a_profile_is_found_by_its_section(void **state)
{
        (void)state;
        CLEAN_PROFILE struct profile p = { 0 };
        assert_int_equal(profile_read("f", text, true, "default", &p, NULL), 0);
        assert_true(p.found);
        assert_string_equal(p.access_key, "A1");
        assert_string_equal(p.secret_key, "b=:c");
        assert_null(p.region);
        profile_done(&p);
        assert_int_equal(profile_read("f", text, true, "with blank", &p, NULL), 0);
        assert_string_equal(p.region, "eu-west-1");
        profile_done(&p);
        assert_int_equal(profile_read("f", text, true, "x", &p, NULL), 0);
        assert_string_equal(p.role_arn, "arn:aws:iam::1:role/x");
        assert_string_equal(p.unsupported, "sso_session");
        assert_null(p.region);
        profile_done(&p);
        assert_int_equal(profile_read("f", text, false, "x", &p, NULL), 0);
        assert_string_equal(p.region, "of-credentials");
        profile_done(&p);
        assert_int_equal(profile_read("f", text, false, "nobody", &p, NULL), 0);
        assert_false(p.found);
}

static void what_was_read_first_stays(void **state)
{
        (void)state;
        CLEAN_PROFILE struct profile p = { 0 };
        assert_int_equal(profile_read("f", "[default]\nregion = first\n", false, "default", &p, NULL), 0);
        assert_int_equal(profile_read("g", "[default]\nregion = second\nrole_arn = r\n", true, "default", &p, NULL), 0);
        assert_string_equal(p.region, "first");
        assert_string_equal(p.role_arn, "r");
}

static void a_bad_line_is_named_and_not_repeated(void **state)
{
        (void)state;
        static const char *const bad[] = { "[default]\n\nsecret\n", "[default]\nregion=a\nREGION=secret\n", "[default]\n\n[secret\n" };
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_PROFILE struct profile p = { 0 };
                struct error e = { 0 };
                assert_int_equal(profile_read("f", bad[i], true, "default", &p, &e), -EINVAL);
                assert_string_equal(e.id, "aws.credentials-file");
                assert_non_null(strstr(e.cause, "f: line 3: "));
                assert_null(strstr(e.cause, "secret"));
        }
}

static void a_line_of_another_profile_is_its_own_business(void **state)
{
        (void)state;
        CLEAN_PROFILE struct profile p = { 0 };
        assert_int_equal(profile_read("f", "[other]\nnothing\n[default]\nregion = r\n", true, "default", &p, NULL), 0);
        assert_string_equal(p.region, "r");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_profile_is_found_by_its_section),
                cmocka_unit_test(what_was_read_first_stays),
                cmocka_unit_test(a_bad_line_is_named_and_not_repeated),
                cmocka_unit_test(a_line_of_another_profile_is_its_own_business),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
