/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Batches become transactions, one after another; those that wait meanwhile go together in the next one.  A transaction whose answer was
 * lost is sent again: it says what is to be, so twice is as good as once, and the fence keeps it from being late.
 */
#include <string.h>

#include "group/store_etcd.h"

/* ---- groups that are known ---- */

/* The place of an id, or where it would stand. */
static size_t place_of(const struct store_etcd *s, const char *id, bool *ret_found)
{
        size_t low = 0, high = s->group_count;
        while (low < high) {
                size_t middle = (low + high) / 2;
                int order = strcmp(s->groups[middle].id, id);
                if (!order) {
                        *ret_found = true;
                        return middle;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_found = false;
        return low;
}

struct etcd_group *store_etcd_find(struct store_etcd *s, const char *id)
{
        bool found;
        size_t at = place_of(s, id, &found);
        return found ? &s->groups[at] : NULL;
}

struct etcd_group *store_etcd_add(struct store_etcd *s, const char *id)
{
        bool found;
        size_t at = place_of(s, id, &found);
        if (found)
                return &s->groups[at];
        s->groups = xgrow(s->groups, &s->group_room, s->group_count + 1, sizeof *s->groups);
        memmove(&s->groups[at + 1], &s->groups[at], (s->group_count - at) * sizeof *s->groups);
        s->group_count++;
        s->groups[at] = (struct etcd_group){ .id = xstrdup(id) };
        return &s->groups[at];
}

static void group_done(struct etcd_group *g)
{
        free(g->id);
        free(g->last.actor);
        free(g->last.reason);
}

static void forget(struct store_etcd *s, const char *id)
{
        bool found;
        size_t at = place_of(s, id, &found);
        if (!found)
                return;
        group_done(&s->groups[at]);
        s->group_count--;
        memmove(&s->groups[at], &s->groups[at + 1], (s->group_count - at) * sizeof *s->groups);
}

void store_etcd_forget_groups(struct store_etcd *s)
{
        for (size_t i = 0; i < s->group_count; i++)
                group_done(&s->groups[i]);
        s->group_count = 0;
}

/* ---- words ---- */

static void write_free(struct etcd_write *w)
{
        for (size_t i = 0; i < w->count; i++) {
                free(w->ops[i].key);
                free(w->ops[i].end);
                text_clear(&w->ops[i].value);
        }
        free(w->ops);
        store_log_done(&w->log);
        free(w);
}

/* The word for a key, which is taken; one that is there already is replaced. */
static struct etcd_op *add_op(struct etcd_write *w, char *key)
{
        for (size_t i = 0; i < w->count; i++)
                if (text_equal(w->ops[i].key, key)) {
                        text_clear(&w->ops[i].value);
                        free(key);
                        return &w->ops[i];
                }
        w->ops = xgrow(w->ops, &w->room, w->count + 1, sizeof *w->ops);
        w->ops[w->count] = (struct etcd_op){ .key = key };
        return &w->ops[w->count++];
}

static void add_deletion(struct etcd_write *w, char *key, char *end)
{
        struct etcd_op *op = add_op(w, key);
        free(op->end);
        op->end = end;
        op->delete = true;
        w->alone = true;
}

static void add_head(struct store_etcd *s, struct etcd_write *w, struct etcd_group *g)
{
        g->head.writer = s->election.fence;
        etcd_format_head(&add_op(w, etcd_key_of_group(s->address.prefix, "groups", g->id))->value, &g->head);
}

static void add_revision(struct store_etcd *s, struct etcd_write *w, const struct etcd_group *g, const char *document)
{
        struct store_revision r = g->last;
        r.document = (char *)document;
        etcd_format_revision(&add_op(w, etcd_key_of_revision(s->address.prefix, g->id, g->head.revision))->value, &r);
}

static void add_commit(struct store_etcd *s, struct etcd_write *w, struct store_change *c)
{
        struct etcd_group *g = store_etcd_add(s, c->group);
        g->head.revision = c->revision;
        free(g->last.actor);
        free(g->last.reason);
        g->last = (struct store_revision){ .revision = c->revision, .at_usec = c->at_usec, .actor = TAKE_PTR(c->actor), .reason = TAKE_PTR(c->reason) };
        add_head(s, w, g);
        add_revision(s, w, g, c->text);
        if (c->revision > s->base.history + 1)
                add_deletion(w, etcd_key_of_revision(s->address.prefix, g->id, 0),
                             etcd_key_of_revision(s->address.prefix, g->id, c->revision - s->base.history));
}

static void add_document(struct store_etcd *s, struct etcd_write *w, struct store_change *c)
{
        add_revision(s, w, store_etcd_find(s, c->group), c->text);
}

static void add_state(struct store_etcd *s, struct etcd_write *w, struct store_change *c)
{
        char *key = etcd_key_of_group(s->address.prefix, "states", c->group);
        if (c->text)
                text_add(&add_op(w, key)->value, c->text);
        else
                add_deletion(w, key, NULL);
}

static void add_flags(struct store_etcd *s, struct etcd_write *w, struct store_change *c)
{
        struct etcd_group *g = store_etcd_find(s, c->group);
        g->head.flags = c->flags;
        add_head(s, w, g);
}

static void add_forget(struct store_etcd *s, struct etcd_write *w, struct store_change *c)
{
        CLEAN_FREE char *all = etcd_key_of_group(s->address.prefix, "revisions", c->group);
        char *below = xprintf("%s/", all);
        add_deletion(w, etcd_key_of_group(s->address.prefix, "groups", c->group), NULL);
        add_deletion(w, etcd_key_of_group(s->address.prefix, "states", c->group), NULL);
        add_deletion(w, below, etcd_prefix_end(below));
        forget(s, c->group);
}

static void add_event(struct store_etcd *s, struct etcd_write *w, struct store_change *c)
{
        struct store_event *v = store_log_add_event(&w->log);
        *v = c->event;
        c->event = (struct store_event){ 0 };
        v->sequence = ++s->events_last;
        if (!s->events_first)
                s->events_first = v->sequence;
}

static void add_audit(struct store_etcd *s, struct etcd_write *w, struct store_change *c)
{
        struct store_audit *a = store_log_add_audit(&w->log);
        *a = c->audit;
        c->audit = (struct store_audit){ 0 };
        a->sequence = ++s->audits_last;
}

static void (*const adders[])(struct store_etcd *s, struct etcd_write *w, struct store_change *c) = {
        [CHANGE_COMMIT] = add_commit, [CHANGE_DOCUMENT] = add_document, [CHANGE_STATE] = add_state, [CHANGE_FLAGS] = add_flags,
        [CHANGE_FORGET] = add_forget, [CHANGE_EVENT] = add_event,       [CHANGE_AUDIT] = add_audit,
};

/* What is logged together stands under the key of its first, up to so many. */
static void add_event_chunks(struct store_etcd *s, struct etcd_write *w)
{
        for (size_t i = 0; i < w->log.event_count; i += ETCD_CHUNK_MAX) {
                struct text *t = &add_op(w, etcd_key_of_number(s->address.prefix, "events", w->log.events[i].sequence))->value;
                for (size_t k = i; k < w->log.event_count && k < i + ETCD_CHUNK_MAX; k++) {
                        text_add(t, k == i ? "[" : ",");
                        etcd_format_event(t, &w->log.events[k]);
                }
                text_add(t, "]");
        }
}

static void add_audit_chunks(struct store_etcd *s, struct etcd_write *w)
{
        for (size_t i = 0; i < w->log.audit_count; i += ETCD_CHUNK_MAX) {
                struct text *t = &add_op(w, etcd_key_of_number(s->address.prefix, "audits", w->log.audits[i].sequence))->value;
                for (size_t k = i; k < w->log.audit_count && k < i + ETCD_CHUNK_MAX; k++) {
                        text_add(t, k == i ? "[" : ",");
                        etcd_format_audit(t, &w->log.audits[k]);
                }
                text_add(t, "]");
        }
}

/* ---- what is asked for, against what is known ---- */

/* The revision that a group has once the words before one were said; 0: there is none. */
static uint64_t revision_before(struct store_etcd *s, const struct store_batch *b, size_t at)
{
        const char *id = b->items[at].group;
        struct etcd_group *g = store_etcd_find(s, id);
        uint64_t revision = g ? g->head.revision : 0;
        for (size_t i = 0; i < at; i++)
                if (b->items[i].kind == CHANGE_COMMIT && text_equal(b->items[i].group, id))
                        revision = b->items[i].revision;
        return revision;
}

static int check_word(struct store_etcd *s, const struct store_batch *b, size_t at, struct error *e)
{
        const struct store_change *c = &b->items[at];
        if (!c->group || c->kind == CHANGE_FORGET)
                return 0;
        uint64_t before = revision_before(s, b, at);
        if (c->kind == CHANGE_COMMIT ? c->revision == before + 1 : c->kind == CHANGE_DOCUMENT ? before && c->revision == before : before)
                return 0;
        return error_set(e, EEXIST, "store.conflict", "group \"%s\" has revision %llu%s", c->group, (unsigned long long)before,
                         before ? "" : ": it is not there");
}

/* A text within JSON. */
static size_t size_in_json(const char *s)
{
        size_t size = 0;
        for (; s && *s; s++)
                size += *s == '"' || *s == '\\' ? 2 : (unsigned char)*s < 0x20 || *s == 0x7f ? 6 : 1;
        return size;
}

/* About what a word takes in the request, before base64. */
static size_t size_of(const struct store_change *c)
{
        const char *const words[] = { c->group, c->group, c->group, c->text, c->actor, c->reason, c->event.topic, c->event.group, c->event.id, c->event.message,
                                      c->audit.actor, c->audit.role, c->audit.method, c->audit.object, c->audit.reason, c->audit.outcome };
        size_t size = 256;
        for (size_t i = 0; i < ELEMENTS(words); i++)
                size += size_in_json(words[i]);
        return size;
}

static int check_words(struct store_etcd *s, const struct store_batch *b, struct error *e)
{
        size_t ops = 0, bytes = 0;
        for (size_t i = 0; i < b->count; i++) {
                const struct store_change *c = &b->items[i];
                int r = check_word(s, b, i, e);
                if (r < 0)
                        return r;
                ops += c->kind == CHANGE_COMMIT || c->kind == CHANGE_FORGET ? 3 : c->group ? 1 : 0;
                bytes += c->group ? size_of(c) : 0;
        }
        if (ops > ETCD_OPS_MAX || bytes > ETCD_BYTES_MAX)
                return error_set(e, E2BIG, "store.too-large", "etcd takes %d words and %d bytes at once, and these are %zu and %zu", ETCD_OPS_MAX,
                                 ETCD_BYTES_MAX, ops, bytes);
        return 0;
}

/* ---- on the way ---- */

/* How many of those that wait go together in one transaction. */
static size_t count_together(const struct store_etcd *s)
{
        size_t count = 0, ops = 0, bytes = 0;
        for (const struct etcd_write *w = s->first; w; w = w->next) {
                ops += w->count;
                bytes += w->bytes;
                if (count && (w->alone || ops > ETCD_OPS_MAX || bytes > ETCD_JOIN_BYTES))
                        break;
                count++;
                if (w->alone)
                        break;
        }
        return count;
}

/* Whether a later word of the same transaction is for the same key. */
static bool said_later(const struct etcd_write *w, size_t op, size_t writes)
{
        const char *key = w->ops[op].key;
        for (w = w->next; --writes && w; w = w->next)
                for (size_t i = 0; i < w->count; i++)
                        if (text_equal(w->ops[i].key, key))
                                return true;
        return false;
}

static void build(struct store_etcd *s)
{
        CLEAN_ETCD_REQUEST struct etcd_request r = { 0 };
        etcd_txn_begin(&r);
        etcd_compare_created(&r, s->leader_key, s->election.fence);
        etcd_txn_then(&r);
        size_t left = s->sent;
        for (const struct etcd_write *w = s->first; left; w = w->next, left--)
                for (size_t i = 0; i < w->count; i++) {
                        const struct etcd_op *op = &w->ops[i];
                        if (said_later(w, i, left))
                                continue;
                        if (op->delete)
                                etcd_txn_delete(&r, op->key, op->end);
                        else
                                etcd_txn_put(&r, op->key, &op->value, 0);
                }
        etcd_txn_else(&r);
        etcd_txn_end(&r);
        text_clear(&s->write.body);
        s->write.body = r.text;
        r.text = (struct text){ 0 };
}

/* A second, and one for each 256 KiB; longer each time, so that what is only slow gets there. The end of the lease ends it all. */
static void send(struct store_etcd *s)
{
        unsigned times = s->write_failures < 4 ? s->write_failures : 4;
        s->write.timeout_usec = (1000000 + s->write.body.length * 4) << times;
        etcd_lane_call(&s->writes, &s->write);
}

static void send_next(struct store_etcd *s)
{
        if (s->write.in_hand || s->sent || !s->first)
                return;
        s->sent = count_together(s);
        build(s);
        send(s);
}

static void send_again(struct loop_timer *t)
{
        struct store_etcd *s = LOOP_OWNER(t, struct store_etcd, write_timer);
        if (s->sent && !s->write.in_hand)
                send(s);
}

static struct etcd_write *take_first(struct store_etcd *s)
{
        struct etcd_write *w = s->first;
        s->first = w->next;
        if (!s->first)
                s->last = NULL;
        return w;
}

/* Ends the ones that were sent. They leave the queue first: what is called back may add to it. */
static void end_sent(struct store_etcd *s, const struct error *e)
{
        struct store_listener *l = s->base.listener;
        struct etcd_write *ended = s->first, *next;
        size_t count = s->sent;
        for (size_t i = 0; i < count; i++)
                (void)take_first(s);
        s->sent = 0;
        for (size_t i = 0; i < count; i++, ended = next) {
                next = ended->next;
                store_finish(ended->done, ended->self, e);
                for (size_t k = 0; !e && l->told && k < ended->log.event_count; k++)
                        l->told(l, &ended->log.events[k]);
                write_free(ended);
        }
}

static void end_all(struct store_etcd *s, const struct error *e)
{
        s->sent = 0;
        for (const struct etcd_write *w = s->first; w; w = w->next)
                s->sent++;
        end_sent(s, e);
}

void store_etcd_drop_writes(struct store_etcd *s, const struct error *why)
{
        struct error e = *why;
        if (e.code != -ECANCELED)
                e.code = -ESTALE;
        etcd_lane_reset(&s->writes);
        loop_timer_clear(s->loop, &s->write_timer);
        s->write_failures = 0;
        end_all(s, &e);
}

/* Refused for good: what we thought of groups and numbers is not so then, and what follows goes by it. */
static void refused(struct store_etcd *s, const struct etcd_reply *reply)
{
        struct error e = { 0 };
        bool large = reply->code == ETCD_INVALID;
        if (etcd_reply_denied(reply, "writing", &e) == 0)
                (void)error_set(&e, large ? E2BIG : EIO, large ? "store.too-large" : "store.failed", "%.300s", reply->message);
        if (reply->code == ETCD_OUT_OF_SPACE)
                error_hint(&e, "etcd is full: compact and defragment it, then clear its alarm, or give it a larger quota");
        bool led = s->leads;
        s->leads = false; /* for who writes again when it is called back */
        end_all(s, &e);
        s->leads = led;
        store_etcd_reload(s, &e, 3000000);
}

static void written(struct etcd_call *c, struct etcd_reply *reply, const struct error *why)
{
        struct store_etcd *s = LOOP_OWNER(c, struct store_etcd, write);
        if (!reply) {
                store_etcd_trouble(s, why);
                loop_timer_set(s->loop, &s->write_timer, loop_now_usec(s->loop) + etcd_backoff_usec(s->write_failures++, 500000));
                return;
        }
        s->write_failures = 0;
        if (!reply->failed && !reply->succeeded) {
                struct error e = { 0 };
                (void)error_set(&e, ESTALE, "store.lost", "another controller leads: the write was refused");
                store_etcd_give_up(s, &e);
                return;
        }
        if (reply->failed)
                refused(s, reply);
        else
                end_sent(s, NULL);
        send_next(s);
        if (!s->first)
                store_etcd_drained(s);
}

static void enqueue(struct store_etcd *s, struct etcd_write *w)
{
        if (s->last)
                s->last->next = w;
        else
                s->first = w;
        s->last = w;
        send_next(s);
}

static struct etcd_write *new_write(void)
{
        struct etcd_write *w = xalloc(1, sizeof *w);
        *w = (struct etcd_write){ 0 };
        return w;
}

void store_etcd_put(struct store_etcd *s, const char *key, struct text *value)
{
        struct etcd_write *w = new_write();
        w->bytes = value->length;
        struct etcd_op *op = add_op(w, xstrdup(key));
        op->value = *value;
        *value = (struct text){ 0 };
        enqueue(s, w);
}

void store_etcd_delete(struct store_etcd *s, char *key, char *end)
{
        struct etcd_write *w = new_write();
        add_deletion(w, key, end);
        enqueue(s, w);
}

static void enqueue_with_log(struct store_etcd *s, struct etcd_write *w)
{
        add_event_chunks(s, w);
        add_audit_chunks(s, w);
        enqueue(s, w);
}

/* What is said of groups goes together. A log that is too long for that follows, and done is called after it. */
static void enqueue_batch(struct store_etcd *s, struct store_batch *b, store_done done, void *self)
{
        struct etcd_write *w = new_write();
        for (size_t i = 0; i < b->count; i++)
                if (b->items[i].group) {
                        w->bytes += size_of(&b->items[i]);
                        adders[b->items[i].kind](s, w, &b->items[i]);
                }
        for (size_t i = 0; i < b->count; i++) {
                struct store_change *c = &b->items[i];
                if (c->group)
                        continue;
                size_t size = size_of(c);
                if (w->bytes && w->bytes + size > ETCD_JOIN_BYTES) {
                        enqueue_with_log(s, w);
                        w = new_write();
                }
                w->bytes += size;
                adders[c->kind](s, w, c);
        }
        w->done = done;
        w->self = self;
        enqueue_with_log(s, w);
}

void store_etcd_write(struct store *base, struct store_batch *given, enum store_durability durability, store_done done, void *self)
{
        struct store_etcd *s = (struct store_etcd *)base;
        CLEAN_STORE_BATCH struct store_batch b = *given;
        *given = (struct store_batch){ 0 };
        (void)durability;
        struct error e = { 0 };
        if (!s->leads)
                (void)error_set(&e, ESTALE, "store.lost", "this controller does not lead");
        if (!s->leads || check_words(s, &b, &e) < 0)
                return store_finish(done, self, &e);
        enqueue_batch(s, &b, done, self);
}

void store_etcd_write_init(struct store_etcd *s)
{
        s->write = (struct etcd_call){ .path = "/v3/kv/txn", .done = written };
        s->write_timer.elapsed = send_again;
}

void store_etcd_write_done(struct store_etcd *s)
{
        loop_timer_clear(s->loop, &s->write_timer);
        text_clear(&s->write.body);
}
