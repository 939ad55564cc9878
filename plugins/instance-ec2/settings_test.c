/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "aws_endpoint.h"
#include "backoff.h"
#include "settings.h"

/* ---- endpoints ---- */

static void endpoints_are_a_scheme_a_host_and_a_port(void **state)
{
        (void)state;
        static const struct {
                const char *url, *host, *whole;
        } good[] = {
                { "https://ec2.example.com", "ec2.example.com", "https://ec2.example.com/" },
                { "https://ec2.example.com:443/", "ec2.example.com", "https://ec2.example.com/" },
                { "https://ec2.example.com:8443", "ec2.example.com:8443", "https://ec2.example.com:8443/" },
                { "http://127.9.9.9:80", "127.9.9.9", "http://127.9.9.9/" },
                { "http://localhost:4566", "localhost:4566", "http://localhost:4566/" },
                { "http://[::1]:1", "[::1]:1", "http://[::1]:1/" },
        };
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                CLEAN_AWS_ENDPOINT struct aws_endpoint p = { 0 };
                assert_int_equal(aws_endpoint_parse(good[i].url, false, &p, NULL), 0);
                assert_string_equal(p.host, good[i].host);
                assert_string_equal(p.url, good[i].whole);
        }
}

static void what_is_no_endpoint_is_refused(void **state)
{
        (void)state;
        static const char *const bad[] = { "", "ec2.example.com", "ftp://a", "https://", "https://a:0", "https://a:65536", "https://a:x", "https://a:",
                                           "https://a/b", "https://a?b", "https://a#b", "https://u:p@a", "https://u@a", "https://a b", "https://[::1",
                                           "https://[]", "https://a\r\nX: y", "HTTPS://a" };
        static const char *const plain[] = { "http://192.0.2.1", "http://128.0.0.1", "http://127.0.0.1.example.com", "http://localhost.example.com",
                                             "http://[::2]", "http://2130706433" };
        struct aws_endpoint p = { 0 };
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(aws_endpoint_parse(bad[i], true, &p, NULL), -EINVAL);
        for (size_t i = 0; i < ELEMENTS(plain); i++) {
                struct error e = { 0 };
                assert_int_equal(aws_endpoint_parse(plain[i], false, &p, &e), -EPERM);
                assert_string_equal(e.id, "aws.endpoint");
                assert_int_equal(aws_endpoint_parse(plain[i], true, &p, &e), 0);
                aws_endpoint_done(&p);
        }
}

static void regions_have_endpoints(void **state)
{
        (void)state;
        static const char *const bad[] = { "", "-a", "a-", "a.b", "a/b", "A", "a@b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
        CLEAN_AWS_ENDPOINT struct aws_endpoint p = { 0 };
        aws_endpoint_of("ec2", "eu-west-1", &p);
        assert_string_equal(p.url, "https://ec2.eu-west-1.amazonaws.com/");
        aws_endpoint_done(&p);
        aws_endpoint_of("sts", "cn-north-1", &p);
        assert_string_equal(p.host, "sts.cn-north-1.amazonaws.com.cn");
        assert_true(region_is_valid("us-gov-west-1"));
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_false(region_is_valid(bad[i]));
}

/* ---- settings ---- */

static const char *const *variables; /* name, value, ..., NULL */

static char *environment(const char *name)
{
        for (const char *const *v = variables; v && *v; v += 2)
                if (text_equal(v[0], name))
                        return (char *)v[1];
        return NULL;
}

static int settle(const char *const *words, struct ec2_settings *ret, struct error *e)
{
        CLEAN_STRINGS struct strings options = { 0 };
        for (; words && *words; words++)
                strings_add(&options, *words);
        return ec2_settings_read(&options, environment, ret, e);
}

static void nothing_said_means_the_defaults(void **state)
{
        (void)state;
        CLEAN_EC2_SETTINGS struct ec2_settings s = { 0 };
        variables = (const char *const[]){ "HOME", "/h", "AWS_REGION", "", NULL };
        assert_int_equal(settle(NULL, &s, NULL), 0);
        assert_null(s.region);
        assert_null(s.endpoint);
        assert_string_equal(s.profile, "default");
        assert_false(s.profile_chosen);
        assert_string_equal(s.credentials_file, "/h/.aws/credentials");
        assert_string_equal(s.metadata_endpoint, "http://169.254.169.254");
        assert_int_equal(s.patience_usec, 60000000);
}

static void options_win_over_variables_and_the_nearer_variable_wins(void **state)
{
        (void)state;
        CLEAN_EC2_SETTINGS struct ec2_settings s = { 0 };
        variables = (const char *const[]){ "AWS_DEFAULT_REGION", "d-1", "AWS_REGION", "r-1", "AWS_ENDPOINT_URL", "u", "AWS_ENDPOINT_URL_EC2", "e",
                                           "AWS_PROFILE", "p", "AWS_EC2_METADATA_DISABLED", "True", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x",
                                           "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://y", NULL };
        assert_int_equal(settle(NULL, &s, NULL), 0);
        assert_string_equal(s.region, "r-1");
        assert_string_equal(s.endpoint, "e");
        assert_string_equal(s.sts_endpoint, "u");
        assert_string_equal(s.profile, "p");
        assert_true(s.profile_chosen && !s.profile_option && s.metadata_disabled);
        assert_string_equal(s.container_uri, "http://169.254.170.2/x");
        ec2_settings_done(&s);
        static const char *const words[] = { "--region=o-1", "--endpoint", "x", "--profile", "q", "--patience=5", "--plain-http", NULL };
        assert_int_equal(settle(words, &s, NULL), 0);
        assert_string_equal(s.region, "o-1");
        assert_string_equal(s.endpoint, "x");
        assert_string_equal(s.profile, "q");
        assert_true(s.profile_option && s.plain_http);
        assert_int_equal(s.patience_usec, 5000000);
}

static void options_that_are_none_are_refused(void **state)
{
        (void)state;
        static const char *const rows[][3] = { { "--regio", "x" }, { "x" }, { "--region" }, { "--region=" }, { "--region", "a.b" }, { "--patience", "x" },
                                               { "--patience=3601" }, { "--plain-http=1" }, { "--region-x", "y" } };
        variables = NULL;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct ec2_settings s = { 0 };
                struct error e = { 0 };
                assert_int_equal(settle(rows[i], &s, &e), -EINVAL);
                assert_string_equal(e.id, "aws.option");
        }
}

/* ---- waiting ---- */

static void waits_double_up_to_a_bound_and_end_with_patience(void **state)
{
        (void)state;
        assert_int_equal(backoff_bound_ms(0), 100);
        assert_int_equal(backoff_bound_ms(3), 800);
        assert_int_equal(backoff_bound_ms(7), BACKOFF_LAST_MS);
        assert_int_equal(backoff_bound_ms(4000000000), BACKOFF_LAST_MS);
        struct backoff b = backoff_start(30000);
        uint64_t began = monotonic_usec();
        while (backoff_wait(&b))
                assert_true(b.attempts < 1000);
        assert_true(monotonic_usec() - began >= 30000);
        b = backoff_start(0);
        assert_false(backoff_wait(&b));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(endpoints_are_a_scheme_a_host_and_a_port),
                cmocka_unit_test(what_is_no_endpoint_is_refused),
                cmocka_unit_test(regions_have_endpoints),
                cmocka_unit_test(nothing_said_means_the_defaults),
                cmocka_unit_test(options_win_over_variables_and_the_nearer_variable_wins),
                cmocka_unit_test(options_that_are_none_are_refused),
                cmocka_unit_test(waits_double_up_to_a_bound_and_end_with_patience),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
