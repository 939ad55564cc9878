/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several flavors as one, with InfraKit's properties: {"Flavors": [{"Plugin": "vanilla", "Properties": {...}}, ...]}.
 *
 * Each is asked over its socket, in their order. Each prepares the spec as it came; what they make of it is joined: Init one after another,
 * tags, attachments, and the properties or logical id that one of them may have changed. Two that want different things are an
 * error, never one that wins unseen. An instance is as good as the worst answer; all are drained, whatever one of them says.
 */
#include <string.h>

#include "group/rpc_client.h"
#include "group/serve.h"

enum { FLAVORS_MAX = 16, CALL_USEC = 15 * 1000000 };

struct part {
        char *plugin, *properties;
};
struct combo {
        struct part parts[FLAVORS_MAX];
        size_t count;
};

static void combo_done(struct combo *c)
{
        for (size_t i = 0; i < c->count; i++) {
                free(c->parts[i].plugin);
                free(c->parts[i].properties);
        }
}
#define CLEAN_COMBO CLEAN(combo_done)

/* ---- reading ---- */

static int read_part(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Plugin", json_string, offsetof(struct part, plugin), JSON_REQUIRED }, { "Properties", json_raw, offsetof(struct part, properties), 0 }, { 0 },
        };
        struct combo *c = into;
        if (c->count == FLAVORS_MAX)
                return json_fail(at, e, "there are at most %d flavors", FLAVORS_MAX);
        return json_object(at, fields, &c->parts[c->count++], e);
}

static int read_flavors(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_part, into, e);
}

static int read_properties(const struct json_place *at, struct combo *c, struct error *e)
{
        static const struct json_field fields[] = { { "Flavors", read_flavors, 0, JSON_REQUIRED }, { 0 } };
        int r = json_object(at, fields, c, e);
        return r == 0 && !c->count ? json_fail(at, e, "there is no flavor in it") : r;
}

/* ---- asking ---- */

/* arguments: members after a comma. The answer's member, which reply owns. */
static int ask(const struct part *p, const char *method, const char *arguments, const char *member, struct json_document *reply,
               const struct json_node **ret, struct error *e)
{
        CLEAN_FREE char *folder = plugins_folder(), *name = NULL, *type = NULL;
        CLEAN_ENDPOINT struct endpoint at = { 0 };
        CLEAN_TEXT struct text params = { 0 };
        const struct json_node *result = NULL;
        int r = plugin_reference_parse(p->plugin, &name, &type, e);
        if (r == 0)
                r = plugin_find(folder, name, &at, e);
        if (r < 0)
                return error_while(e, "asking the flavor %s", p->plugin);
        text_add(&params, "{\"Type\":");
        text_add_json(&params, type);
        text_addf(&params, ",\"Properties\":%s%s}", p->properties ? p->properties : "null", arguments);
        r = rpc_call_wait(name, &at, method, params.data, CALL_USEC, reply, &result, e);
        *ret = r < 0 ? NULL : json_member(result, member);
        return r < 0 ? error_while(e, "asking the flavor %s", p->plugin) : 0;
}

static void add_allocation(struct text *t, const struct allocation *a)
{
        text_add(t, ",\"Allocation\":");
        allocation_format(t, a);
}

static int validate(void *self, const char *type, const struct json_place *properties, const struct allocation *a, struct error *e)
{
        CLEAN_COMBO struct combo c = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        (void)self, (void)type;
        int r = read_properties(properties, &c, e);
        add_allocation(&t, a);
        for (size_t i = 0; r == 0 && i < c.count; i++) {
                CLEAN_JSON struct json_document reply = { 0 };
                const struct json_node *ok;
                r = ask(&c.parts[i], "Flavor.Validate", t.data, "OK", &reply, &ok, e);
        }
        return r;
}

/* ---- preparing ---- */

/* What the flavors made of the spec so far. */
struct joined {
        const struct instance_spec *original;
        struct instance_spec spec;
        const char *properties_by, *logical_id_by; /* the flavor that changed it */
        struct tags tag_owners;                    /* by which flavor each tag was set */
};

static int conflict(const char *what, const char *one, const char *other, struct error *e)
{
        return error_set(e, EEXIST, "flavor.conflict", "the flavors %s and %s want different things of %s", one, other, what);
}

static bool same(const char *a, const char *b)
{
        return a == b || (a && b && text_equal(a, b)) || (!a && b && !*b) || (a && !*a && !b);
}

/* Takes a text that a flavor may have changed. */
static int join_text(char **into, const char *original, const char *theirs, const char **by, const char *plugin, const char *what, struct error *e)
{
        if (same(original, theirs))
                return 0;
        if (*by && !same(*into, theirs))
                return conflict(what, *by, plugin, e);
        free(*into);
        *into = theirs ? xstrdup(theirs) : NULL;
        *by = plugin;
        return 0;
}

static int join_tags(struct joined *j, const struct tags *theirs, const char *plugin, struct error *e)
{
        for (size_t i = 0; i < theirs->count; i++) {
                const char *name = theirs->items[i].name, *value = theirs->items[i].value;
                const char *original = tags_get(&j->original->tags, name), *owner = tags_get(&j->tag_owners, name);
                if (original && text_equal(original, value))
                        continue;
                if (owner && !text_equal(tags_get(&j->spec.tags, name), value)) {
                        CLEAN_FREE char *what = xprintf("the tag %s", name);
                        return conflict(what, owner, plugin, e);
                }
                tags_set(&j->spec.tags, name, value);
                tags_set(&j->tag_owners, name, plugin);
        }
        return 0;
}

static void join_init(struct joined *j, const char *theirs)
{
        if (!theirs || !*theirs)
                return;
        char *whole = j->spec.init && *j->spec.init ? xprintf("%s\n%s", j->spec.init, theirs) : xstrdup(theirs);
        free(j->spec.init);
        j->spec.init = whole;
}

static bool has_attachment(const struct instance_spec *s, const struct attachment *a)
{
        for (size_t i = 0; i < s->attachment_count; i++)
                if (same(s->attachments[i].id, a->id) && same(s->attachments[i].type, a->type))
                        return true;
        return false;
}

static void join_attachments(struct joined *j, const struct instance_spec *theirs)
{
        for (size_t i = 0; i < theirs->attachment_count; i++) {
                const struct attachment *a = &theirs->attachments[i];
                struct instance_spec *s = &j->spec;
                if (has_attachment(s, a))
                        continue;
                s->attachments = xgrow(s->attachments, &s->attachment_room, s->attachment_count + 1, sizeof *s->attachments);
                s->attachments[s->attachment_count++] = (struct attachment){ xstrdup(a->id), a->type ? xstrdup(a->type) : NULL };
        }
}

static int join(struct joined *j, const struct instance_spec *theirs, const char *plugin, struct error *e)
{
        int r = join_text(&j->spec.properties, j->original->properties, theirs->properties, &j->properties_by, plugin, "the instance's properties", e);
        if (r == 0)
                r = join_text(&j->spec.logical_id, j->original->logical_id, theirs->logical_id, &j->logical_id_by, plugin, "the logical id", e);
        if (r == 0)
                r = join_tags(j, &theirs->tags, plugin, e);
        if (r < 0)
                return r;
        join_init(j, theirs->init);
        join_attachments(j, theirs);
        if (j->spec.init && strlen(j->spec.init) > INSTANCE_INIT_MAX)
                return error_set(e, EMSGSIZE, "flavor.init", "the init script would have more than %d bytes", INSTANCE_INIT_MAX);
        return j->spec.attachment_count > INSTANCE_ATTACHMENTS_MAX || j->spec.tags.count > TAGS_MAX
                       ? error_set(e, E2BIG, "flavor.init", "there would be more than %d attachments or %d tags", INSTANCE_ATTACHMENTS_MAX, TAGS_MAX)
                       : 0;
}

static void format_question(struct text *t, const struct instance_spec *spec, const struct allocation *a, const struct group_index *index)
{
        struct instance_spec without = *spec; /* borrowed: Init is joined here, and none of them is to have what others wrote */
        without.init = NULL;
        text_add(t, ",\"Spec\":");
        instance_spec_format(t, &without);
        add_allocation(t, a);
        text_add(t, ",\"Index\":{\"Group\":");
        text_add_json(t, index->group ? index->group : "");
        text_addf(t, ",\"Sequence\":%u}", index->sequence);
}

static int prepare_part(struct joined *j, const struct part *p, const char *question, struct error *e)
{
        CLEAN_JSON struct json_document reply = { 0 };
        CLEAN_INSTANCE_SPEC struct instance_spec theirs = { 0 };
        const struct json_node *node = NULL;
        int r = ask(p, "Flavor.Prepare", question, "Spec", &reply, &node, e);
        if (r == 0 && !node)
                return error_set(e, EPROTO, "flavor.reply", "the flavor %s answered without a Spec", p->plugin);
        if (r < 0)
                return r;
        const struct json_place at = { .value = node, .key = "Spec" };
        r = instance_spec_read(&at, &theirs, e);
        return r < 0 ? r : join(j, &theirs, p->plugin, e);
}

static char *copy_text(const char *s)
{
        return s ? xstrdup(s) : NULL;
}

static void joined_begin(struct joined *j, const struct instance_spec *original)
{
        *j = (struct joined){ .original = original };
        j->spec = (struct instance_spec){ .properties = copy_text(original->properties), .init = copy_text(original->init),
                                          .logical_id = copy_text(original->logical_id) };
        tags_copy(&j->spec.tags, &original->tags);
        join_attachments(j, original);
}

static int prepare(void *self, const char *type, const struct json_place *properties, struct instance_spec *spec, const struct allocation *a,
                   const struct group_index *index, struct error *e)
{
        CLEAN_COMBO struct combo c = { 0 };
        CLEAN_TEXT struct text question = { 0 };
        struct joined j;
        (void)self, (void)type;
        int r = read_properties(properties, &c, e);
        joined_begin(&j, spec);
        format_question(&question, spec, a, index);
        for (size_t i = 0; r == 0 && i < c.count; i++)
                r = prepare_part(&j, &c.parts[i], question.data, e);
        tags_done(&j.tag_owners);
        if (r < 0) {
                instance_spec_done(&j.spec);
                return r;
        }
        instance_spec_done(spec);
        *spec = j.spec;
        return 0;
}

/* ---- health and drain ---- */

static void format_instance(struct text *t, const struct instance *i)
{
        text_add(t, ",\"Instance\":");
        instance_format(t, i);
}

/* Sick if one says so; good if all do. */
static int healthy(void *self, const char *type, const struct json_place *properties, const struct instance *i, enum health *ret, struct error *e)
{
        CLEAN_COMBO struct combo c = { 0 };
        CLEAN_TEXT struct text question = { 0 };
        enum health health = HEALTH_GOOD;
        (void)self, (void)type;
        int r = read_properties(properties, &c, e);
        format_instance(&question, i);
        for (size_t k = 0; r == 0 && k < c.count; k++) {
                CLEAN_JSON struct json_document reply = { 0 };
                const struct json_node *node = NULL;
                uint32_t answer = HEALTH_UNKNOWN;
                r = ask(&c.parts[k], "Flavor.Healthy", question.data, "Health", &reply, &node, e);
                const struct json_place at = { .value = node, .key = "Health" };
                if (r == 0 && node)
                        r = json_u32(&at, &answer, e);
                if (answer == HEALTH_BAD)
                        health = HEALTH_BAD;
                else if (answer != HEALTH_GOOD && health == HEALTH_GOOD)
                        health = HEALTH_UNKNOWN;
        }
        if (r == 0)
                *ret = health;
        return r;
}

static int drain(void *self, const char *type, const struct json_place *properties, const struct instance *i, struct error *e)
{
        CLEAN_COMBO struct combo c = { 0 };
        CLEAN_TEXT struct text question = { 0 };
        (void)self, (void)type;
        int first = read_properties(properties, &c, e);
        format_instance(&question, i);
        for (size_t k = 0; k < c.count; k++) {
                CLEAN_JSON struct json_document reply = { 0 };
                const struct json_node *node;
                int r = ask(&c.parts[k], "Flavor.Drain", question.data, "OK", &reply, &node, first ? NULL : e);
                first = first ? first : r;
        }
        return first;
}

int main(int argc, char **argv)
{
        static const struct flavor_plugin combo = {
                .name = "combo", .version = BULKHEAD_VERSION, .summary = "Several flavors as one.", .concurrent = true,
                .validate = validate, .prepare = prepare, .healthy = healthy, .drain = drain,
        };
        static const struct plugin_program program = { .name = "bulkhead-flavor-combo", .flavor = &combo };
        return plugin_main(&program, argc, argv);
}
