/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/denial_table.h"

#include <string.h>

#include "base/json.h"

static const char unnamed[] = "a filter";

static char *keep(const char *s, size_t max)
{
        char *copy = xstrndup(s, max);
        for (char *p = copy; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = '?';
        return copy;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
        return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

struct denial *denial_table_add(struct denial_table *t, const char *call, const char *object, const char *origin, uint64_t times)
{
        CLEAN_FREE char *c = keep(call, DENIAL_CALL_MAX), *o = keep(object, DENIAL_TEXT_MAX), *by = keep(origin ? origin : unnamed, DENIAL_TEXT_MAX);
        for (size_t i = 0; i < t->count; i++) {
                struct denial *d = &t->rows[i];
                if (!text_equal(d->object, o) || !text_equal(d->call, c) || !text_equal(d->origin, by))
                        continue;
                d->times = sum(d->times, times);
                return d;
        }
        if (t->count == DENIAL_ROWS_MAX) {
                t->lost = sum(t->lost, times);
                return NULL;
        }
        t->rows = xgrow(t->rows, &t->room, t->count + 1, sizeof *t->rows);
        t->rows[t->count] = (struct denial){ TAKE_PTR(c), TAKE_PTR(o), TAKE_PTR(by), times, 0 };
        return &t->rows[t->count++];
}

struct denial *denial_table_move_last(struct denial_table *t, struct denial *row)
{
        const struct denial moved = *row;
        struct denial *last = &t->rows[t->count - 1];
        memmove(row, row + 1, (size_t)(last - row) * sizeof *row);
        *last = moved;
        return last;
}

/* ---- for people ---- */

void denial_text(const struct denial *d, struct text *ret)
{
        text_addf(ret, "%s(%s)  by %s", d->call, d->object, d->origin);
        if (d->times > 1)
                text_addf(ret, "  %llu times", (unsigned long long)d->times);
}

void denial_table_text(const struct denial_table *t, size_t max, struct text *ret)
{
        if (!t->count)
                text_add(ret, "No directive stopped anything.\n");
        for (size_t i = t->count > max ? t->count - max : 0; i < t->count; i++) {
                text_add(ret, "stopped  ");
                denial_text(&t->rows[i], ret);
                text_add(ret, "\n");
        }
        if (t->lost)
                text_addf(ret, "and %llu more\n", (unsigned long long)t->lost);
}

/* ---- for programs ---- */

void denial_rows_json(const struct denial_table *t, struct text *ret)
{
        text_add(ret, "[");
        for (size_t i = 0; i < t->count; i++) {
                const struct denial *d = &t->rows[i];
                text_add(ret, i ? ",{\"call\":" : "{\"call\":");
                text_add_json(ret, d->call);
                text_add(ret, ",\"object\":");
                text_add_json(ret, d->object);
                text_add(ret, ",\"origin\":");
                text_add_json(ret, d->origin);
                text_addf(ret, ",\"times\":%llu}", (unsigned long long)d->times);
        }
        text_add(ret, "]");
}

void denial_table_format(const struct denial_table *t, struct text *ret)
{
        text_add(ret, "{\"denials\":");
        denial_rows_json(t, ret);
        text_addf(ret, ",\"lost\":%llu}\n", (unsigned long long)t->lost);
}

static int read_row(const struct json_place *at, void *into, struct error *e)
{
        struct denial_table *t = into;
        struct denial d = { 0 };
        static const struct json_field fields[] = {
                { "call", json_string, offsetof(struct denial, call), JSON_REQUIRED },
                { "object", json_string, offsetof(struct denial, object), JSON_REQUIRED },
                { "origin", json_string, offsetof(struct denial, origin), JSON_REQUIRED },
                { "times", json_u64, offsetof(struct denial, times), JSON_REQUIRED },
                { 0 },
        };
        int r = json_object(at, fields, &d, e);
        CLEAN_FREE char *call = d.call, *object = d.object, *origin = d.origin;
        if (r == 0)
                (void)denial_table_add(t, call, object, origin, d.times);
        return r;
}

static int read_rows(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_row, into, e);
}

int denial_table_parse(struct denial_table *ret, const char *name, const char *data, size_t size, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_DENIALS struct denial_table t = { 0 };
        uint64_t lost = 0;
        static const struct json_field rows[] = { { "denials", read_rows, 0, JSON_REQUIRED }, { 0 } };
        static const struct json_field rest[] = { { "lost", json_u64, 0, 0 }, { 0 } };
        if (size > DENIAL_JSON_MAX)
                return error_set(e, EFBIG, "denials.limit", "%s: more than %d bytes", name, DENIAL_JSON_MAX);
        int r = json_parse(name, data, size, &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, name);
        r = json_object(&top, rows, &t, e);
        if (r == 0)
                r = json_object(&top, rest, &lost, e);
        if (r < 0)
                return r;
        t.lost = sum(t.lost, lost);
        *ret = t;
        t = (struct denial_table){ 0 };
        return 0;
}

void denial_table_clear(struct denial_table *t)
{
        for (size_t i = 0; i < t->count; i++) {
                free(t->rows[i].call);
                free(t->rows[i].object);
                free(t->rows[i].origin);
        }
        free(t->rows);
        *t = (struct denial_table){ 0 };
}
