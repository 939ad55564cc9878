/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "os/file.h"
#include "plan/zone.h"

static void test_dates(void **state)
{
        (void)state;
        assert_int_equal(date_to_days((struct date){ 1970, 1, 1 }), 0);
        assert_int_equal(date_to_days((struct date){ 2000, 2, 29 }), 11016);
        assert_int_equal(date_weekday(0), 3);
        assert_int_equal(date_weekday(-1), 2);
        for (int64_t days = -1000000; days < 1000000; days += 97) {
                struct date d = date_of_days(days);
                assert_int_equal(date_to_days(d), days);
                assert_true(d.month >= 1 && d.month <= 12 && d.day >= 1 && d.day <= date_month_days(d.year, d.month));
        }
}

/* The C library says what the clocks show. */
static void compare(const struct zone *z, const char *tz, int64_t from, int64_t to)
{
        assert_int_equal(setenv("TZ", tz, 1), 0);
        tzset();
        for (int64_t t = from; t < to; t += 5399 * 7) {
                struct zone_stretch s = zone_at(z, t);
                struct tm tm;
                time_t seconds = (time_t)t;
                int64_t found;
                assert_non_null(localtime_r(&seconds, &tm));
                assert_int_equal(s.kind->offset_seconds, tm.tm_gmtoff);
                assert_int_equal(s.kind->dst, tm.tm_isdst);
                assert_string_equal(s.kind->abbreviation, tm.tm_zone);
                assert_true(s.from <= t && t < s.until);
                assert_int_equal(zone_instant(z, t + s.kind->offset_seconds, t, &found), ZONE_FOUND);
                assert_int_equal(found, t);
        }
}

static void test_rules_agree_with_the_library(void **state)
{
        (void)state;
        static const char *const rules[] = { "CET-1CEST,M3.5.0,M10.5.0/3", "<-03>3", "EST5EDT,M3.2.0,M11.1.0", "AEST-10AEDT,M10.1.0,M4.1.0/3", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
                                             "XXX4YYY,J60,J300/1", "XXX-4YYY,60/0,300/23:59:59", "IST-1GMT0,M10.5.0,M3.5.0/1" };
        for (size_t i = 0; i < ELEMENTS(rules); i++) {
                CLEAN_ZONE struct zone z = { 0 };
                assert_int_equal(zone_parse_rule(rules[i], &z, NULL), 0);
                compare(&z, rules[i], 0, 1900000000);
        }
}

static void test_files_agree_with_the_library(void **state)
{
        (void)state;
        static const char *const names[] = { "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "America/Sao_Paulo" };
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                CLEAN_FREE char *path = xprintf("/usr/share/zoneinfo/%s", names[i]);
                CLEAN_TEXT struct text t = { 0 };
                CLEAN_ZONE struct zone z = { 0 };
                if (file_read(-1, path, ZONE_FILE_MAX, &t) < 0)
                        skip();
                assert_int_equal(zone_parse(names[i], t.data, t.length, &z, NULL), 0);
                compare(&z, names[i], -2000000000, 6000000000);
                /* What is cut short is no zone. */
                for (size_t n = 0; n + 1 < t.length; n += 7) {
                        struct zone none = { 0 };
                        assert_true(zone_parse(names[i], t.data, n, &none, NULL) < 0);
                        assert_null(none.kinds);
                }
        }
}

static void test_bad_rules_and_names(void **state)
{
        (void)state;
        static const char *const rules[] = { "", "CET", "CE-1", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.0.0,M10.5.0", "CET-25", "CET-1CEST,J0,J5",
                                             "CET-1CEST,366,5", "CET-1CEST,M3.5.0/168,M10.5.0", "CET-1x", "<CET-1", "CET-1CEST,M3.5.0,M10.5.0,", "CET1:60", "<0123456789012345678901234567890123>1" };
        static const char *const names[] = { "", "/etc/passwd", "../x", "Europe//Berlin", "Europe/", "a b", "a.b", "a\n" };
        for (size_t i = 0; i < ELEMENTS(rules); i++) {
                struct error e = { 0 };
                struct zone z;
                assert_true(zone_parse_rule(rules[i], &z, &e) < 0);
                assert_string_equal(e.id, "zone.format");
        }
        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_false(zone_name_valid(names[i]));
        assert_true(zone_name_valid("America/Argentina/Buenos_Aires") && zone_name_valid("Etc/GMT+5"));
}

static void test_what_is_left_out_and_shown_twice(void **state)
{
        (void)state;
        CLEAN_ZONE struct zone z = { 0 };
        int64_t t;
        assert_int_equal(zone_parse_rule("CET-1CEST,M3.5.0,M10.5.0/3", &z, NULL), 0);
        const int64_t left_out = date_to_days((struct date){ 2026, 3, 29 }) * DAY_SECONDS + 9000, twice = date_to_days((struct date){ 2026, 10, 25 }) * DAY_SECONDS + 9000;
        assert_int_equal(zone_instant(&z, left_out, 0, &t), ZONE_LEFT_OUT);
        assert_int_equal(t, left_out + 1800);
        assert_int_equal(zone_instant(&z, twice, 0, &t), ZONE_FOUND);
        assert_int_equal(t, twice - 7200);
        assert_int_equal(zone_instant(&z, twice, twice - 7199, &t), ZONE_FOUND);
        assert_int_equal(t, twice - 3600);
        assert_int_equal(zone_instant(&z, twice, twice - 3599, &t), ZONE_LEFT_OUT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dates), cmocka_unit_test(test_rules_agree_with_the_library), cmocka_unit_test(test_files_agree_with_the_library),
                cmocka_unit_test(test_bad_rules_and_names), cmocka_unit_test(test_what_is_left_out_and_shown_twice),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
