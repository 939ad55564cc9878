/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/json_diff.h"

struct diff {
        struct text pointer;
        json_difference found;
        void *context;
};

static void compare(struct diff *d, const struct json_node *old, const struct json_node *new);

void json_pointer_add(struct text *t, const char *name)
{
        text_add(t, "/");
        for (; *name; name++)
                if (*name == '~' || *name == '/')
                        text_add(t, *name == '~' ? "~0" : "~1");
                else
                        text_add_bytes(t, name, 1);
}

static void below(struct diff *d, const char *name, const struct json_node *old, const struct json_node *new)
{
        size_t length = d->pointer.length;
        json_pointer_add(&d->pointer, name);
        compare(d, old, new);
        d->pointer.length = length;
        d->pointer.data[length] = 0;
}

/* As json_member, but null is a value. */
static const struct json_node *member_of(const struct json_node *object, const struct json_node *name)
{
        const struct json_node *key = object + 1;
        for (uint32_t i = 0; i < object->count; i++, key = key + 1 + key[1].span)
                if (key->length == name->length && !memcmp(key->text, name->text, name->length))
                        return key + 1;
        return NULL;
}

static void compare_objects(struct diff *d, const struct json_node *old, const struct json_node *new)
{
        const struct json_node *key = old + 1;
        for (uint32_t i = 0; i < old->count; i++, key = key + 1 + key[1].span)
                below(d, key->text, key + 1, member_of(new, key));
        key = new + 1;
        for (uint32_t i = 0; i < new->count; i++, key = key + 1 + key[1].span)
                if (!member_of(old, key))
                        below(d, key->text, NULL, key + 1);
}

static void compare_arrays(struct diff *d, const struct json_node *old, const struct json_node *new)
{
        const struct json_node *a = old + 1, *b = new + 1;
        char index[16];
        for (uint32_t i = 0; i < old->count || i < new->count; i++) {
                const struct json_node *x = i < old->count ? a : NULL, *y = i < new->count ? b : NULL;
                (void)snprintf(index, sizeof index, "%u", i);
                below(d, index, x, y);
                a += x ? x->span : 0;
                b += y ? y->span : 0;
        }
}

static bool same_scalar(const struct json_node *a, const struct json_node *b)
{
        if (a->type != b->type || a->length != b->length)
                return false;
        return (a->type != JSON_STRING && a->type != JSON_NUMBER) || !memcmp(a->text, b->text, a->length);
}

static void compare(struct diff *d, const struct json_node *old, const struct json_node *new)
{
        if (old && new && old->type == new->type && old->type == JSON_OBJECT)
                compare_objects(d, old, new);
        else if (old && new && old->type == new->type && old->type == JSON_ARRAY)
                compare_arrays(d, old, new);
        else if (!old || !new || !same_scalar(old, new))
                d->found(d->context, d->pointer.data, old, new);
}

void json_diff(const struct json_node *old, const struct json_node *new, json_difference found, void *context)
{
        struct diff d = { .found = found, .context = context };
        text_add(&d.pointer, "");
        compare(&d, old, new);
        text_clear(&d.pointer);
}
