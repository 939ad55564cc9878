/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "group/tags.h"

/* Where the name stands, or would. */
static bool find(const struct tags *t, const char *name, size_t *ret)
{
        size_t low = 0, high = t->count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(t->items[middle].name, name);
                if (order == 0) {
                        *ret = middle;
                        return true;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret = low;
        return false;
}

void tags_set(struct tags *t, const char *name, const char *value)
{
        size_t at;
        if (find(t, name, &at)) {
                char *old = t->items[at].value;
                t->items[at].value = xstrdup(value);
                free(old);
                return;
        }
        t->items = xgrow(t->items, &t->room, t->count + 1, sizeof *t->items);
        memmove(t->items + at + 1, t->items + at, (t->count - at) * sizeof *t->items);
        t->items[at] = (struct tag){ xstrdup(name), xstrdup(value) };
        t->count++;
}

const char *tags_get(const struct tags *t, const char *name)
{
        size_t at;
        return find(t, name, &at) ? t->items[at].value : NULL;
}

bool tags_remove(struct tags *t, const char *name)
{
        size_t at;
        if (!find(t, name, &at))
                return false;
        free(t->items[at].name);
        free(t->items[at].value);
        t->count--;
        memmove(t->items + at, t->items + at + 1, (t->count - at) * sizeof *t->items);
        return true;
}

void tags_merge(struct tags *t, const struct tags *from)
{
        for (size_t i = 0; i < from->count; i++)
                tags_set(t, from->items[i].name, from->items[i].value);
}

bool tags_match(const struct tags *t, const struct tags *match)
{
        for (size_t i = 0; i < match->count; i++) {
                const char *value = tags_get(t, match->items[i].name);
                if (!value || !text_equal(value, match->items[i].value))
                        return false;
        }
        return true;
}

bool tags_equal(const struct tags *a, const struct tags *b)
{
        return a->count == b->count && tags_match(a, b);
}

void tags_copy(struct tags *ret, const struct tags *from)
{
        *ret = (struct tags){ 0 };
        tags_merge(ret, from);
}

void tags_done(struct tags *t)
{
        for (size_t i = 0; i < t->count; i++) {
                free(t->items[i].name);
                free(t->items[i].value);
        }
        free(t->items);
        *t = (struct tags){ 0 };
}

static int read_tag(const struct json_place *at, void *into, struct error *e)
{
        struct tags *t = into;
        const char *value = json_text(at, e);
        if (!value)
                return -EINVAL;
        if (!*at->key || strlen(at->key) > TAG_NAME_MAX)
                return json_fail(at, e, "the name of a tag has 1 to %d bytes", TAG_NAME_MAX);
        if (strlen(value) > TAG_VALUE_MAX)
                return json_fail(at, e, "the value of a tag has at most %d bytes", TAG_VALUE_MAX);
        if (t->count >= TAGS_MAX)
                return json_fail(at, e, "there are at most %d tags", TAGS_MAX);
        tags_set(t, at->key, value);
        return 0;
}

int tags_read(const struct json_place *at, void *into, struct error *e)
{
        return json_each_member(at, read_tag, into, e);
}

void tags_format(struct text *t, const struct tags *tags)
{
        text_add(t, "{");
        for (size_t i = 0; i < tags->count; i++) {
                if (i)
                        text_add(t, ",");
                text_add_json(t, tags->items[i].name);
                text_add(t, ":");
                text_add_json(t, tags->items[i].value);
        }
        text_add(t, "}");
}
