/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The next time of a calendar event. The search runs over the clocks' own times, from the year down to the second, so that it
 * knows nothing of zones; what it finds is then looked up in the zone.
 */
#include <stddef.h>

#include "plan/calendar.h"

static const int64_t second_usec = 1000000;
/* Each step skips what the clocks leave out, or a stretch of the wrong kind of time: two a year. */
enum { STEPS_MAX = 10000 };

static const int64_t least[CALENDAR_LEVELS] = { 0, 1, 1, 0, 0, 0 }, most[CALENDAR_LEVELS] = { CALENDAR_YEAR_MAX, 12, 31, 23, 59, 59999999 };

/* The least value of a part that is not below value; INT64_MAX: none. */
static int64_t part_next(const struct calendar_part *p, int64_t value)
{
        if (p->start >= value)
                return p->start;
        if (p->repeat == 0)
                return INT64_MAX;
        int64_t n = p->start + (value - p->start + p->repeat - 1) / p->repeat * p->repeat;
        return p->stop < 0 || n <= p->stop ? n : INT64_MAX;
}

/* A part that counts from the end of a month, as one that counts from its start. Months have the days that such parts may name. */
static struct calendar_part of_month(const struct calendar_part *p, int days)
{
        int64_t start = days + 1 - p->start;
        if (p->stop < 0)
                return (struct calendar_part){ start, -1, p->repeat };
        return (struct calendar_part){ days + 1 - p->stop, start, p->repeat };
}

static int64_t field_next(const struct calendar *c, enum calendar_level level, int64_t value, int month_days)
{
        const struct calendar_field *f = &c->fields[level];
        int64_t found = f->count ? INT64_MAX : value;
        for (size_t i = 0; i < f->count; i++) {
                struct calendar_part p = level == CALENDAR_DAY && c->from_month_end ? of_month(&f->parts[i], month_days) : f->parts[i];
                int64_t n = part_next(&p, value);
                found = n < found ? n : found;
        }
        return found;
}

static int64_t day_next(const struct calendar *c, const int64_t v[], int month_days)
{
        int64_t day = v[CALENDAR_DAY];
        while ((day = field_next(c, CALENDAR_DAY, day, month_days)) <= month_days) {
                int weekday = date_weekday(date_to_days((struct date){ v[CALENDAR_YEAR], (int)v[CALENDAR_MONTH], (int)day }));
                if (!c->weekdays || c->weekdays >> weekday & 1)
                        return day;
                day++;
        }
        return INT64_MAX;
}

static int64_t level_next(const struct calendar *c, enum calendar_level level, const int64_t v[])
{
        if (level == CALENDAR_DAY)
                return day_next(c, v, date_month_days(v[CALENDAR_YEAR], (int)v[CALENDAR_MONTH]));
        int64_t n = field_next(c, level, v[level], 0);
        return n <= most[level] ? n : INT64_MAX;
}

/* v becomes the first match that is not before it. false: there is none. */
static bool next_match(const struct calendar *c, int64_t v[CALENDAR_LEVELS])
{
        for (int level = CALENDAR_YEAR; level < CALENDAR_LEVELS;) {
                int64_t n = level_next(c, (enum calendar_level)level, v);
                bool found = n != INT64_MAX;
                if (!found && --level < CALENDAR_YEAR)
                        return false;
                if (!found || n > v[level])
                        for (int i = level + 1; i < CALENDAR_LEVELS; i++)
                                v[i] = least[i];
                if (found)
                        v[level++] = n;
                else
                        v[level]++;
        }
        return true;
}

static void split(int64_t local, int64_t usec, int64_t v[CALENDAR_LEVELS])
{
        int64_t days = floor_div(local, DAY_SECONDS), of_day = local - days * DAY_SECONDS;
        struct date d = date_of_days(days);
        v[CALENDAR_YEAR] = d.year;
        v[CALENDAR_MONTH] = d.month;
        v[CALENDAR_DAY] = d.day;
        v[CALENDAR_HOUR] = of_day / 3600;
        v[CALENDAR_MINUTE] = of_day / 60 % 60;
        v[CALENDAR_SECOND] = of_day % 60 * second_usec + usec;
}

static int64_t join(const int64_t v[CALENDAR_LEVELS])
{
        struct date d = { v[CALENDAR_YEAR], (int)v[CALENDAR_MONTH], (int)v[CALENDAR_DAY] };
        return date_to_days(d) * DAY_SECONDS + v[CALENDAR_HOUR] * 3600 + v[CALENDAR_MINUTE] * 60 + v[CALENDAR_SECOND] / second_usec;
}

bool calendar_next(const struct calendar *c, uint64_t after_usec, uint64_t *ret_usec)
{
        if (after_usec / 1000000 > 7258204799 /* a day into 2200 */)
                return false;
        int64_t start = (int64_t)(after_usec + 1) / second_usec, v[CALENDAR_LEVELS];
        split(start + zone_at(c->zone, start).kind->offset_seconds, (int64_t)(after_usec + 1) % second_usec, v);
        for (int steps = 0; steps < STEPS_MAX && next_match(c, v); steps++) {
                int64_t instant;
                if (zone_instant(c->zone, join(v), start, &instant) == ZONE_LEFT_OUT) {
                        split(instant, 0, v);
                        continue;
                }
                struct zone_stretch s = zone_at(c->zone, instant);
                if (c->dst < 0 || s.kind->dst == (c->dst == 1)) {
                        *ret_usec = (uint64_t)(instant * second_usec + v[CALENDAR_SECOND] % second_usec);
                        return true;
                }
                if (s.until == INT64_MAX)
                        return false;
                start = s.until;
                split(start + zone_at(c->zone, start).kind->offset_seconds, 0, v);
        }
        return false;
}
