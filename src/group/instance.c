/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "group/instance.h"

/* ---- owners ---- */

void instance_spec_done(struct instance_spec *s)
{
        free(s->properties);
        tags_done(&s->tags);
        free(s->init);
        free(s->logical_id);
        for (size_t i = 0; i < s->attachment_count; i++) {
                free(s->attachments[i].id);
                free(s->attachments[i].type);
        }
        free(s->attachments);
        *s = (struct instance_spec){ 0 };
}

void instance_done(struct instance *i)
{
        free(i->id);
        free(i->logical_id);
        tags_done(&i->tags);
        free(i->properties);
        *i = (struct instance){ 0 };
}

void instances_done(struct instances *l)
{
        for (size_t i = 0; i < l->count; i++)
                instance_done(l->items + i);
        free(l->items);
        *l = (struct instances){ 0 };
}

struct instance *instances_add(struct instances *l, const char *id)
{
        l->items = xgrow(l->items, &l->room, l->count + 1, sizeof *l->items);
        l->items[l->count] = (struct instance){ .id = xstrdup(id) };
        return l->items + l->count++;
}

/* ---- reading ---- */

static int read_id(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (strlen(s) > INSTANCE_ID_MAX)
                return json_fail(at, e, "has more than %d bytes", INSTANCE_ID_MAX);
        return json_string(at, into, e);
}

static int read_init(const struct json_place *at, void *into, struct error *e)
{
        if (at->value->length > INSTANCE_INIT_MAX)
                return json_fail(at, e, "has more than %d bytes", INSTANCE_INIT_MAX);
        return json_string(at, into, e);
}

static int read_attachment(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "ID", read_id, offsetof(struct attachment, id), JSON_REQUIRED },
                { "Type", read_id, offsetof(struct attachment, type), 0 },
                { 0 },
        };
        struct instance_spec *s = into;
        if (s->attachment_count >= INSTANCE_ATTACHMENTS_MAX)
                return json_fail(at, e, "there are at most %d attachments", INSTANCE_ATTACHMENTS_MAX);
        s->attachments = xgrow(s->attachments, &s->attachment_room, s->attachment_count + 1, sizeof *s->attachments);
        s->attachments[s->attachment_count] = (struct attachment){ 0 };
        return json_object(at, fields, s->attachments + s->attachment_count++, e);
}

static int read_attachments(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_attachment, into, e);
}

int instance_spec_read(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Properties", json_raw, offsetof(struct instance_spec, properties), 0 },
                { "Tags", tags_read, offsetof(struct instance_spec, tags), 0 },
                { "Init", read_init, offsetof(struct instance_spec, init), 0 },
                { "LogicalID", read_id, offsetof(struct instance_spec, logical_id), 0 },
                { "Attachments", read_attachments, 0, 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

int instance_read(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "ID", read_id, offsetof(struct instance, id), JSON_REQUIRED },
                { "LogicalID", read_id, offsetof(struct instance, logical_id), 0 },
                { "Tags", tags_read, offsetof(struct instance, tags), 0 },
                { "Properties", json_raw, offsetof(struct instance, properties), 0 },
                { 0 },
        };
        struct instance *i = into;
        int r = json_object(at, fields, i, e);
        if (r == 0 && !*i->id)
                return json_fail(at, e, "the ID is empty");
        return r;
}

static int read_one(const struct json_place *at, void *into, struct error *e)
{
        return instance_read(at, instances_add(into, ""), e);
}

int instances_read(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_one, into, e);
}

/* ---- writing ---- */

static void add_text(struct text *t, const char *key, const char *s)
{
        text_add(t, key);
        if (s)
                text_add_json(t, s);
        else
                text_add(t, "null");
}

static void add_attachments(struct text *t, const struct instance_spec *s)
{
        text_add(t, ",\"Attachments\":");
        text_add(t, s->attachment_count ? "[" : "null");
        for (size_t i = 0; i < s->attachment_count; i++) {
                add_text(t, i ? ",{\"ID\":" : "{\"ID\":", s->attachments[i].id);
                add_text(t, ",\"Type\":", s->attachments[i].type ? s->attachments[i].type : "");
                text_add(t, "}");
        }
        text_add(t, s->attachment_count ? "]" : "");
}

void instance_spec_format(struct text *t, const struct instance_spec *s)
{
        text_add(t, "{\"Properties\":");
        text_add(t, s->properties ? s->properties : "null");
        text_add(t, ",\"Tags\":");
        tags_format(t, &s->tags);
        add_text(t, ",\"Init\":", s->init ? s->init : "");
        add_text(t, ",\"LogicalID\":", s->logical_id);
        add_attachments(t, s);
        text_add(t, "}");
}

void instance_format(struct text *t, const struct instance *i)
{
        add_text(t, "{\"ID\":", i->id);
        add_text(t, ",\"LogicalID\":", i->logical_id);
        text_add(t, ",\"Tags\":");
        tags_format(t, &i->tags);
        if (i->properties) {
                text_add(t, ",\"Properties\":");
                text_add(t, i->properties);
        }
        text_add(t, "}");
}
