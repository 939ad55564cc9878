/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/calendar.h"
#include "plan/timestamp.h"

static struct zone berlin;

static const struct zone *find(void *context, const char *name)
{
        (void)context;
        return text_equal(name, "Europe/Berlin") ? &berlin : NULL;
}

static const struct zone_source source = { find, NULL, &berlin };

static int set_up(void **state)
{
        (void)state;
        return zone_parse_rule("CET-1CEST,M3.5.0,M10.5.0/3", &berlin, NULL);
}

static int tear_down(void **state)
{
        (void)state;
        zone_done(&berlin);
        return 0;
}

static const struct {
        const char *given, *normal;
} forms[] = {
        { "Sat,Thu,Mon..Wed,Sat..Sun", "Mon..Thu,Sat,Sun *-*-* 00:00:00" },
        { "Mon,Sun 12-*-* 2,1:23", "Mon,Sun 2012-*-* 01,02:23:00" },
        { "Wed, 17:48", "Wed *-*-* 17:48:00" },
        { "Wed..Sat,Tue 12-10-15 1:2:3", "Tue..Sat 2012-10-15 01:02:03" },
        { "12,14,13,12:20,10,30", "*-*-* 12,13,14:10,20,30:00" },
        { "05:40:23.4200004/3.1700005", "*-*-* 05:40:23.420000/3.170001" },
        { "2003-02..04-05", "2003-02..04-05 00:00:00" },
        { "WEEKLY Europe/Berlin", "Mon *-*-* 00:00:00 Europe/Berlin" },
        { "daily utc", "*-*-* 00:00:00 UTC" },
        { "daily cest", "*-*-* 00:00:00 CEST" },
        { "*:*:*", "*-*-* *:*:*" },
        { "*-*~5..6/9", "*-*~05 00:00:00" },
        { "@1795000000", "2026-11-18 11:06:40 UTC" },
        { "1:2,1,1,1..3:1", "*-*-* 01:01,01..03,02:01" },
        { "monday..sunday 1..5/2:0", "*-*-* 01..05/2:00:00" },
};

static void test_normal_forms(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(forms); i++) {
                CLEAN_CALENDAR struct calendar c = { 0 }, again = { 0 };
                assert_int_equal(calendar_parse(forms[i].given, &source, &c, NULL), 0);
                CLEAN_FREE char *once = calendar_format(&c);
                assert_string_equal(once, forms[i].normal);
                assert_int_equal(calendar_parse(once, &source, &again, NULL), 0);
                CLEAN_FREE char *twice = calendar_format(&again);
                assert_string_equal(twice, once);
        }
}

static const struct {
        const char *given, *id;
} bad[] = {
        { "", "calendar.syntax" },          { "UTC", "calendar.syntax" },          { " daily", "calendar.syntax" },
        { "daily Nowhere", "calendar.syntax" }, { "mon..", "calendar.range" },     { "sun..mon", "calendar.range" },
        { "mon,,tue", "calendar.syntax" },  { "10", "calendar.syntax" },           { "24:0", "calendar.range" },
        { "2200-1-1", "calendar.range" },   { "*-*~29", "calendar.range" },        { "0:1/59", "calendar.range" },
        { "1/0:0", "calendar.range" },      { "0:0:5..5.5", "calendar.range" },    { "0:0:1.", "calendar.syntax" },
        { "1.5:0:0", "calendar.syntax" },   { "2147483648-1-1", "calendar.range" }, { "0:0:2148", "calendar.range" },
        { "@7258118400", "calendar.range" }, { "*,1:0", "calendar.syntax" },       { "2026~1-1", "calendar.syntax" },
        { "1-1:1", "calendar.syntax" },     { "5..1:0", "calendar.range" },
};

static void test_bad_ones(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                struct error e = { 0 };
                struct calendar c = { .dst = 77 };
                assert_true(calendar_parse(bad[i].given, &source, &c, &e) < 0);
                assert_string_equal(e.id, bad[i].id);
                assert_int_equal(c.dst, 77);
        }
}

static void test_limits(void **state)
{
        (void)state;
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        CLEAN_CALENDAR struct calendar c = { 0 };
        text_add(&t, "0:0");
        for (int i = 0; i < CALENDAR_PARTS_MAX; i++)
                text_addf(&t, ",%d", i % 60);
        assert_int_equal(calendar_parse(t.data, &source, &c, &e), 0);
        text_add(&t, ",0");
        assert_int_equal(calendar_parse(t.data, &source, &c, &e), -E2BIG);
        assert_string_equal(e.id, "calendar.limit");
        while (t.length <= CALENDAR_TEXT_MAX)
                text_add(&t, "          ");
        assert_int_equal(calendar_parse(t.data, &source, &c, &e), -E2BIG);
}

static uint64_t at(const char *s)
{
        uint64_t usec = 0;
        assert_int_equal(timestamp_parse(s, &source, 0, &usec, NULL), 0);
        return usec;
}

static const struct {
        const char *event, *after, *next; /* next NULL: never */
} times[] = {
        { "daily", "2026-01-01 00:00", "2026-01-02 00:00" },
        { "daily UTC", "2026-01-01 00:00", "2026-01-01 01:00" },
        { "*-02-29", "2026-01-01", "2028-02-29" },
        { "Mon *-02-29", "2026-01-01", "2044-02-29" },
        { "*-*~1", "2026-02-01", "2026-02-28" },
        { "Mon *-05~07/1", "2026-01-01", "2026-05-25" },
        { "2-30", "2026-01-01", NULL },
        { "2025-*-*", "2026-01-01", NULL },
        { "2199-12-31 23:59:59", "2026-01-01", "2199-12-31 23:59:59" },
        { "0:0:0/0.000001", "2026-01-01 00:00:00.5", "2026-01-01 00:00:00.500001" },
        { "*:*:59.5", "2025-12-31 23:59:59.5", "2026-01-01 00:00:59.5" },
        /* left out, and shown twice */
        { "02:30", "2026-03-28 12:00", "2026-03-30 02:30" },
        { "*:0/30", "2026-03-29 00:30 UTC", "2026-03-29 01:00 UTC" },
        { "*:*:0/0.000001", "2026-03-29 00:59:59.999999 UTC", "2026-03-29 01:00 UTC" },
        { "02:30", "2025-10-25 12:00", "2025-10-26 00:30 UTC" },
        { "02:30", "2025-10-26 00:45 UTC", "2025-10-27 02:30" },
        { "02:30", "2025-10-26 01:10 UTC", "2025-10-26 01:30 UTC" },
        { "hourly", "2025-10-26 00:00 UTC", "2025-10-26 02:00 UTC" },
        { "*:*:* CET", "2026-06-01", "2026-10-25 01:00 UTC" },
        { "02:30 CET", "2025-10-25 12:00", "2025-10-26 01:30 UTC" },
        { "02:30 CEST", "2025-10-26 12:00", "2026-03-30 02:30" },
};

static void test_next_times(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(times); i++) {
                CLEAN_CALENDAR struct calendar c = { 0 };
                uint64_t next = 0;
                assert_int_equal(calendar_parse(times[i].event, &source, &c, NULL), 0);
                assert_int_equal(calendar_next(&c, at(times[i].after), &next), times[i].next != NULL);
                if (times[i].next) {
                        CLEAN_FREE char *text = timestamp_format(next, zone_utc()), *wanted = timestamp_format(at(times[i].next), zone_utc());
                        assert_string_equal(text, wanted);
                }
        }
}

static void test_the_ends_of_time(void **state)
{
        (void)state;
        CLEAN_CALENDAR struct calendar c = { 0 };
        uint64_t next;
        assert_int_equal(calendar_parse("*:*:*", NULL, &c, NULL), 0);
        assert_true(calendar_next(&c, 0, &next) && next == 1000000);
        assert_false(calendar_next(&c, UINT64_MAX, &next));
        assert_false(calendar_next(&c, 7258118399000000, &next));
        assert_true(calendar_next(&c, 7258118398999999, &next) && next == 7258118399000000);
}

static const struct {
        const char *given, *is; /* NULL: an error */
} stamps[] = {
        { "now", "@1774742400" },          { "today", "2026-03-29 00:00 CET" }, { "yesterday", "2026-03-28" },    { "tomorrow", "2026-03-30" },
        { "+1h", "@1774746000" },          { "-1h 30min", "@1774737000" },      { "2min ago", "@1774742280" },    { "12:00", "2026-03-29 10:00 UTC" },
        { "12:00:01 UTC", "2026-03-29 12:00:01 UTC" }, { "Sun 2026-03-29", "today" }, { "Mon 2026-03-29", NULL }, { "2026-02-29", NULL },
        { "2026-03-29 02:30", NULL },      { "*-3-29", NULL },                  { "2026-3~1", NULL },             { "-60years", NULL },
        { "", NULL },                      { "daily", NULL },                   { "1 ago 2", NULL },              { "+infinity", NULL },
        { "2026-03-29 10:00..12", NULL },
};

static void test_points_in_time(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(stamps); i++) {
                uint64_t a = 0, b = 0, now = 1774742400000000;
                assert_int_equal(timestamp_parse(stamps[i].given, &source, now, &a, NULL) == 0, stamps[i].is != NULL);
                if (stamps[i].is) {
                        assert_int_equal(timestamp_parse(stamps[i].is, &source, now, &b, NULL), 0);
                        assert_true(a == b);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_normal_forms), cmocka_unit_test(test_bad_ones),        cmocka_unit_test(test_limits),
                cmocka_unit_test(test_next_times),   cmocka_unit_test(test_the_ends_of_time), cmocka_unit_test(test_points_in_time),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
