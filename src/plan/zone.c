/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/zone.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_SECONDS = 3600, OFFSET_MAX = 26 * HOUR_SECONDS };
/* Instants beyond are of no use to anybody, and their sums would not fit. */
static const int64_t instant_max = (int64_t)32000 * 366 * DAY_SECONDS;

/* ---- civil dates: proleptic Gregorian, in eras of 400 years that begin on the 1st of March ---- */

enum { ERA_DAYS = 146097, EPOCH_DAYS = 719468 /* from 0000-03-01 to 1970-01-01 */ };

int64_t date_to_days(struct date d)
{
        int64_t year = d.year - (d.month <= 2), era = floor_div(year, 400), of_era = year - era * 400;
        int64_t of_year = (153 * ((d.month + 9) % 12) + 2) / 5 + d.day - 1;
        return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
}

struct date date_of_days(int64_t days)
{
        int64_t z = days + EPOCH_DAYS, era = floor_div(z, ERA_DAYS), of_era = z - era * ERA_DAYS;
        int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / (ERA_DAYS - 1)) / 365;
        int64_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
        int month = (int)(m < 10 ? m + 3 : m - 9);
        return (struct date){ year + era * 400 + (month <= 2), month, (int)(of_year - (153 * m + 2) / 5 + 1) };
}

int date_weekday(int64_t days)
{
        return (int)(days + 3 - 7 * floor_div(days + 3, 7));
}

static bool is_leap(int64_t year)
{
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int date_month_days(int64_t year, int month)
{
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        return days[month - 1] + (month == 2 && is_leap(year));
}

/* ---- rules ---- */

static bool take_number(const char **s, int max, int *ret)
{
        int n = 0;
        const char *p = *s;
        for (; isdigit((unsigned char)*p) && p - *s < 4; p++)
                n = n * 10 + (*p - '0');
        if (p == *s || n > max)
                return false;
        *s = p;
        *ret = n;
        return true;
}

static bool take(const char **s, char c)
{
        if (**s != c)
                return false;
        ++*s;
        return true;
}

/* "CEST", or "<+03>" */
static bool take_abbreviation(const char **s, char ret[ZONE_ABBREVIATION_MAX + 1])
{
        bool quoted = take(s, '<');
        size_t n = 0;
        while (isalpha((unsigned char)(*s)[n]) || (quoted && (isdigit((unsigned char)(*s)[n]) || (*s)[n] == '+' || (*s)[n] == '-')))
                n++;
        if (n < 3 || n > ZONE_ABBREVIATION_MAX)
                return false;
        memcpy(ret, *s, n);
        ret[n] = 0;
        *s += n;
        return !quoted || take(s, '>');
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **s, int hours_max, int32_t *ret)
{
        bool negative = take(s, '-');
        int hours, minutes = 0, seconds = 0;
        if (!negative)
                (void)take(s, '+');
        if (!take_number(s, hours_max, &hours) || (take(s, ':') && (!take_number(s, 59, &minutes) || (take(s, ':') && !take_number(s, 59, &seconds)))))
                return false;
        int32_t sum = hours * HOUR_SECONDS + minutes * 60 + seconds;
        *ret = negative ? -sum : sum;
        return true;
}

static bool take_day(const char **s, struct zone_day *d)
{
        d->time_seconds = 2 * HOUR_SECONDS;
        if (take(s, 'M')) {
                d->form = ZONE_DAY_OF_WEEK;
                if (!take_number(s, 12, &d->month) || d->month < 1 || !take(s, '.') || !take_number(s, 5, &d->week) || d->week < 1 || !take(s, '.') ||
                    !take_number(s, 6, &d->day))
                        return false;
        } else {
                d->form = take(s, 'J') ? ZONE_DAY_JULIAN : ZONE_DAY_OF_YEAR;
                if (!take_number(s, 365, &d->day) || (d->form == ZONE_DAY_JULIAN && d->day < 1))
                        return false;
        }
        return !take(s, '/') || take_time(s, 167, &d->time_seconds);
}

static bool parse_rule(const char *s, struct zone_rule *r)
{
        int32_t west;
        if (!take_abbreviation(&s, r->standard.abbreviation) || !take_time(&s, 24, &west))
                return false;
        r->standard.offset_seconds = -west;
        r->present = true;
        if (!*s)
                return true;
        r->has_dst = r->dst.dst = true;
        if (!take_abbreviation(&s, r->dst.abbreviation))
                return false;
        r->dst.offset_seconds = r->standard.offset_seconds + HOUR_SECONDS;
        if (*s != ',') {
                if (!take_time(&s, 24, &west))
                        return false;
                r->dst.offset_seconds = -west;
        }
        return take(&s, ',') && take_day(&s, &r->dst_start) && take(&s, ',') && take_day(&s, &r->dst_end) && !*s;
}

int zone_parse_rule(const char *rule, struct zone *ret, struct error *e)
{
        struct zone z = { 0 };
        if (strlen(rule) > ZONE_RULE_MAX || !parse_rule(rule, &z.rule))
                return error_set(e, EINVAL, "zone.format", "\"%.80s\" is no rule of a time zone", rule);
        z.name = xstrdup(rule);
        *ret = z;
        return 0;
}

/* The local time, by the clocks before, at which the clocks are set in a year. */
static int64_t day_local(const struct zone_day *d, int64_t year)
{
        int64_t first = date_to_days((struct date){ year, d->form == ZONE_DAY_OF_WEEK ? d->month : 1, 1 }), day;
        if (d->form == ZONE_DAY_OF_WEEK) {
                int sunday_first = (date_weekday(first) + 1) % 7, ahead = (d->day - sunday_first + 7) % 7;
                int of_month = ahead + 7 * (d->week - 1), last = date_month_days(year, d->month) - 1;
                day = first + (of_month > last ? of_month - 7 : of_month);
        } else {
                /* J60 is always the 1st of March. */
                day = first + d->day - (d->form == ZONE_DAY_JULIAN && !(is_leap(year) && d->day >= 60));
        }
        return day * DAY_SECONDS + d->time_seconds;
}

static void widen(struct zone_stretch *s, int64_t change, const struct zone_kind *kind, int64_t instant)
{
        if (change <= instant && change >= s->from) {
                s->from = change;
                s->kind = kind;
        }
        if (change > instant && change < s->until)
                s->until = change;
}

/* Those of the years around: a rule may be all year long in one kind, when the days meet or pass one another. */
static struct zone_stretch rule_at(const struct zone_rule *r, int64_t instant)
{
        struct zone_stretch s = { INT64_MIN, INT64_MAX, &r->standard };
        if (!r->has_dst)
                return s;
        int64_t year = date_of_days(floor_div(instant, DAY_SECONDS)).year;
        for (int64_t y = year - 1; y <= year + 1; y++) {
                int64_t start = day_local(&r->dst_start, y) - r->standard.offset_seconds, end = day_local(&r->dst_end, y) - r->dst.offset_seconds;
                /* Where an end and the start of the next year meet, the start holds. */
                widen(&s, end, &r->standard, instant);
                widen(&s, start, &r->dst, instant);
        }
        return s;
}

/* ---- files ---- */

struct reader {
        const unsigned char *data;
        size_t size, at;
};

struct header {
        int version;
        uint32_t utc_flags, standard_flags, leaps, changes, kinds, characters;
};

static const unsigned char *take_bytes(struct reader *r, size_t n)
{
        if (r->size - r->at < n)
                return NULL;
        r->at += n;
        return r->data + r->at - n;
}

static int64_t big_endian(const unsigned char *p, unsigned bytes)
{
        uint64_t n = bytes < 8 && p[0] & 0x80 ? ~0ULL : 0;
        for (unsigned i = 0; i < bytes; i++)
                n = n << 8 | p[i];
        return (int64_t)n;
}

static bool take_header(struct reader *r, struct header *h)
{
        const unsigned char *p = take_bytes(r, 44);
        if (!p || memcmp(p, "TZif", 4) || (p[4] != 0 && (p[4] < '2' || p[4] > '4')))
                return false;
        uint32_t *const counts[] = { &h->utc_flags, &h->standard_flags, &h->leaps, &h->changes, &h->kinds, &h->characters };
        h->version = p[4] ? p[4] - '0' : 1;
        for (size_t i = 0; i < ELEMENTS(counts); i++)
                *counts[i] = (uint32_t)big_endian(p + 20 + 4 * i, 4);
        return true;
}

static bool header_fits(const struct header *h)
{
        return h->changes <= ZONE_CHANGES_MAX && h->kinds <= ZONE_KINDS_MAX && h->characters <= 4096 && h->leaps <= 4096 &&
               h->utc_flags <= ZONE_KINDS_MAX && h->standard_flags <= ZONE_KINDS_MAX;
}

static size_t body_size(const struct header *h, size_t time_size)
{
        return h->changes * (time_size + 1) + h->kinds * 6 + h->characters + h->leaps * (time_size + 4) + h->utc_flags + h->standard_flags;
}

static bool parse_kinds(struct zone *z, const struct header *h, const unsigned char *kinds, const char *characters)
{
        z->kinds = xalloc(h->kinds, sizeof *z->kinds);
        z->kind_count = h->kinds;
        for (size_t i = 0; i < h->kinds; i++, kinds += 6) {
                struct zone_kind *k = &z->kinds[i];
                int64_t offset = big_endian(kinds, 4);
                if (offset < -OFFSET_MAX || offset > OFFSET_MAX || kinds[4] > 1 || kinds[5] >= h->characters)
                        return false;
                size_t n = strnlen(characters + kinds[5], h->characters - kinds[5]);
                if (kinds[5] + n == h->characters || n > ZONE_ABBREVIATION_MAX)
                        return false;
                memcpy(k->abbreviation, characters + kinds[5], n);
                k->offset_seconds = (int32_t)offset;
                k->dst = kinds[4];
        }
        return true;
}

/* Sets of the clocks that lie before all time are left out, but for their kind. */
static bool parse_changes(struct zone *z, const struct header *h, const unsigned char *times, const unsigned char *kinds, unsigned time_size)
{
        z->changes = xalloc(h->changes + 1, sizeof *z->changes);
        z->change_kinds = xalloc(h->changes + 1, 1);
        for (size_t i = 0; i < h->changes; i++) {
                int64_t t = big_endian(times + i * time_size, time_size);
                if (kinds[i] >= h->kinds || t > instant_max || (i && t <= big_endian(times + (i - 1) * time_size, time_size)))
                        return false;
                if (t < -instant_max)
                        t = -instant_max;
                if (z->change_count && z->changes[z->change_count - 1] == t)
                        z->change_count--;
                z->changes[z->change_count] = t;
                z->change_kinds[z->change_count++] = kinds[i];
        }
        return true;
}

static bool parse_body(struct zone *z, const struct header *h, const unsigned char *p, unsigned time_size)
{
        const unsigned char *kinds_of_changes = p + h->changes * time_size, *kinds = kinds_of_changes + h->changes;
        const char *characters = (const char *)kinds + h->kinds * 6;
        return h->kinds && parse_kinds(z, h, kinds, characters) && parse_changes(z, h, p, kinds_of_changes, time_size);
}

/* "\nRULE\n"; an empty one says nothing. */
static bool parse_footer(struct zone *z, struct reader *r)
{
        const char *p = (const char *)r->data + r->at, *end = r->size > r->at + 1 ? memchr(p + 1, '\n', r->size - r->at - 1) : NULL;
        if (!end || *p != '\n' || end - p - 1 > ZONE_RULE_MAX || memchr(p, 0, (size_t)(end - p)))
                return false;
        CLEAN_FREE char *rule = xstrndup(p + 1, (size_t)(end - p - 1));
        return !*rule || parse_rule(rule, &z->rule);
}

static int parse(struct zone *z, struct reader *r, struct error *e)
{
        struct header h;
        unsigned time_size = 4;
        bool whole = take_header(r, &h);
        if (whole && header_fits(&h) && h.version >= 2) {
                time_size = 8;
                whole = take_bytes(r, body_size(&h, 4)) && take_header(r, &h);
        }
        if (whole && !header_fits(&h))
                return error_set(e, E2BIG, "zone.limit", "the time zone %.80s has more than %d changes or %d kinds of time", z->name, ZONE_CHANGES_MAX, ZONE_KINDS_MAX);
        if (whole && h.leaps)
                return error_set(e, EINVAL, "zone.leap-seconds", "the time zone %.80s counts leap seconds, which this system's clock does not", z->name);
        const unsigned char *body = whole ? take_bytes(r, body_size(&h, time_size)) : NULL;
        if (!body || !parse_body(z, &h, body, time_size) || (time_size == 8 && !parse_footer(z, r)))
                return error_set(e, EINVAL, "zone.format", "the file of the time zone %.80s is none, or broken", z->name);
        return 0;
}

int zone_parse(const char *name, const char *data, size_t size, struct zone *ret, struct error *e)
{
        CLEAN_ZONE struct zone z = { .name = xstrdup(name) };
        struct reader r = { (const unsigned char *)data, size, 0 };
        if (size > ZONE_FILE_MAX)
                return error_set(e, E2BIG, "zone.limit", "the file of the time zone %.80s has more than %d bytes", name, ZONE_FILE_MAX);
        int code = parse(&z, &r, e);
        if (code < 0)
                return code;
        *ret = z;
        z = (struct zone){ 0 };
        return 0;
}

void zone_done(struct zone *z)
{
        free(z->name);
        free(z->changes);
        free(z->change_kinds);
        free(z->kinds);
        *z = (struct zone){ 0 };
}

bool zone_name_valid(const char *name)
{
        size_t n = strlen(name);
        if (n == 0 || n > ZONE_NAME_MAX || *name == '/' || name[n - 1] == '/' || strstr(name, "//"))
                return false;
        for (const char *p = name; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr("-_+/", *p))
                        return false;
        return true;
}

const struct zone *zone_utc(void)
{
        static char name[] = "UTC";
        static const struct zone utc = { .name = name, .rule = { .present = true, .standard = { .abbreviation = "UTC" } } };
        return &utc;
}

/* ---- questions ---- */

/* How many changes are not after an instant. */
static size_t changes_until(const struct zone *z, int64_t instant)
{
        size_t low = 0, high = z->change_count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (z->changes[middle] <= instant)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

struct zone_stretch zone_at(const struct zone *z, int64_t instant)
{
        if (instant > instant_max)
                instant = instant_max;
        size_t n = changes_until(z, instant), count = z->change_count;
        int64_t from = n ? z->changes[n - 1] : INT64_MIN;
        if (n == count && z->rule.present) {
                struct zone_stretch s = rule_at(&z->rule, instant);
                s.from = s.from > from ? s.from : from;
                return s;
        }
        return (struct zone_stretch){ from, n < count ? z->changes[n] : INT64_MAX, &z->kinds[n ? z->change_kinds[n - 1] : 0] };
}

void zone_abbreviations(const struct zone *z, const char *ret[2])
{
        ret[0] = ret[1] = NULL;
        for (size_t i = 0; i < z->change_count; i++) {
                const struct zone_kind *k = &z->kinds[z->change_kinds[i]];
                ret[k->dst] = k->abbreviation;
        }
        if (z->kind_count && !z->change_count)
                ret[z->kinds[0].dst] = z->kinds[0].abbreviation;
        if (z->rule.present)
                ret[0] = z->rule.standard.abbreviation;
        if (z->rule.has_dst)
                ret[1] = z->rule.dst.abbreviation;
}

enum zone_answer zone_instant(const struct zone *z, int64_t local, int64_t not_before, int64_t *ret)
{
        int64_t at = local - OFFSET_MAX, resume = local + 1;
        if (at < not_before)
                at = not_before;
        for (;;) {
                struct zone_stretch s = zone_at(z, at);
                int64_t t = local - s.kind->offset_seconds;
                if (t >= s.from && t < s.until && t >= not_before) {
                        *ret = t;
                        return ZONE_FOUND;
                }
                if (s.until > local + OFFSET_MAX)
                        break;
                int64_t before = s.until + s.kind->offset_seconds, after = s.until + zone_at(z, s.until).kind->offset_seconds;
                if (before <= local && local < after && after > resume)
                        resume = after;
                at = s.until;
        }
        *ret = resume;
        return ZONE_LEFT_OUT;
}
