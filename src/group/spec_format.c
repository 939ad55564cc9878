/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A group's document as text again: the members that InfraKit knows in its form and order, then the others as they were written. */
#include <string.h>

#include "group/spec.h"

static void add_raw(struct text *t, const char *json)
{
        text_add(t, json ? json : "null");
}

static void add_use(struct text *t, const char *name, const struct plugin_use *use)
{
        text_addf(t, ",\"%s\":{\"Plugin\":", name);
        text_add_json(t, use->plugin);
        text_add(t, ",\"Properties\":");
        add_raw(t, use->properties);
        text_add(t, "}");
}

static bool is_one_of(const char *name, const char *const *names)
{
        for (; *names; names++)
                if (text_equal(name, *names))
                        return true;
        return false;
}

/* ,"NAME":VALUE for the members of an object that are not among those written already. */
static void add_others(struct text *t, const struct json_node *object, const char *const *written)
{
        if (!object || object->type != JSON_OBJECT)
                return;
        const struct json_node *name = object + 1;
        for (uint32_t i = 0; i < object->count; i++, name = name + 1 + name[1].span) {
                if (name[1].type == JSON_NULL || is_one_of(name->text, written))
                        continue;
                text_add(t, ",");
                json_add(t, name);
                text_add(t, ":");
                json_add(t, name + 1);
        }
}

static void add_updating(struct text *t, const struct updating *u, const struct json_node *written)
{
        static const char *const ours[] = { "Duration", "Count", "SkipBeforeInstanceDestroy", NULL };
        char duration[32];
        duration_format(u->duration_usec, duration);
        text_add(t, ",\"Updating\":{\"Duration\":");
        text_add_json(t, duration);
        text_addf(t, ",\"Count\":%u,\"SkipBeforeInstanceDestroy\":%s", u->count, u->skip_drain ? "\"drain\"" : "null");
        add_others(t, written, ours);
        text_add(t, "}");
}

void group_spec_format(struct text *t, const struct group_spec *s)
{
        static const char *const top[] = { "ID", "Properties", NULL };
        static const char *const infrakits[] = { "Allocation", "Instance", "Flavor", "Updating", NULL };
        CLEAN_JSON struct json_document d = { 0 };
        int r = json_parse("document", s->text, strlen(s->text), &d, NULL); /* which json_raw has written */
        const struct json_node *properties = r == 0 ? json_member(d.nodes, "Properties") : NULL;
        text_add(t, "{\"ID\":");
        text_add_json(t, s->id);
        text_add(t, ",\"Properties\":{\"Allocation\":");
        allocation_format(t, &s->allocation);
        add_use(t, "Instance", &s->instance);
        add_use(t, "Flavor", &s->flavor);
        add_updating(t, &s->updating, properties ? json_member(properties, "Updating") : NULL);
        add_others(t, properties, infrakits);
        text_add(t, "}");
        add_others(t, r == 0 ? d.nodes : NULL, top);
        text_add(t, "}");
}

static void set_text(struct group_spec *s)
{
        CLEAN_TEXT struct text t = { 0 };
        group_spec_format(&t, s);
        free(s->text);
        s->text = TAKE_PTR(t.data);
}

void group_spec_set_size(struct group_spec *s, uint32_t size)
{
        strings_clear(&s->allocation.logical_ids);
        s->allocation.size = size;
        set_text(s);
}

static void copy_use(struct plugin_use *to, const struct plugin_use *from)
{
        struct plugin_use copy = { xstrdup(from->plugin), from->properties ? xstrdup(from->properties) : NULL };
        free(to->plugin);
        free(to->properties);
        *to = copy;
}

void group_spec_set_configuration(struct group_spec *s, const struct group_spec *from)
{
        copy_use(&s->instance, &from->instance);
        copy_use(&s->flavor, &from->flavor);
        memcpy(s->hash, from->hash, sizeof s->hash);
        set_text(s);
}
