/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests only: a planner, its clock, and what it asks for. Each file of tests answers for the world in its own way. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "group/planner.h"

#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)

struct desk {
        struct planner *p;
        uint64_t now, revision;
        struct actions list; /* all that was asked for since it was looked at last */
        char *saved;         /* what a controller would read after a crash */
        unsigned made;       /* instances, so far */
};

static inline void desk_done(struct desk *d)
{
        planner_free(d->p);
        actions_done(&d->list);
        free(d->saved);
}
#define DESK CLEAN(desk_done) struct desk

static inline struct desk begin(void)
{
        return (struct desk){ .p = planner_new("web", 7), .now = 1000 * SECOND };
}

static inline void step(struct desk *d, struct event e)
{
        size_t before = d->list.count;
        e.now_usec = d->now;
        planner_step(d->p, &e, &d->list);
        for (size_t i = before; i < d->list.count; i++)
                if (d->list.items[i].kind == ACTION_SAVE) {
                        CLEAN_TEXT struct text t = { 0 };
                        planner_format(&t, d->p);
                        free(d->saved);
                        d->saved = TAKE_PTR(t.data);
                }
}

static inline void forget(struct desk *d)
{
        actions_done(&d->list);
}

static inline unsigned count(const struct desk *d, enum action_kind kind)
{
        unsigned n = 0;
        for (size_t i = 0; i < d->list.count; i++)
                n += d->list.items[i].kind == kind;
        return n;
}

static inline const struct action *find(const struct desk *d, enum action_kind kind)
{
        for (size_t i = 0; i < d->list.count; i++)
                if (d->list.items[i].kind == kind)
                        return d->list.items + i;
        return NULL;
}

/* What was told under a topic first, or NULL. */
static inline const struct action *told(const struct desk *d, const char *topic)
{
        for (size_t i = 0; i < d->list.count; i++)
                if (d->list.items[i].kind == ACTION_TELL && !strcmp(d->list.items[i].topic, topic))
                        return d->list.items + i;
        return NULL;
}

static inline struct planner_status status(const struct desk *d)
{
        struct planner_status s;
        planner_get_status(d->p, &s);
        return s;
}

/* A group of `allocation` whose instances bear `note`; `more` are further properties, each after a comma. */
static inline void read_spec(const char *allocation, const char *note, const char *more, struct group_spec *ret)
{
        CLEAN_FREE char *text = xprintf("{\"ID\":\"web\",\"Properties\":{\"Allocation\":%s,\"Instance\":{\"Plugin\":\"file\",\"Properties\":{\"Note\":\"%s\"}},"
                                        "\"Flavor\":{\"Plugin\":\"vanilla\"}%s}}", allocation, note, more);
        CLEAN_JSON struct json_document d = { 0 };
        struct error e = { 0 };
        assert_int_equal(json_parse("group", text, strlen(text), &d, &e), 0);
        const struct json_place top = json_top(&d, "group");
        if (group_spec_read(&top, ret, &e) < 0)
                fail_msg("%s", e.cause);
}

static inline void commit_at(struct desk *d, const char *allocation, const char *note, const char *more, uint64_t revision)
{
        CLEAN_GROUP_SPEC struct group_spec spec = { 0 };
        read_spec(allocation, note, more, &spec);
        d->revision = revision;
        step(d, (struct event){ .kind = EVENT_COMMIT, .spec = &spec, .revision = revision });
}

static inline void commit(struct desk *d, const char *allocation, const char *note, const char *more)
{
        commit_at(d, allocation, note, more, d->revision + 1);
}
