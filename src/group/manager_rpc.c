/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * InfraKit's Controller (0.1.1) and Manager (its interface is called "Stack", 0.1.1) for groups: specs of the kind "group" whose name is the
 * group's ID and whose properties are those of its document.
 *
 *      {"kind":"group","version":"","metadata":{"name":"cattle","tags":{}},"properties":{"Allocation":...,"Instance":...,"Flavor":...}}
 */
#include <string.h>

#include "group/group_rpc.h"

enum { SPECS_MAX = 1000 };
enum operation { OPERATION_ENFORCE, OPERATION_DESTROY };

struct metadata {
        char *name;
};
struct spec {
        char *kind, *properties;
        struct metadata metadata;
};
struct arguments {
        char *name;
        uint32_t operation;
        struct spec *specs;
        size_t count, room;
        struct metadata wanted; /* name NULL: all */
};

static void arguments_done(struct arguments *a)
{
        free(a->name);
        for (size_t i = 0; i < a->count; i++) {
                free(a->specs[i].kind);
                free(a->specs[i].properties);
                free(a->specs[i].metadata.name);
        }
        free(a->specs);
        free(a->wanted.name);
}
#define CLEAN_ARGUMENTS CLEAN(arguments_done)

static int read_metadata(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = { { "name", json_string, offsetof(struct metadata, name), 0 }, { 0 } };
        return json_object(at, fields, into, e);
}

static int read_spec(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "kind", json_string, offsetof(struct spec, kind), JSON_REQUIRED },
                { "metadata", read_metadata, offsetof(struct spec, metadata), JSON_REQUIRED },
                { "properties", json_raw, offsetof(struct spec, properties), 0 },
                { 0 },
        };
        struct arguments *a = into;
        if (a->count >= SPECS_MAX)
                return json_fail(at, e, "there are at most %d specs", SPECS_MAX);
        a->specs = xgrow(a->specs, &a->room, a->count + 1, sizeof *a->specs);
        struct spec *s = a->specs + a->count;
        *s = (struct spec){ 0 };
        a->count++;
        int r = json_object(at, fields, s, e);
        if (r == 0 && !text_equal(s->kind, "group"))
                return json_fail(at, e, "the kind is \"%.40s\", and this controller knows \"group\"", s->kind);
        if (r == 0 && !s->metadata.name)
                return json_fail(at, e, "metadata has no name");
        return r;
}

static int read_specs(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_spec, into, e);
}

static int read_arguments(const struct json_place *params, struct arguments *a, struct error *e)
{
        static const struct json_field fields[] = {
                { "Name", json_string, offsetof(struct arguments, name), 0 },   { "Operation", json_u32, offsetof(struct arguments, operation), 0 },
                { "Spec", read_spec, 0, 0 },                                    { "Specs", read_specs, 0, 0 },
                { "Metadata", read_metadata, offsetof(struct arguments, wanted), 0 }, { 0 },
        };
        int r = json_object(params, fields, a, e);
        if (r == 0 && a->operation > OPERATION_DESTROY)
                return error_set(e, EINVAL, "rpc.request", "the operation is %u, and there are 0 (enforce) and 1 (destroy)", a->operation);
        if (r == 0 && !a->name)
                a->name = xstrdup("");
        return r;
}

/* ---- objects ---- */

static void add_object(struct text *t, const struct group *g)
{
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *properties = NULL;
        if (json_parse("document", group_spec(g)->text, strlen(group_spec(g)->text), &d, NULL) == 0)
                properties = json_member(d.nodes, "Properties");
        text_add(t, "{\"kind\":\"group\",\"version\":\"\",\"metadata\":{\"id\":");
        text_add_json(t, group_id(g));
        text_add(t, ",\"name\":");
        text_add_json(t, group_id(g));
        text_add(t, ",\"tags\":null},\"properties\":");
        if (properties)
                json_add(t, properties);
        else
                text_add(t, "null");
        text_add(t, ",\"state\":");
        fleet_status_format(t, g, false);
        text_add(t, "}");
}

static void add_objects(struct text *t, struct controller *c, const char *only)
{
        struct group **groups;
        size_t count = controller_groups(c, &groups);
        bool first = true;
        text_add(t, "[");
        for (size_t i = 0; i < count; i++) {
                if (only && !text_equal(only, group_id(groups[i])))
                        continue;
                text_add(t, first ? "" : ",");
                add_object(t, groups[i]);
                first = false;
        }
        text_add(t, "]");
}

static void begin_name(struct text *t, const char *name)
{
        text_add(t, "{\"Name\":");
        text_add_json(t, name);
}

/* ---- one after another ---- */

struct work {
        struct rpc_call *call;
        struct controller *controller;
        struct arguments a;
        size_t at;
        bool pretend, plans; /* plans: the answer has the plan and the object */
        struct text messages;
        char *actor;
};

static void work_free(struct work *w)
{
        arguments_done(&w->a);
        text_clear(&w->messages);
        free(w->actor);
        free(w);
}

static void next(struct work *w);

static void step_done(void *self, const char *message, const struct error *failure)
{
        struct work *w = self;
        if (failure) {
                rpc_fail(w->call, failure);
                work_free(w);
                return;
        }
        text_add(&w->messages, w->messages.length ? "," : "");
        text_add_json(&w->messages, message);
        w->at++;
        next(w);
}

static void settled(void *self, const struct error *failure)
{
        step_done(self, "Destroying the group", failure);
}

static void finish(struct work *w)
{
        struct text *t = rpc_result(w->call);
        if (w->plans) {
                struct error ignored = { 0 };
                struct group *g = controller_find(w->controller, w->a.specs[0].metadata.name, &ignored);
                begin_name(t, w->a.name);
                text_add(t, ",\"Object\":");
                if (g)
                        add_object(t, g);
                else
                        text_add(t, "{}");
                text_addf(t, ",\"Plan\":{\"Message\":[%s]}}", w->messages.length ? w->messages.data : "");
        } else
                text_add(t, "{}");
        rpc_reply(w->call);
        work_free(w);
}

static int destroy(struct work *w, const struct spec *s, struct error *e)
{
        if (w->pretend) {
                struct group *g = controller_find(w->controller, s->metadata.name, e);
                if (g)
                        settled(w, NULL);
                return g ? 0 : e->code;
        }
        int r = controller_tell(w->controller, s->metadata.name, EVENT_DESTROY_GROUP, e);
        if (r == 0)
                controller_settle(w->controller, s->metadata.name, settled, w);
        return r;
}

static int enforce(struct work *w, const struct spec *s, struct error *e)
{
        CLEAN_GROUP_SPEC struct group_spec spec = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "{\"ID\":");
        text_add_json(&t, s->metadata.name);
        text_add(&t, ",\"Properties\":");
        text_add(&t, s->properties ? s->properties : "null");
        text_add(&t, "}");
        int r = json_parse("spec", t.data, t.length, &d, e);
        const struct json_place top = json_top(&d, "spec");
        if (r == 0)
                r = group_spec_read(&top, &spec, e);
        if (r == 0)
                controller_commit(w->controller, &spec, w->pretend, &(struct actor){ w->actor, NULL }, step_done, w);
        return r;
}

static void next(struct work *w)
{
        struct error e = { 0 };
        if (w->at == w->a.count) {
                finish(w);
                return;
        }
        const struct spec *s = w->a.specs + w->at;
        if ((w->a.operation == OPERATION_DESTROY ? destroy(w, s, &e) : enforce(w, s, &e)) < 0)
                step_done(w, NULL, &e);
}

static struct work *new_work(struct rpc_call *c, struct controller *controller, const struct json_place *params)
{
        struct work *w = xalloc(1, sizeof *w);
        struct error e = { 0 };
        char name[64];
        actor_name(rpc_call_peer(c), name);
        *w = (struct work){ .call = c, .controller = controller, .actor = xstrdup(name) };
        if (read_arguments(params, &w->a, &e) < 0 || controller_check(controller, &e) < 0) {
                rpc_fail(c, &e);
                work_free(w);
                return NULL;
        }
        return w;
}

/* ---- Controller ---- */

static void plan_or_commit(struct rpc_call *c, void *self, const struct json_place *params, bool pretend)
{
        struct work *w = new_work(c, self, params);
        if (!w)
                return;
        w->pretend = pretend;
        w->plans = true;
        if (w->a.count == 1) {
                next(w);
                return;
        }
        struct error e = { 0 };
        error_set(&e, EINVAL, "rpc.request", "the request has no Spec");
        step_done(w, NULL, &e);
}

static void plan(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        plan_or_commit(c, self, params, true);
}

static void commit(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        plan_or_commit(c, self, params, false);
}

static void describe(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        (void)type;
        if (read_arguments(params, &a, &e) < 0 || controller_check(self, &e) < 0 || (a.wanted.name && !controller_find(self, a.wanted.name, &e))) {
                rpc_fail(c, &e);
                return;
        }
        begin_name(rpc_result(c), a.name);
        text_add(rpc_result(c), ",\"Objects\":");
        add_objects(rpc_result(c), self, a.wanted.name);
        text_add(rpc_result(c), "}");
        rpc_reply(c);
}

static void freed(void *self, const struct error *failure)
{
        if (failure)
                rpc_fail(self, failure);
        else
                rpc_reply(self);
}

static void free_group(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        (void)type;
        int r = read_arguments(params, &a, &e);
        if (r == 0 && !a.wanted.name)
                r = error_set(&e, EINVAL, "rpc.request", "Free takes the Metadata of one group");
        if (r == 0 && controller_find(self, a.wanted.name, &e)) {
                begin_name(rpc_result(c), a.name);
                text_add(rpc_result(c), ",\"Objects\":");
                add_objects(rpc_result(c), self, a.wanted.name);
                text_add(rpc_result(c), "}");
                r = controller_free_group(self, a.wanted.name, freed, c, &e);
        }
        if (e.code)
                rpc_fail(c, &e);
}

/* ---- Manager ---- */

static void is_leader(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type, (void)params;
        text_addf(rpc_result(c), "{\"Leader\":%s}", store_leads(controller_store(self)) ? "true" : "false");
        rpc_reply(c);
}

static void leader_location(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        const char *leader = store_leader(controller_store(self));
        struct text *t = rpc_result(c);
        (void)type, (void)params;
        text_add(t, "{\"Location\":{\"Scheme\":\"unix\",\"Opaque\":\"\",\"User\":null,\"Host\":\"\",\"Path\":");
        text_add_json(t, leader ? leader : "");
        text_add(t, ",\"RawPath\":\"\",\"ForceQuery\":false,\"RawQuery\":\"\",\"Fragment\":\"\"}}");
        rpc_reply(c);
}

static void enforce_all(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        struct work *w = new_work(c, self, params);
        if (w)
                next(w);
}

static void terminate_all(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        struct work *w = new_work(c, self, params);
        if (!w)
                return;
        w->a.operation = OPERATION_DESTROY;
        next(w);
}

static void give_objects(struct rpc_call *c, struct controller *controller, const char *member)
{
        struct error e = { 0 };
        if (controller_check(controller, &e) < 0) {
                rpc_fail(c, &e);
                return;
        }
        text_addf(rpc_result(c), "{\"%s\":", member);
        add_objects(rpc_result(c), controller, NULL);
        text_add(rpc_result(c), "}");
        rpc_reply(c);
}

/* An object is a spec with its state beside; who wants the spec passes over the state. */
static void specs(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type, (void)params;
        give_objects(c, self, "Specs");
}

static void inspect(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type, (void)params;
        give_objects(c, self, "Objects");
}

#define SPEC "{\"kind\":\"group\",\"version\":\"\",\"metadata\":{\"name\":\"group\",\"tags\":null},\"properties\":{}}"
static const struct rpc_method controller_methods[] = {
        { "Plan", plan, RPC_VIEW, "{\"Name\":\"group\",\"Operation\":0,\"Spec\":" SPEC "}", "{\"Name\":\"group\",\"Object\":" SPEC ",\"Plan\":{\"Message\":[\"Noop\"]}}" },
        { "Commit", commit, RPC_OPERATE, "{\"Name\":\"group\",\"Operation\":0,\"Spec\":" SPEC "}", "{\"Name\":\"group\",\"Object\":" SPEC ",\"Plan\":{\"Message\":[\"Noop\"]}}" },
        { "Describe", describe, RPC_VIEW, "{\"Name\":\"group\",\"Metadata\":null}", "{\"Name\":\"group\",\"Objects\":[" SPEC "]}" },
        { "Free", free_group, RPC_OPERATE, "{\"Name\":\"group\",\"Metadata\":{\"name\":\"group\"}}", "{\"Name\":\"group\",\"Objects\":[" SPEC "]}" },
        { 0 },
};
static const struct rpc_method stack_methods[] = {
        { "IsLeader", is_leader, RPC_VIEW, "{}", "{\"Leader\":true}" },
        { "LeaderLocation", leader_location, RPC_VIEW, "{}", "{\"Location\":{}}" },
        { "Enforce", enforce_all, RPC_OPERATE, "{\"Specs\":[" SPEC "]}", "{}" },
        { "Specs", specs, RPC_VIEW, "{}", "{\"Specs\":[" SPEC "]}" },
        { "Inspect", inspect, RPC_VIEW, "{}", "{\"Objects\":[" SPEC "]}" },
        { "Terminate", terminate_all, RPC_ADMIN, "{\"Specs\":[" SPEC "]}", "{}" },
        { 0 },
};

void manager_rpc_add(struct rpc_server *s, struct controller *c)
{
        rpc_server_add(s, &(struct rpc_object){ "Controller", "0.1.1", "Name", "*", controller_methods, c, false });
        rpc_server_add(s, &(struct rpc_object){ "Stack", "0.1.1", NULL, "", stack_methods, c, false });
}
