/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people and programs ask of the controller. */
#include <string.h>

#include "group/controller_internal.h"

enum { VALIDATE_USEC = 15 * 1000 * 1000 };

int controller_check(struct controller *c, struct error *e)
{
        if (c->leading && store_leads(c->store))
                return 0;
        const char *leader = store_leader(c->store);
        error_set(e, EREMCHG, "group.not-leader", "this controller does not lead");
        error_hint(e, leader && *leader ? "ask the one that does: %s" : "nobody leads at this moment%s", leader ? leader : "");
        return -EREMCHG;
}

struct group *controller_find(struct controller *c, const char *id, struct error *e)
{
        struct group *g = controller_check(c, e) < 0 ? NULL : string_map_get(&c->by_id, id);
        if (!g && c->leading)
                error_set(e, ENOENT, "group.unknown", "there is no group \"%.80s\"", id);
        return g;
}

size_t controller_groups(struct controller *c, struct group ***ret)
{
        *ret = c->groups;
        return c->count;
}

struct store *controller_store(struct controller *c)
{
        return c->store;
}

/* ---- commits ---- */

struct commit {
        struct controller *controller;
        struct group_spec spec;
        bool pretend, fresh; /* fresh: the group was made for this commit */
        char *actor, *reason, *message;
        uint64_t revision;
        commit_done done;
        void *self;
};

static void commit_free(struct commit *k)
{
        group_spec_done(&k->spec);
        free(k->actor);
        free(k->reason);
        free(k->message);
        free(k);
}

static void finish(struct commit *k, const struct error *failure)
{
        if (k->done)
                k->done(k->self, failure ? NULL : k->message, failure);
        commit_free(k);
}

/* It is on record: the planner goes on with it. */
static void committed(void *self, const struct error *e)
{
        struct commit *k = self;
        struct controller *c = k->controller;
        struct group *g = string_map_get(&c->by_id, k->spec.id);
        struct error failure = { 0 };
        bool fresh = k->fresh;
        CLEAN_FREE char *id = xstrdup(k->spec.id);
        if (e) {
                failure = *e;
                error_while(&failure, "writing the document down");
        } else if (g && group_take_spec(g, &k->spec, k->revision, &failure) == 0)
                group_tell_spec(g);
        else if (!g)
                error_set(&failure, ENOENT, "group.unknown", "the group is gone meanwhile");
        finish(k, failure.code ? &failure : NULL); /* which frees k */
        g = string_map_get(&c->by_id, id);
        if (failure.code && fresh && g && !g->committed)
                group_free(g);
}

static void write_commit(struct commit *k)
{
        CLEAN_STORE_BATCH struct store_batch b = { 0 };
        struct controller *c = k->controller;
        struct group *g = string_map_get(&c->by_id, k->spec.id);
        k->fresh = !g;
        if (!g)
                g = group_add(c, k->spec.id);
        k->revision = group_revision(g) + 1;
        batch_commit(&b, g->id, k->revision, k->spec.text, k->actor, k->reason, 0);
        group_note(g, &b, "group/committed", k->message ? k->message : "");
        store_write(c->store, &b, STORE_SURE, committed, k);
}

void group_commit(struct group *g, struct group_spec *spec, const struct actor *a, commit_done done, void *self)
{
        struct commit *k = xalloc(1, sizeof *k);
        *k = (struct commit){ .controller = g->controller, .spec = *spec, .actor = xstrdup(a->name), .done = done, .self = self };
        k->reason = a->reason ? xstrdup(a->reason) : NULL;
        k->message = planner_pretend(g->planner, &k->spec);
        *spec = (struct group_spec){ 0 };
        write_commit(k);
}

/* What it would do is known once the instances are: of a group that is not there, those with its tag are looked at. */
static void pretended(void *context, const struct json_node *result, const struct error *failure)
{
        struct commit *k = context;
        struct controller *c = k->controller;
        struct group *g = string_map_get(&c->by_id, k->spec.id);
        const struct json_node *n = result ? json_member(result, "Descriptions") : NULL;
        const struct json_place at = { .value = n, .key = "Descriptions" };
        CLEAN_INSTANCES struct instances list = { 0 };
        CLEAN_ACTIONS struct actions ignored = { 0 };
        if (failure) {
                finish(k, failure);
                return;
        }
        struct planner *p = g ? NULL : planner_new(k->spec.id, 1);
        if (p && n && instances_read(&at, &list, NULL) == 0)
                planner_step(p, &(struct event){ .kind = EVENT_OBSERVED, .now_usec = controller_now(c), .asked_usec = controller_now(c), .list = &list }, &ignored);
        k->message = planner_pretend(g ? g->planner : p, &k->spec);
        planner_free(p);
        if (k->pretend)
                finish(k, NULL);
        else
                write_commit(k);
}

static void look(struct commit *k)
{
        struct controller *c = k->controller;
        CLEAN_FREE char *name = NULL, *type = NULL;
        CLEAN_TEXT struct text t = { 0 };
        static const struct json_node nothing = { .type = JSON_OBJECT, .span = 1 };
        if (string_map_get(&c->by_id, k->spec.id)) {
                pretended(k, &nothing, NULL);
                return;
        }
        (void)plugin_reference_parse(k->spec.instance.plugin, &name, &type, NULL); /* was checked */
        text_add(&t, "{\"Type\":");
        text_add_json(&t, type);
        text_add(&t, ",\"Tags\":{\"" TAG_GROUP "\":");
        text_add_json(&t, k->spec.id);
        text_add(&t, "},\"Properties\":false}");
        provider_call(controller_provider(c, name), "Instance.DescribeInstances", t.data, 60 * 1000000ULL, pretended, k);
}

static void flavor_valid(void *context, const struct json_node *result, const struct error *failure)
{
        struct commit *k = context;
        (void)result;
        if (failure)
                finish(k, failure);
        else
                look(k);
}

static int ask_valid(struct commit *k, const struct plugin_use *use, bool flavor, rpc_done done, struct error *e)
{
        CLEAN_FREE char *name = NULL, *type = NULL;
        CLEAN_TEXT struct text t = { 0 };
        int r = plugin_reference_parse(use->plugin, &name, &type, e);
        if (r < 0)
                return r;
        text_add(&t, "{\"Type\":");
        text_add_json(&t, type);
        text_add(&t, ",\"Properties\":");
        text_add(&t, use->properties ? use->properties : "{}");
        if (flavor) {
                text_add(&t, ",\"Allocation\":");
                allocation_format(&t, &k->spec.allocation);
        }
        text_add(&t, "}");
        provider_call(controller_provider(k->controller, name), flavor ? "Flavor.Validate" : "Instance.Validate", t.data, VALIDATE_USEC, done, k);
        return 0;
}

static void instance_valid(void *context, const struct json_node *result, const struct error *failure)
{
        struct commit *k = context;
        struct error e = { 0 };
        (void)result;
        if (failure || ask_valid(k, &k->spec.flavor, true, flavor_valid, &e) < 0)
                finish(k, failure ? failure : &e);
}

/* Instances without a logical id would all be strangers to a group that has some, and the other way round. */
static int check_kind(struct controller *c, const struct group_spec *spec, struct error *e)
{
        const struct group *g = string_map_get(&c->by_id, spec->id);
        if (!g || !g->committed || !g->specs[0].spec.allocation.logical_ids.count == !spec->allocation.logical_ids.count)
                return 0;
        error_set(e, EINVAL, "group.quorum", "\"%s\" would change between a size and logical IDs", spec->id);
        error_hint(e, "destroy it first, or give the new one another ID");
        return -EINVAL;
}

void controller_commit(struct controller *c, const struct group_spec *spec, bool pretend, const struct actor *a, commit_done done, void *self)
{
        struct error e = { 0 };
        struct commit *k = xalloc(1, sizeof *k);
        *k = (struct commit){ .controller = c, .pretend = pretend, .actor = xstrdup(a->name), .done = done, .self = self };
        k->reason = a->reason ? xstrdup(a->reason) : NULL;
        CLEAN_CHECK struct check check = { 0 };
        int r = controller_check(c, &e);
        if (r == 0)
                r = group_spec_parse(spec->id, spec->text, &k->spec, &e);
        if (r == 0)
                r = check_kind(c, &k->spec, &e);
        if (r == 0 && k->spec.health.check)
                r = check_parse(k->spec.health.check, &check, &e);
        if (r == 0)
                r = ask_valid(k, &k->spec.instance, false, instance_valid, &e);
        if (r < 0)
                finish(k, &e);
}

/* ---- earlier revisions ---- */

struct undo {
        struct controller *controller;
        char *id, *actor, *reason;
        uint64_t revision;
        commit_done done;
        void *self;
};

static void undo_with(struct undo *u, const struct store_revisions *revisions, struct error *e)
{
        const struct store_revision *found = NULL;
        for (size_t i = 0; i < revisions->count; i++)
                if (u->revision ? revisions->items[i].revision == u->revision : i == 1)
                        found = revisions->items + i;
        CLEAN_GROUP_SPEC struct group_spec spec = { 0 };
        if (!found) {
                error_set(e, ENOENT, "group.revision", u->revision ? "revision %llu is not on record" : "there is no earlier revision", (unsigned long long)u->revision);
                error_hint(e, "`bulkhead group history %s` lists what is", u->id);
        } else if (group_spec_parse(u->id, found->document, &spec, e) == 0) {
                CLEAN_FREE char *reason = xprintf("undo to revision %llu%s%s", (unsigned long long)found->revision, u->reason ? ": " : "", u->reason ? u->reason : "");
                controller_commit(u->controller, &spec, false, &(struct actor){ u->actor, reason }, u->done, u->self);
        }
}

static void take_history(void *self, const struct store_revisions *revisions, const struct error *failure)
{
        struct undo *u = self;
        struct error e = { 0 };
        if (failure)
                e = *failure;
        else
                undo_with(u, revisions, &e);
        if (e.code)
                u->done(u->self, NULL, &e);
        free(u->id);
        free(u->actor);
        free(u->reason);
        free(u);
}

void controller_undo(struct controller *c, const char *id, uint64_t revision, const struct actor *a, commit_done done, void *self)
{
        struct error e = { 0 };
        if (!controller_find(c, id, &e)) {
                done(self, NULL, &e);
                return;
        }
        struct undo *u = xalloc(1, sizeof *u);
        *u = (struct undo){ .controller = c, .id = xstrdup(id), .actor = xstrdup(a->name), .reason = a->reason ? xstrdup(a->reason) : NULL,
                            .revision = revision, .done = done, .self = self };
        store_history(c->store, id, take_history, u);
}

/* ---- the rest ---- */

int controller_resize(struct controller *c, const char *id, uint32_t size, const struct actor *a, commit_done done, void *self, struct error *e)
{
        struct group *g = controller_find(c, id, e);
        struct group_spec spec = { 0 };
        if (!g)
                return e->code;
        if (g->specs[0].spec.allocation.logical_ids.count)
                return error_set(e, EINVAL, "group.quorum", "\"%s\" has logical IDs: its size is their number", id);
        if (size == 0 && g->specs[0].spec.protect_group)
                return error_set(e, EPERM, "group.protected", "\"%s\" is protected, and not scaled to zero", id);
        int r = group_spec_parse(g->id, g->specs[0].spec.text, &spec, e);
        if (r < 0)
                return r;
        group_spec_set_size(&spec, size);
        group_commit(g, &spec, a, done, self);
        return 0;
}

int controller_tell(struct controller *c, const char *id, enum event_kind kind, struct error *e)
{
        struct group *g = controller_find(c, id, e);
        if (!g)
                return e->code;
        if (kind == EVENT_DESTROY_GROUP && g->specs[0].spec.protect_group) {
                error_set(e, EPERM, "group.protected", "\"%s\" is protected", id);
                error_hint(e, "commit it without Protection.Group first");
                return -EPERM;
        }
        group_step(g, &(struct event){ .kind = kind });
        return 0;
}

int controller_free_group(struct controller *c, const char *id, store_done done, void *self, struct error *e)
{
        CLEAN_STORE_BATCH struct store_batch b = { 0 };
        struct group *g = controller_find(c, id, e);
        if (!g)
                return e->code;
        batch_forget(&b, g->id);
        group_note(g, &b, "group/freed", "it is not looked after any more; its instances are as they are");
        group_free(g);
        store_write(c->store, &b, STORE_SURE, done, self);
        return 0;
}

int controller_destroy_some(struct controller *c, const char *id, const struct strings *ids, struct error *e)
{
        struct group *g = controller_find(c, id, e);
        struct member_view m;
        if (!g)
                return e->code;
        for (size_t i = 0; i < ids->count; i++) {
                if (!planner_find(g->planner, ids->items[i], &m))
                        return error_set(e, ENOENT, "instance.missing", "\"%s\" has no instance \"%.80s\"", id, ids->items[i]);
                if (m.protected)
                        return error_set(e, EPERM, "group.protected", "the instance \"%.80s\" is protected", ids->items[i]);
        }
        group_step(g, &(struct event){ .kind = EVENT_DESTROY_SOME, .ids = ids });
        return 0;
}

void controller_settle(struct controller *c, const char *id, store_done done, void *self)
{
        struct group *g = string_map_get(&c->by_id, id);
        if (!g || !group_unsettled(g)) {
                done(self, NULL);
                return;
        }
        struct settler *w = xalloc(1, sizeof *w);
        *w = (struct settler){ g->settlers, done, self };
        g->settlers = w;
        g->sure = true;
}
