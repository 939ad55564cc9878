/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/store.h"

#include <string.h>
#include <time.h>

#include "group/store_internal.h"

uint64_t store_now_usec(void)
{
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void store_finish(store_done done, void *self, const struct error *e)
{
        if (done)
                done(self, e);
}

/* ---- batches ---- */

static void change_done(struct store_change *c)
{
        free(c->group);
        free(c->text);
        free(c->actor);
        free(c->reason);
        store_event_done(&c->event);
        store_audit_done(&c->audit);
}

void batch_done(struct store_batch *b)
{
        for (size_t i = 0; i < b->count; i++)
                change_done(&b->items[i]);
        free(b->items);
        *b = (struct store_batch){ 0 };
}

static char *copy(const char *s)
{
        return s ? xstrdup(s) : NULL;
}

/* Words of logs are cut where they are too long, never in the middle of a character. */
static char *copy_words(const char *s)
{
        if (!s)
                return NULL;
        size_t length = strnlen(s, STORE_WORDS_MAX + 1);
        if (length <= STORE_WORDS_MAX)
                return xstrdup(s);
        for (length = STORE_WORDS_MAX; length && ((unsigned char)s[length] & 0xc0) == 0x80;)
                length--;
        return xstrndup(s, length);
}

/* The later word counts: one that says the same of the same group is replaced. */
static struct store_change *add_change(struct store_batch *b, enum change_kind kind, const char *group)
{
        for (size_t i = 0; group && i < b->count; i++) {
                struct store_change *c = &b->items[i];
                if (c->kind == kind && text_equal(c->group, group)) {
                        change_done(c);
                        *c = (struct store_change){ .kind = kind, .group = xstrdup(group) };
                        return c;
                }
        }
        struct store_change *c = STORE_LIST_ADD(b->items, b->count, b->room);
        c->kind = kind;
        c->group = copy(group);
        return c;
}

void batch_commit(struct store_batch *b, const char *group, uint64_t revision, const char *document, const char *actor, const char *reason,
                  uint64_t at_usec)
{
        struct store_change *c = add_change(b, CHANGE_COMMIT, group);
        c->revision = revision;
        c->text = xstrdup(document);
        c->actor = copy(actor);
        c->reason = copy(reason);
        c->at_usec = at_usec ? at_usec : store_now_usec();
}

void batch_document(struct store_batch *b, const char *group, uint64_t revision, const char *document)
{
        struct store_change *c = add_change(b, CHANGE_DOCUMENT, group);
        c->revision = revision;
        c->text = xstrdup(document);
}

void batch_state(struct store_batch *b, const char *group, const char *state)
{
        add_change(b, CHANGE_STATE, group)->text = copy(state);
}

void batch_flags(struct store_batch *b, const char *group, uint32_t flags)
{
        add_change(b, CHANGE_FLAGS, group)->flags = flags;
}

void batch_forget(struct store_batch *b, const char *group)
{
        (void)add_change(b, CHANGE_FORGET, group);
}

void batch_event(struct store_batch *b, const struct store_event *event)
{
        add_change(b, CHANGE_EVENT, NULL)->event = (struct store_event){
                .at_usec = event->at_usec ? event->at_usec : store_now_usec(),
                .topic = copy_words(event->topic ? event->topic : ""),
                .group = copy_words(event->group),
                .id = copy_words(event->id),
                .message = copy_words(event->message),
        };
}

void batch_audit(struct store_batch *b, const struct store_audit *audit)
{
        add_change(b, CHANGE_AUDIT, NULL)->audit = (struct store_audit){
                .at_usec = audit->at_usec ? audit->at_usec : store_now_usec(),
                .uid = audit->uid,
                .pid = audit->pid,
                .actor = copy_words(audit->actor ? audit->actor : ""),
                .role = copy_words(audit->role ? audit->role : ""),
                .method = copy_words(audit->method ? audit->method : ""),
                .object = copy_words(audit->object ? audit->object : ""),
                .reason = copy_words(audit->reason),
                .outcome = copy_words(audit->outcome ? audit->outcome : ""),
        };
}

/* ---- what is asked for, checked ---- */

static bool length_ok(const char *s, size_t max)
{
        return !s || strnlen(s, max + 1) <= max;
}

static int check_change(const struct store_change *c, struct error *e)
{
        if (c->group && (!*c->group || !length_ok(c->group, STORE_ID_MAX)))
                return error_set(e, EINVAL, "store.failed", "an ID of a group has 1 to %d bytes", STORE_ID_MAX);
        if ((c->kind == CHANGE_COMMIT || c->kind == CHANGE_DOCUMENT) && !c->revision)
                return error_set(e, EINVAL, "store.failed", "revisions of group \"%s\" begin with 1", c->group);
        if (!length_ok(c->text, STORE_TEXT_MAX))
                return error_set(e, E2BIG, "store.too-large", "what is kept of group \"%s\" has more than %d bytes", c->group, STORE_TEXT_MAX);
        return 0;
}

static int check_batch(const struct store_batch *b, struct error *e)
{
        for (size_t i = 0; i < b->count; i++) {
                int r = check_change(&b->items[i], e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- one of them ---- */

int store_open(struct loop *loop, const struct store_options *o, struct store_listener *listener, struct store **ret, struct error *e)
{
        CLEAN_STORE_ADDRESS struct store_address a = { 0 };
        struct store *s = NULL;
        int r = store_address_parse(o->where, o->plain, &a, e);
        if (r >= 0)
                r = a.kind == STORE_ETCD ? store_etcd_open(loop, o, &a, &s, e) : store_sqlite_open(o, &a, &s, e);
        if (r < 0)
                return error_while(e, "opening the store %s", text_starts(o->where, "etcd") && strchr(o->where, '@') ? "etcd" : o->where), r;
        s->listener = listener;
        s->history = !o->history ? STORE_HISTORY : o->history < STORE_HISTORY_MAX ? o->history : STORE_HISTORY_MAX;
        s->events = o->events ? o->events : STORE_EVENTS;
        s->event_age_usec = o->event_age_usec ? o->event_age_usec : STORE_EVENT_AGE_USEC;
        *ret = s;
        return 0;
}

int store_start(struct store *s, struct error *e)
{
        return s->backend->start(s, e);
}

void store_stop(struct store *s, store_done done, void *self)
{
        s->backend->stop(s, done, self);
}

void store_close(struct store *s)
{
        if (!s)
                return;
        CLEAN_FREE char *words = s->words;
        s->backend->close(s);
}

bool store_leads(struct store *s)
{
        return s->backend->leads(s);
}

const char *store_leader(struct store *s)
{
        return s->backend->leader(s);
}

const char *store_describe(struct store *s)
{
        return s->words;
}

void store_write(struct store *s, struct store_batch *b, enum store_durability durability, store_done done, void *self)
{
        struct error e = { 0 };
        if (check_batch(b, &e) < 0) {
                batch_done(b);
                store_finish(done, self, &e);
        } else {
                s->backend->write(s, b, durability, done, self);
        }
}

void store_history(struct store *s, const char *group, store_history_done done, void *self)
{
        s->backend->history(s, group, done, self);
}

void store_events(struct store *s, uint64_t from, const char *group, size_t max, store_log_read done, void *self)
{
        s->backend->events(s, from < INT64_MAX ? from : INT64_MAX, group, max < STORE_READ_MAX ? max : STORE_READ_MAX, done, self);
}

void store_audits(struct store *s, uint64_t from, size_t max, store_log_read done, void *self)
{
        s->backend->audits(s, from < INT64_MAX ? from : INT64_MAX, max < STORE_READ_MAX ? max : STORE_READ_MAX, done, self);
}
