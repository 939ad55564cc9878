/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "group/provider.h"

enum { ASK_USEC = 15 * 1000 * 1000, AGAIN_USEC = 1000 * 1000, PARALLEL = 32 };

struct provider {
        struct loop *loop;
        char *folder, *name;
        struct provider_listener listener;
        struct rpc_client *client; /* NULL: not found yet */
        struct endpoint at;        /* of the client */
        struct rpc_subscription *subscription;
        struct loop_timer again; /* asks once more whether it has events */
        bool follows, asked, up, known, late;
};

const char *provider_name(const struct provider *p)
{
        return p->name;
}

bool provider_tells(const struct provider *p)
{
        return p->up;
}

static bool same(const struct endpoint *a, const struct endpoint *b)
{
        if (!a->path != !b->path)
                return false;
        return a->path ? text_equal(a->path, b->path) : text_equal(a->host, b->host) && text_equal(a->port, b->port);
}

bool provider_exact(const struct provider *p)
{
        return p->known && !p->late;
}

/*
 * The client of where the plugin is now. One that moved gets a new client; calls that are pending at the old place end there, by
 * themselves, so it is only replaced when it has none.
 */
static struct rpc_client *client_of(struct provider *p, struct error *e)
{
        CLEAN_ENDPOINT struct endpoint at = { 0 };
        if (p->client && p->at.path)
                return p->client;
        int r = plugin_find(p->folder, p->name, &at, e);
        if (r < 0)
                return NULL;
        if (p->client && (same(&at, &p->at) || rpc_client_pending(p->client)))
                return p->client;
        rpc_client_free(p->client);
        endpoint_done(&p->at);
        p->client = rpc_client_new(p->loop, p->name, &at);
        rpc_client_parallel(p->client, PARALLEL);
        p->at = at;
        at = (struct endpoint){ 0 };
        return p->client;
}

void provider_call(struct provider *p, const char *method, const char *params, uint64_t timeout_usec, rpc_done done, void *context)
{
        struct error e = { 0 };
        struct rpc_client *c = client_of(p, &e);
        if (c) {
                rpc_client_call(c, method, params, timeout_usec, done, context);
                return;
        }
        struct error failure = { 0 };
        error_set(&failure, -e.code, "rpc.unreachable", "%s", e.cause);
        if (*e.hint)
                error_hint(&failure, "%s", e.hint);
        done(context, NULL, &failure);
}

/* ---- events ---- */

static enum instance_change change_of(const char *word)
{
        return text_equal(word, "appeared") ? INSTANCE_APPEARED : text_equal(word, "vanished") ? INSTANCE_VANISHED : INSTANCE_CHANGED;
}

static const char *text_of(const struct json_node *object, const char *name)
{
        const struct json_node *n = object ? json_member(object, name) : NULL;
        return n && n->type == JSON_STRING && !n->has_nul ? n->text : "";
}

static void take_event(void *context, const struct json_node *event)
{
        struct provider *p = context;
        CLEAN_TAGS struct tags tags = { 0 };
        const struct json_node *data = json_member(event, "Data"), *labels = data ? json_member(data, "Tags") : NULL;
        const struct json_place at = { .value = labels, .key = "Tags" };
        const char *id = text_of(event, "ID");
        if (!*id || strlen(id) > INSTANCE_ID_MAX)
                return;
        bool known = labels && tags_read(&at, &tags, NULL) == 0;
        p->listener.changed(p->listener.context, p, change_of(text_of(event, "Type")), text_of(data, "Type"), id, known ? &tags : NULL);
}

static void take_state(void *context, bool up)
{
        struct provider *p = context;
        p->up = up;
        p->listener.changed(p->listener.context, p, INSTANCE_CHANGED, "", NULL, NULL);
}

static void take_topics(void *context, const struct json_node *result, const struct error *failure)
{
        struct provider *p = context;
        const struct json_node *nodes = result ? json_member(result, "Nodes") : NULL;
        const struct json_node *n = nodes && nodes->type == JSON_ARRAY ? nodes + 1 : NULL;
        bool unknown = failure && (text_equal(failure->id, "rpc.unreachable") || rpc_unsure(failure));
        p->asked = false;
        p->known = !unknown;
        for (uint32_t i = 0; n && i < nodes->count; i++, n += n->span) {
                if (n->type != JSON_STRING)
                        continue;
                p->late = p->late || text_equal(n->text, "late-lists");
                if (text_equal(n->text, "instances") && !p->subscription)
                        p->subscription = rpc_client_follow(p->client, "instances", take_event, take_state, p);
        }
        /* One that is not there yet may have events when it comes; one that answers that it has none is not asked again. */
        if (p->known && !p->subscription) /* what was listed before is worth another look */
                p->listener.changed(p->listener.context, p, INSTANCE_CHANGED, "", NULL, NULL);
        if (unknown)
                loop_timer_set(p->loop, &p->again, loop_now_usec(p->loop) + AGAIN_USEC);
}

static void ask(struct loop_timer *t)
{
        struct provider *p = LOOP_OWNER(t, struct provider, again);
        if (p->subscription || p->asked)
                return;
        p->asked = true;
        provider_call(p, "Event.List", "{\"Topic\":\"\"}", ASK_USEC, take_topics, p);
}

void provider_follow(struct provider *p)
{
        if (p->follows)
                return;
        p->follows = true;
        ask(&p->again);
}

/* ---- life ---- */

struct provider *provider_new(struct loop *l, const char *folder, const char *name, const struct provider_listener *listener)
{
        struct provider *p = xalloc(1, sizeof *p);
        *p = (struct provider){ .loop = l, .folder = xstrdup(folder), .name = xstrdup(name), .listener = *listener, .again.elapsed = ask };
        return p;
}

void provider_free(struct provider *p)
{
        if (!p)
                return;
        loop_timer_clear(p->loop, &p->again);
        rpc_subscription_free(p->subscription);
        rpc_client_free(p->client);
        endpoint_done(&p->at);
        free(p->folder);
        free(p->name);
        free(p);
}
