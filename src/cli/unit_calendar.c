/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead unit calendar: what OnCalendar= means, and when it would be. */
#include <stdio.h>
#include <time.h>

#include "cli/target.h"
#include "cli/unit.h"
#include "plan/calendar.h"
#include "plan/timestamp.h"
#include "shim/zones.h"

struct times {
        const struct zone *local;
        uint64_t usec[UNIT_ITERATIONS_MAX];
        size_t count;
};

static void find_times(const struct calendar *c, uint64_t base, unsigned iterations, struct times *ret)
{
        ret->count = 0;
        while (ret->count < iterations && calendar_next(c, base, &ret->usec[ret->count]))
                base = ret->usec[ret->count++];
}

static void print_text(const char *expression, const char *normalised, const struct times *t)
{
        fputs("expression  ", stdout);
        text_print_safe(stdout, expression);
        printf("\nnormalised  %s\n", normalised);
        if (t->count == 0)
                puts("next        never");
        for (size_t i = 0; i < t->count; i++) {
                CLEAN_FREE char *local = timestamp_format(t->usec[i], t->local), *utc = timestamp_format(t->usec[i], zone_utc());
                printf("%-11s %s", i ? "" : "next", local);
                if (!text_equal(local, utc))
                        printf("  (%s)", utc);
                putchar('\n');
        }
}

static void add_json(struct text *out, const char *expression, const char *normalised, const struct times *t)
{
        text_add(out, out->length > 1 ? ",{\"expression\":" : "{\"expression\":");
        text_add_json(out, expression);
        text_add(out, ",\"normalised\":");
        text_add_json(out, normalised);
        text_add(out, ",\"times\":[");
        for (size_t i = 0; i < t->count; i++) {
                CLEAN_FREE char *local = timestamp_format(t->usec[i], t->local);
                text_addf(out, "%s{\"usec\":%llu,\"local\":", i ? "," : "", (unsigned long long)t->usec[i]);
                text_add_json(out, local);
                text_add(out, "}");
        }
        text_add(out, "]}");
}

static int show(const struct unit_options *o, const struct zones *z, uint64_t base, const char *expression, bool first, struct text *json, struct error *e)
{
        CLEAN_CALENDAR struct calendar c = { 0 };
        struct times t = { .local = z->source.local };
        int r = calendar_parse(expression, &z->source, &c, e);
        if (r < 0)
                return r;
        CLEAN_FREE char *normalised = calendar_format(&c);
        find_times(&c, base, o->iterations ? o->iterations : 1, &t);
        if (o->json) {
                add_json(json, expression, normalised, &t);
                return 0;
        }
        if (!first)
                putchar('\n');
        print_text(expression, normalised, &t);
        return 0;
}

static int base_time(const struct unit_options *o, const struct zones *z, uint64_t *ret, struct error *e)
{
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        *ret = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
        return o->base_time ? timestamp_parse(o->base_time, &z->source, *ret, ret, e) : 0;
}

int unit_cmd_calendar(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "iterations", KEY_ITERATIONS, "N", 0, "How many times are shown (default: 1)", 1 },
                { "base-time", KEY_BASE_TIME, "TIME", 0, "The first is after this point in time (default: now)", 1 },
                { "json", 'j', NULL, 0, "Print JSON", 1 },
                { 0 },
        };
        CLEAN_UNIT_OPTIONS struct unit_options o = { 0 };
        CLEAN_ZONES struct zones z = ZONES_INIT;
        CLEAN_TEXT struct text json = { 0 };
        struct error e = { 0 };
        uint64_t base;
        bool failed = false, first = true;
        if (!unit_options_parse(&o, options, "EXPRESSION...", "Show what calendar events (OnCalendar=) mean, and when they would be", argc, argv))
                return 1;
        if (zones_open(&z, &e) < 0)
                return target_fail("find the time zone for", "calendar events", &e);
        if (base_time(&o, &z, &base, &e) < 0)
                return target_fail("read", o.base_time, &e);
        text_add(&json, "[");
        for (size_t i = 0; i < o.names.count; i++) {
                struct error one = { 0 };
                if (show(&o, &z, base, o.names.items[i], first, &json, &one) < 0) {
                        (void)target_fail("read", o.names.items[i], &one);
                        failed = true;
                } else {
                        first = false;
                }
        }
        if (o.json)
                printf("%s]\n", json.data);
        return fflush(stdout) == 0 && !failed ? 0 : 1;
}
