/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interface of group/fleet.h but for plans (fleet_plan.c). */
#include <stdio.h>
#include <time.h>

#include "group/fleet_internal.h"

struct arguments {
        char *id, *group, *reason;
        uint64_t revision, from;
        uint32_t max;
        bool instances;
};

static void arguments_done(struct arguments *a)
{
        free(a->id);
        free(a->group);
        free(a->reason);
}
#define CLEAN_ARGUMENTS CLEAN(arguments_done)

static int read_arguments(const struct json_place *params, struct arguments *a, struct error *e)
{
        static const struct json_field fields[] = {
                { "ID", json_string, offsetof(struct arguments, id), 0 },         { "Group", json_string, offsetof(struct arguments, group), 0 },
                { "Reason", json_string, offsetof(struct arguments, reason), 0 }, { "Revision", json_u64, offsetof(struct arguments, revision), 0 },
                { "From", json_u64, offsetof(struct arguments, from), 0 },        { "Max", json_u32, offsetof(struct arguments, max), 0 },
                { "Instances", json_bool, offsetof(struct arguments, instances), 0 }, { 0 },
        };
        a->max = 100;
        int r = json_object(params, fields, a, e);
        if (r == 0 && !a->id)
                a->id = xstrdup("");
        if (a->max > STORE_READ_MAX)
                a->max = STORE_READ_MAX;
        return r;
}

static void member(struct text *t, const char *name, const char *value)
{
        text_addf(t, ",\"%s\":", name);
        text_add_json(t, value ? value : "");
}

/* ---- status ---- */

static void add_instances(struct text *t, const struct planner *p)
{
        static const char *const health[] = { [HEALTH_UNKNOWN] = "unknown", [HEALTH_GOOD] = "good", [HEALTH_BAD] = "bad" };
        struct member_view m[64];
        size_t first = 0, n;
        text_add(t, ",\"Instances\":[");
        while ((n = planner_members(p, first, ELEMENTS(m), m))) {
                for (size_t i = 0; i < n; i++) {
                        text_add(t, first + i ? "," : "");
                        instance_format(t, m[i].instance);
                        t->length--; /* its closing brace */
                        member(t, "Health", health[m[i].health]);
                        member(t, "Phase", m[i].phase);
                        if (m[i].drift)
                                member(t, "Drift", m[i].drift);
                        text_addf(t, ",\"Current\":%s,\"Protected\":%s}", m[i].current ? "true" : "false", m[i].protected ? "true" : "false");
                }
                first += n;
        }
        text_add(t, "]");
}

static void add_roll(struct text *t, const struct planner_status *s)
{
        static const char *const words[] = { [ROLL_NONE] = "none",     [ROLL_CANARY] = "canary", [ROLL_RUNNING] = "running", [ROLL_CHECKPOINT] = "checkpoint",
                                             [ROLL_BAKING] = "baking", [ROLL_PAUSED] = "paused", [ROLL_FAILED] = "failed",   [ROLL_BACK] = "back" };
        text_addf(t, ",\"Roll\":{\"Phase\":\"%s\"", words[s->roll]);
        member(t, "Reason", s->roll_reason);
        text_addf(t, ",\"Target\":%u}", s->roll_target);
}

static const char *truth(bool b)
{
        return b ? "true" : "false";
}

void fleet_status_format(struct text *t, const struct group *g, bool instances)
{
        struct planner_status s;
        planner_get_status(group_planner(g), &s);
        text_add(t, "{\"ID\":");
        text_add_json(t, group_id(g));
        text_addf(t, ",\"Revision\":%llu,\"GoodRevision\":%llu,\"Size\":%u,\"Live\":%u,\"Good\":%u,\"Sick\":%u,\"Unknown\":%u,\"Current\":%u,\"Old\":%u",
                  (unsigned long long)group_revision(g), (unsigned long long)s.good_revision, s.wanted, s.live, s.good, s.sick, s.unknown, s.current, s.old);
        text_addf(t, ",\"Drifted\":%u,\"Provisioning\":%u,\"Draining\":%u,\"Destroying\":%u", s.drifted, s.provisioning, s.draining, s.destroying);
        add_roll(t, &s);
        text_addf(t, ",\"Converged\":%s,\"Observed\":%s,\"CircuitOpen\":%s,\"RemediationStopped\":%s,\"DriftStopped\":%s,\"DestroyingGroup\":%s,\"Freed\":%s",
                  truth(s.converged), truth(s.observed), truth(s.circuit_open), truth(s.remediation_stopped), truth(s.drift_stopped), truth(s.destroying_group), truth(s.freed));
        if (s.next_attempt_usec)
                text_addf(t, ",\"NextAttempt\":%.3f", (double)s.next_attempt_usec / 1e6);
        else
                text_add(t, ",\"NextAttempt\":null");
        member(t, "Plugin", group_spec(g)->instance.plugin);
        member(t, "Flavor", group_spec(g)->flavor.plugin);
        if (instances)
                add_instances(t, group_planner(g));
        text_add(t, "}");
}

static void add_store(struct text *t, struct controller *c)
{
        const char *leader = store_leader(controller_store(c));
        text_addf(t, "{\"Leader\":%s", truth(store_leads(controller_store(c))));
        member(t, "LeaderAddress", leader);
        member(t, "Store", store_describe(controller_store(c)));
}

static void status(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        struct group **groups;
        bool first = true;
        (void)type;
        if (read_arguments(params, &a, &e) < 0 || (*a.id && !controller_find(self, a.id, &e))) {
                rpc_fail(c, &e);
                return;
        }
        struct text *t = rpc_result(c);
        size_t count = controller_groups(self, &groups);
        add_store(t, self);
        text_add(t, ",\"Groups\":[");
        for (size_t i = 0; i < count; i++) {
                if (*a.id && !text_equal(a.id, group_id(groups[i])))
                        continue;
                text_add(t, first ? "" : ",");
                fleet_status_format(t, groups[i], a.instances);
                first = false;
        }
        text_add(t, "]}");
        rpc_reply(c);
}

/* ---- rolls ---- */

struct waiting {
        struct rpc_call *call;
        struct controller *controller;
        char *id;
};

static struct waiting *wait_for(struct rpc_call *c, struct controller *controller, const char *id)
{
        struct waiting *w = xalloc(1, sizeof *w);
        *w = (struct waiting){ c, controller, xstrdup(id) };
        return w;
}

static void waiting_free(struct waiting *w)
{
        free(w->id);
        free(w);
}

static void begin_id(struct waiting *w)
{
        text_add(rpc_result(w->call), "{\"ID\":");
        text_add_json(rpc_result(w->call), w->id);
}

static void settled(void *self, const struct error *failure)
{
        struct waiting *w = self;
        if (failure)
                rpc_fail(w->call, failure);
        else {
                begin_id(w);
                text_add(rpc_result(w->call), "}");
                rpc_reply(w->call);
        }
        waiting_free(w);
}

static void tell(struct rpc_call *c, struct controller *to, enum event_kind kind, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        if (read_arguments(params, &a, &e) < 0 || controller_tell(to, a.id, kind, &e) < 0)
                rpc_fail(c, &e);
        else
                controller_settle(to, a.id, settled, wait_for(c, to, a.id));
}

static void pause_roll(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        tell(c, self, EVENT_PAUSE, params);
}

static void resume_roll(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        tell(c, self, EVENT_RESUME, params);
}

static void undone(void *self, const char *message, const struct error *failure)
{
        struct waiting *w = self;
        struct error e = { 0 };
        struct group *g = failure ? NULL : controller_find(w->controller, w->id, &e);
        if (failure || !g)
                rpc_fail(w->call, failure ? failure : &e);
        else {
                begin_id(w);
                text_addf(rpc_result(w->call), ",\"Revision\":%llu", (unsigned long long)group_revision(g));
                member(rpc_result(w->call), "Message", message);
                text_add(rpc_result(w->call), "}");
                rpc_reply(w->call);
        }
        waiting_free(w);
}

static void undo(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        char name[64];
        (void)type;
        if (read_arguments(params, &a, &e) < 0) {
                rpc_fail(c, &e);
                return;
        }
        actor_name(rpc_call_peer(c), name);
        controller_undo(self, a.id, a.revision, &(struct actor){ name, a.reason }, undone, wait_for(c, self, a.id));
}

/* ---- what was ---- */

static void add_revision(struct text *t, const struct store_revision *r)
{
        text_addf(t, "{\"Revision\":%llu,\"Time\":", (unsigned long long)r->revision);
        rpc_time_format(t, r->at_usec);
        member(t, "Actor", r->actor);
        member(t, "Reason", r->reason);
        text_addf(t, ",\"Document\":%s}", r->document);
}

static void give_history(void *self, const struct store_revisions *revisions, const struct error *failure)
{
        struct waiting *w = self;
        struct text *t = rpc_result(w->call);
        if (failure)
                rpc_fail(w->call, failure);
        else {
                begin_id(w);
                text_add(t, ",\"Revisions\":[");
                for (size_t i = 0; i < revisions->count; i++) {
                        text_add(t, i ? "," : "");
                        add_revision(t, revisions->items + i);
                }
                text_add(t, "]}");
                rpc_reply(w->call);
        }
        waiting_free(w);
}

static void history(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        (void)type;
        if (read_arguments(params, &a, &e) < 0 || !controller_find(self, a.id, &e))
                rpc_fail(c, &e);
        else
                store_history(controller_store(self), a.id, give_history, wait_for(c, self, a.id));
}

static void add_event(struct text *t, const struct store_event *event)
{
        text_addf(t, "{\"Sequence\":%llu,\"Time\":", (unsigned long long)event->sequence);
        rpc_time_format(t, event->at_usec);
        member(t, "Topic", event->topic);
        member(t, "Group", event->group);
        member(t, "ID", event->id);
        member(t, "Message", event->message);
        text_add(t, "}");
}

static void give_events(void *self, const struct store_log *log, const struct error *failure)
{
        struct rpc_call *c = self;
        struct text *t = rpc_result(c);
        if (failure) {
                rpc_fail(c, failure);
                return;
        }
        text_add(t, "{\"Events\":[");
        for (size_t i = 0; i < log->event_count; i++) {
                text_add(t, i ? "," : "");
                add_event(t, log->events + i);
        }
        text_addf(t, "],\"Last\":%llu}", (unsigned long long)log->last);
        rpc_reply(c);
}

static void events(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        (void)type;
        if (read_arguments(params, &a, &e) < 0)
                rpc_fail(c, &e);
        else
                store_events(controller_store(self), a.from, a.group && *a.group ? a.group : NULL, a.max, give_events, c);
}

static void add_entry(struct text *t, const struct store_audit *audit)
{
        text_addf(t, "{\"Sequence\":%llu,\"Time\":", (unsigned long long)audit->sequence);
        rpc_time_format(t, audit->at_usec);
        text_addf(t, ",\"UID\":%u,\"PID\":%d", audit->uid, (int)audit->pid);
        member(t, "Actor", audit->actor);
        member(t, "Role", audit->role);
        member(t, "Method", audit->method);
        member(t, "Object", audit->object);
        member(t, "Reason", audit->reason);
        member(t, "Outcome", audit->outcome);
        text_add(t, "}");
}

static void give_audits(void *self, const struct store_log *log, const struct error *failure)
{
        struct rpc_call *c = self;
        struct text *t = rpc_result(c);
        if (failure) {
                rpc_fail(c, failure);
                return;
        }
        text_add(t, "{\"Entries\":[");
        for (size_t i = 0; i < log->audit_count; i++) {
                text_add(t, i ? "," : "");
                add_entry(t, log->audits + i);
        }
        text_addf(t, "],\"Last\":%llu}", (unsigned long long)log->last);
        rpc_reply(c);
}

static void audit(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct error e = { 0 };
        (void)type;
        if (read_arguments(params, &a, &e) < 0)
                rpc_fail(c, &e);
        else
                store_audits(controller_store(self), a.from, a.max, give_audits, c);
}

static const struct rpc_method methods[] = {
        { "Plan", fleet_plan, RPC_VIEW, "{\"Documents\":[]}", "{\"Token\":\"\",\"Pending\":false,\"Groups\":[]}" },
        { "Apply", fleet_apply, RPC_OPERATE, "{\"Documents\":[],\"Token\":null,\"Reason\":\"\"}", "{\"Token\":\"\",\"Pending\":false,\"Groups\":[]}" },
        { "Status", status, RPC_VIEW, "{\"ID\":\"\",\"Instances\":false}", "{\"Leader\":true,\"LeaderAddress\":\"\",\"Store\":\"\",\"Groups\":[]}" },
        { "Pause", pause_roll, RPC_OPERATE, "{\"ID\":\"group\"}", "{\"ID\":\"group\"}" },
        { "Resume", resume_roll, RPC_OPERATE, "{\"ID\":\"group\"}", "{\"ID\":\"group\"}" },
        { "Undo", undo, RPC_OPERATE, "{\"ID\":\"group\",\"Revision\":0}", "{\"ID\":\"group\",\"Revision\":3,\"Message\":\"\"}" },
        { "History", history, RPC_VIEW, "{\"ID\":\"group\"}", "{\"ID\":\"group\",\"Revisions\":[]}" },
        { "Events", events, RPC_VIEW, "{\"From\":0,\"Group\":\"\",\"Max\":100}", "{\"Events\":[],\"Last\":0}" },
        { "Audit", audit, RPC_ADMIN, "{\"From\":0,\"Max\":100}", "{\"Entries\":[],\"Last\":0}" },
        { 0 },
};

void fleet_rpc_add(struct rpc_server *s, struct controller *c)
{
        rpc_server_add(s, &(struct rpc_object){ "Fleet", "0.1.0", NULL, "", methods, c, false });
        rpc_server_topic(s, "groups");
}
