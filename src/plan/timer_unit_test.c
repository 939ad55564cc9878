/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/timer_unit.h"

static const struct facts facts = { .unit = "x.timer" };

static int read_text(const char *text, bool lenient, struct strings *notes, struct timer_unit *ret, struct error *e)
{
        CLEAN_UNIT_FILE struct unit_file f = { 0 };
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        CLEAN_FREE char *whole = xprintf("[Timer]\n%s\n", text);
        assert_int_equal(unit_file_parse(&f, "x.timer", whole, strlen(whole), NULL, false, NULL), 0);
        assert_int_equal(unit_name_parse("x@1.timer", &n, NULL), 0);
        return timer_unit_parse(&f, &n, &facts, NULL, lenient, notes, ret, e);
}

static void test_values(void **state)
{
        (void)state;
        CLEAN_TIMER_UNIT struct timer_unit t = { 0 }, empty = { 0 };
        assert_int_equal(read_text("OnBootSec=5min 20s\nOnCalendar=daily\nAccuracySec=1us\nPersistent=yes\nUnit=%p.service\nRemainAfterElapse=no", false, NULL, &t, NULL), 0);
        assert_int_equal(t.count, 2);
        assert_true(t.expressions[0].span_usec == 320000000 && t.accuracy_usec == 1 && t.persistent && !t.remain_after_elapse);
        assert_string_equal(t.unit, "x.service");
        assert_int_equal(read_text("OnBootSec=1\nOnCalendar=daily\nOnActiveSec=\nOnClockChange=1\nAccuracySec=3\nAccuracySec=", false, NULL, &empty, NULL), 0);
        assert_int_equal(empty.count, 0);
        assert_true(empty.accuracy_usec == 60000000);
        assert_string_equal(empty.unit, "x@1.service");
}

static const struct {
        const char *text, *id;
} bad[] = {
        { "", "timer.empty" },                      { "OnBootSec=1\nOnBootSec=", "timer.empty" },       { "OnBootSec=soon", "directive.value" },
        { "OnCalendar=never", "calendar.syntax" },  { "OnBootSec=1\nUnit=y.timer", "timer.unit" },      { "OnBootSec=1\nUnit=y", "timer.unit" },
        { "OnBootSec=1\nPersistent=x", "directive.value" }, { "OnBoot=1", "directive.unknown" },
};

static void test_bad_ones(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                struct timer_unit t;
                struct error e = { 0 };
                assert_true(read_text(bad[i].text, false, NULL, &t, &e) < 0);
                assert_string_equal(e.id, bad[i].id);
        }
        CLEAN_TIMER_UNIT struct timer_unit t = { 0 };
        CLEAN_STRINGS struct strings notes = { 0 };
        assert_int_equal(read_text("OnBootSec=soon\nOnBootSec=1\nOnBoot=1", true, &notes, &t, NULL), 0);
        assert_int_equal(notes.count, 2);
        assert_string_equal(notes.items[0], "x.timer:2: OnBootSec=: \"soon\" is not a time span such as 5min 20s; passed over");
}

enum { S = 1000000 };
#define DAY ((uint64_t)86400 * S)

static struct timer_next ask(const char *text, struct timer_moments m)
{
        CLEAN_TIMER_UNIT struct timer_unit t = { 0 };
        struct timer_next next;
        assert_int_equal(read_text(text, false, NULL, &t, NULL), 0);
        timer_next(&t, &m, &next);
        return next;
}

/* Up for 100 s, the manager since 10 s, the timer since 50 s; midnight was an hour ago. */
#define MOMENTS .now = { 20000 * DAY + 3600 * (uint64_t)S, 100 * S }, .startup = { 0, 10 * S }, .activated = { 20000 * DAY + 3550 * (uint64_t)S, 50 * S }

static void test_monotonic(void **state)
{
        (void)state;
        struct timer_moments m = { MOMENTS }, triggered = { MOMENTS, .triggered = { 20000 * DAY + 3560 * (uint64_t)S, 60 * S } },
                             ran = { MOMENTS, .triggered = { 1, 60 * S }, .unit_active = 61 * S, .unit_inactive = 90 * S };
        assert_true(ask("OnBootSec=5", m).monotonic == 5 * S); /* past: now */
        assert_true(ask("OnStartupSec=5", m).monotonic == 15 * S && ask("OnActiveSec=5", m).monotonic == 55 * S);
        assert_false(ask("OnBootSec=5", triggered).has_monotonic);
        assert_true(ask("OnBootSec=500", triggered).monotonic == 500 * S);
        assert_true(ask("OnBootSec=500\nOnActiveSec=100", triggered).monotonic == 150 * S);
        assert_false(ask("OnUnitActiveSec=30", m).has_monotonic);
        assert_true(ask("OnUnitActiveSec=30", m).waits_for_unit);
        assert_true(ask("OnUnitActiveSec=30", triggered).monotonic == 90 * S);
        assert_true(ask("OnUnitActiveSec=30", ran).monotonic == 91 * S && ask("OnUnitInactiveSec=30", ran).monotonic == 120 * S);
        assert_false(ask("OnBootSec=infinity", m).has_monotonic);
}

static void test_calendar(void **state)
{
        (void)state;
        struct timer_moments m = { MOMENTS }, today = { MOMENTS, .triggered = { 20000 * DAY, 0 } }, missed = { MOMENTS, .triggered = { 19998 * DAY, 0 } };
        assert_true(ask("OnCalendar=daily", m).realtime == 20001 * DAY);
        assert_true(ask("OnCalendar=daily", today).realtime == 20001 * DAY);
        /* Two midnights were missed: once, as of the manager's start. */
        assert_true(ask("OnCalendar=daily\nPersistent=1", missed).realtime == 20000 * DAY + 3510 * (uint64_t)S);
        assert_true(ask("OnCalendar=daily\nOnCalendar=*:0/10", m).realtime == 20000 * DAY + 3600 * (uint64_t)S);
        assert_false(ask("OnCalendar=1999-1-1", m).has_realtime);
        struct timer_next both = ask("OnCalendar=daily\nOnBootSec=200", m);
        assert_true(both.has_realtime && both.has_monotonic);
}

static void test_random_delays(void **state)
{
        (void)state;
        for (uint64_t i = 0; i < 1000; i++) {
                struct timer_moments m = { MOMENTS, .random = timer_fixed_random("m", 0, "x.timer") * (2 * i + 1) };
                uint64_t when = ask("OnBootSec=500\nRandomizedDelaySec=10", m).monotonic;
                assert_true(when >= 500 * (uint64_t)S && when <= 510 * (uint64_t)S);
                assert_true(ask("OnBootSec=500", m).monotonic == 500 * (uint64_t)S);
        }
        assert_true(timer_fixed_random("m", 0, "x.timer") == timer_fixed_random("m", 0, "x.timer"));
        assert_true(timer_fixed_random("m", 0, "x.timer") != timer_fixed_random("m", 1, "x.timer"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values), cmocka_unit_test(test_bad_ones), cmocka_unit_test(test_monotonic), cmocka_unit_test(test_calendar), cmocka_unit_test(test_random_delays),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
