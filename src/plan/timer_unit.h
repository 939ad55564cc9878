/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The [Timer] section (systemd.timer(5)), and when a timer elapses next. Pure: the clocks are given.
 *
 * Monotonic times are microseconds of one clock that begins at boot: CLOCK_MONOTONIC, or CLOCK_BOOTTIME if the timer wakes the system.
 */
#pragma once

#include "base/error.h"
#include "plan/calendar.h"
#include "plan/directive.h"
#include "plan/unit_file.h"
#include "plan/unit_name.h"

enum { TIMER_EXPRESSIONS_MAX = 1000 };

enum timer_base { TIMER_ACTIVE, TIMER_BOOT, TIMER_STARTUP, TIMER_UNIT_ACTIVE, TIMER_UNIT_INACTIVE, TIMER_CALENDAR };

struct timer_expression {
        enum timer_base base;
        uint64_t span_usec;
        struct calendar calendar;
};

struct timer_unit {
        struct timer_expression *expressions;
        size_t count, room;
        char *unit; /* that it activates */
        uint64_t accuracy_usec, randomized_delay_usec;
        bool fixed_random_delay, on_clock_change, on_timezone_change, persistent, remain_after_elapse;
        bool wake_system; /* takes CAP_WAKE_ALARM, and CLOCK_BOOTTIME */
};

/*
 * zones must outlive ret. -EINVAL, "timer.empty", if it would never elapse; "timer.unit" if its unit is none, or a timer; "timer.limit";
 * ids of plan/unit_section.h and of calendar_parse.
 */
int timer_unit_parse(const struct unit_file *f, const struct unit_name *name, const struct facts *facts, const struct zone_source *zones, bool lenient,
                     struct strings *notes, struct timer_unit *ret, struct error *e);
/* Whether one line of [Timer] can be read. */
int timer_unit_check(const struct unit_line *l, const struct facts *facts, const struct zone_source *zones, struct error *e);
/* Whether a directive of [Timer] is carried out. */
bool timer_unit_applies(const char *name);
void timer_unit_done(struct timer_unit *t);
#define CLEAN_TIMER_UNIT CLEAN(timer_unit_done)

struct timer_moment {
        uint64_t realtime, monotonic; /* microseconds; 0: never */
};

struct timer_moments {
        struct timer_moment now, startup /* of the manager */, activated /* the timer itself */;
        struct timer_moment triggered; /* last; with Persistent= realtime may be from an earlier life, and monotonic is 0 then */
        uint64_t unit_active, unit_inactive; /* monotonic: when its unit was last activated, and last deactivated */
        uint64_t random; /* uniform, new for each question; with FixedRandomDelay= timer_fixed_random instead */
};

struct timer_next {
        bool has_monotonic, has_realtime; /* both: whichever comes first */
        uint64_t monotonic, realtime;     /* may be in the past: then now. Up to accuracy_usec later is as well */
        bool waits_for_unit; /* elapses again once its unit ran, though neither is set */
};

void timer_next(const struct timer_unit *t, const struct timer_moments *m, struct timer_next *ret);
/* The same for a timer of a user on a machine at all times. */
uint64_t timer_fixed_random(const char *machine_id, uint32_t uid, const char *name);
