/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/plugin_rpc.h"

struct arguments {
        struct allocation allocation;
        struct group_index index;
        struct instance_spec spec;
        struct instance instance;
};

static void arguments_done(struct arguments *a)
{
        allocation_done(&a->allocation);
        free(a->index.group);
        instance_spec_done(&a->spec);
        instance_done(&a->instance);
}
#define CLEAN_ARGUMENTS CLEAN(arguments_done)

static int read_index(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Group", json_string, offsetof(struct group_index, group), 0 }, { "Sequence", json_u32, offsetof(struct group_index, sequence), 0 }, { 0 },
        };
        return json_object(at, fields, into, e);
}

static const struct json_field fields[] = {
        { "Allocation", allocation_read, offsetof(struct arguments, allocation), 0 }, { "Index", read_index, offsetof(struct arguments, index), 0 },
        { "Spec", instance_spec_read, offsetof(struct arguments, spec), 0 },         { "Instance", instance_read, offsetof(struct arguments, instance), 0 },
        { 0 },
};

static struct json_place properties_of(const struct json_place *params)
{
        static const struct json_node none = { .type = JSON_NULL, .span = 1 };
        const struct json_node *n = json_member(params->value, "Properties");
        return (struct json_place){ .value = n ? n : &none, .up = params, .key = "Properties" };
}

static void fail(struct rpc_call *c, const char *what, struct error *e)
{
        error_while(e, "%s", what);
        rpc_fail(c, e);
}

static void begin(struct rpc_call *c, const char *type, const char *member)
{
        struct text *t = rpc_result(c);
        text_add(t, "{\"Type\":");
        text_add_json(t, type);
        text_addf(t, ",\"%s\":", member);
}

static void end(struct rpc_call *c, const char *value)
{
        text_add(rpc_result(c), value);
        text_add(rpc_result(c), "}");
        rpc_reply(c);
}

static void validate(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        const struct flavor_service *f = self;
        const struct json_place at = properties_of(params);
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        if (json_object(params, fields, &a, &e) < 0 || f->plugin->validate(f->self, type, &at, &a.allocation, &e) < 0) {
                fail(c, "validating the flavor", &e);
                return;
        }
        begin(c, type, "OK");
        end(c, "true");
}

static void prepare(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        const struct flavor_service *f = self;
        const struct json_place at = properties_of(params);
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        if (json_object(params, fields, &a, &e) < 0 || f->plugin->prepare(f->self, type, &at, &a.spec, &a.allocation, &a.index, &e) < 0) {
                fail(c, "preparing an instance", &e);
                return;
        }
        begin(c, type, "Spec");
        instance_spec_format(rpc_result(c), &a.spec);
        end(c, "");
}

static void healthy(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        static const char *const words[] = { [HEALTH_UNKNOWN] = "0", [HEALTH_GOOD] = "1", [HEALTH_BAD] = "2" };
        const struct flavor_service *f = self;
        const struct json_place at = properties_of(params);
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        enum health health = HEALTH_UNKNOWN;
        struct error e = { 0 };
        if (json_object(params, fields, &a, &e) < 0 || f->plugin->healthy(f->self, type, &at, &a.instance, &health, &e) < 0) {
                fail(c, "asking for the health of an instance", &e);
                return;
        }
        begin(c, type, "Health");
        end(c, words[health]);
}

static void drain(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        const struct flavor_service *f = self;
        const struct json_place at = properties_of(params);
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        if (json_object(params, fields, &a, &e) < 0 || f->plugin->drain(f->self, type, &at, &a.instance, &e) < 0) {
                fail(c, "draining an instance", &e);
                return;
        }
        begin(c, type, "OK");
        end(c, "true");
}

#define ALLOCATION "{\"Size\":1,\"LogicalIDs\":null}"
#define SPEC "{\"Properties\":{},\"Tags\":{\"name\":\"value\"},\"Init\":\"\",\"LogicalID\":null,\"Attachments\":null}"
#define INSTANCE "{\"ID\":\"id\",\"LogicalID\":null,\"Tags\":{\"name\":\"value\"}}"
static const struct rpc_method methods[] = {
        { "Validate", validate, RPC_VIEW, "{\"Type\":\"\",\"Properties\":{},\"Allocation\":" ALLOCATION "}", "{\"Type\":\"\",\"OK\":true}" },
        { "Prepare", prepare, RPC_VIEW,
          "{\"Type\":\"\",\"Properties\":{},\"Spec\":" SPEC ",\"Allocation\":" ALLOCATION ",\"Index\":{\"Group\":\"group\",\"Sequence\":0}}",
          "{\"Type\":\"\",\"Spec\":" SPEC "}" },
        { "Healthy", healthy, RPC_VIEW, "{\"Type\":\"\",\"Properties\":{},\"Instance\":" INSTANCE "}", "{\"Type\":\"\",\"Health\":1}" },
        { "Drain", drain, RPC_OPERATE, "{\"Type\":\"\",\"Properties\":{},\"Instance\":" INSTANCE "}", "{\"Type\":\"\",\"OK\":true}" },
        { 0 },
};

void flavor_rpc_add(struct rpc_server *s, struct flavor_service *f)
{
        static const char *const plain[] = { "", NULL };
        const char *const *types = f->plugin->types ? f->plugin->types : plain;
        for (; *types; types++)
                rpc_server_add(s, &(struct rpc_object){ "Flavor", "0.1.1", "Type", *types, methods, f, f->plugin->concurrent });
}
