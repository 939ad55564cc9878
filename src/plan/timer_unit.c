/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/timer_unit.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "plan/unit_section.h"

/* ---- reading ---- */

static void forget_expressions(struct timer_unit *t)
{
        for (size_t i = 0; i < t->count; i++)
                calendar_done(&t->expressions[i].calendar);
        t->count = 0;
}

static struct timer_expression *add_expression(struct timer_unit *t, struct error *e)
{
        if (t->count >= TIMER_EXPRESSIONS_MAX) {
                error_set(e, E2BIG, "timer.limit", "more than %d expressions", TIMER_EXPRESSIONS_MAX);
                return NULL;
        }
        t->expressions = xgrow(t->expressions, &t->room, t->count + 1, sizeof *t->expressions);
        t->expressions[t->count] = (struct timer_expression){ 0 };
        return &t->expressions[t->count];
}

/* An empty value forgets all expressions, whatever their base. */
static int read_expression(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        struct timer_unit *t = r->object;
        if (!*value) {
                forget_expressions(t);
                return 0;
        }
        struct timer_expression *x = add_expression(t, e);
        if (!x)
                return -E2BIG;
        x->base = (enum timer_base)row->min;
        int k = x->base == TIMER_CALENDAR ? calendar_parse(value, r->context, &x->calendar, e) : text_parse_span_usec(value, &x->span_usec);
        if (k < 0)
                return x->base == TIMER_CALENDAR ? k : section_bad(value, "a time span such as 5min 20s", e);
        t->count++;
        return 0;
}

static const struct section_row rows[] = {
        { "OnActiveSec", read_expression, 0, TIMER_ACTIVE, 0, NULL },
        { "OnBootSec", read_expression, 0, TIMER_BOOT, 0, NULL },
        { "OnStartupSec", read_expression, 0, TIMER_STARTUP, 0, NULL },
        { "OnUnitActiveSec", read_expression, 0, TIMER_UNIT_ACTIVE, 0, NULL },
        { "OnUnitInactiveSec", read_expression, 0, TIMER_UNIT_INACTIVE, 0, NULL },
        { "OnCalendar", read_expression, 0, TIMER_CALENDAR, 0, NULL },
        { "AccuracySec", section_span, offsetof(struct timer_unit, accuracy_usec), 0, 0, NULL },
        { "RandomizedDelaySec", section_span, offsetof(struct timer_unit, randomized_delay_usec), 0, 0, NULL },
        { "FixedRandomDelay", section_bool, offsetof(struct timer_unit, fixed_random_delay), 0, 0, NULL },
        { "OnClockChange", section_bool, offsetof(struct timer_unit, on_clock_change), 0, 0, NULL },
        { "OnTimezoneChange", section_bool, offsetof(struct timer_unit, on_timezone_change), 0, 0, NULL },
        { "Persistent", section_bool, offsetof(struct timer_unit, persistent), 0, 0, NULL },
        { "WakeSystem", section_bool, offsetof(struct timer_unit, wake_system), 0, 0, NULL },
        { "RemainAfterElapse", section_bool, offsetof(struct timer_unit, remain_after_elapse), 0, 0, NULL },
        { "Unit", section_text, offsetof(struct timer_unit, unit), 0, 0, NULL },
};

static const struct timer_unit defaults = { .accuracy_usec = 60000000, .remain_after_elapse = true };

int timer_unit_parse(const struct unit_file *f, const struct unit_name *name, const struct facts *facts, const struct zone_source *zones, bool lenient,
                     struct strings *notes, struct timer_unit *ret, struct error *e)
{
        CLEAN_TIMER_UNIT struct timer_unit t = defaults;
        /* The source is only read. */
        const struct section_reading r = { &t, &defaults, facts, (void *)(uintptr_t)zones };
        int k = section_read(f, "Timer", rows, ELEMENTS(rows), &r, lenient, notes, e);
        if (k == 0 && !unit_name_activated(name, &t.unit))
                k = error_set(e, EINVAL, "timer.unit", "Unit=%.80s is no unit that a timer can activate", t.unit);
        if (k == 0 && !t.count && !t.on_clock_change && !t.on_timezone_change)
                k = error_set(e, EINVAL, "timer.empty", "the timer has no expression, so that it would never elapse");
        if (k < 0)
                return k;
        *ret = t;
        t = (struct timer_unit){ 0 };
        return 0;
}

int timer_unit_check(const struct unit_line *l, const struct facts *facts, const struct zone_source *zones, struct error *e)
{
        CLEAN_TIMER_UNIT struct timer_unit t = defaults;
        const struct section_reading r = { &t, &defaults, facts, (void *)(uintptr_t)zones };
        return section_read_line(l, rows, ELEMENTS(rows), &r, e);
}

bool timer_unit_applies(const char *name)
{
        return section_applies(rows, ELEMENTS(rows), name);
}

void timer_unit_done(struct timer_unit *t)
{
        forget_expressions(t);
        free(t->expressions);
        free(t->unit);
        *t = (struct timer_unit){ 0 };
}

/* ---- the next time ---- */

static uint64_t add(uint64_t a, uint64_t b)
{
        uint64_t sum;
        return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t max(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* What a span counts from. false: that has not been yet. */
static bool find_base(const struct timer_expression *x, const struct timer_moments *m, uint64_t *ret)
{
        switch (x->base) {
        case TIMER_ACTIVE:
                *ret = m->activated.monotonic ? m->activated.monotonic : m->now.monotonic;
                return true;
        case TIMER_BOOT:
                *ret = 0;
                return true;
        case TIMER_STARTUP:
                *ret = m->startup.monotonic;
                return true;
        case TIMER_UNIT_ACTIVE:
                *ret = max(m->unit_active, m->triggered.monotonic);
                return *ret != 0;
        case TIMER_UNIT_INACTIVE:
                *ret = max(m->unit_inactive, m->triggered.monotonic);
                return *ret != 0;
        default:
                return false;
        }
}

static bool is_once(enum timer_base base)
{
        return base == TIMER_ACTIVE || base == TIMER_BOOT || base == TIMER_STARTUP;
}

/* What elapses once is over when the timer triggered since it was started, and the time is past. */
static bool next_monotonic(const struct timer_expression *x, const struct timer_moments *m, uint64_t *ret)
{
        uint64_t base;
        if (!find_base(x, m, &base))
                return false;
        *ret = add(base, x->span_usec);
        return *ret != UINT64_MAX && !(is_once(x->base) && m->triggered.monotonic && *ret < m->now.monotonic);
}

/*
 * After the last trigger, or after the timer's start. What was missed while nobody looked after timers counts as of the manager's start,
 * so that a random delay has a place to go.
 */
static bool next_realtime(const struct timer_expression *x, const struct timer_moments *m, uint64_t *ret)
{
        uint64_t after = m->triggered.realtime ? m->triggered.realtime : m->activated.realtime ? m->activated.realtime : m->now.realtime;
        if (!calendar_next(&x->calendar, after, ret))
                return false;
        /* On today's clock: that of the start may have been wrong. */
        uint64_t since = m->now.monotonic - (m->startup.monotonic < m->now.monotonic ? m->startup.monotonic : m->now.monotonic);
        *ret = max(*ret, m->now.realtime > since ? m->now.realtime - since : 0);
        return true;
}

static uint64_t random_delay(const struct timer_unit *t, uint64_t random)
{
        uint64_t limit = t->randomized_delay_usec;
        return limit == UINT64_MAX ? random : random % (limit + 1);
}

void timer_next(const struct timer_unit *t, const struct timer_moments *m, struct timer_next *ret)
{
        *ret = (struct timer_next){ 0 };
        for (size_t i = 0; i < t->count; i++) {
                const struct timer_expression *x = &t->expressions[i];
                bool calendar = x->base == TIMER_CALENDAR, *has = calendar ? &ret->has_realtime : &ret->has_monotonic;
                uint64_t *when = calendar ? &ret->realtime : &ret->monotonic, found;
                ret->waits_for_unit |= x->base == TIMER_UNIT_ACTIVE || x->base == TIMER_UNIT_INACTIVE;
                if (!(calendar ? next_realtime : next_monotonic)(x, m, &found))
                        continue;
                *when = *has && *when < found ? *when : found;
                *has = true;
        }
        ret->monotonic = ret->has_monotonic ? add(ret->monotonic, random_delay(t, m->random)) : 0;
        ret->realtime = ret->has_realtime ? add(ret->realtime, random_delay(t, m->random)) : 0;
}

uint64_t timer_fixed_random(const char *machine_id, uint32_t uid, const char *name)
{
        static const uint8_t key[16] = { 0x62, 0x75, 0x6c, 0x6b, 0x68, 0x65, 0x61, 0x64, 0x2d, 0x74, 0x69, 0x6d, 0x65, 0x72, 0x2d, 0x31 };
        CLEAN_FREE char *all = xprintf("%s\n%u\n%s", machine_id, (unsigned)uid, name);
        return hash_sip24(all, strlen(all), key);
}
