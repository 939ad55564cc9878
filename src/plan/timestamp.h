/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Points in time as people write them (systemd.time(7)). Pure: what time it is now is given. */
#pragma once

#include "base/error.h"
#include "plan/zone.h"

/*
 * "2026-03-29 02:30[:15.5] [ZONE]", with or without a weekday that must be right; a date is its first instant, a time is today's.
 * "@SECONDS", "now", "today", "yesterday", "tomorrow", "+SPAN", "-SPAN", "SPAN ago". Ids of errors: "timestamp.syntax" and those of calendar_parse.
 */
int timestamp_parse(const char *s, const struct zone_source *source, uint64_t now_usec, uint64_t *ret_usec, struct error *e);
/* "Sun 2026-03-29 03:30:15 CEST", with six digits of a fraction where there is one. Free it. */
char *timestamp_format(uint64_t usec, const struct zone *z);
