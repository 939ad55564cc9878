/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calendar events, as OnCalendar= has them (systemd.time(7)): "Mon..Fri *-*-* 10:00:00 Europe/Berlin". Parsing, the normalised form,
 * and the next time. Pure: zones come from a struct zone_source.
 *
 * Local times that the clocks leave out do not happen. Those that they show twice happen once, at the first; who asks from between
 * the two gets the second. So does systemd.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "plan/zone.h"

enum {
        CALENDAR_TEXT_MAX = 65536,
        CALENDAR_PARTS_MAX = 240, /* between the commas of one field */
        CALENDAR_YEAR_MIN = 1970,
        CALENDAR_YEAR_MAX = 2199,
};

enum calendar_level { CALENDAR_YEAR, CALENDAR_MONTH, CALENDAR_DAY, CALENDAR_HOUR, CALENDAR_MINUTE, CALENDAR_SECOND /* in microseconds */, CALENDAR_LEVELS };

struct calendar_part {
        int64_t start;
        int64_t stop;   /* -1: none */
        int64_t repeat; /* 0: start only */
};

struct calendar_field {
        struct calendar_part *parts; /* none: any value */
        size_t count, room;
};

struct calendar {
        unsigned weekdays; /* bit 0: Monday; 0: any */
        bool from_month_end; /* days count from the last of the month, which is 1 */
        struct calendar_field fields[CALENDAR_LEVELS];
        const struct zone *zone; /* borrowed from the source */
        char *zone_suffix; /* as it is written; NULL: local time */
        int dst;           /* 0, 1: only while the clocks are not, or are, on summer time; -1: always */
};

/*
 * An expression, or a shorthand such as "daily". source NULL: UTC is the only zone, and the local one. Ids of errors:
 * "calendar.syntax", "calendar.range", "calendar.limit".
 */
int calendar_parse(const char *s, const struct zone_source *source, struct calendar *ret, struct error *e);
/* The normalised form; parsed again it is the same. Free it. */
char *calendar_format(const struct calendar *c);
/* The first time after an instant, in microseconds since 1970 UTC. false: never again. */
bool calendar_next(const struct calendar *c, uint64_t after_usec, uint64_t *ret_usec);
void calendar_done(struct calendar *c);
#define CLEAN_CALENDAR CLEAN(calendar_done)

/* "Mon" for 0, and so on. */
const char *calendar_weekday_word(int weekday);
