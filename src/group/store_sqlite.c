/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing to a file store. */
#include "group/store_sqlite.h"

enum { PRUNE_SLACK = 16 };
#define PRUNE_INTERVAL_USEC (3600ULL * 1000000)

static struct store_sqlite *of(struct store *s)
{
        return (struct store_sqlite *)s;
}

void sqlite_bind_number(sqlite3_stmt *st, int *at, uint64_t value)
{
        (void)sqlite3_bind_int64(st, (*at)++, (sqlite3_int64)value);
}

void sqlite_bind_words(sqlite3_stmt *st, int *at, const char *text)
{
        /* The text lives until the statement is used again: batches do. */
        (void)sqlite3_bind_text(st, (*at)++, text, -1, SQLITE_STATIC);
}

sqlite3_stmt *sqlite_use(struct store_sqlite *s, enum statement which)
{
        sqlite3_stmt *st = s->statements[which];
        (void)sqlite3_reset(st);
        (void)sqlite3_clear_bindings(st);
        return st;
}

/* What SQLite says, in errno's words. */
static int errno_of(int code)
{
        static const struct {
                int code, errnum;
        } table[] = { { SQLITE_FULL, ENOSPC }, { SQLITE_NOMEM, ENOMEM }, { SQLITE_BUSY, EBUSY }, { SQLITE_READONLY, EROFS },
                      { SQLITE_PERM, EACCES }, { SQLITE_CANTOPEN, EACCES }, { SQLITE_TOOBIG, E2BIG } };
        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (table[i].code == (code & 0xff))
                        return table[i].errnum;
        return EIO;
}

int sqlite_failed(struct store_sqlite *s, const char *doing, struct error *e)
{
        int code = sqlite3_extended_errcode(s->db);
        bool damaged = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
        int r = error_set(e, errno_of(code), damaged ? "store.damaged" : "store.failed", "%s: %s", doing, sqlite3_errmsg(s->db));
        if (damaged)
                error_hint(e, "move the file away and put a backup in its place; nothing was changed");
        return r;
}

/* ---- life ---- */

static int sqlite_start(struct store *base, struct error *e)
{
        struct store_sqlite *s = of(base);
        CLEAN_STORE_GROUPS struct store_groups groups = { 0 };
        int r = sqlite_read_groups(s, &groups, e);
        if (r < 0)
                return r;
        s->started = true;
        base->listener->lead(base->listener, &groups);
        return 0;
}

static void sqlite_stop(struct store *base, store_done done, void *self)
{
        of(base)->started = false;
        /* What was written with STORE_SOON survives a loss of power from here on, too. */
        (void)sqlite3_wal_checkpoint_v2(of(base)->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        store_finish(done, self, NULL);
}

static bool sqlite_leads(struct store *base)
{
        return of(base)->started;
}

static const char *sqlite_leader(struct store *base)
{
        (void)base;
        return NULL;
}

/* ---- writing ---- */

/* A statement without rows. */
static int run(struct store_sqlite *s, sqlite3_stmt *st, struct error *e)
{
        int code = sqlite3_step(st);
        if (code == SQLITE_DONE || code == SQLITE_ROW)
                return sqlite3_reset(st), 0;
        int r = sqlite_failed(s, "writing", e);
        (void)sqlite3_reset(st);
        return r;
}

static int run_plain(struct store_sqlite *s, enum statement which, struct error *e)
{
        return run(s, sqlite_use(s, which), e);
}

/* One that must have met a row. */
static int run_met(struct store_sqlite *s, sqlite3_stmt *st, const struct store_change *c, struct error *e)
{
        int r = run(s, st, e);
        if (r >= 0 && !sqlite3_changes(s->db))
                r = error_set(e, EEXIST, "store.conflict", "there is no group \"%s\" with this revision", c->group);
        return r;
}

/* 0 where there is no such group. */
static int revision_of(struct store_sqlite *s, const char *group, uint64_t *ret, struct error *e)
{
        sqlite3_stmt *st = sqlite_use(s, SQL_REVISION_OF);
        int at = 1, r = 0;
        sqlite_bind_words(st, &at, group);
        int code = sqlite3_step(st);
        if (code != SQLITE_ROW && code != SQLITE_DONE)
                r = sqlite_failed(s, "writing", e);
        else
                *ret = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
        (void)sqlite3_reset(st);
        return r;
}

static int write_revision(struct store_sqlite *s, const struct store_change *c, struct error *e)
{
        sqlite3_stmt *st = sqlite_use(s, SQL_ADD_REVISION);
        int at = 1;
        sqlite_bind_words(st, &at, c->group);
        sqlite_bind_number(st, &at, c->revision);
        sqlite_bind_number(st, &at, c->at_usec);
        sqlite_bind_words(st, &at, c->text);
        sqlite_bind_words(st, &at, c->actor);
        sqlite_bind_words(st, &at, c->reason);
        int r = run(s, st, e);
        if (r < 0 || c->revision <= s->base.history + 1)
                return r;
        st = sqlite_use(s, SQL_TRIM);
        at = 1;
        sqlite_bind_words(st, &at, c->group);
        sqlite_bind_number(st, &at, c->revision - s->base.history);
        return run(s, st, e);
}

static int write_commit(struct store_sqlite *s, const struct store_change *c, struct error *e)
{
        uint64_t last = 0;
        int r = revision_of(s, c->group, &last, e);
        if (r < 0)
                return r;
        if (c->revision != last + 1)
                return error_set(e, EEXIST, "store.conflict", "group \"%s\" has revision %llu, and %llu does not follow it", c->group,
                                 (unsigned long long)last, (unsigned long long)c->revision);
        sqlite3_stmt *st = sqlite_use(s, last ? SQL_SET_REVISION : SQL_NEW_GROUP);
        int at = 1;
        sqlite_bind_words(st, &at, c->group);
        sqlite_bind_number(st, &at, c->revision);
        r = run_met(s, st, c, e);
        return r < 0 ? r : write_revision(s, c, e);
}

static int write_document(struct store_sqlite *s, const struct store_change *c, struct error *e)
{
        uint64_t last = 0;
        int r = revision_of(s, c->group, &last, e);
        if (r < 0)
                return r;
        if (c->revision != last)
                return error_set(e, EEXIST, "store.conflict", "group \"%s\" has revision %llu, not %llu", c->group, (unsigned long long)last,
                                 (unsigned long long)c->revision);
        sqlite3_stmt *st = sqlite_use(s, SQL_DOCUMENT);
        int at = 1;
        sqlite_bind_words(st, &at, c->group);
        sqlite_bind_number(st, &at, c->revision);
        sqlite_bind_words(st, &at, c->text);
        return run_met(s, st, c, e);
}

static int write_state(struct store_sqlite *s, const struct store_change *c, struct error *e)
{
        sqlite3_stmt *st = sqlite_use(s, SQL_STATE);
        int at = 1;
        sqlite_bind_words(st, &at, c->group);
        sqlite_bind_words(st, &at, c->text);
        return run_met(s, st, c, e);
}

static int write_flags(struct store_sqlite *s, const struct store_change *c, struct error *e)
{
        sqlite3_stmt *st = sqlite_use(s, SQL_FLAGS);
        int at = 1;
        sqlite_bind_words(st, &at, c->group);
        sqlite_bind_number(st, &at, c->flags);
        return run_met(s, st, c, e);
}

/* One that is gone already is no error: whoever forgot it may have died before it knew. */
static int write_forget(struct store_sqlite *s, const struct store_change *c, struct error *e)
{
        sqlite3_stmt *st = sqlite_use(s, SQL_FORGET);
        int at = 1;
        sqlite_bind_words(st, &at, c->group);
        return run(s, st, e);
}

static int write_event(struct store_sqlite *s, const struct store_change *c, struct error *e)
{
        sqlite3_stmt *st = sqlite_use(s, SQL_EVENT);
        int at = 1;
        sqlite_bind_number(st, &at, c->event.at_usec);
        sqlite_bind_words(st, &at, c->event.topic);
        sqlite_bind_words(st, &at, c->event.group);
        sqlite_bind_words(st, &at, c->event.id);
        sqlite_bind_words(st, &at, c->event.message);
        return run(s, st, e);
}

static int write_audit(struct store_sqlite *s, const struct store_change *c, struct error *e)
{
        const struct store_audit *a = &c->audit;
        sqlite3_stmt *st = sqlite_use(s, SQL_AUDIT);
        int at = 1;
        sqlite_bind_number(st, &at, a->at_usec);
        sqlite_bind_number(st, &at, a->uid);
        sqlite_bind_number(st, &at, (uint64_t)a->pid);
        const char *const words[] = { a->actor, a->role, a->method, a->object, a->reason, a->outcome };
        for (size_t i = 0; i < ELEMENTS(words); i++)
                sqlite_bind_words(st, &at, words[i]);
        return run(s, st, e);
}

static int (*const writers[])(struct store_sqlite *s, const struct store_change *c, struct error *e) = {
        [CHANGE_COMMIT] = write_commit, [CHANGE_DOCUMENT] = write_document, [CHANGE_STATE] = write_state, [CHANGE_FLAGS] = write_flags,
        [CHANGE_FORGET] = write_forget, [CHANGE_EVENT] = write_event,       [CHANGE_AUDIT] = write_audit,
};

/* Old events go, with those of this write: not at each of them, but by the hundreds, or once in an hour. */
static int prune(struct store_sqlite *s, uint64_t last, struct error *e)
{
        uint64_t now = store_now_usec(), kept = last - s->first_event + 1, age = s->base.event_age_usec;
        if (!s->first_event || (kept <= s->base.events + s->base.events / PRUNE_SLACK && now < s->pruned_usec + PRUNE_INTERVAL_USEC))
                return 0;
        s->pruned_usec = now;
        sqlite3_stmt *st = sqlite_use(s, SQL_PRUNE);
        int at = 1;
        sqlite_bind_number(st, &at, last > s->base.events ? last - s->base.events + 1 : 0);
        sqlite_bind_number(st, &at, now > age ? now - age : 0);
        int r = run(s, st, e);
        return r < 0 ? r : sqlite_read_bounds(s, e);
}

/* In a transaction. ret_last: the number of the last event of the batch; those before it follow one another. */
static int write_changes(struct store_sqlite *s, const struct store_batch *b, uint64_t *ret_last, struct error *e)
{
        uint64_t last = 0;
        for (size_t i = 0; i < b->count; i++) {
                int r = writers[b->items[i].kind](s, &b->items[i], e);
                if (r < 0)
                        return r;
                if (b->items[i].kind == CHANGE_EVENT)
                        last = (uint64_t)sqlite3_last_insert_rowid(s->db);
        }
        *ret_last = last;
        return last ? prune(s, last, e) : 0;
}

static int write_batch(struct store_sqlite *s, const struct store_batch *b, enum store_durability durability, uint64_t *ret_last, struct error *e)
{
        int r = sqlite_set_durability(s, durability, e);
        if (r >= 0)
                r = run_plain(s, SQL_BEGIN, e);
        if (r < 0)
                return r;
        r = write_changes(s, b, ret_last, e);
        if (r >= 0)
                r = run_plain(s, SQL_COMMIT, e);
        if (r < 0 && !sqlite3_get_autocommit(s->db))
                (void)run_plain(s, SQL_ROLLBACK, NULL);
        return r;
}

/* Events of one batch have numbers that follow one another: nobody else writes. */
static void tell_events(struct store_sqlite *s, struct store_batch *b, uint64_t last)
{
        uint64_t count = 0;
        for (size_t i = 0; i < b->count; i++)
                count += b->items[i].kind == CHANGE_EVENT;
        struct store_listener *l = s->base.listener;
        for (size_t i = 0; i < b->count; i++) {
                if (b->items[i].kind != CHANGE_EVENT)
                        continue;
                b->items[i].event.sequence = last - --count;
                if (l->told)
                        l->told(l, &b->items[i].event);
        }
}

static void sqlite_write(struct store *base, struct store_batch *given, enum store_durability durability, store_done done, void *self)
{
        struct store_sqlite *s = of(base);
        CLEAN_STORE_BATCH struct store_batch b = *given; /* callbacks may fill the caller's again */
        *given = (struct store_batch){ 0 };
        struct error e = { 0 };
        uint64_t last = 0, first = s->first_event;
        if (!s->started)
                (void)error_set(&e, ESTALE, "store.lost", "the store is closed");
        else if (b.count && write_batch(s, &b, durability, &last, &e) < 0)
                s->first_event = first;
        if (e.code)
                return store_finish(done, self, &e);
        if (last && !s->first_event)
                s->first_event = last;
        if (last)
                s->last_event = last;
        store_finish(done, self, NULL);
        tell_events(s, &b, last);
}

static const struct store_backend backend = {
        .start = sqlite_start, .stop = sqlite_stop, .close = sqlite_close, .leads = sqlite_leads, .leader = sqlite_leader,
        .write = sqlite_write, .history = sqlite_history, .events = sqlite_events, .audits = sqlite_audits,
};

int store_sqlite_open(const struct store_options *o, const struct store_address *a, struct store **ret, struct error *e)
{
        (void)o;
        struct store_sqlite *s = xalloc(1, sizeof *s);
        *s = (struct store_sqlite){ .base = { .backend = &backend }, .lock_fd = -EBADF, .durability = STORE_SURE };
        int r = sqlite_open(s, a->path, e);
        if (r < 0) {
                sqlite_close(&s->base);
                return r;
        }
        s->base.words = xstrdup(a->path);
        *ret = &s->base;
        return 0;
}
