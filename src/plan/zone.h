/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time zones as the files of the tz database have them (RFC 8536), and the rules of POSIX's TZ variable; civil dates.
 * Pure: bytes in, no system call; src/shim/zones.h finds the files.
 *
 * A "local" time is seconds since 1970-01-01 00:00 on the clocks of the zone; an instant is the same in UTC. Clocks that are set
 * forward leave local times out, clocks that are set back have some twice.
 */
#pragma once

#include <limits.h>

#include "base/error.h"
#include "base/text.h"

enum {
        ZONE_FILE_MAX = 1 << 20,  /* bytes of a zone's file */
        ZONE_RULE_MAX = 255,      /* bytes of a rule */
        ZONE_CHANGES_MAX = 20000, /* of the clocks, in one file */
        ZONE_KINDS_MAX = 256,
        ZONE_NAME_MAX = 255,      /* of "Europe/Berlin" */
        ZONE_ABBREVIATION_MAX = 31,
        DAY_SECONDS = 86400,
};

struct zone_kind {
        int32_t offset_seconds; /* east of UTC */
        bool dst;
        char abbreviation[ZONE_ABBREVIATION_MAX + 1]; /* "CEST" */
};

/* A day of each year on which the clocks are set, as POSIX's TZ writes it. */
struct zone_day {
        enum { ZONE_DAY_JULIAN, ZONE_DAY_OF_YEAR, ZONE_DAY_OF_WEEK } form;
        int day, week, month;
        int32_t time_seconds; /* on the clocks that hold until then; may be negative or of a later day */
};

struct zone_rule {
        bool present, has_dst;
        struct zone_kind standard, dst;
        struct zone_day dst_start, dst_end;
};

struct zone {
        char *name; /* "Europe/Berlin", or the rule itself */
        int64_t *changes; /* instants in ascending order */
        unsigned char *change_kinds;
        size_t change_count;
        struct zone_kind *kinds;
        size_t kind_count;
        struct zone_rule rule; /* after the last change */
};

/* A stretch of time in which the clocks are not set: from the first instant to before the last. */
struct zone_stretch {
        int64_t from, until; /* INT64_MIN, INT64_MAX: no end */
        const struct zone_kind *kind;
};

/* Ids of errors: "zone.format", "zone.leap-seconds", "zone.limit". */
int zone_parse(const char *name, const char *data, size_t size, struct zone *ret, struct error *e);
/* "CET-1CEST,M3.5.0,M10.5.0/3". Id: "zone.format". */
int zone_parse_rule(const char *rule, struct zone *ret, struct error *e);
void zone_done(struct zone *z);
#define CLEAN_ZONE CLEAN(zone_done)
/* Whether name may be that of a file below a folder of zones: no "..", no slash at its ends, letters, digits and "-_+/" only. */
bool zone_name_valid(const char *name);
const struct zone *zone_utc(void);

struct zone_stretch zone_at(const struct zone *z, int64_t instant);
/* Two abbreviations that hold in winter and in summer, the last that are known; NULL where there is none. */
void zone_abbreviations(const struct zone *z, const char *ret[2]);

enum zone_answer { ZONE_FOUND, ZONE_LEFT_OUT };
/*
 * The first instant not before not_before at which the clocks show local. ZONE_LEFT_OUT: there is none; *ret is then the first later
 * local time that is worth a try.
 */
enum zone_answer zone_instant(const struct zone *z, int64_t local, int64_t not_before, int64_t *ret);

/* ---- where zones come from ---- */

/* Whoever parses a text with the name of a zone in it is given this. */
struct zone_source {
        const struct zone *(*find)(void *context, const char *name); /* NULL: there is none. What it gives lives as long as the source. */
        void *context;
        const struct zone *local; /* never NULL */
};

/* ---- civil dates ---- */

struct date {
        int64_t year; /* -32,000 to 32,000 */
        int month, day; /* from 1 */
};

int64_t date_to_days(struct date d); /* since 1970-01-01 */
struct date date_of_days(int64_t days);
int date_weekday(int64_t days); /* 0: Monday */
int date_month_days(int64_t year, int month);
static inline int64_t floor_div(int64_t a, int64_t b)
{
        return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}
