/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "group/store_sqlite.h"

static char *take_words(sqlite3_stmt *st, int column)
{
        const char *s = (const char *)sqlite3_column_text(st, column);
        return s ? xstrdup(s) : NULL;
}

static uint64_t take_number(sqlite3_stmt *st, int column)
{
        return (uint64_t)sqlite3_column_int64(st, column);
}

/* Calls take for each row of a statement that has its parameters. */
static int each_row(struct store_sqlite *s, sqlite3_stmt *st, int (*take)(sqlite3_stmt *st, void *into, struct error *e), void *into, struct error *e)
{
        int code, r = 0;
        while (r >= 0 && (code = sqlite3_step(st)) == SQLITE_ROW)
                r = take(st, into, e);
        if (r >= 0 && code != SQLITE_DONE)
                r = sqlite_failed(s, "reading", e);
        (void)sqlite3_reset(st);
        return r;
}

static int take_group(sqlite3_stmt *st, void *into, struct error *e)
{
        if (sqlite3_column_type(st, 4) == SQLITE_NULL)
                return error_set(e, EIO, "store.damaged", "group \"%s\" has no document of its revision", (const char *)sqlite3_column_text(st, 0));
        *store_groups_add(into) = (struct store_group){
                .id = take_words(st, 0),
                .revision = take_number(st, 1),
                .state = take_words(st, 2),
                .flags = (uint32_t)take_number(st, 3),
                .document = take_words(st, 4),
        };
        return 0;
}

int sqlite_read_groups(struct store_sqlite *s, struct store_groups *ret, struct error *e)
{
        CLEAN_STORE_GROUPS struct store_groups l = { 0 };
        int r = each_row(s, sqlite_use(s, SQL_GROUPS), take_group, &l, e);
        if (r < 0)
                return r;
        *ret = l;
        l = (struct store_groups){ 0 };
        return 0;
}

static int take_revision(sqlite3_stmt *st, void *into, struct error *e)
{
        (void)e;
        *store_revisions_add(into) = (struct store_revision){
                .revision = take_number(st, 0),
                .at_usec = take_number(st, 1),
                .document = take_words(st, 2),
                .actor = take_words(st, 3),
                .reason = take_words(st, 4),
        };
        return 0;
}

void sqlite_history(struct store *base, const char *group, store_history_done done, void *self)
{
        struct store_sqlite *s = (struct store_sqlite *)base;
        CLEAN_STORE_REVISIONS struct store_revisions l = { 0 };
        struct error e = { 0 };
        sqlite3_stmt *st = sqlite_use(s, SQL_HISTORY);
        int at = 1;
        sqlite_bind_words(st, &at, group);
        int r = each_row(s, st, take_revision, &l, &e);
        done(self, r < 0 ? NULL : &l, r < 0 ? &e : NULL);
}

static int take_event(sqlite3_stmt *st, void *into, struct error *e)
{
        (void)e;
        *store_log_add_event(into) = (struct store_event){
                .sequence = take_number(st, 0),
                .at_usec = take_number(st, 1),
                .topic = take_words(st, 2),
                .group = take_words(st, 3),
                .id = take_words(st, 4),
                .message = take_words(st, 5),
        };
        return 0;
}

static int take_audit(sqlite3_stmt *st, void *into, struct error *e)
{
        (void)e;
        *store_log_add_audit(into) = (struct store_audit){
                .sequence = take_number(st, 0),
                .at_usec = take_number(st, 1),
                .uid = (uid_t)take_number(st, 2),
                .pid = (pid_t)take_number(st, 3),
                .actor = take_words(st, 4),
                .role = take_words(st, 5),
                .method = take_words(st, 6),
                .object = take_words(st, 7),
                .reason = take_words(st, 8),
                .outcome = take_words(st, 9),
        };
        return 0;
}

static int take_bounds(sqlite3_stmt *st, void *into, struct error *e)
{
        (void)e;
        struct store_log *l = into;
        l->first = take_number(st, 0);
        l->last = take_number(st, 1);
        return 0;
}

void sqlite_events(struct store *base, uint64_t from, const char *group, size_t max, store_log_read done, void *self)
{
        struct store_sqlite *s = (struct store_sqlite *)base;
        CLEAN_STORE_LOG struct store_log l = { 0 };
        struct error e = { 0 };
        sqlite3_stmt *st = sqlite_use(s, from ? (group ? SQL_EVENTS_OF : SQL_EVENTS_FROM) : (group ? SQL_LAST_EVENTS_OF : SQL_LAST_EVENTS));
        int at = 1;
        sqlite_bind_number(st, &at, from);
        sqlite_bind_number(st, &at, max);
        if (group)
                sqlite_bind_words(st, &at, group);
        int r = each_row(s, st, take_event, &l, &e);
        l.first = s->first_event;
        l.last = s->last_event;
        l.next = l.event_count && l.event_count == max ? l.events[l.event_count - 1].sequence + 1 : l.last + 1;
        done(self, r < 0 ? NULL : &l, r < 0 ? &e : NULL);
}

void sqlite_audits(struct store *base, uint64_t from, size_t max, store_log_read done, void *self)
{
        struct store_sqlite *s = (struct store_sqlite *)base;
        CLEAN_STORE_LOG struct store_log l = { 0 };
        struct error e = { 0 };
        sqlite3_stmt *st = sqlite_use(s, from ? SQL_AUDITS_FROM : SQL_LAST_AUDITS);
        int at = 1;
        sqlite_bind_number(st, &at, from);
        sqlite_bind_number(st, &at, max);
        int r = each_row(s, st, take_audit, &l, &e);
        if (r >= 0)
                r = each_row(s, sqlite_use(s, SQL_AUDIT_BOUNDS), take_bounds, &l, &e);
        l.next = l.audit_count && l.audit_count == max ? l.audits[l.audit_count - 1].sequence + 1 : l.last + 1;
        done(self, r < 0 ? NULL : &l, r < 0 ? &e : NULL);
}
