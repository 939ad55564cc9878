/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading and writing calendar events. */
#include "plan/calendar.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const int64_t second_usec = 1000000;

/* What each field may hold, and how many digits it is written with. */
static const struct field_form {
        const char *name;
        int64_t min, max;
        int digits;
} forms[CALENDAR_LEVELS] = {
        [CALENDAR_YEAR] = { "year", CALENDAR_YEAR_MIN, CALENDAR_YEAR_MAX, 4 },
        [CALENDAR_MONTH] = { "month", 1, 12, 2 },
        [CALENDAR_DAY] = { "day", 1, 31, 2 },
        [CALENDAR_HOUR] = { "hour", 0, 23, 2 },
        [CALENDAR_MINUTE] = { "minute", 0, 59, 2 },
        [CALENDAR_SECOND] = { "second", 0, 59999999, 2 },
};
enum { MONTH_END_DAY_MAX = 28 /* that each month has */ };

static const struct {
        const char *name;
        const char *expression;
} shorthands[] = {
        { "minutely", "*-*-* *:*:00" },     { "hourly", "*-*-* *:00:00" },
        { "daily", "*-*-* 00:00:00" },      { "weekly", "Mon *-*-* 00:00:00" },
        { "monthly", "*-*-01 00:00:00" },   { "quarterly", "*-01,04,07,10-01 00:00:00" },
        { "yearly", "*-01-01 00:00:00" },   { "annually", "*-01-01 00:00:00" },
        { "anually", "*-01-01 00:00:00" }, /* systemd takes it */
        { "semiannually", "*-01,07-01 00:00:00" },  { "semi-annually", "*-01,07-01 00:00:00" },
        { "biannually", "*-01,07-01 00:00:00" },    { "bi-annually", "*-01,07-01 00:00:00" },
};

static const char *const weekdays[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" };

const char *calendar_weekday_word(int weekday)
{
        static const char *const words[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
        return words[weekday];
}

static int syntax_error(struct error *e, const char *at, const char *what)
{
        return *at ? error_set(e, EINVAL, "calendar.syntax", "\"%.60s\" stands where %s", at, what) :
                     error_set(e, EINVAL, "calendar.syntax", "the end stands where %s", what);
}

/* ---- weekdays ---- */

/* A day's whole name, or its first three letters; what follows is no letter. -1: none. */
static int take_weekday(const char **s)
{
        size_t n = 0;
        while (isalpha((unsigned char)(*s)[n]))
                n++;
        for (int i = 0; i < 7; i++)
                if ((n == 3 || n == strlen(weekdays[i])) && strncasecmp(*s, weekdays[i], n) == 0) {
                        *s += n;
                        return i;
                }
        return -1;
}

/* "Mon..Wed,Fri", behind which a comma may stand; nothing where there is none. */
static int parse_weekdays(const char **s, struct calendar *c, struct error *e)
{
        if (!isalpha((unsigned char)**s))
                return 0;
        do {
                int first = take_weekday(s), last = first;
                if (first < 0)
                        return syntax_error(e, *s, "a weekday should");
                if (**s == '-' || text_starts(*s, "..")) {
                        *s += **s == '-' ? 1 : 2;
                        last = take_weekday(s);
                        if (last < first)
                                return error_set(e, EINVAL, "calendar.range", "a range of weekdays has no end, or one that comes before its start");
                }
                for (int i = first; i <= last; i++)
                        c->weekdays |= 1U << i;
                if (**s != ',')
                        break;
                ++*s;
        } while (**s && **s != ' ');
        if (**s && **s != ' ')
                return syntax_error(e, *s, "a blank should, behind the weekdays");
        *s += strspn(*s, " ");
        if (c->weekdays == 127)
                c->weekdays = 0;
        return 0;
}

/* ---- fields ---- */

/* Up to six digits of a fraction; the seventh rounds. "..": no fraction. */
static int take_fraction(const char **s, int64_t *ret, struct error *e)
{
        int64_t value = 0, unit = second_usec;
        if (**s != '.' || (*s)[1] == '.')
                return 0;
        const char *p = *s + 1;
        if (!isdigit((unsigned char)*p))
                return syntax_error(e, *s, "a fraction should");
        for (; isdigit((unsigned char)*p) && unit > 1; p++) {
                unit /= 10;
                value += (*p - '0') * unit;
        }
        if (*p >= '5' && *p <= '9')
                value++;
        *s = p + strspn(p, "0123456789");
        *ret += value;
        return 0;
}

static int take_value(const char **s, enum calendar_level level, int64_t *ret, struct error *e)
{
        int64_t value = 0;
        if (!isdigit((unsigned char)**s))
                return syntax_error(e, *s, "a number should");
        for (; isdigit((unsigned char)**s); ++*s) {
                value = value * 10 + (**s - '0');
                if (value > INT_MAX)
                        break;
        }
        if (level == CALENDAR_SECOND) {
                value *= second_usec;
                int r = take_fraction(s, &value, e);
                if (r < 0)
                        return r;
        }
        if (value > INT_MAX)
                return error_set(e, ERANGE, "calendar.range", "a %s is too large", forms[level].name);
        *ret = value;
        return 0;
}

/* "5", "5..9", "5/2", "5..9/2" */
static int take_part(const char **s, enum calendar_level level, struct calendar_part *p, struct error *e)
{
        int64_t unit = level == CALENDAR_SECOND ? second_usec : 1;
        *p = (struct calendar_part){ .stop = -1 };
        int r = take_value(s, level, &p->start, e);
        if (r < 0)
                return r;
        if (text_starts(*s, "..")) {
                *s += 2;
                r = take_value(s, level, &p->stop, e);
                if (r < 0)
                        return r;
                p->repeat = unit;
        }
        if (**s == '/') {
                ++*s;
                r = take_value(s, level, &p->repeat, e);
                if (r < 0)
                        return r;
                if (p->repeat == 0)
                        return error_set(e, ERANGE, "calendar.range", "a repetition of 0");
        } else if (level == CALENDAR_SECOND && p->stop >= 0 && p->stop - p->start < unit) {
                return error_set(e, EINVAL, "calendar.range", "a range of less than a second needs a repetition");
        }
        return 0;
}

static int take_field(const char **s, enum calendar_level level, struct calendar_field *f, struct error *e)
{
        f->count = 0;
        if (**s == '*') {
                ++*s;
                return 0;
        }
        for (;; ++*s) {
                if (f->count > CALENDAR_PARTS_MAX)
                        return error_set(e, E2BIG, "calendar.limit", "a field has more than %d values", CALENDAR_PARTS_MAX);
                f->parts = xgrow(f->parts, &f->room, f->count + 1, sizeof *f->parts);
                int r = take_part(s, level, &f->parts[f->count++], e);
                if (r < 0 || **s != ',')
                        return r;
        }
}

static void add_value(struct calendar_field *f, int64_t value)
{
        f->parts = xgrow(f->parts, &f->room, f->count + 1, sizeof *f->parts);
        f->parts[f->count++] = (struct calendar_part){ value, -1, 0 };
}

/* Any second is one that repeats each second, not each microsecond. */
static int take_seconds(const char **s, struct calendar_field *f, struct error *e)
{
        int r = take_field(s, CALENDAR_SECOND, f, e);
        if (r == 0 && f->count == 0) {
                add_value(f, 0);
                f->parts[0].repeat = second_usec;
        }
        return r;
}

static void move_field(struct calendar_field *to, struct calendar_field *from)
{
        free(to->parts);
        *to = *from;
        *from = (struct calendar_field){ 0 };
}

/* ---- dates and times ---- */

/* "@SECONDS", in UTC. */
static int parse_instant(const char *s, struct calendar *c, struct error *e)
{
        uint64_t n;
        if (text_parse_uint(s, 7258118399 /* the end of 2199 */, &n) < 0)
                return error_set(e, EINVAL, "calendar.range", "@%.40s is no time until the end of %d", s, CALENDAR_YEAR_MAX);
        struct date d = date_of_days((int64_t)n / DAY_SECONDS);
        int64_t of_day = (int64_t)n % DAY_SECONDS;
        const int64_t values[] = { d.year, d.month, d.day, of_day / 3600, of_day / 60 % 60, of_day % 60 * second_usec };
        for (size_t i = 0; i < ELEMENTS(values); i++)
                add_value(&c->fields[i], values[i]);
        free(c->zone_suffix);
        c->zone_suffix = xstrdup("UTC");
        c->zone = zone_utc();
        c->dst = -1;
        return 0;
}

/* "YEAR-MONTH-DAY" or "MONTH-DAY"; "~" before the day. Nothing is taken where a time stands. */
static int parse_date(const char **s, struct calendar *c, struct error *e)
{
        static const enum calendar_level levels[2][3] = { { CALENDAR_MONTH, CALENDAR_DAY }, { CALENDAR_YEAR, CALENDAR_MONTH, CALENDAR_DAY } };
        size_t length = strcspn(*s, " "), separators = 0;
        for (size_t i = 0; i < length; i++)
                separators += (*s)[i] == '-' || (*s)[i] == '~';
        if (separators == 0)
                return 0;
        if (separators > 2)
                return syntax_error(e, *s, "a date should");
        for (size_t i = 0; i <= separators; i++) {
                enum calendar_level level = levels[separators - 1][i];
                int r = take_field(s, level, &c->fields[level], e);
                if (r < 0)
                        return r;
                if (i == separators)
                        break;
                c->from_month_end = **s == '~';
                if (**s != '-' && !(**s == '~' && i + 1 == separators))
                        return syntax_error(e, *s, "a part of a date should");
                ++*s;
        }
        if (**s && **s != ' ')
                return syntax_error(e, *s, "the date should end");
        *s += strspn(*s, " ");
        if (c->fields[CALENDAR_DAY].count == 0)
                c->from_month_end = false;
        return 0;
}

/* "HOUR:MINUTE" or "HOUR:MINUTE:SECOND"; nothing is midnight. */
static int parse_time(const char *s, struct calendar *c, struct error *e)
{
        struct calendar_field *hour = &c->fields[CALENDAR_HOUR], *minute = &c->fields[CALENDAR_MINUTE], *second = &c->fields[CALENDAR_SECOND];
        if (!*s) {
                add_value(hour, 0);
                add_value(minute, 0);
                add_value(second, 0);
                return 0;
        }
        int r = take_field(&s, CALENDAR_HOUR, hour, e);
        if (r < 0)
                return r;
        if (*s != ':')
                return syntax_error(e, s, "a colon should, behind the hour");
        s++;
        r = take_field(&s, CALENDAR_MINUTE, minute, e);
        if (r < 0)
                return r;
        if (!*s) {
                add_value(second, 0);
                return 0;
        }
        if (*s != ':')
                return syntax_error(e, s, "a colon should, behind the minute");
        s++;
        r = take_seconds(&s, second, e);
        return r < 0 || !*s ? r : syntax_error(e, s, "the end should");
}

/* ---- normal form ---- */

/* Years of two digits are those from 1970 to 2069. */
static void widen_year(int64_t *year)
{
        if (*year >= 0 && *year < 100)
                *year += *year < 70 ? 2000 : 1900;
}

static void normalise_part(struct calendar_part *p)
{
        if (p->stop > p->start) {
                p->stop -= (p->stop - p->start) % p->repeat;
        }
        if (p->stop >= 0 && p->stop == p->start) {
                p->stop = -1;
                p->repeat = 0;
        }
}

static int compare_parts(const void *a, const void *b)
{
        const struct calendar_part *x = a, *y = b;
        if (x->start != y->start)
                return x->start < y->start ? -1 : 1;
        if (x->stop != y->stop)
                return x->stop < y->stop ? -1 : 1;
        return x->repeat < y->repeat ? -1 : x->repeat > y->repeat;
}

static bool part_valid(const struct calendar_part *p, int64_t min, int64_t max, bool downwards)
{
        if (p->start < min || p->start > max || p->stop > max || (p->stop >= 0 && p->stop < p->start))
                return false;
        if (p->stop >= 0)
                return true;
        return downwards ? p->start - p->repeat >= min : p->repeat <= max - p->start;
}

static int normalise_field(struct calendar_field *f, enum calendar_level level, bool from_month_end, struct error *e)
{
        bool downwards = from_month_end && level == CALENDAR_DAY;
        int64_t max = downwards ? MONTH_END_DAY_MAX : forms[level].max;
        for (size_t i = 0; i < f->count; i++) {
                if (level == CALENDAR_YEAR) {
                        widen_year(&f->parts[i].start);
                        widen_year(&f->parts[i].stop);
                }
                normalise_part(&f->parts[i]);
                if (!part_valid(&f->parts[i], forms[level].min, max, downwards))
                        return error_set(e, ERANGE, "calendar.range", "a %s is out of range, or its range or repetition leads out of it", forms[level].name);
        }
        if (f->count)
                qsort(f->parts, f->count, sizeof *f->parts, compare_parts);
        size_t kept = 0;
        for (size_t i = 0; i < f->count; i++)
                if (i == 0 || compare_parts(&f->parts[i], &f->parts[kept - 1]))
                        f->parts[kept++] = f->parts[i];
        f->count = kept;
        return 0;
}

/* ---- the whole ---- */

/* The last word, if it is a zone's name or an abbreviation of the local one's; *length is then that of what stands before. */
static void find_zone(const char *s, size_t *length, const struct zone_source *source, struct calendar *c)
{
        const char *blank = strrchr(s, ' '), *word = blank ? blank + 1 : NULL, *abbreviations[2];
        c->zone = source ? source->local : zone_utc();
        c->dst = -1;
        if (!word || !*word)
                return;
        zone_abbreviations(c->zone, abbreviations);
        if (strcasecmp(word, "UTC") == 0) {
                c->zone = zone_utc();
                c->zone_suffix = xstrdup("UTC");
        }
        for (int i = 0; i < 2 && !c->zone_suffix; i++)
                if (abbreviations[i] && strcasecmp(word, abbreviations[i]) == 0) {
                        c->dst = i;
                        c->zone_suffix = xstrdup(abbreviations[i]);
                }
        const struct zone *z = !c->zone_suffix && source && source->find && zone_name_valid(word) ? source->find(source->context, word) : NULL;
        if (z) {
                c->zone = z;
                c->zone_suffix = xstrdup(word);
        }
        if (c->zone_suffix)
                *length = (size_t)(blank - s);
}

static const char *expand_shorthand(const char *s)
{
        for (size_t i = 0; i < ELEMENTS(shorthands); i++)
                if (strcasecmp(s, shorthands[i].name) == 0)
                        return shorthands[i].expression;
        return s;
}

/* A word of letters at the end that is nothing else was meant for a zone. */
static void hint_zone(const char *s, const struct calendar *c, struct error *e)
{
        const char *blank = strrchr(s, ' ');
        if (blank && isalpha((unsigned char)blank[1]) && !c->zone_suffix)
                error_hint(e, "no time zone is called \"%.80s\"", blank + 1);
}

static int parse(const char *s, struct calendar *c, struct error *e)
{
        s = expand_shorthand(s);
        int r = parse_weekdays(&s, c, e);
        if (r < 0)
                return r;
        if (*s == '@')
                return parse_instant(s + 1, c, e);
        r = parse_date(&s, c, e);
        return r < 0 ? r : parse_time(s, c, e);
}

int calendar_parse(const char *s, const struct zone_source *source, struct calendar *ret, struct error *e)
{
        CLEAN_CALENDAR struct calendar c = { 0 };
        size_t length = strlen(s);
        if (length > CALENDAR_TEXT_MAX)
                return error_set(e, E2BIG, "calendar.limit", "a calendar event has more than %d bytes", CALENDAR_TEXT_MAX);
        find_zone(s, &length, source, &c);
        CLEAN_FREE char *expression = xstrndup(s, length);
        if (!*expression)
                return error_set(e, EINVAL, "calendar.syntax", "the calendar event is empty");
        int r = parse(expression, &c, e);
        for (size_t i = 0; i < CALENDAR_LEVELS && r == 0; i++)
                r = normalise_field(&c.fields[i], (enum calendar_level)i, c.from_month_end, e);
        if (r < 0) {
                hint_zone(s, &c, e);
                return r;
        }
        *ret = c;
        c = (struct calendar){ 0 };
        return 0;
}

void calendar_done(struct calendar *c)
{
        for (struct calendar_field *f = c->fields; f < c->fields + CALENDAR_LEVELS; f++)
                move_field(f, &(struct calendar_field){ 0 });
        free(c->zone_suffix);
        *c = (struct calendar){ 0 };
}

/* ---- writing ---- */

static void format_weekdays(const struct calendar *c, struct text *t)
{
        for (int i = 0, end; i < 7; i = end + 1) {
                for (end = i; c->weekdays >> end & 1; end++)
                        ;
                if (end == i)
                        continue;
                text_addf(t, "%s%s", t->length ? "," : "", calendar_weekday_word(i));
                if (end > i + 1)
                        text_addf(t, "%s%s", end > i + 2 ? ".." : ",", calendar_weekday_word(end - 1));
        }
        if (c->weekdays)
                text_add(t, " ");
}

static void format_value(struct text *t, const char *before, int64_t value, int digits, bool is_second)
{
        text_addf(t, "%s%0*lld", before, digits, (long long)(is_second ? value / second_usec : value));
        if (is_second && value % second_usec)
                text_addf(t, ".%06lld", (long long)(value % second_usec));
}

static bool is_any_second(const struct calendar_field *f)
{
        return f->count == 1 && f->parts[0].start == 0 && f->parts[0].stop < 0 && f->parts[0].repeat == second_usec;
}

static void format_field(struct text *t, const struct calendar_field *f, enum calendar_level level)
{
        bool is_second = level == CALENDAR_SECOND;
        if (f->count == 0 || (is_second && is_any_second(f)))
                text_add(t, "*");
        else
                for (size_t i = 0; i < f->count; i++) {
                        const struct calendar_part *p = &f->parts[i];
                        format_value(t, i ? "," : "", p->start, forms[level].digits, is_second);
                        if (p->stop >= 0)
                                format_value(t, "..", p->stop, forms[level].digits, is_second);
                        if (p->repeat && !(p->stop >= 0 && p->repeat == (is_second ? second_usec : 1)))
                                format_value(t, "/", p->repeat, 1, is_second);
                }
}

char *calendar_format(const struct calendar *c)
{
        static const char *const behind[CALENDAR_LEVELS] = { "-", "-", " ", ":", ":", "" };
        struct text t = { 0 };
        format_weekdays(c, &t);
        for (size_t i = 0; i < CALENDAR_LEVELS; i++) {
                format_field(&t, &c->fields[i], (enum calendar_level)i);
                text_add(&t, i == CALENDAR_MONTH && c->from_month_end ? "~" : behind[i]);
        }
        if (c->zone_suffix)
                text_addf(&t, " %s", c->zone_suffix);
        return t.data;
}
