/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What directives stopped: a row for each call, object and directive, with how often. Bounded, whatever a payload tries: what has no room is
 * counted. Texts come from payloads: control characters in them are replaced, so that no row can pass for two.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum { DENIAL_ROWS_MAX = 256, DENIAL_CALL_MAX = 31, DENIAL_TEXT_MAX = 4095, DENIAL_JSON_MAX = 4 << 20 };

struct denial {
        char *call, *object, *origin;
        uint64_t times, told; /* told: the caller's own, how many somebody has been told of */
};

struct denial_table {
        struct denial *rows; /* by their first time, unless the caller moves them */
        size_t count, room;
        uint64_t lost; /* denials that had no room */
};
#define CLEAN_DENIALS CLEAN(denial_table_clear)

/* Counts some more of a denial. Its row, or NULL where there is no room. origin NULL: a filter that nobody asked for by name. */
struct denial *denial_table_add(struct denial_table *t, const char *call, const char *object, const char *origin, uint64_t times);
/* Makes a row the last one; where it is then. */
struct denial *denial_table_move_last(struct denial_table *t, struct denial *row);
/* "call(object)  by origin  N times", without a newline. */
void denial_text(const struct denial *d, struct text *ret);
/* A line for each of the last rows, at most max, and for what had no room; says so where nothing was stopped. */
void denial_table_text(const struct denial_table *t, size_t max, struct text *ret);
/* [{"call":...,"object":...,"origin":...,"times":N},...] */
void denial_rows_json(const struct denial_table *t, struct text *ret);
/* An object of these rows and "lost", and its reading. Ids: "json.syntax", "json.value", "denials.limit". */
void denial_table_format(const struct denial_table *t, struct text *ret);
int denial_table_parse(struct denial_table *ret, const char *name, const char *data, size_t size, struct error *e);
void denial_table_clear(struct denial_table *t);
