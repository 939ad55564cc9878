/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <time.h>

#include "group/controller_internal.h"
#include "os/file.h"

enum { POLL_USEC = 10 * 1000 * 1000, SAFETY_POLL_USEC = 60 * 1000 * 1000, RETRY_USEC = 1000 * 1000 };
/* The planner does not poll by itself: the controller knows whether a plugin tells. */
#define PLANNER_POLL_USEC (365ULL * 86400 * 1000000)

static uint64_t wall_usec(void)
{
        struct timespec ts;
        (void)clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Wall clock at the start, and only forward from then on. */
uint64_t controller_now(const struct controller *c)
{
        return c->clock_base_usec + loop_now_usec(c->loop);
}

/* ---- groups ---- */

const char *group_id(const struct group *g)
{
        return g->id;
}

const struct planner *group_planner(const struct group *g)
{
        return g->planner;
}

const struct group_spec *group_spec(const struct group *g)
{
        return &g->specs[0].spec;
}

uint64_t group_revision(const struct group *g)
{
        return g->specs[0].revision;
}

const struct group_spec *group_spec_of(const struct group *g, uint64_t revision)
{
        for (size_t i = 0; i < SPECS_KEPT; i++)
                if (revision && g->specs[i].revision == revision)
                        return &g->specs[i].spec;
        return NULL;
}

static void group_check_free(struct group *g)
{
        if (!g->check)
                return;
        check_done(g->check);
        free(g->check);
        g->check = NULL;
}

bool group_unsettled(const struct group *g)
{
        return g->actions.count || g->waiting.count || g->writing;
}

/* Those who wait are told: that all is on record, or why it is not. */
static void settle(struct group *g, const struct error *e)
{
        struct settler *first = g->settlers;
        g->settlers = NULL;
        while (first) {
                struct settler *next = first->next;
                first->done(first->self, e);
                free(first);
                first = next;
        }
}

void group_free(struct group *g)
{
        struct controller *c = g->controller;
        size_t at = 0;
        while (at < c->count && c->groups[at] != g)
                at++;
        if (at < c->count) {
                memmove(c->groups + at, c->groups + at + 1, (c->count - at - 1) * sizeof *c->groups);
                c->count--;
                (void)string_map_remove(&c->by_id, g->id);
        }
        settle(g, NULL); /* that it is gone is written down by who takes it away */
        loop_timer_clear(c->loop, &g->wake);
        loop_timer_clear(c->loop, &g->poll);
        loop_undefer(c->loop, &g->flush);
        actions_done(&g->actions);
        actions_done(&g->waiting);
        planner_free(g->planner);
        for (size_t i = 0; i < SPECS_KEPT; i++)
                group_spec_done(&g->specs[i].spec);
        group_check_free(g);
        free(g->instance_type);
        free(g->flavor_type);
        free(g->id);
        free(g);
}

/* ---- steps ---- */

static void plan_flush(struct group *g)
{
        if (g->flushing || g->writing)
                return;
        g->flushing = true;
        loop_defer(g->controller->loop, &g->flush);
}

void group_step(struct group *g, struct event *event)
{
        event->now_usec = controller_now(g->controller);
        planner_step(g->planner, event, &g->actions);
        if (g->actions.count)
                plan_flush(g);
}

static void wake(struct loop_timer *t)
{
        struct group *g = LOOP_OWNER(t, struct group, wake);
        group_step(g, &(struct event){ .kind = EVENT_TIME });
}

static void poll(struct loop_timer *t)
{
        group_observe(LOOP_OWNER(t, struct group, poll));
}

static bool changes_the_world(const struct action *a)
{
        return a->kind == ACTION_PROVISION || a->kind == ACTION_DESTROY || a->kind == ACTION_DRAIN || a->kind == ACTION_LABEL;
}

/* The first save counts for all of the turn: the state is that of its end. */
static bool gather(struct group *g, struct store_batch *b, bool *ret_sure)
{
        bool save = false;
        for (size_t i = 0; i < g->waiting.count; i++) {
                const struct action *a = g->waiting.items + i;
                save = save || a->kind == ACTION_SAVE;
                *ret_sure = *ret_sure || (save && changes_the_world(a));
                if (a->kind == ACTION_TELL)
                        batch_event(b, &(struct store_event){ .topic = a->topic, .group = g->id, .id = a->id, .message = a->message });
        }
        if (save) {
                CLEAN_TEXT struct text t = { 0 };
                planner_format(&t, g->planner);
                batch_state(b, g->id, t.data);
        }
        return b->count > 0;
}

static void act_on_waiting(struct group *g)
{
        struct controller *c = g->controller;
        struct actions list = g->waiting;
        CLEAN_FREE char *id = xstrdup(g->id);
        g->waiting = (struct actions){ 0 };
        for (size_t i = 0; i < list.count; i++) {
                group_act(g, list.items + i);
                if (string_map_get(&c->by_id, id) != g)
                        break; /* it is gone */
        }
        actions_done(&list);
        g = string_map_get(&c->by_id, id);
        if (g && g->actions.count)
                plan_flush(g);
}

/* What was planned is on record. Who waits is told, unless more was planned meanwhile: that may be what they wait for. */
static void recorded(struct group *g)
{
        if (!g->actions.count)
                settle(g, NULL);
        act_on_waiting(g);
}

/* Nothing is done that is not written down: to the planner all of it has failed, without an effect. */
static void refuse_waiting(struct group *g, const struct error *e)
{
        struct actions list = g->waiting;
        g->waiting = (struct actions){ 0 };
        error_print(stderr, "bulkhead-groupd", "what is to be done could not be written down", e);
        for (size_t i = 0; i < list.count; i++)
                group_refuse(g, list.items + i, e->cause);
        actions_done(&list);
        if (!g->wake.place)
                loop_timer_set(g->controller->loop, &g->wake, loop_now_usec(g->controller->loop) + RETRY_USEC);
}

struct write_context {
        struct controller *controller;
        char *id;
};

static void written(void *self, const struct error *e)
{
        struct write_context *w = self;
        struct group *g = string_map_get(&w->controller->by_id, w->id);
        free(w->id);
        free(w);
        if (!g)
                return;
        g->writing = false;
        if (!e) {
                recorded(g);
                return;
        }
        settle(g, e);
        refuse_waiting(g, e);
}

static void flush(struct loop_job *j)
{
        struct group *g = LOOP_OWNER(j, struct group, flush);
        struct controller *c = g->controller;
        CLEAN_STORE_BATCH struct store_batch b = { 0 };
        bool sure = false;
        g->flushing = false;
        if (!c->leading || !store_leads(c->store)) {
                actions_done(&g->actions);
                return;
        }
        g->waiting = g->actions;
        g->actions = (struct actions){ 0 };
        if (!gather(g, &b, &sure)) {
                recorded(g);
                return;
        }
        struct write_context *w = xalloc(1, sizeof *w);
        *w = (struct write_context){ c, xstrdup(g->id) };
        sure = sure || g->sure;
        g->writing = true;
        g->sure = false;
        store_write(c->store, &b, sure ? STORE_SURE : STORE_SOON, written, w);
}

void group_note(const struct group *g, struct store_batch *b, const char *topic, const char *message)
{
        struct store_event event = { .topic = (char *)(uintptr_t)topic, .group = g->id, .message = (char *)(uintptr_t)message }; /* copied */
        batch_event(b, &event);
}

/* ---- documents ---- */

static void changed(void *context, struct provider *p, enum instance_change change, const char *type, const char *id, const struct tags *tags);

struct provider *controller_provider(struct controller *c, const char *name)
{
        for (size_t i = 0; i < c->provider_count; i++)
                if (text_equal(provider_name(c->providers[i]), name))
                        return c->providers[i];
        const struct provider_listener listener = { changed, c };
        c->providers = xgrow(c->providers, &c->provider_room, c->provider_count + 1, sizeof *c->providers);
        return c->providers[c->provider_count++] = provider_new(c->loop, c->folder, name, &listener);
}

static int find_provider(struct controller *c, const char *reference, struct provider **ret, char **ret_type, struct error *e)
{
        CLEAN_FREE char *name = NULL, *type = NULL;
        int r = plugin_reference_parse(reference, &name, &type, e);
        if (r < 0)
                return r;
        *ret = controller_provider(c, name);
        free(*ret_type);
        *ret_type = TAKE_PTR(type);
        return 0;
}

static int take_check(struct group *g, const struct group_spec *spec, struct error *e)
{
        struct check *check = NULL;
        int r = 0;
        if (spec->health.check) {
                check = xalloc(1, sizeof *check);
                r = check_parse(spec->health.check, check, e);
        }
        if (r < 0) {
                free(check);
                return r;
        }
        group_check_free(g);
        g->check = check;
        return 0;
}

int group_take_spec(struct group *g, struct group_spec *spec, uint64_t revision, struct error *e)
{
        struct controller *c = g->controller;
        int r = find_provider(c, spec->instance.plugin, &g->instances, &g->instance_type, e);
        if (r == 0)
                r = find_provider(c, spec->flavor.plugin, &g->flavors, &g->flavor_type, e);
        if (r == 0)
                r = take_check(g, spec, e);
        if (r < 0)
                return r;
        group_spec_done(&g->specs[SPECS_KEPT - 1].spec);
        memmove(g->specs + 1, g->specs, (SPECS_KEPT - 1) * sizeof *g->specs);
        g->specs[0] = (struct known_spec){ revision, *spec };
        *spec = (struct group_spec){ 0 };
        provider_follow(g->instances);
        return 0;
}

void group_tell_spec(struct group *g)
{
        struct group_spec *spec = &g->specs[0].spec;
        uint64_t poll_usec = spec->poll_usec;
        spec->poll_usec = PLANNER_POLL_USEC;
        group_step(g, &(struct event){ .kind = EVENT_COMMIT, .spec = spec, .revision = g->specs[0].revision });
        spec->poll_usec = poll_usec;
        g->committed = true;
        group_observe(g);
}

int group_spec_parse(const char *id, const char *document, struct group_spec *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        int r = json_parse(id, document, strlen(document), &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, id);
        r = group_spec_read(&top, ret, e);
        if (r < 0)
                group_spec_done(ret);
        return r;
}

static int by_id(const void *a, const void *b)
{
        return strcmp((*(struct group *const *)a)->id, (*(struct group *const *)b)->id);
}

struct group *group_add(struct controller *c, const char *id)
{
        struct group *g = xalloc(1, sizeof *g);
        *g = (struct group){ .controller = c, .id = xstrdup(id), .flush.run = flush, .wake.elapsed = wake, .poll.elapsed = poll };
        g->planner = planner_new(id, c->seed++);
        c->groups = xgrow(c->groups, &c->room, c->count + 1, sizeof *c->groups);
        c->groups[c->count++] = g;
        qsort(c->groups, c->count, sizeof *c->groups, by_id);
        string_map_put(&c->by_id, g->id, g);
        return g;
}

/* ---- what is there ---- */

struct observe_context {
        struct controller *controller;
        char *id;
        uint64_t asked_usec;
        bool properties;
};

static void next_poll(struct group *g)
{
        struct controller *c = g->controller;
        uint64_t own = g->specs[0].spec.poll_usec, usual = provider_tells(g->instances) ? SAFETY_POLL_USEC : c->poll_usec;
        loop_timer_set(c->loop, &g->poll, loop_now_usec(c->loop) + (own ? own : usual));
}

static void observed(void *context, const struct json_node *result, const struct error *failure)
{
        struct observe_context *o = context;
        struct group *g = string_map_get(&o->controller->by_id, o->id);
        CLEAN_INSTANCES struct instances list = { 0 };
        struct error e = { 0 };
        struct event event = { .kind = EVENT_OBSERVED, .list = &list, .asked_usec = o->asked_usec, .properties = o->properties };
        char **drift = NULL;
        event.exact = g && provider_exact(g->instances);
        free(o->id);
        free(o);
        if (!g)
                return;
        g->observing = false;
        const struct json_node *n = result ? json_member(result, "Descriptions") : NULL;
        const struct json_place at = { .value = n, .key = "Descriptions" };
        if (!failure && n && instances_read(&at, &list, &e) < 0)
                failure = &e;
        if (failure) {
                event.kind = EVENT_OBSERVE_FAILED;
                event.message = failure->cause;
        } else if (n && event.properties)
                event.drift = drift = group_drift_find(g, n, &list);
        group_step(g, &event);
        group_drift_free(drift, list.count);
        next_poll(g);
        if (g->observe_again)
                group_observe(g);
}

void group_observe(struct group *g)
{
        CLEAN_TEXT struct text t = { 0 };
        g->observe_again = g->observing;
        if (g->observing)
                return;
        g->observing = true;
        loop_timer_clear(g->controller->loop, &g->poll);
        text_add(&t, "{\"Type\":");
        text_add_json(&t, g->instance_type);
        text_add(&t, ",\"Tags\":{\"" TAG_GROUP "\":");
        text_add_json(&t, g->id);
        uint64_t now = controller_now(g->controller);
        bool properties = g->properties_due || planner_wants_properties(g->planner, now);
        g->properties_due = false;
        text_addf(&t, "},\"Properties\":%s}", properties ? "true" : "false");
        struct observe_context *o = xalloc(1, sizeof *o);
        *o = (struct observe_context){ g->controller, xstrdup(g->id), now, properties };
        provider_call(g->instances, "Instance.DescribeInstances", t.data, 60 * 1000000ULL, observed, o);
}

static void tell_change(struct group *g, enum instance_change change, const char *id, const struct tags *tags)
{
        bool known = planner_find(g->planner, id, NULL);
        const char *group = tags ? tags_get(tags, TAG_GROUP) : NULL;
        bool ours = group && text_equal(group, g->id);
        if (change == INSTANCE_VANISHED && known)
                group_step(g, &(struct event){ .kind = EVENT_VANISHED, .id = id });
        else if (change != INSTANCE_VANISHED && ours) {
                struct instance i = { .id = (char *)(uintptr_t)id, .tags = *tags };
                const char *logical = tags_get(tags, TAG_LOGICAL_ID);
                i.logical_id = (char *)(uintptr_t)logical;
                group_step(g, &(struct event){ .kind = EVENT_APPEARED, .instance = &i, .id = id });
        } else if (change == INSTANCE_CHANGED && known && g->committed)
                group_observe(g); /* its tags are not all told */
}

static void changed(void *context, struct provider *p, enum instance_change change, const char *type, const char *id, const struct tags *tags)
{
        struct controller *c = context;
        for (size_t i = 0; i < c->count; i++) {
                struct group *g = c->groups[i];
                if (g->instances != p || !g->committed)
                        continue;
                if (!id)
                        group_observe(g);
                else if (text_equal(type, g->instance_type))
                        tell_change(g, change, id, tags);
        }
}

/* ---- leading ---- */

static void take_history(void *self, const struct store_revisions *revisions, const struct error *e)
{
        struct observe_context *o = self;
        struct group *g = string_map_get(&o->controller->by_id, o->id);
        size_t at = 1;
        free(o->id);
        free(o);
        for (size_t i = 0; g && !e && i < revisions->count && at < SPECS_KEPT; i++) {
                const struct store_revision *r = revisions->items + i;
                if (group_spec_of(g, r->revision) || group_spec_parse(g->id, r->document, &g->specs[at].spec, NULL) < 0)
                        continue;
                g->specs[at++].revision = r->revision;
        }
        if (g)
                group_tell_spec(g);
}

static int read_state(struct group *g, const char *state, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        if (!state)
                return 0;
        int r = json_parse("state", state, strlen(state), &d, e);
        const struct json_place top = json_top(&d, "state");
        return r < 0 ? r : planner_read(g->planner, &top, e);
}

static void restore(struct controller *c, const struct store_group *kept)
{
        struct group_spec spec = { 0 };
        struct group *g = group_add(c, kept->id);
        struct error e = { 0 };
        int r = group_spec_parse(kept->id, kept->document, &spec, &e);
        if (r == 0)
                r = group_take_spec(g, &spec, kept->revision, &e);
        if (r == 0)
                r = read_state(g, kept->state, &e);
        group_spec_done(&spec);
        if (r < 0) {
                /* Without its memory a group is left alone: what is forgotten could be made twice. */
                error_while(&e, "restoring the group \"%s\"", kept->id);
                error_print(stderr, "bulkhead-groupd", "a group is not looked after", &e);
                group_free(g);
                return;
        }
        struct observe_context *o = xalloc(1, sizeof *o);
        *o = (struct observe_context){ .controller = c, .id = xstrdup(g->id) };
        store_history(c->store, g->id, take_history, o);
}

static void lead(struct store_listener *l, struct store_groups *groups)
{
        struct controller *c = LOOP_OWNER(l, struct controller, listener);
        c->leading = true;
        for (size_t i = 0; i < groups->count; i++)
                restore(c, groups->items + i);
}

static void forget_all(struct controller *c)
{
        c->leading = false;
        while (c->count)
                group_free(c->groups[0]);
}

static void lost(struct store_listener *l, const struct error *why)
{
        struct controller *c = LOOP_OWNER(l, struct controller, listener);
        error_print(stderr, "bulkhead-groupd", "another controller may lead now", why);
        forget_all(c);
}

static void told(struct store_listener *l, const struct store_event *event)
{
        struct controller *c = LOOP_OWNER(l, struct controller, listener);
        CLEAN_TEXT struct text t = { 0 };
        if (!c->server)
                return;
        CLEAN_FREE char *topic = xprintf("groups/%s/%s", event->group ? event->group : "", event->topic);
        text_addf(&t, "{\"Sequence\":%llu,\"Topic\":", (unsigned long long)event->sequence);
        text_add_json(&t, event->topic);
        text_add(&t, ",\"Group\":");
        text_add_json(&t, event->group ? event->group : "");
        text_add(&t, ",\"ID\":");
        text_add_json(&t, event->id ? event->id : "");
        text_add(&t, ",\"Message\":");
        text_add_json(&t, event->message ? event->message : "");
        text_add(&t, "}");
        rpc_server_publish(c->server, topic, event->topic, event->id, event->message, t.data);
}

static void trouble(struct store_listener *l, const struct error *e)
{
        (void)l;
        if (e)
                error_print(stderr, "bulkhead-groupd", "the store cannot be reached", e);
        else
                (void)fprintf(stderr, "bulkhead-groupd: the store can be reached again\n");
}

/* ---- life ---- */

int controller_open(struct loop *l, const struct controller_options *o, struct rpc_server *server, struct controller **ret, struct error *e)
{
        struct controller *c = xalloc(1, sizeof *c);
        *c = (struct controller){ .loop = l, .server = server, .folder = xstrdup(o->folder), .poll_usec = o->poll_usec ? o->poll_usec : POLL_USEC,
                                  .seed = o->seed, .listener = { .lead = lead, .lost = lost, .told = told, .trouble = trouble } };
        c->clock_base_usec = wall_usec() - loop_fresh_usec(l);
        if (!c->seed) {
                char digits[16];
                file_random_hex(digits, sizeof digits);
                memcpy(&c->seed, digits, sizeof c->seed);
        }
        int r = store_open(l, &o->store, &c->listener, &c->store, e);
        if (r < 0)
                controller_close(c);
        else
                *ret = c;
        return r;
}

int controller_start(struct controller *c, struct error *e)
{
        return store_start(c->store, e);
}

void controller_stop(struct controller *c, store_done done, void *self)
{
        store_stop(c->store, done, self);
}

void controller_close(struct controller *c)
{
        if (!c)
                return;
        forget_all(c);
        store_close(c->store);
        for (size_t i = 0; i < c->provider_count; i++)
                provider_free(c->providers[i]);
        free(c->providers);
        free(c->groups);
        string_map_done(&c->by_id);
        free(c->folder);
        free(c);
}
