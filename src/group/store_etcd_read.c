/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* History and logs are read from etcd at each question, by leader and followers alike. */
#include <string.h>

#include "group/store_etcd.h"

enum { READ_TIMEOUT_USEC = 3000000, CHUNKS_AT_ONCE = 100, REVISIONS_AT_ONCE = 64 };

struct etcd_read {
        struct store_etcd *s;
        struct etcd_call call;
        size_t attempts;
        void (*take)(struct etcd_read *r, const struct etcd_reply *reply, const struct error *e);
        union {
                store_history_done history;
                store_log_read log;
        } done;
        void *self;
        uint64_t from;
        size_t max;
        char *group; /* NULL: all */
        const char *folder;
        struct etcd_read *next;
};

static void unlink_read(struct etcd_read *r)
{
        struct etcd_read **at = &r->s->reading;
        while (*at != r)
                at = &(*at)->next;
        *at = r->next;
}

static void finish(struct etcd_read *r, const struct etcd_reply *reply, const struct error *e)
{
        unlink_read(r);
        r->take(r, reply, e);
        text_clear(&r->call.body);
        free(r->group);
        free(r);
}

/* Each endpoint is asked once, and the first one twice. */
static void answered(struct etcd_call *c, struct etcd_reply *reply, const struct error *e)
{
        struct etcd_read *r = LOOP_OWNER(c, struct etcd_read, call);
        struct error refused = { 0 };
        if (!reply && ++r->attempts <= r->s->address.count) {
                etcd_lane_call(&r->s->reads, &r->call);
                return;
        }
        if (reply && reply->failed && etcd_reply_denied(reply, "reading", &refused) == 0)
                (void)error_set(&refused, EIO, "store.failed", "%.300s", reply->message);
        finish(r, refused.code ? NULL : reply, refused.code ? &refused : e);
}

static struct etcd_read *new_read(struct store_etcd *s, void (*take)(struct etcd_read *r, const struct etcd_reply *reply, const struct error *e), void *self)
{
        struct etcd_read *r = xalloc(1, sizeof *r);
        *r = (struct etcd_read){ .s = s, .take = take, .self = self, .next = s->reading };
        r->call = (struct etcd_call){ .path = "/v3/kv/range", .timeout_usec = READ_TIMEOUT_USEC, .done = answered };
        s->reading = r;
        return r;
}

void store_etcd_drop_reads(struct store_etcd *s, const struct error *why)
{
        etcd_lane_reset(&s->reads);
        while (s->reading)
                finish(s->reading, NULL, why);
}

/* ---- history ---- */

static int collect_revisions(const struct etcd_read *r, const struct etcd_reply *reply, struct store_revisions *into, struct error *e)
{
        CLEAN_FREE char *below = etcd_key_of_revision(r->s->address.prefix, r->group, 0);
        size_t length = strlen(below) - 16;
        for (size_t i = 0; i < reply->count; i++) {
                struct store_revision *v = store_revisions_add(into);
                const char *key = reply->kvs[i].key;
                if (strlen(key) != length + 16)
                        return error_set(e, EIO, "store.damaged", "%.200s is no key of a revision", key);
                v->revision = strtoull(key + length, NULL, 16);
                int result = etcd_read_revision(key, &reply->kvs[i].value, v, e);
                if (result < 0)
                        return result;
        }
        return 0;
}

static void take_history(struct etcd_read *r, const struct etcd_reply *reply, const struct error *e)
{
        CLEAN_STORE_REVISIONS struct store_revisions l = { 0 };
        struct error why = { 0 };
        if (reply && collect_revisions(r, reply, &l, &why) < 0)
                r->done.history(r->self, NULL, &why);
        else
                r->done.history(r->self, reply ? &l : NULL, e);
}

void store_etcd_history(struct store *base, const char *group, store_history_done done, void *self)
{
        struct store_etcd *s = (struct store_etcd *)base;
        struct etcd_read *r = new_read(s, take_history, self);
        r->done.history = done;
        r->group = xstrdup(group);
        CLEAN_FREE char *all = etcd_key_of_group(s->address.prefix, "revisions", group), *from = xprintf("%s/", all), *end = etcd_prefix_end(from);
        etcd_range_request(&r->call.body, &(struct etcd_range){ .key = from, .end = end, .limit = REVISIONS_AT_ONCE, .last = true });
        etcd_lane_call(&s->reads, &r->call);
}

/* ---- logs ---- */

static int collect_log(const struct etcd_read *r, const struct etcd_reply *reply, struct store_log *into, struct error *e)
{
        for (size_t i = 0; i < reply->count; i++) {
                /* The last ones were asked for from the end. */
                const struct etcd_kv *kv = &reply->kvs[r->from ? i : reply->count - 1 - i];
                uint64_t number;
                if (etcd_number_of_key(r->s->address.prefix, r->folder, kv->key, &number) < 0)
                        return error_set(e, EIO, "store.damaged", "%.200s has no number", kv->key);
                int result = *r->folder == 'e' ? etcd_read_events(kv->key, &kv->value, number, into, e) : etcd_read_audits(kv->key, &kv->value, number, into, e);
                if (result < 0)
                        return result;
        }
        return 0;
}

/* Which of a log were asked for: in [*ret_first, *ret_end), at most max of them. */
static bool wanted_event(const struct etcd_read *r, const struct store_event *v)
{
        return v->sequence >= r->from && (!r->group || (v->group && text_equal(v->group, r->group)));
}

static void keep_events(const struct etcd_read *r, struct store_log *l)
{
        size_t kept = 0;
        for (size_t i = 0; i < l->event_count; i++) {
                if (!wanted_event(r, &l->events[i]) || (r->from && kept == r->max)) {
                        store_event_done(&l->events[i]);
                        continue;
                }
                struct store_event v = l->events[i];
                l->events[i] = (struct store_event){ 0 };
                l->events[kept++] = v;
        }
        size_t extra = kept > r->max ? kept - r->max : 0; /* of the last ones, the first are too many */
        for (size_t i = 0; i < extra; i++)
                store_event_done(&l->events[i]);
        if (extra)
                memmove(l->events, l->events + extra, (kept - extra) * sizeof *l->events);
        l->event_count = kept - extra;
}

static void keep_audits(const struct etcd_read *r, struct store_log *l)
{
        size_t kept = 0;
        for (size_t i = 0; i < l->audit_count; i++) {
                if (l->audits[i].sequence < r->from || (r->from && kept == r->max)) {
                        store_audit_done(&l->audits[i]);
                        continue;
                }
                struct store_audit a = l->audits[i];
                l->audits[i] = (struct store_audit){ 0 };
                l->audits[kept++] = a;
        }
        size_t extra = kept > r->max ? kept - r->max : 0;
        for (size_t i = 0; i < extra; i++)
                store_audit_done(&l->audits[i]);
        if (extra)
                memmove(l->audits, l->audits + extra, (kept - extra) * sizeof *l->audits);
        l->audit_count = kept - extra;
}

static void take_log(struct etcd_read *r, const struct etcd_reply *reply, const struct error *e)
{
        CLEAN_STORE_LOG struct store_log l = { 0 };
        struct error why = { 0 };
        if (!reply)
                return r->done.log(r->self, NULL, e);
        if (collect_log(r, reply, &l, &why) < 0)
                return r->done.log(r->self, NULL, &why);
        bool events = *r->folder == 'e';
        size_t count = events ? l.event_count : l.audit_count;
        /* What is kept before and after is not asked for: what came says enough to go on. The leader knows where its events begin. */
        l.first = count ? (events ? l.events[0].sequence : l.audits[0].sequence) : 0;
        if (events && r->s->leads)
                l.first = r->s->events_first;
        l.last = count ? (events ? l.events[count - 1].sequence : l.audits[count - 1].sequence) : 0;
        l.next = l.last + 1 > r->from ? l.last + 1 : r->from;
        bool more = reply->count == CHUNKS_AT_ONCE && r->from;
        events ? keep_events(r, &l) : keep_audits(r, &l);
        count = events ? l.event_count : l.audit_count;
        if (r->from && count && count == r->max)
                l.next = (events ? l.events[count - 1].sequence : l.audits[count - 1].sequence) + 1;
        if (more)
                l.last = l.last > l.next ? l.last : l.next; /* there is at least one to ask for */
        r->done.log(r->self, &l, NULL);
}

static void read_log(struct store_etcd *s, const char *folder, uint64_t from, const char *group, size_t max, store_log_read done, void *self)
{
        struct etcd_read *r = new_read(s, take_log, self);
        r->done.log = done;
        r->folder = folder;
        r->from = from;
        r->max = max;
        r->group = group ? xstrdup(group) : NULL;
        /* What begins with from may stand in a chunk that is named by one before. */
        CLEAN_FREE char *first = etcd_key_of_number(s->address.prefix, folder, from < ETCD_CHUNK_MAX ? 0 : from - ETCD_CHUNK_MAX + 1);
        CLEAN_FREE char *below = xprintf("%s/%s/", s->address.prefix, folder), *end = etcd_prefix_end(below);
        etcd_range_request(&r->call.body, &(struct etcd_range){ .key = first, .end = end, .limit = CHUNKS_AT_ONCE, .last = !from });
        etcd_lane_call(&s->reads, &r->call);
}

void store_etcd_events(struct store *base, uint64_t from, const char *group, size_t max, store_log_read done, void *self)
{
        read_log((struct store_etcd *)base, "events", from, group, max, done, self);
}

void store_etcd_audits(struct store *base, uint64_t from, size_t max, store_log_read done, void *self)
{
        read_log((struct store_etcd *)base, "audits", from, NULL, max, done, self);
}
