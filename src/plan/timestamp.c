/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/timestamp.h"

#include <string.h>

#include "plan/calendar.h"

static int64_t local_day(uint64_t usec, const struct zone *z)
{
        int64_t t = (int64_t)(usec / 1000000);
        return floor_div(t + zone_at(z, t).kind->offset_seconds, DAY_SECONDS);
}

static int bad(const char *s, struct error *e)
{
        error_set(e, EINVAL, "timestamp.syntax", "\"%.80s\" is no point in time", s);
        error_hint(e, "write it as in \"2026-03-29 02:30:00 UTC\", \"@1774747800\", \"today\" or \"+2h\"");
        return -EINVAL;
}

static bool is_single(const struct calendar *c)
{
        for (int i = CALENDAR_YEAR; i < CALENDAR_LEVELS; i++)
                if (c->fields[i].count != 1 || c->fields[i].parts[0].repeat)
                        return false;
        return !c->from_month_end;
}

/* A calendar event that happens once. */
static int parse_absolute(const char *s, const struct zone_source *source, int64_t today, uint64_t *ret, struct error *e)
{
        struct date d = date_of_days(today);
        bool has_date = *s == '@' || strcspn(s, "-~") < strcspn(s, ":") || !strchr(s, ':');
        CLEAN_FREE char *whole = has_date ? xstrdup(s) : xprintf("%lld-%d-%d %s", (long long)d.year, d.month, d.day, s);
        CLEAN_CALENDAR struct calendar c = { 0 };
        int r = calendar_parse(whole, source, &c, e);
        if (r < 0)
                return r;
        if (!is_single(&c))
                return bad(s, e);
        if (!calendar_next(&c, 0, ret))
                return error_set(e, EINVAL, "timestamp.syntax", "there is no \"%.80s\": the day, its weekday or its time does not exist", s);
        return 0;
}

static int parse_relative(const char *s, uint64_t now, uint64_t *ret, struct error *e)
{
        bool back = *s == '-', ago = text_ends(s, " ago");
        size_t skip = *s == '+' || back;
        CLEAN_FREE char *span = xstrndup(s + skip, strlen(s) - skip - (ago ? 4 : 0));
        uint64_t n;
        if ((skip && ago) || text_parse_span_usec(span, &n) < 0)
                return bad(s, e);
        if (back || ago ? n > now : n > (uint64_t)INT64_MAX - now)
                return error_set(e, ERANGE, "timestamp.syntax", "\"%.80s\" is before 1970, or too far ahead", s);
        *ret = back || ago ? now - n : now + n;
        return 0;
}

int timestamp_parse(const char *s, const struct zone_source *source, uint64_t now_usec, uint64_t *ret_usec, struct error *e)
{
        static const struct {
                const char *word;
                int days;
        } words[] = { { "yesterday", -1 }, { "today", 0 }, { "tomorrow", 1 } };
        int64_t today = local_day(now_usec, source ? source->local : zone_utc());
        if (text_equal(s, "now")) {
                *ret_usec = now_usec;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (text_equal(s, words[i].word)) {
                        struct date d = date_of_days(today + words[i].days);
                        CLEAN_FREE char *date = xprintf("%lld-%d-%d", (long long)d.year, d.month, d.day);
                        return parse_absolute(date, source, today, ret_usec, e);
                }
        if (*s == '+' || *s == '-' || text_ends(s, " ago"))
                return parse_relative(s, now_usec, ret_usec, e);
        return parse_absolute(s, source, today, ret_usec, e);
}

char *timestamp_format(uint64_t usec, const struct zone *z)
{
        int64_t t = (int64_t)(usec / 1000000);
        const struct zone_kind *k = zone_at(z, t).kind;
        int64_t local = t + k->offset_seconds, days = floor_div(local, DAY_SECONDS), of_day = local - days * DAY_SECONDS;
        struct date d = date_of_days(days);
        struct text text = { 0 };
        text_addf(&text, "%s %04lld-%02d-%02d %02d:%02d:%02d", calendar_weekday_word(date_weekday(days)), (long long)d.year, d.month, d.day,
                  (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
        if (usec % 1000000)
                text_addf(&text, ".%06u", (unsigned)(usec % 1000000));
        text_addf(&text, " %s", k->abbreviation);
        return text.data;
}
