/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a new leader reads, once the fence is up: the version and the ends of the logs, the heads of all groups, and then documents and
 * states, some groups at a time.
 */
#include <string.h>

#include "group/store_etcd.h"

enum { HEADS_AT_ONCE = 500, GROUPS_AT_ONCE = 16, LOAD_TIMEOUT_USEC = 10000000 };

struct etcd_load {
        struct store_etcd *s;
        struct etcd_call call;
        bool versioned;
        struct store_groups groups;
        size_t read; /* of them with document and state */
        char *from;  /* the first key of the next heads */
};

static void load_free(struct etcd_load *l)
{
        text_clear(&l->call.body);
        store_groups_done(&l->groups);
        free(l->from);
        free(l);
}

void store_etcd_drop_load(struct store_etcd *s)
{
        loop_timer_clear(s->loop, &s->load_timer);
        if (!s->load)
                return;
        etcd_lane_reset(&s->writes); /* it is the only one there while nothing is written */
        load_free(s->load);
        s->load = NULL;
}

/* Sends the request, and goes on with step when it was answered. */
static void ask(struct etcd_load *l, const char *path, struct text *body, void (*step)(struct etcd_call *c, struct etcd_reply *reply, const struct error *e))
{
        text_clear(&l->call.body);
        l->call.body = *body;
        *body = (struct text){ 0 };
        l->call.path = path;
        l->call.done = step;
        l->call.timeout_usec = LOAD_TIMEOUT_USEC;
        etcd_lane_call(&l->s->writes, &l->call);
}

static void again(struct etcd_load *l)
{
        struct store_etcd *s = l->s;
        load_free(l);
        s->load = NULL;
        store_etcd_load(s, etcd_backoff_usec(s->load_failures++, 2000000));
}

/* False: there is no answer to go on with, and what follows is arranged. */
static bool answered(struct etcd_load *l, const struct etcd_reply *reply, bool fenced, const struct error *why)
{
        struct store_etcd *s = l->s;
        struct error e = { 0 };
        if (reply && !reply->failed && (!fenced || reply->succeeded))
                return true;
        if (reply && !reply->failed) {
                (void)error_set(&e, ESTALE, "store.lost", "another controller leads");
                store_etcd_give_up(s, &e);
                return false;
        }
        if (reply && etcd_reply_denied(reply, "reading all groups", &e) == 0)
                (void)error_set(&e, EIO, "store.failed", "reading all groups: %.300s", reply->message);
        store_etcd_trouble(s, reply ? &e : why);
        again(l);
        return false;
}

/* What we cannot read, others of this version cannot either: but an operator who mends it need not start us again. */
static void damaged(struct etcd_load *l, const struct error *why)
{
        store_etcd_trouble(l->s, why);
        again(l);
}

static void lead(struct etcd_load *l)
{
        struct store_etcd *s = l->s;
        CLEAN_STORE_GROUPS struct store_groups groups = l->groups;
        l->groups = (struct store_groups){ 0 };
        bool versioned = l->versioned;
        load_free(l);
        s->load = NULL;
        s->load_failures = 0;
        s->leads = true;
        if (!versioned) {
                CLEAN_TEXT struct text t = { 0 };
                text_addf(&t, "%d", ETCD_LAYOUT);
                store_etcd_put(s, s->version_key, &t);
        }
        store_etcd_prune_start(s);
        store_etcd_trouble(s, NULL);
        s->base.listener->lead(s->base.listener, &groups);
}

/* ---- documents and states ---- */

static void read_some(struct etcd_load *l);

static const struct etcd_kv *find_key(const struct etcd_reply *reply, const char *key)
{
        for (size_t i = 0; i < reply->count; i++)
                if (text_equal(reply->kvs[i].key, key))
                        return &reply->kvs[i];
        return NULL;
}

static int take_group(struct etcd_load *l, struct store_group *g, const struct etcd_reply *reply, struct error *e)
{
        const char *prefix = l->s->address.prefix;
        CLEAN_FREE char *document = etcd_key_of_revision(prefix, g->id, g->revision), *state = etcd_key_of_group(prefix, "states", g->id);
        const struct etcd_kv *kv = find_key(reply, document);
        if (!kv)
                return error_set(e, EIO, "store.damaged", "group \"%s\" has no document of its revision", g->id);
        struct etcd_group *known = store_etcd_find(l->s, g->id);
        int r = etcd_read_revision(document, &kv->value, &known->last, e);
        g->document = known->last.document;
        known->last.document = NULL;
        known->last.revision = g->revision;
        kv = find_key(reply, state);
        g->state = kv ? xstrndup(kv->value.data, kv->value.length) : NULL;
        return r;
}

static size_t some_end(const struct etcd_load *l)
{
        size_t end = l->read + GROUPS_AT_ONCE;
        return end < l->groups.count ? end : l->groups.count;
}

static void took_some(struct etcd_call *c, struct etcd_reply *reply, const struct error *why)
{
        struct etcd_load *l = LOOP_OWNER(c, struct etcd_load, call);
        if (!answered(l, reply, true, why))
                return;
        struct error e = { 0 };
        for (size_t end = some_end(l); l->read < end; l->read++)
                if (take_group(l, &l->groups.items[l->read], reply, &e) < 0)
                        return damaged(l, &e);
        if (l->read < l->groups.count)
                read_some(l);
        else
                lead(l);
}

static void read_some(struct etcd_load *l)
{
        struct store_etcd *s = l->s;
        CLEAN_ETCD_REQUEST struct etcd_request r = { 0 };
        etcd_txn_begin(&r);
        etcd_compare_created(&r, s->leader_key, s->election.fence);
        etcd_txn_then(&r);
        for (size_t i = l->read; i < some_end(l); i++) {
                const struct store_group *g = &l->groups.items[i];
                CLEAN_FREE char *document = etcd_key_of_revision(s->address.prefix, g->id, g->revision);
                CLEAN_FREE char *state = etcd_key_of_group(s->address.prefix, "states", g->id);
                etcd_txn_range(&r, &(struct etcd_range){ .key = document });
                etcd_txn_range(&r, &(struct etcd_range){ .key = state });
        }
        etcd_txn_else(&r);
        etcd_txn_end(&r);
        ask(l, "/v3/kv/txn", &r.text, took_some);
}

/* ---- heads ---- */

static void read_heads(struct etcd_load *l);

static int take_head(struct etcd_load *l, const struct etcd_kv *kv, struct error *e)
{
        CLEAN_FREE char *id = etcd_group_of_key(l->s->address.prefix, "groups", kv->key);
        struct etcd_head head;
        if (!id)
                return error_set(e, EIO, "store.damaged", "%.200s is no key of a group", kv->key);
        int r = etcd_read_head(kv->key, &kv->value, &head, e);
        if (r < 0)
                return r;
        store_etcd_add(l->s, id)->head = head;
        struct store_group *g = store_groups_add(&l->groups);
        g->revision = head.revision;
        g->flags = head.flags;
        g->id = TAKE_PTR(id);
        return 0;
}

static int by_id(const void *a, const void *b)
{
        return strcmp(((const struct store_group *)a)->id, ((const struct store_group *)b)->id);
}

static void took_heads(struct etcd_call *c, struct etcd_reply *reply, const struct error *why)
{
        struct etcd_load *l = LOOP_OWNER(c, struct etcd_load, call);
        if (!answered(l, reply, false, why))
                return;
        struct error e = { 0 };
        for (size_t i = 0; i < reply->count; i++)
                if (take_head(l, &reply->kvs[i], &e) < 0)
                        return damaged(l, &e);
        if (reply->more && reply->count) {
                free(l->from);
                l->from = xprintf("%s!", reply->kvs[reply->count - 1].key); /* before all that our keys may go on with */
                read_heads(l);
                return;
        }
        if (l->groups.count)
                qsort(l->groups.items, l->groups.count, sizeof *l->groups.items, by_id);
        if (l->groups.count)
                read_some(l);
        else
                lead(l);
}

static void read_heads(struct etcd_load *l)
{
        struct text t = { 0 };
        CLEAN_FREE char *end = etcd_prefix_end(l->s->groups_key);
        etcd_range_request(&t, &(struct etcd_range){ .key = l->from, .end = end, .limit = HEADS_AT_ONCE });
        ask(l, "/v3/kv/range", &t, took_heads);
}

/* ---- version, and the ends of the logs ---- */

static int check_version(struct etcd_load *l, const struct etcd_kv *kv, struct error *e)
{
        uint64_t version;
        if (text_parse_uint(kv->value.data, UINT32_MAX, &version) < 0)
                return error_set(e, EIO, "store.damaged", "%s is no number", kv->key);
        if (version > ETCD_LAYOUT) {
                int r = error_set(e, ENOTRECOVERABLE, "store.version", "%s says %llu, and this program knows up to %d", kv->key, (unsigned long long)version,
                                  ETCD_LAYOUT);
                error_hint(e, "it belongs to a newer Bulkhead: run that one, or use another prefix");
                return r;
        }
        l->versioned = true;
        return 0;
}

/* Chunks are named by their first; the last one of a log says how far it goes. */
static int take_end(struct store_etcd *s, const struct etcd_kv *kv, struct error *e)
{
        uint64_t number;
        CLEAN_STORE_LOG struct store_log log = { 0 };
        int r = 0;
        if (etcd_number_of_key(s->address.prefix, "events", kv->key, &number) >= 0) {
                r = etcd_read_events(kv->key, &kv->value, number, &log, e);
                s->events_first = s->events_first && s->events_first < number ? s->events_first : number;
                if (log.event_count && log.events[log.event_count - 1].sequence > s->events_last)
                        s->events_last = log.events[log.event_count - 1].sequence;
        } else if (etcd_number_of_key(s->address.prefix, "audits", kv->key, &number) >= 0) {
                r = etcd_read_audits(kv->key, &kv->value, number, &log, e);
                if (log.audit_count && log.audits[log.audit_count - 1].sequence > s->audits_last)
                        s->audits_last = log.audits[log.audit_count - 1].sequence;
        }
        return r;
}

static void took_ends(struct etcd_call *c, struct etcd_reply *reply, const struct error *why)
{
        struct etcd_load *l = LOOP_OWNER(c, struct etcd_load, call);
        struct store_etcd *s = l->s;
        if (!answered(l, reply, true, why))
                return;
        struct error e = { 0 };
        s->events_first = s->events_last = s->audits_last = 0;
        for (size_t i = 0; i < reply->count; i++) {
                const struct etcd_kv *kv = &reply->kvs[i];
                int r = text_equal(kv->key, s->version_key) ? check_version(l, kv, &e) : take_end(s, kv, &e);
                if (r == -ENOTRECOVERABLE)
                        return store_etcd_give_up(s, &e);
                if (r < 0)
                        return damaged(l, &e);
        }
        read_heads(l);
}

static void read_ends(struct etcd_load *l)
{
        struct store_etcd *s = l->s;
        CLEAN_ETCD_REQUEST struct etcd_request r = { 0 };
        CLEAN_FREE char *events = etcd_key(s->address.prefix, "events/"), *audits = etcd_key(s->address.prefix, "audits/");
        CLEAN_FREE char *events_end = etcd_prefix_end(events), *audits_end = etcd_prefix_end(audits);
        etcd_txn_begin(&r);
        etcd_compare_created(&r, s->leader_key, s->election.fence);
        etcd_txn_then(&r);
        etcd_txn_range(&r, &(struct etcd_range){ .key = s->version_key });
        etcd_txn_range(&r, &(struct etcd_range){ .key = events, .end = events_end, .limit = 1 });
        etcd_txn_range(&r, &(struct etcd_range){ .key = events, .end = events_end, .limit = 1, .last = true });
        etcd_txn_range(&r, &(struct etcd_range){ .key = audits, .end = audits_end, .limit = 1, .last = true });
        etcd_txn_else(&r);
        etcd_txn_end(&r);
        ask(l, "/v3/kv/txn", &r.text, took_ends);
}

/* ---- beginning ---- */

static void begin(struct loop_timer *t)
{
        struct store_etcd *s = LOOP_OWNER(t, struct store_etcd, load_timer);
        if (s->first) { /* what was written is on its way still: it belongs to what is there */
                loop_timer_set(s->loop, t, loop_now_usec(s->loop) + 5000);
                return;
        }
        store_etcd_forget_groups(s);
        struct etcd_load *l = xalloc(1, sizeof *l);
        *l = (struct etcd_load){ .s = s, .from = xstrdup(s->groups_key) };
        s->load = l;
        read_ends(l);
}

void store_etcd_load(struct store_etcd *s, uint64_t wait_usec)
{
        store_etcd_drop_load(s);
        loop_timer_set(s->loop, &s->load_timer, loop_now_usec(s->loop) + wait_usec);
}

void store_etcd_load_init(struct store_etcd *s)
{
        s->load_timer.elapsed = begin;
}
