/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file store: SQLite with a write-ahead log. What writing and reading it share. */
#pragma once

#include <sqlite3.h>

#include "group/store_internal.h"

enum { STORE_SCHEMA = 1, STORE_APPLICATION = 0x42684764 /* "BhGd": so that file(1) and we know it */ };

/* Statements that are prepared once; the texts stand in store_sqlite_open.c. */
enum statement {
        SQL_BEGIN, SQL_COMMIT, SQL_ROLLBACK,
        SQL_NEW_GROUP, SQL_REVISION_OF, SQL_SET_REVISION, SQL_ADD_REVISION, SQL_DOCUMENT, SQL_TRIM, SQL_STATE, SQL_FLAGS, SQL_FORGET,
        SQL_EVENT, SQL_AUDIT, SQL_EVENT_BOUNDS, SQL_PRUNE,
        SQL_GROUPS, SQL_HISTORY, SQL_EVENTS_FROM, SQL_EVENTS_OF, SQL_LAST_EVENTS, SQL_LAST_EVENTS_OF, SQL_AUDITS_FROM, SQL_LAST_AUDITS, SQL_AUDIT_BOUNDS,
        SQL_COUNT,
};

struct store_sqlite {
        struct store base;
        sqlite3 *db;
        sqlite3_stmt *statements[SQL_COUNT];
        int lock_fd;
        bool started;
        enum store_durability durability; /* as the connection has it */
        uint64_t first_event, last_event; /* kept; 0: none */
        uint64_t pruned_usec;
};

/* Binds the next parameter of a statement, counted from 1 in *at. NULL text is null. */
void sqlite_bind_number(sqlite3_stmt *st, int *at, uint64_t value);
void sqlite_bind_words(sqlite3_stmt *st, int *at, const char *text);
/* The statement, ready for its parameters. */
sqlite3_stmt *sqlite_use(struct store_sqlite *s, enum statement which);
/* One row, or the end: SQLITE_ROW, SQLITE_DONE; else an error. Who stopped before the end resets. */
int sqlite_failed(struct store_sqlite *s, const char *doing, struct error *e);

/* store_sqlite_open.c. After a failure of sqlite_open, too, sqlite_close takes everything away, s as well. */
int sqlite_open(struct store_sqlite *s, const char *path, struct error *e);
void sqlite_close(struct store *base);
int sqlite_set_durability(struct store_sqlite *s, enum store_durability durability, struct error *e);
int sqlite_read_bounds(struct store_sqlite *s, struct error *e);

/* Readers (store_sqlite_read.c). */
int sqlite_read_groups(struct store_sqlite *s, struct store_groups *ret, struct error *e);
void sqlite_history(struct store *base, const char *group, store_history_done done, void *self);
void sqlite_events(struct store *base, uint64_t from, const char *group, size_t max, store_log_read done, void *self);
void sqlite_audits(struct store *base, uint64_t from, size_t max, store_log_read done, void *self);
