/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes as a time zone, a file or a rule, and behind it a calendar event in it: what is read reads the same in its normal form, and
 * has the same times, which go up; whatever the clocks show is found again.
 */
#include <stdlib.h>
#include <string.h>

#include "plan/calendar.h"
#include "plan/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static const struct zone *find(void *context, const char *name)
{
        return strcmp(name, "Zone") ? NULL : context;
}

static void check_zone(const struct zone *z, int64_t t)
{
        for (int i = 0; i < 50; i++) {
                struct zone_stretch s = zone_at(z, t);
                int64_t found;
                check(s.from <= t && t < s.until && s.kind);
                check(zone_instant(z, t + s.kind->offset_seconds, t, &found) == ZONE_FOUND && found == t);
                if (s.until == INT64_MAX)
                        break;
                t = s.until;
        }
}

static void check_calendar(const struct calendar *c, const struct zone_source *source)
{
        CLEAN_FREE char *once = calendar_format(c), *twice = NULL;
        CLEAN_CALENDAR struct calendar again = { 0 };
        uint64_t at = 1774742400000000, next, same;
        check(calendar_parse(once, source, &again, NULL) == 0);
        twice = calendar_format(&again);
        check(!strcmp(once, twice));
        for (int i = 0; i < 3 && calendar_next(c, at, &next); i++, at = next) {
                check(next > at && calendar_next(&again, at, &same) && same == next);
                CLEAN_FREE char *text = timestamp_format(next, c->zone);
                check(text);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_ZONE struct zone z = { 0 };
        CLEAN_CALENDAR struct calendar c = { 0 };
        struct error e = { 0 };
        if (size < 2)
                return 0;
        size_t zone_size = (size_t)data[0] << 8 | data[1];
        data += 2, size -= 2;
        zone_size = zone_size < size ? zone_size : size;
        CLEAN_FREE char *text = xstrndup((const char *)data + zone_size, size - zone_size), *rule = xstrndup((const char *)data, zone_size);
        struct zone_source source = { find, &z, zone_utc() };
        if (zone_parse("Zone", (const char *)data, zone_size, &z, &e) == 0 || zone_parse_rule(rule, &z, &e) == 0) {
                check_zone(&z, -4000000000);
                check_zone(&z, 1774742400);
                source.local = &z;
        }
        if (source.local == zone_utc())
                source.find = NULL;
        if (calendar_parse(text, &source, &c, &e) == 0)
                check_calendar(&c, &source);
        uint64_t usec;
        (void)timestamp_parse(text, &source, 1774742400000000, &usec, &e);
        return 0;
}
