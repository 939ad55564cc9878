/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the planner asks for, as calls of plugins; and how they end, as events. */
#include <string.h>

#include "group/controller_internal.h"
#include "group/drift.h"

/* A provision may take minutes: whoever gives up early makes a second one. */
enum { SHORT_USEC = 15 * 1000 * 1000, LONG_USEC = 15 * 60 * 1000 * 1000, HEALTH_USEC = 30 * 1000 * 1000 };

/* A call that is out: the group may be gone when it ends. */
struct call {
        struct controller *controller;
        char *group;
        enum action_kind kind;
        char *id, *token;
        uint64_t revision;
        struct instance instance; /* as asked for, with the tags after Prepare */
        struct loop_timer linger; /* of a drained one */
};

static struct call *new_call(struct group *g, const struct action *a)
{
        struct call *c = xalloc(1, sizeof *c);
        *c = (struct call){ .controller = g->controller, .group = xstrdup(g->id), .kind = a->kind, .revision = a->revision };
        c->id = a->id ? xstrdup(a->id) : NULL;
        c->token = a->token ? xstrdup(a->token) : NULL;
        return c;
}

static void call_free(struct call *c)
{
        instance_done(&c->instance);
        free(c->group);
        free(c->id);
        free(c->token);
        free(c);
}

static struct group *group_of(const struct call *c)
{
        return string_map_get(&c->controller->by_id, c->group);
}

static void begin(struct text *t, const char *type)
{
        text_add(t, "{\"Type\":");
        text_add_json(t, type);
}

static void add_member(struct text *t, const char *name, const char *value)
{
        text_addf(t, ",\"%s\":", name);
        text_add_json(t, value);
}

static void add_properties(struct text *t, const struct plugin_use *use)
{
        text_add(t, ",\"Properties\":");
        text_add(t, use->properties ? use->properties : "{}");
}

/* ---- provision ---- */

static void provision_failed(struct call *c, const struct error *failure, bool unsure)
{
        struct group *g = group_of(c);
        if (g)
                group_step(g, &(struct event){ .kind = EVENT_PROVISION_FAILED, .token = c->token, .message = failure->cause, .unsure = unsure });
        call_free(c);
}

static void provisioned(void *context, const struct json_node *result, const struct error *failure)
{
        struct call *c = context;
        struct group *g = group_of(c);
        struct error e = { 0 };
        const struct json_node *id = result ? json_member(result, "ID") : NULL;
        if (!failure && (!id || id->type != JSON_STRING || id->has_nul || !id->length || id->length > INSTANCE_ID_MAX)) {
                error_set(&e, EPROTO, "rpc.reply", "the answer to Provision has no ID");
                failure = &e;
        }
        if (failure) {
                provision_failed(c, failure, rpc_unsure(failure));
                return;
        }
        c->instance.id = xstrdup(id->text);
        if (g)
                group_step(g, &(struct event){ .kind = EVENT_PROVISIONED, .token = c->token, .id = id->text, .instance = &c->instance });
        call_free(c);
}

/* What the flavor changed of the properties is kept with the instance: it is not as the document has it, and has not drifted. */
static void note_prepared(const struct group_spec *asked, const struct instance_spec *prepared, struct tags *tags)
{
        CLEAN_FREE char *changed = drift_prepared(asked->instance.properties, prepared->properties);
        if (changed)
                tags_set(tags, TAG_PREPARED, changed);
}

/* The flavor may change everything but what makes it ours. */
static int take_prepared(struct call *c, const struct json_node *result, struct instance_spec *ret, struct error *e)
{
        struct group *g = group_of(c);
        const struct group_spec *asked = g ? group_spec_of(g, c->revision) : NULL;
        const struct json_node *spec = json_member(result, "Spec");
        const struct json_place at = { .value = spec, .key = "Spec" };
        if (!spec)
                return error_set(e, EPROTO, "rpc.reply", "the answer to Prepare has no Spec");
        int r = instance_spec_read(&at, ret, e);
        if (r < 0)
                return r;
        tags_merge(&ret->tags, &c->instance.tags);
        (void)tags_remove(&ret->tags, TAG_PREPARED);
        if (asked)
                note_prepared(asked, ret, &ret->tags);
        if (!ret->logical_id && c->instance.logical_id)
                ret->logical_id = xstrdup(c->instance.logical_id);
        tags_done(&c->instance.tags);
        tags_copy(&c->instance.tags, &ret->tags);
        return 0;
}

static void prepared(void *context, const struct json_node *result, const struct error *failure)
{
        struct call *c = context;
        struct group *g = group_of(c);
        CLEAN_INSTANCE_SPEC struct instance_spec spec = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        if (!failure && take_prepared(c, result, &spec, &e) < 0)
                failure = &e;
        if (failure || !g) {
                if (g)
                        provision_failed(c, failure, false); /* nothing was provisioned yet */
                else
                        call_free(c);
                return;
        }
        begin(&t, g->instance_type);
        text_add(&t, ",\"Spec\":");
        instance_spec_format(&t, &spec);
        text_add(&t, "}");
        provider_call(g->instances, "Instance.Provision", t.data, LONG_USEC, provisioned, c);
}

static void provision(struct group *g, const struct action *a)
{
        const struct group_spec *spec = group_spec_of(g, a->revision);
        struct call *c = new_call(g, a);
        CLEAN_TEXT struct text t = { 0 };
        if (!spec) {
                struct error e = { 0 };
                error_set(&e, ENOENT, "group.revision", "revision %llu is not on record any more", (unsigned long long)a->revision);
                provision_failed(c, &e, false);
                return;
        }
        tags_copy(&c->instance.tags, &a->tags);
        c->instance.logical_id = a->logical_id ? xstrdup(a->logical_id) : NULL;
        struct instance_spec wanted = { .properties = spec->instance.properties, .tags = c->instance.tags, .logical_id = a->logical_id };
        begin(&t, g->flavor_type);
        add_properties(&t, &spec->flavor);
        text_add(&t, ",\"Spec\":");
        instance_spec_format(&t, &wanted);
        text_add(&t, ",\"Allocation\":");
        allocation_format(&t, &spec->allocation);
        text_add(&t, ",\"Index\":{\"Group\":");
        text_add_json(&t, g->id);
        text_addf(&t, ",\"Sequence\":%u}}", a->sequence);
        provider_call(g->flavors, "Flavor.Prepare", t.data, SHORT_USEC, prepared, c);
}

/* ---- calls about an instance that is there ---- */

static const struct {
        enum event_kind well, failed;
} ends[] = {
        [ACTION_LABEL] = { EVENT_LABELLED, EVENT_LABEL_FAILED },
        [ACTION_DRAIN] = { EVENT_DRAINED, EVENT_DRAIN_FAILED },
        [ACTION_DESTROY] = { EVENT_DESTROYED, EVENT_DESTROY_FAILED },
};

static void ended(void *context, const struct json_node *result, const struct error *failure)
{
        struct call *c = context;
        struct group *g = group_of(c);
        (void)result;
        if (failure && c->kind == ACTION_DESTROY && failure->code == -ENOENT && text_starts(failure->id, "instance."))
                failure = NULL; /* that is what was wanted */
        if (g)
                group_step(g, &(struct event){ .kind = failure ? ends[c->kind].failed : ends[c->kind].well, .id = c->id,
                                               .message = failure ? failure->cause : NULL, .unsure = failure && rpc_unsure(failure) });
        call_free(c);
}

static void lingered(struct loop_timer *t)
{
        ended(LOOP_OWNER(t, struct call, linger), NULL, NULL);
}

/* Whoever still has it on a list may send it something for a while. */
static void drained(void *context, const struct json_node *result, const struct error *failure)
{
        struct call *c = context;
        struct group *g = group_of(c);
        uint64_t wait_usec = g ? g->specs[0].spec.updating.drain_wait_usec : 0;
        if (failure || !wait_usec) {
                ended(c, result, failure);
                return;
        }
        c->linger.elapsed = lingered;
        loop_timer_set(c->controller->loop, &c->linger, loop_now_usec(c->controller->loop) + wait_usec);
}

static void label(struct group *g, const struct action *a)
{
        CLEAN_TEXT struct text t = { 0 };
        begin(&t, g->instance_type);
        add_member(&t, "Instance", a->id);
        text_add(&t, ",\"Labels\":");
        tags_format(&t, &a->tags);
        text_add(&t, "}");
        provider_call(g->instances, "Instance.Label", t.data, SHORT_USEC, ended, new_call(g, a));
}

static void destroy(struct group *g, const struct action *a)
{
        CLEAN_TEXT struct text t = { 0 };
        begin(&t, g->instance_type);
        add_member(&t, "Instance", a->id);
        text_add(&t, ",\"Context\":{\"Reason\":");
        text_add_json(&t, a->reason ? a->reason : "terminate");
        text_add(&t, "}}");
        provider_call(g->instances, "Instance.Destroy", t.data, LONG_USEC, ended, new_call(g, a));
}

/* Asks the flavor about an instance: it is gone where the planner knows it no more. */
static bool ask_flavor(struct group *g, const struct action *a, const char *method, uint64_t timeout_usec, rpc_done done)
{
        struct member_view m;
        CLEAN_TEXT struct text t = { 0 };
        if (!planner_find(g->planner, a->id, &m))
                return false;
        begin(&t, g->flavor_type);
        add_properties(&t, &g->specs[0].spec.flavor);
        text_add(&t, ",\"Instance\":");
        instance_format(&t, m.instance);
        text_add(&t, "}");
        provider_call(g->flavors, method, t.data, timeout_usec, done, new_call(g, a));
        return true;
}

static void drain(struct group *g, const struct action *a)
{
        if (!ask_flavor(g, a, "Flavor.Drain", LONG_USEC, drained))
                group_step(g, &(struct event){ .kind = EVENT_DRAINED, .id = a->id });
}

/* ---- health ---- */

static void answered(void *context, const struct json_node *result, const struct error *failure)
{
        struct call *c = context;
        struct group *g = group_of(c);
        const struct json_node *n = result ? json_member(result, "Health") : NULL;
        const struct json_place at = { .value = n, .key = "Health" };
        uint32_t health = HEALTH_UNKNOWN;
        if (n && (json_u32(&at, &health, NULL) < 0 || health > HEALTH_BAD))
                health = HEALTH_UNKNOWN;
        if (g)
                group_step(g, &(struct event){ .kind = EVENT_HEALTH, .id = c->id, .health = (enum health)health, .message = failure ? failure->cause : NULL });
        call_free(c);
}

static void checked(void *context, enum health health, const struct error *why)
{
        struct call *c = context;
        struct group *g = group_of(c);
        if (g)
                group_step(g, &(struct event){ .kind = EVENT_HEALTH, .id = c->id, .health = health, .message = why ? why->cause : NULL });
        call_free(c);
}

/* By the controller itself. An instance that cannot be asked, for want of an address, say, is not good, and not bad either. */
static void check_health(struct group *g, const struct action *a)
{
        struct member_view m;
        struct check_run *run;
        struct call *c = new_call(g, a);
        struct error e = { 0 };
        if (!planner_find(g->planner, a->id, &m) || check_begin(g->controller->loop, g->check, m.instance, checked, c, &run, &e) < 0)
                checked(c, HEALTH_UNKNOWN, *e.id ? &e : NULL);
}

static void ask_health(struct group *g, const struct action *a)
{
        if (g->check)
                check_health(g, a);
        else if (!ask_flavor(g, a, "Flavor.Healthy", HEALTH_USEC, answered))
                group_step(g, &(struct event){ .kind = EVENT_HEALTH, .id = a->id, .health = HEALTH_UNKNOWN });
}

/* ---- the group itself ---- */

static void observe(struct group *g, const struct action *a)
{
        g->properties_due = g->properties_due || a->properties;
        group_observe(g);
}

static void set_wake(struct group *g, const struct action *a)
{
        uint64_t now = controller_now(g->controller), in = a->at_usec > now ? a->at_usec - now : 0;
        loop_timer_set(g->controller->loop, &g->wake, loop_now_usec(g->controller->loop) + in);
}

/* A copy by way of the text, which says all of it. */
static int copy_spec(const struct group *g, struct group_spec *ret)
{
        return group_spec_parse(g->id, g->specs[0].spec.text, ret, NULL);
}

static void set_size(struct group *g, const struct action *a)
{
        struct group_spec spec = { 0 };
        if (copy_spec(g, &spec) < 0)
                return;
        group_spec_set_size(&spec, a->size);
        group_commit(g, &spec, &(struct actor){ "controller", "instances were destroyed on request" }, NULL, NULL);
}

static void roll_back(struct group *g, const struct action *a)
{
        const struct group_spec *good = group_spec_of(g, a->revision);
        struct group_spec spec = { 0 };
        if (!good || copy_spec(g, &spec) < 0)
                return;
        group_spec_set_configuration(&spec, good);
        CLEAN_FREE char *reason = xprintf("rolled back to revision %llu: %s", (unsigned long long)a->revision, a->message ? a->message : "the roll failed");
        group_commit(g, &spec, &(struct actor){ "controller", reason }, NULL, NULL);
}

static void forgotten(void *self, const struct error *e)
{
        (void)self;
        if (e)
                error_print(stderr, "bulkhead-groupd", "a destroyed group could not be forgotten", e);
}

static void forget(struct group *g, const struct action *a)
{
        CLEAN_STORE_BATCH struct store_batch b = { 0 };
        struct controller *c = g->controller;
        (void)a;
        batch_forget(&b, g->id);
        group_note(g, &b, "group/gone", "all of it is destroyed");
        group_free(g);
        store_write(c->store, &b, STORE_SURE, forgotten, NULL);
}

static void nothing(struct group *g, const struct action *a)
{
        (void)g, (void)a; /* written with the batch */
}

void group_act(struct group *g, const struct action *a)
{
        static void (*const ways[])(struct group *g, const struct action *a) = {
                [ACTION_SAVE] = nothing,  [ACTION_PROVISION] = provision, [ACTION_LABEL] = label,  [ACTION_DRAIN] = drain,
                [ACTION_DESTROY] = destroy, [ACTION_HEALTH] = ask_health, [ACTION_OBSERVE] = observe, [ACTION_WAKE] = set_wake,
                [ACTION_TELL] = nothing,  [ACTION_SIZE] = set_size,       [ACTION_COMMIT] = roll_back, [ACTION_GONE] = forget,
        };
        if (store_leads(g->controller->store)) /* looked at before each: the lease may have ended a moment ago */
                ways[a->kind](g, a);
}

void group_refuse(struct group *g, const struct action *a, const char *why)
{
        struct event event = { .id = a->id, .token = a->token, .message = why };
        switch (a->kind) {
        case ACTION_PROVISION:
                event.kind = EVENT_PROVISION_FAILED;
                break;
        case ACTION_LABEL:
        case ACTION_DRAIN:
        case ACTION_DESTROY:
                event.kind = ends[a->kind].failed;
                break;
        case ACTION_HEALTH:
                event.kind = EVENT_HEALTH;
                break;
        case ACTION_OBSERVE:
                event.kind = EVENT_OBSERVE_FAILED;
                event.properties = a->properties;
                break;
        default:
                return;
        }
        group_step(g, &event);
}
