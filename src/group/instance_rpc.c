/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/plugin_rpc.h"

struct arguments {
        const struct json_place *properties;
        struct json_place place; /* what properties points to */
        struct instance_spec spec;
        struct tags tags;
        char *id, *reason;
        bool want_properties, match_properties;
};

static void arguments_done(struct arguments *a)
{
        instance_spec_done(&a->spec);
        tags_done(&a->tags);
        free(a->id);
        free(a->reason);
}
#define CLEAN_ARGUMENTS CLEAN(arguments_done)

static int read_context(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = { { "Reason", json_string, offsetof(struct arguments, reason), 0 }, { 0 } };
        return json_object(at, fields, into, e);
}

static void fail(struct rpc_call *c, const char *what, struct error *e)
{
        error_while(e, "%s", what);
        rpc_fail(c, e);
}

static void say_ok(struct rpc_call *c, const char *type)
{
        struct text *t = rpc_result(c);
        text_add(t, "{\"Type\":");
        text_add_json(t, type);
        text_add(t, ",\"OK\":true}");
        rpc_reply(c);
}

static void tell(const struct instance_service *s, enum instance_change change, const char *type, const char *id, const struct tags *tags)
{
        s->events->notify(s->events, change, type, id, tags);
}

static void validate(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        static const struct json_node none = { .type = JSON_NULL, .span = 1 };
        const struct instance_service *s = self;
        const struct json_node *n = json_member(params->value, "Properties");
        const struct json_place at = { .value = n ? n : &none, .up = params, .key = "Properties" };
        struct error e = { 0 };
        if (s->plugin->validate(s->self, type, &at, &e) < 0)
                fail(c, "validating the properties", &e);
        else
                say_ok(c, type);
}

static void provision(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        static const struct json_field fields[] = { { "Spec", instance_spec_read, offsetof(struct arguments, spec), JSON_REQUIRED }, { 0 } };
        const struct instance_service *s = self;
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        CLEAN_FREE char *id = NULL;
        struct error e = { 0 };
        int r = json_object(params, fields, &a, &e);
        if (r == 0)
                r = s->plugin->provision(s->self, type, &a.spec, &id, &e);
        if (r < 0) {
                fail(c, "provisioning an instance", &e);
                return;
        }
        tell(s, INSTANCE_APPEARED, type, id, &a.spec.tags);
        struct text *t = rpc_result(c);
        text_add(t, "{\"Type\":");
        text_add_json(t, type);
        text_add(t, ",\"ID\":");
        text_add_json(t, id);
        text_add(t, "}");
        rpc_reply(c);
}

static void label(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        static const struct json_field fields[] = {
                { "Instance", json_string, offsetof(struct arguments, id), JSON_REQUIRED }, { "Labels", tags_read, offsetof(struct arguments, tags), 0 }, { 0 },
        };
        const struct instance_service *s = self;
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        int r = json_object(params, fields, &a, &e);
        if (r == 0)
                r = s->plugin->label(s->self, type, a.id, &a.tags, &e);
        if (r < 0) {
                fail(c, "labelling an instance", &e);
                return;
        }
        tell(s, INSTANCE_CHANGED, type, a.id, &a.tags);
        say_ok(c, type);
}

static void destroy(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        static const struct json_field fields[] = {
                { "Instance", json_string, offsetof(struct arguments, id), JSON_REQUIRED }, { "Context", read_context, 0, 0 }, { 0 },
        };
        const struct instance_service *s = self;
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        int r = json_object(params, fields, &a, &e);
        if (r == 0)
                r = s->plugin->destroy(s->self, type, a.id, a.reason ? a.reason : "terminate", &e);
        if (r < 0) {
                fail(c, "destroying an instance", &e);
                return;
        }
        tell(s, INSTANCE_VANISHED, type, a.id, NULL);
        say_ok(c, type);
}

static void format_descriptions(struct text *t, const char *type, const struct instances *l)
{
        text_add(t, "{\"Type\":");
        text_add_json(t, type);
        text_add(t, ",\"Descriptions\":[");
        for (size_t i = 0; i < l->count; i++) {
                text_add(t, i ? "," : "");
                instance_format(t, l->items + i);
        }
        text_add(t, "]}");
}

static void describe(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        static const struct json_field fields[] = {
                { "Tags", tags_read, offsetof(struct arguments, tags), 0 }, { "Properties", json_bool, offsetof(struct arguments, want_properties), 0 }, { 0 },
        };
        const struct instance_service *s = self;
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        CLEAN_INSTANCES struct instances l = { 0 };
        struct error e = { 0 };
        int r = json_object(params, fields, &a, &e);
        if (r == 0)
                r = s->plugin->describe(s->self, type, &a.tags, a.want_properties, &l, &e);
        if (r < 0) {
                fail(c, "describing instances", &e);
                return;
        }
        format_descriptions(rpc_result(c), type, &l);
        rpc_reply(c);
}

#define SPEC "{\"Properties\":{},\"Tags\":{\"name\":\"value\"},\"Init\":\"\",\"LogicalID\":null,\"Attachments\":null}"
static const struct rpc_method methods[] = {
        { "Validate", validate, RPC_VIEW, "{\"Type\":\"\",\"Properties\":{}}", "{\"Type\":\"\",\"OK\":true}" },
        { "Provision", provision, RPC_OPERATE, "{\"Type\":\"\",\"Spec\":" SPEC "}", "{\"Type\":\"\",\"ID\":\"id\"}" },
        { "Label", label, RPC_OPERATE, "{\"Type\":\"\",\"Instance\":\"id\",\"Labels\":{\"name\":\"value\"}}", "{\"Type\":\"\",\"OK\":true}" },
        { "Destroy", destroy, RPC_OPERATE, "{\"Type\":\"\",\"Instance\":\"id\",\"Context\":{\"Reason\":\"terminate\"}}", "{\"Type\":\"\",\"OK\":true}" },
        { "DescribeInstances", describe, RPC_VIEW, "{\"Type\":\"\",\"Tags\":{\"name\":\"value\"},\"Properties\":false}",
          "{\"Type\":\"\",\"Descriptions\":[{\"ID\":\"id\",\"LogicalID\":null,\"Tags\":{\"name\":\"value\"}}]}" },
        { 0 },
};

void instance_rpc_add(struct rpc_server *s, struct instance_service *i)
{
        static const char *const plain[] = { "", NULL };
        const char *const *types = i->plugin->types ? i->plugin->types : plain;
        for (; *types; types++)
                rpc_server_add(s, &(struct rpc_object){ "Instance", "0.6.1", "Type", *types, methods, i, i->plugin->concurrent });
        if (i->plugin->tells)
                rpc_server_topic(s, "instances");
        if (i->plugin->late)
                rpc_server_topic(s, "late-lists"); /* no events come of it: it tells the controller how far to trust */
}
