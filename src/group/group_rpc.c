/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "group/group_rpc.h"

enum { MEMBERS_AT_ONCE = 256 };

struct arguments {
        char *name, *id, *reason;
        uint32_t size;
        bool pretend;
        struct strings instances;
        struct group_spec spec;
};

static void arguments_done(struct arguments *a)
{
        free(a->name);
        free(a->id);
        free(a->reason);
        strings_clear(&a->instances);
        group_spec_done(&a->spec);
}
#define CLEAN_ARGUMENTS CLEAN(arguments_done)

static const struct json_field fields[] = {
        { "Name", json_string, offsetof(struct arguments, name), 0 },          { "ID", json_string, offsetof(struct arguments, id), 0 },
        { "Reason", json_string, offsetof(struct arguments, reason), 0 },      { "Size", json_u32, offsetof(struct arguments, size), 0 },
        { "Pretend", json_bool, offsetof(struct arguments, pretend), 0 },      { "Spec", group_spec_read, offsetof(struct arguments, spec), 0 },
        { "Instances", json_strings, offsetof(struct arguments, instances), 0 }, { 0 },
};

void actor_name(const struct rpc_peer *peer, char ret[64])
{
        (void)snprintf(ret, 64, "uid %u", peer->uid);
}

static int read_arguments(const struct json_place *params, struct arguments *a, struct error *e)
{
        int r = json_object(params, fields, a, e);
        if (r == 0 && !a->name)
                a->name = xstrdup("");
        if (r == 0 && !a->id)
                a->id = xstrdup("");
        return r;
}

static void begin(struct rpc_call *c, const char *name, const char *id)
{
        struct text *t = rpc_result(c);
        text_add(t, "{\"Name\":");
        text_add_json(t, name);
        text_add(t, ",\"ID\":");
        text_add_json(t, id);
}

static void end(struct rpc_call *c)
{
        text_add(rpc_result(c), "}");
        rpc_reply(c);
}

/* ---- what changes something ---- */

/* An answer that waits for the commit. */
struct waiting {
        struct rpc_call *call;
        char *name, *id;
};

static struct waiting *wait_for(struct rpc_call *c, const struct arguments *a, const char *id)
{
        struct waiting *w = xalloc(1, sizeof *w);
        *w = (struct waiting){ c, xstrdup(a->name), xstrdup(id) };
        return w;
}

static void waiting_free(struct waiting *w)
{
        free(w->name);
        free(w->id);
        free(w);
}

static void committed(void *self, const char *message, const struct error *failure)
{
        struct waiting *w = self;
        if (failure)
                rpc_fail(w->call, failure);
        else {
                begin(w->call, w->name, w->id);
                text_add(rpc_result(w->call), ",\"Details\":");
                text_add_json(rpc_result(w->call), message ? message : "");
                end(w->call);
        }
        waiting_free(w);
}

static void settled(void *self, const struct error *failure)
{
        struct waiting *w = self;
        if (failure)
                rpc_fail(w->call, failure);
        else {
                begin(w->call, w->name, w->id);
                end(w->call);
        }
        waiting_free(w);
}

static void resized(void *self, const char *message, const struct error *failure)
{
        (void)message;
        settled(self, failure);
}

static struct actor actor_of(struct rpc_call *c, const struct arguments *a, char name[64])
{
        actor_name(rpc_call_peer(c), name);
        return (struct actor){ name, a->reason };
}

static void commit(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        char name[64];
        (void)type;
        if (read_arguments(params, &a, &e) < 0) {
                rpc_fail(c, &e);
                return;
        }
        if (!a.spec.id) {
                error_set(&e, EINVAL, "group.document", "the request has no Spec");
                rpc_fail(c, &e);
                return;
        }
        struct actor actor = actor_of(c, &a, name);
        controller_commit(self, &a.spec, a.pretend, &actor, committed, wait_for(c, &a, a.spec.id));
}

static void set_size(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        char name[64];
        (void)type;
        int r = read_arguments(params, &a, &e);
        struct actor actor = actor_of(c, &a, name);
        struct waiting *w = r < 0 ? NULL : wait_for(c, &a, a.id);
        if (r == 0)
                r = controller_resize(self, a.id, a.size, &actor, resized, w, &e);
        if (r < 0) {
                if (w)
                        waiting_free(w);
                rpc_fail(c, &e);
        }
}

/* Tells the planner, and answers once that is on record. */
static void tell(struct rpc_call *c, struct controller *to, enum event_kind kind, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        int r = read_arguments(params, &a, &e);
        if (r == 0)
                r = kind == EVENT_DESTROY_SOME ? controller_destroy_some(to, a.id, &a.instances, &e) : controller_tell(to, a.id, kind, &e);
        if (r < 0)
                rpc_fail(c, &e);
        else
                controller_settle(to, a.id, settled, wait_for(c, &a, a.id));
}

static void free_group(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        (void)type;
        int r = read_arguments(params, &a, &e);
        struct waiting *w = r < 0 ? NULL : wait_for(c, &a, a.id);
        if (r == 0)
                r = controller_free_group(self, a.id, settled, w, &e);
        if (r < 0) {
                if (w)
                        waiting_free(w);
                rpc_fail(c, &e);
        }
}

static void destroy_group(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        tell(c, self, EVENT_DESTROY_GROUP, params);
}

static void destroy_instances(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        tell(c, self, EVENT_DESTROY_SOME, params);
}

/* ---- what only looks ---- */

static void add_members(struct text *t, const struct planner *p)
{
        struct member_view m[MEMBERS_AT_ONCE];
        size_t first = 0, n;
        while ((n = planner_members(p, first, MEMBERS_AT_ONCE, m))) {
                for (size_t i = 0; i < n; i++) {
                        text_add(t, first + i ? "," : "");
                        instance_format(t, m[i].instance);
                        if (!m[i].drift)
                                continue;
                        t->length--; /* its closing brace */
                        text_add(t, ",\"Drift\":");
                        text_add_json(t, m[i].drift);
                        text_add(t, "}");
                }
                first += n;
        }
}

static void describe(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        struct planner_status status;
        (void)type;
        struct group *g = read_arguments(params, &a, &e) < 0 ? NULL : controller_find(self, a.id, &e);
        if (!g) {
                rpc_fail(c, &e);
                return;
        }
        planner_get_status(group_planner(g), &status);
        begin(c, a.name, a.id);
        text_add(rpc_result(c), ",\"Description\":{\"Instances\":[");
        add_members(rpc_result(c), group_planner(g));
        text_addf(rpc_result(c), "],\"Drifted\":%u,\"Converged\":%s}", status.drifted, status.converged ? "true" : "false");
        end(c);
}

static void inspect(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        struct group **groups;
        bool first = true;
        (void)type;
        if (read_arguments(params, &a, &e) < 0 || controller_check(self, &e) < 0) {
                rpc_fail(c, &e);
                return;
        }
        size_t count = controller_groups(self, &groups);
        begin(c, a.name, a.id);
        text_add(rpc_result(c), ",\"Groups\":[");
        for (size_t i = 0; i < count; i++) {
                if (*a.id && !text_equal(a.id, group_id(groups[i])))
                        continue;
                text_add(rpc_result(c), first ? "" : ",");
                group_spec_format(rpc_result(c), group_spec(groups[i]));
                first = false;
        }
        text_add(rpc_result(c), "]");
        end(c);
}

static void size(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        (void)type;
        struct group *g = read_arguments(params, &a, &e) < 0 ? NULL : controller_find(self, a.id, &e);
        if (!g) {
                rpc_fail(c, &e);
                return;
        }
        begin(c, a.name, a.id);
        text_addf(rpc_result(c), ",\"Size\":%u", group_spec_count(group_spec(g)));
        end(c);
}

#define DOCUMENT                                                                                                                          \
        "{\"ID\":\"group\",\"Properties\":{\"Allocation\":{\"Size\":1},\"Instance\":{\"Plugin\":\"file\",\"Properties\":{}},"                \
        "\"Flavor\":{\"Plugin\":\"vanilla\",\"Properties\":{}}}}"
#define ID "{\"Name\":\"group\",\"ID\":\"group\"}"
static const struct rpc_method methods[] = {
        { "CommitGroup", commit, RPC_OPERATE, "{\"Name\":\"group\",\"Spec\":" DOCUMENT ",\"Pretend\":false}", "{\"Name\":\"group\",\"ID\":\"group\",\"Details\":\"Managing 1 instances\"}" },
        { "FreeGroup", free_group, RPC_OPERATE, ID, ID },
        { "DescribeGroup", describe, RPC_VIEW, ID, "{\"Name\":\"group\",\"ID\":\"group\",\"Description\":{\"Instances\":[],\"Converged\":true}}" },
        { "DestroyGroup", destroy_group, RPC_ADMIN, ID, ID },
        { "InspectGroups", inspect, RPC_VIEW, ID, "{\"Name\":\"group\",\"ID\":\"group\",\"Groups\":[" DOCUMENT "]}" },
        { "DestroyInstances", destroy_instances, RPC_OPERATE, "{\"Name\":\"group\",\"ID\":\"group\",\"Instances\":[\"id\"]}", ID },
        { "Size", size, RPC_VIEW, ID, "{\"Name\":\"group\",\"ID\":\"group\",\"Size\":1}" },
        { "SetSize", set_size, RPC_OPERATE, "{\"Name\":\"group\",\"ID\":\"group\",\"Size\":2}", ID },
        { 0 },
};

void group_rpc_add(struct rpc_server *s, struct controller *c)
{
        rpc_server_add(s, &(struct rpc_object){ "Group", "0.1.1", "Name", "*", methods, c, false });
}
