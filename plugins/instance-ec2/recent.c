/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recent.h"

#include <pthread.h>
#include <string.h>

#include "backoff.h"

struct entry {
        struct instance instance;
        bool gone;
        uint64_t until_usec;
};

struct recent {
        pthread_mutex_t lock;
        struct entry *items; /* the oldest first */
        size_t count, room;
};

struct recent *recent_new(void)
{
        struct recent *r = xalloc(1, sizeof *r);
        if (pthread_mutex_init(&r->lock, NULL) != 0)
                abort();
        return r;
}

static void remove_at(struct recent *r, size_t first, size_t n)
{
        for (size_t i = first; i < first + n; i++)
                instance_done(&r->items[i].instance);
        memmove(r->items + first, r->items + first + n, (r->count - first - n) * sizeof *r->items);
        r->count -= n;
}

void recent_free(struct recent *r)
{
        if (!r)
                return;
        remove_at(r, 0, r->count);
        free(r->items);
        (void)pthread_mutex_destroy(&r->lock);
        free(r);
}

/* Begins every use: takes the lock, and lets go of what is old. */
static void enter(struct recent *r)
{
        size_t old = 0;
        (void)pthread_mutex_lock(&r->lock);
        uint64_t now = monotonic_usec();
        while (old < r->count && r->items[old].until_usec <= now)
                old++;
        remove_at(r, 0, old);
}

static void leave(struct recent *r)
{
        (void)pthread_mutex_unlock(&r->lock);
}

static struct entry *find(struct recent *r, const char *id)
{
        for (size_t i = r->count; i-- > 0;)
                if (text_equal(r->items[i].instance.id, id))
                        return &r->items[i];
        return NULL;
}

static void forget(struct recent *r, const char *id)
{
        struct entry *old = find(r, id);
        if (old)
                remove_at(r, (size_t)(old - r->items), 1);
}

static struct entry *add(struct recent *r, const char *id)
{
        forget(r, id);
        if (r->count == RECENT_MAX)
                remove_at(r, 0, 1);
        r->items = xgrow(r->items, &r->room, r->count + 1, sizeof *r->items);
        struct entry *n = &r->items[r->count++];
        *n = (struct entry){ .instance.id = xstrdup(id), .until_usec = monotonic_usec() + RECENT_SECONDS * UINT64_C(1000000) };
        return n;
}

void recent_made(struct recent *r, const char *id, const char *logical_id, const struct tags *tags)
{
        enter(r);
        struct entry *n = add(r, id);
        n->instance.logical_id = logical_id ? xstrdup(logical_id) : NULL;
        tags_copy(&n->instance.tags, tags);
        leave(r);
}

void recent_gone(struct recent *r, const char *id)
{
        enter(r);
        add(r, id)->gone = true;
        leave(r);
}

void recent_forget(struct recent *r, const char *id)
{
        enter(r);
        forget(r, id);
        leave(r);
}

bool recent_has(struct recent *r, const char *id)
{
        enter(r);
        const struct entry *n = find(r, id);
        bool has = n && !n->gone;
        leave(r);
        return has;
}

static int by_id(const void *a, const void *b)
{
        return strcmp(((const struct instance *)a)->id, ((const struct instance *)b)->id);
}

static struct instance *in_list(const struct instances *list, char *id)
{
        const struct instance key = { .id = id };
        return list->count ? bsearch(&key, list->items, list->count, sizeof key, by_id) : NULL;
}

void recent_drop_gone(struct recent *r, struct instances *list)
{
        CLEAN_FREE bool *drop = xalloc(list->count, sizeof *drop);
        size_t kept = 0;
        if (list->count)
                qsort(list->items, list->count, sizeof *list->items, by_id);
        enter(r);
        for (size_t i = 0; i < r->count; i++) {
                const struct instance *n = r->items[i].gone ? in_list(list, r->items[i].instance.id) : NULL;
                if (n)
                        drop[n - list->items] = true;
        }
        leave(r);
        for (size_t i = 0; i < list->count; i++)
                if (drop[i])
                        instance_done(&list->items[i]);
                else
                        list->items[kept++] = list->items[i];
        list->count = kept;
}

void recent_missing(struct recent *r, const struct tags *match, const struct instances *list, struct instances *ret)
{
        enter(r);
        for (size_t i = 0; i < r->count; i++) {
                const struct instance *n = &r->items[i].instance;
                if (r->items[i].gone || !tags_match(&n->tags, match) || in_list(list, n->id))
                        continue;
                struct instance *copy = instances_add(ret, n->id);
                copy->logical_id = n->logical_id ? xstrdup(n->logical_id) : NULL;
                tags_copy(&copy->tags, &n->tags);
        }
        leave(r);
}
