/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The examples are those of AWS's published test suite for Signature Version 4. tests/cloud compares with botocore's signer as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "sigv4.h"

enum { AT = 1440938160 }; /* 2015-08-30T12:36:00Z */

static struct aws_credentials example = { .access_key = (char *)"AKIDEXAMPLE",
                                          .secret_key = (char *)"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };

static void check_signature(const struct sigv4_request *r, const char *names, const char *signature)
{
        CLEAN_STRINGS struct strings headers = { 0 };
        CLEAN_FREE char *expected = xprintf("Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                                            "SignedHeaders=%s, Signature=%s", names, signature);
        sigv4_headers(r, &example, &headers);
        assert_string_equal(headers.items[headers.count - 1], expected);
        assert_true(strings_has(&headers, "X-Amz-Date: 20150830T123600Z"));
        assert_true(strings_has(&headers, "Host: example.amazonaws.com"));
}

static void requests_of_the_published_suite_get_its_signatures(void **state)
{
        (void)state;
        struct sigv4_request r = { .method = "GET", .host = "example.amazonaws.com", .region = "us-east-1", .service = "service", .now = AT };
        check_signature(&r, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        r.method = "POST";
        check_signature(&r, "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
        r.content_type = "application/x-www-form-urlencoded";
        r.body = "Param1=value1";
        r.body_size = 13;
        check_signature(&r, "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

static void a_session_token_is_sent_and_signed(void **state)
{
        (void)state;
        struct aws_credentials c = example;
        c.session_token = (char *)"TOKEN==";
        CLEAN_STRINGS struct strings headers = { 0 };
        const struct sigv4_request r = { .method = "POST", .host = "h", .region = "r", .service = "ec2", .now = AT };
        sigv4_headers(&r, &c, &headers);
        assert_true(strings_has(&headers, "X-Amz-Security-Token: TOKEN=="));
        assert_non_null(strstr(headers.items[headers.count - 1], "SignedHeaders=host;x-amz-date;x-amz-security-token, "));
}

static void points_in_time_are_read_strictly(void **state)
{
        (void)state;
        static const char *const bad[] = { "", "2026-11-29", "2026-11-29T22:20:37", "2026-11-29T22:20:37+01:00", "2026-11-29T22:20:37ZZ",
                                           "2026-13-29T22:20:37Z", " 2026-11-29T22:20:3Z", "1969-01-01T00:00:00Z", "2026-11-29 22:20:37Z" };
        uint64_t at = 0;
        assert_int_equal(aws_time_parse("2015-08-30T12:36:00Z", &at), 0);
        assert_int_equal(at, AT * UINT64_C(1000000));
        assert_int_equal(aws_time_parse("2015-08-30T12:36:00.123Z", &at), 0);
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(aws_time_parse(bad[i], &at), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(requests_of_the_published_suite_get_its_signatures),
                cmocka_unit_test(a_session_token_is_sent_and_signed),
                cmocka_unit_test(points_in_time_are_read_strictly),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
