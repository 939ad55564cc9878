/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plans of a fleet, and their application: first all documents are asked about, one after another; then, where they are to be applied, the
 * token of what was found is compared with the one that was shown, and they are committed in the same order.
 */
#include <stdio.h>
#include <string.h>

#include <nettle/sha2.h>

#include "base/json_diff.h"
#include "group/controller_internal.h"
#include "group/fleet_internal.h"

enum { DOCUMENTS_MAX = 1000 };

struct fleet_job {
        struct rpc_call *call;
        struct controller *controller;
        struct group_spec *specs;
        size_t count, room, at;
        bool apply, committing, pending;
        char *token, *reason, *actor;
        struct text groups; /* of the answer */
        struct sha256_ctx hash;
};

static void job_free(struct fleet_job *j)
{
        for (size_t i = 0; i < j->count; i++)
                group_spec_done(j->specs + i);
        free(j->specs);
        free(j->token);
        free(j->reason);
        free(j->actor);
        text_clear(&j->groups);
        free(j);
}

static void fail(struct fleet_job *j, const struct error *failure)
{
        struct error e = *failure;
        if (j->at < j->count && j->count > 1)
                error_while(&e, "looking at the group \"%.64s\"", j->specs[j->at].id);
        rpc_fail(j->call, &e);
        job_free(j);
}

/* ---- what would change ---- */

struct changes {
        struct text *t;
        size_t count;
};

static void add_change(void *context, const char *pointer, const struct json_node *old, const struct json_node *new)
{
        struct changes *c = context;
        text_add(c->t, c->count++ ? ",{\"Path\":" : "{\"Path\":");
        text_add_json(c->t, pointer);
        if (old) {
                text_add(c->t, ",\"Old\":");
                json_add(c->t, old);
        }
        if (new) {
                text_add(c->t, ",\"New\":");
                json_add(c->t, new);
        }
        text_add(c->t, "}");
}

static size_t add_changes(struct text *t, const struct group *g, const struct group_spec *spec)
{
        CLEAN_JSON struct json_document old = { 0 }, new = { 0 };
        struct changes c = { t, 0 };
        if (g && json_parse("old", group_spec(g)->text, strlen(group_spec(g)->text), &old, NULL) == 0 &&
            json_parse("new", spec->text, strlen(spec->text), &new, NULL) == 0)
                json_diff(old.nodes, new.nodes, add_change, &c);
        return c.count;
}

static void add_to_token(struct fleet_job *j, const struct group *g, const struct group_spec *spec, const char *message)
{
        CLEAN_FREE char *words = xprintf("%s\n%llu\n%s\n%s\n", spec->id, (unsigned long long)(g ? group_revision(g) : 0), spec->text, message);
        sha256_update(&j->hash, strlen(words), (const uint8_t *)words);
}

/* What is there now and is not as its document says, though no document changes: it is told or replaced beside the plan. */
static void add_drift(struct text *t, const struct group *g, const struct group_spec *spec)
{
        struct planner_status s = { 0 };
        if (g)
                planner_get_status(group_planner(g), &s);
        text_addf(t, ",\"Drifted\":%u,\"DriftAction\":\"%s\"", s.drifted, spec->drift.action == DRIFT_REPLACE ? "replace" : "tell");
}

static void add_group(struct fleet_job *j, const struct group_spec *spec, const char *message)
{
        CLEAN_TEXT struct text changes = { 0 };
        struct text *t = &j->groups;
        struct group *g = controller_find(j->controller, spec->id, &(struct error){ 0 });
        text_add(&changes, "");
        size_t count = add_changes(&changes, g, spec);
        bool fresh = !g && text_starts(message, "Managing"), none = g && count == 0;
        bool rolls = strstr(message, "erforming a rolling update");
        j->pending = j->pending || !none;
        text_add(t, j->at ? ",{\"ID\":" : "{\"ID\":");
        text_add_json(t, spec->id);
        text_addf(t, ",\"Action\":\"%s\",\"Message\":", none ? "none" : fresh ? "create" : "update");
        text_add_json(t, message);
        add_drift(t, g, spec);
        text_addf(t, ",\"Revision\":%llu,\"Size\":{\"Old\":%u,\"New\":%u},\"Roll\":%s,\"Changes\":[", (unsigned long long)(g ? group_revision(g) : 0),
                  g ? group_spec_count(group_spec(g)) : 0, group_spec_count(spec), rolls ? "true" : "false");
        text_add(t, changes.data);
        text_add(t, "]}");
        add_to_token(j, g, spec, message);
}

/* ---- one after another ---- */

static void next(struct fleet_job *j);

static void answer(struct fleet_job *j)
{
        struct text *t = rpc_result(j->call);
        text_add(t, "{\"Token\":");
        text_add_json(t, j->token);
        text_addf(t, ",\"Pending\":%s,\"Groups\":[", j->pending ? "true" : "false");
        text_add(t, j->groups.length ? j->groups.data : "");
        text_add(t, "]}");
        rpc_reply(j->call);
        job_free(j);
}

/* All were asked about. */
static void planned(struct fleet_job *j)
{
        uint8_t digest[SHA256_DIGEST_SIZE];
        CLEAN_TEXT struct text token = { 0 };
        sha256_digest(&j->hash, sizeof digest, digest);
        for (size_t i = 0; i < sizeof digest; i++)
                text_addf(&token, "%02x", digest[i]);
        if (j->apply && j->token && !text_equal(j->token, token.data)) {
                struct error e = { 0 };
                error_set(&e, ESTALE, "fleet.stale", "the plan is not what would be done any more");
                error_hint(&e, "plan again, and look at what changed");
                fail(j, &e);
                return;
        }
        free(j->token);
        j->token = TAKE_PTR(token.data);
        if (!j->apply) {
                answer(j);
                return;
        }
        j->committing = true;
        j->at = 0;
        next(j);
}

static void done(void *self, const char *message, const struct error *failure)
{
        struct fleet_job *j = self;
        if (failure) {
                fail(j, failure);
                return;
        }
        if (!j->committing)
                add_group(j, j->specs + j->at, message);
        j->at++;
        next(j);
}

/* A document that changes nothing makes no revision. */
static bool is_committed(struct fleet_job *j, const struct group_spec *spec)
{
        struct group *g = controller_find(j->controller, spec->id, &(struct error){ 0 });
        return g && text_equal(group_spec(g)->text, spec->text);
}

static void next(struct fleet_job *j)
{
        while (j->committing && j->at < j->count && is_committed(j, j->specs + j->at))
                j->at++;
        if (j->at < j->count)
                controller_commit(j->controller, j->specs + j->at, !j->committing, &(struct actor){ j->actor, j->reason }, done, j);
        else if (j->committing)
                answer(j);
        else
                planned(j);
}

/* ---- requests ---- */

static int read_document(const struct json_place *at, void *into, struct error *e)
{
        struct fleet_job *j = into;
        if (j->count >= DOCUMENTS_MAX)
                return json_fail(at, e, "there are at most %d documents", DOCUMENTS_MAX);
        j->specs = xgrow(j->specs, &j->room, j->count + 1, sizeof *j->specs);
        j->specs[j->count] = (struct group_spec){ 0 };
        int r = group_spec_read(at, j->specs + j->count, e);
        if (r < 0) {
                group_spec_done(j->specs + j->count);
                return r;
        }
        for (size_t i = 0; i < j->count; i++)
                if (text_equal(j->specs[i].id, j->specs[j->count].id)) {
                        group_spec_done(j->specs + j->count);
                        return json_fail(at, e, "there are two documents of the group \"%.64s\"", j->specs[i].id);
                }
        j->count++;
        return 0;
}

static int read_documents(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_document, into, e);
}

static void begin(struct rpc_call *c, struct controller *controller, const struct json_place *params, bool apply)
{
        static const struct json_field fields[] = {
                { "Documents", read_documents, 0, JSON_REQUIRED },
                { "Token", json_string, offsetof(struct fleet_job, token), 0 },
                { "Reason", json_string, offsetof(struct fleet_job, reason), 0 },
                { 0 },
        };
        struct fleet_job *j = xalloc(1, sizeof *j);
        struct error e = { 0 };
        char name[64];
        actor_name(rpc_call_peer(c), name);
        *j = (struct fleet_job){ .call = c, .controller = controller, .apply = apply, .actor = xstrdup(name) };
        sha256_init(&j->hash);
        if (json_object(params, fields, j, &e) < 0 || controller_check(controller, &e) < 0) {
                rpc_fail(c, &e);
                job_free(j);
                return;
        }
        next(j);
}

void fleet_plan(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        begin(c, self, params, false);
}

void fleet_apply(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        begin(c, self, params, true);
}
