/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening a file store: folder, lock, file, schema, statements; and closing it. */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "group/store_sqlite.h"
#include "os/file.h"

enum { CACHE_KIB = 1024 };

/* STRICT: a value of another type is an error. What was done is never said otherwise later: triggers refuse it. */
static const char schema[] =
        "CREATE TABLE groups(id TEXT PRIMARY KEY, revision INTEGER NOT NULL, state TEXT, flags INTEGER NOT NULL) STRICT;"
        "CREATE TABLE revisions(grp TEXT NOT NULL REFERENCES groups(id) ON DELETE CASCADE, revision INTEGER NOT NULL, at_usec INTEGER NOT NULL,"
        " document TEXT NOT NULL, actor TEXT, reason TEXT, PRIMARY KEY(grp, revision)) STRICT;"
        "CREATE TABLE events(sequence INTEGER PRIMARY KEY AUTOINCREMENT, at_usec INTEGER NOT NULL, topic TEXT NOT NULL, grp TEXT, id TEXT,"
        " message TEXT) STRICT;"
        "CREATE INDEX events_of ON events(grp, sequence);"
        "CREATE TABLE audits(sequence INTEGER PRIMARY KEY AUTOINCREMENT, at_usec INTEGER NOT NULL, uid INTEGER NOT NULL, pid INTEGER NOT NULL,"
        " actor TEXT NOT NULL, role TEXT NOT NULL, method TEXT NOT NULL, object TEXT NOT NULL, reason TEXT, outcome TEXT NOT NULL) STRICT;"
        "CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are not changed'); END;"
        "CREATE TRIGGER audits_stay BEFORE UPDATE ON audits BEGIN SELECT RAISE(ABORT, 'the audit log is not changed'); END;"
        "CREATE TRIGGER audits_last BEFORE DELETE ON audits BEGIN SELECT RAISE(ABORT, 'the audit log is not shortened'); END;";

#define EVENT_COLUMNS "sequence, at_usec, topic, grp, id, message FROM events"
#define AUDIT_COLUMNS "sequence, at_usec, uid, pid, actor, role, method, object, reason, outcome FROM audits"
static const char *const texts[SQL_COUNT] = {
        [SQL_BEGIN] = "BEGIN IMMEDIATE",
        [SQL_COMMIT] = "COMMIT",
        [SQL_ROLLBACK] = "ROLLBACK",
        [SQL_NEW_GROUP] = "INSERT INTO groups(id, revision, flags) VALUES(?, ?, 0)",
        [SQL_REVISION_OF] = "SELECT revision FROM groups WHERE id = ?",
        [SQL_SET_REVISION] = "UPDATE groups SET revision = ?2 WHERE id = ?1",
        [SQL_ADD_REVISION] = "INSERT INTO revisions(grp, revision, at_usec, document, actor, reason) VALUES(?, ?, ?, ?, ?, ?)",
        [SQL_DOCUMENT] = "UPDATE revisions SET document = ?3 WHERE grp = ?1 AND revision = ?2",
        [SQL_TRIM] = "DELETE FROM revisions WHERE grp = ? AND revision < ?",
        [SQL_STATE] = "UPDATE groups SET state = ?2 WHERE id = ?1",
        [SQL_FLAGS] = "UPDATE groups SET flags = ?2 WHERE id = ?1",
        [SQL_FORGET] = "DELETE FROM groups WHERE id = ?",
        [SQL_EVENT] = "INSERT INTO events(at_usec, topic, grp, id, message) VALUES(?, ?, ?, ?, ?)",
        [SQL_AUDIT] = "INSERT INTO audits(at_usec, uid, pid, actor, role, method, object, reason, outcome) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [SQL_EVENT_BOUNDS] = "SELECT min(sequence), max(sequence) FROM events",
        [SQL_PRUNE] = "DELETE FROM events WHERE sequence < ? OR sequence < (SELECT min(sequence) FROM events WHERE at_usec >= ?)",
        [SQL_GROUPS] = "SELECT id, groups.revision, state, flags, document FROM groups LEFT JOIN revisions ON grp = id"
                       " AND revisions.revision = groups.revision ORDER BY id",
        [SQL_HISTORY] = "SELECT revision, at_usec, document, actor, reason FROM revisions WHERE grp = ? ORDER BY revision DESC",
        [SQL_EVENTS_FROM] = "SELECT " EVENT_COLUMNS " WHERE sequence >= ? ORDER BY sequence LIMIT ?",
        [SQL_EVENTS_OF] = "SELECT " EVENT_COLUMNS " WHERE sequence >= ? AND grp = ?3 ORDER BY sequence LIMIT ?2",
        [SQL_LAST_EVENTS] = "SELECT * FROM (SELECT " EVENT_COLUMNS " WHERE ? = 0 ORDER BY sequence DESC LIMIT ?) ORDER BY sequence",
        [SQL_LAST_EVENTS_OF] = "SELECT * FROM (SELECT " EVENT_COLUMNS " WHERE ? = 0 AND grp = ?3 ORDER BY sequence DESC LIMIT ?2) ORDER BY sequence",
        [SQL_AUDITS_FROM] = "SELECT " AUDIT_COLUMNS " WHERE sequence >= ? ORDER BY sequence LIMIT ?",
        [SQL_LAST_AUDITS] = "SELECT * FROM (SELECT " AUDIT_COLUMNS " WHERE ? = 0 ORDER BY sequence DESC LIMIT ?) ORDER BY sequence",
        [SQL_AUDIT_BOUNDS] = "SELECT min(sequence), max(sequence) FROM audits",
};

/* The folder of a file, made if it is missing, with its links resolved; only the caller may write to it. */
static int prepare_folder(const char *path, char **ret_folder, struct error *e)
{
        CLEAN_FREE char *folder = xstrdup(path);
        char *slash = strrchr(folder, '/');
        *(slash == folder ? slash + 1 : slash) = 0;
        int r = file_make_folders(folder, 0700, e);
        if (r < 0)
                return r;
        CLEAN_FREE char *real = realpath(folder, NULL);
        struct stat st;
        if (!real || stat(real, &st) < 0)
                return error_errno(e, errno, "store.folder", "%s", folder);
        if (st.st_uid != geteuid() || (st.st_mode & 022)) {
                r = error_set(e, EPERM, "store.folder", "%s does not belong to uid %u alone", real, geteuid());
                error_hint(e, "chown it, and chmod 0700");
                return r;
        }
        *ret_folder = TAKE_PTR(real);
        return 0;
}

/* One controller at a time: the lock is held as long as it lives. */
static int take_lock(const char *path, int *ret_fd, struct error *e)
{
        CLEAN_FREE char *name = xprintf("%s.lock", path);
        CLEAN_FD int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
        if (fd < 0)
                return error_errno(e, errno, "store.folder", "%s", name);
        char pid[24] = "";
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                int errnum = errno;
                if (errnum != EWOULDBLOCK)
                        return error_errno(e, errnum, "store.folder", "%s", name);
                (void)!pread(fd, pid, sizeof pid - 1, 0);
                pid[strspn(pid, "0123456789")] = 0;
                return error_set(e, EBUSY, "store.busy", "another controller has it%s%s", *pid ? ": pid " : "", pid);
        }
        int length = snprintf(pid, sizeof pid, "%d\n", getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)length, 0) != length)
                return error_errno(e, errno, "store.folder", "%s", name);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* A file of our own, which nobody else can read; SQLite gives those beside it the same mode. */
static int prepare_file(const char *path, struct error *e)
{
        CLEAN_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(e, errno, "store.folder", "%s", path);
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
                return error_set(e, EPERM, "store.folder", "%s is no plain file of uid %u", path, geteuid());
        if ((st.st_mode & 077) && fchmod(fd, 0600) < 0)
                return error_errno(e, errno, "store.folder", "%s", path);
        return 0;
}

/* The one number that a text of SQL gives. */
static int ask_number(struct store_sqlite *s, const char *sql, int64_t *ret, struct error *e)
{
        sqlite3_stmt *st;
        if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
                return sqlite_failed(s, sql, e);
        int r = sqlite3_step(st) == SQLITE_ROW ? 0 : sqlite_failed(s, sql, e);
        if (r >= 0)
                *ret = sqlite3_column_int64(st, 0);
        (void)sqlite3_finalize(st);
        return r;
}

static int run_sql(struct store_sqlite *s, const char *sql, struct error *e)
{
        return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_failed(s, "preparing the store", e);
}

/* Zero rows where all is well: "ok" for quick_check is one row with that word. */
static int check_whole(struct store_sqlite *s, struct error *e)
{
        sqlite3_stmt *st;
        if (sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL) != SQLITE_OK)
                return sqlite_failed(s, "checking the store", e);
        int code = sqlite3_step(st), r = 0;
        const char *words = code == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
        if (!words)
                r = sqlite_failed(s, "checking the store", e);
        else if (!text_equal(words, "ok"))
                r = error_set(e, EIO, "store.damaged", "%s", words);
        (void)sqlite3_finalize(st);
        int64_t strays = 0;
        if (r >= 0)
                r = ask_number(s, "SELECT count(*) FROM pragma_foreign_key_check", &strays, e);
        if (r >= 0 && strays)
                r = error_set(e, EIO, "store.damaged", "%lld revisions belong to no group", (long long)strays);
        if (r < 0)
                error_hint(e, "move the file away and put a backup in its place; nothing was changed");
        return r;
}

/* Takes effect when it is compiled, so it is no statement that is kept. */
int sqlite_set_durability(struct store_sqlite *s, enum store_durability durability, struct error *e)
{
        if (s->durability == durability)
                return 0;
        int r = run_sql(s, durability == STORE_SURE ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", e);
        if (r >= 0)
                s->durability = durability;
        return r;
}

static int make_schema(struct store_sqlite *s, struct error *e)
{
        CLEAN_FREE char *sql = xprintf("BEGIN; %s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT;", schema, STORE_APPLICATION, STORE_SCHEMA);
        return run_sql(s, sql, e);
}

/* New, ours, or a refusal. */
static int check_schema(struct store_sqlite *s, struct error *e)
{
        int64_t version = 0, application = 0, tables = 0;
        int r = ask_number(s, "PRAGMA user_version", &version, e);
        if (r >= 0)
                r = ask_number(s, "PRAGMA application_id", &application, e);
        if (r >= 0)
                r = ask_number(s, "SELECT count(*) FROM sqlite_schema", &tables, e);
        if (r < 0)
                return r;
        if (!version && !application && !tables)
                return make_schema(s, e);
        if (application != STORE_APPLICATION)
                return error_set(e, EINVAL, "store.damaged", "this is a database of another program");
        if (version > STORE_SCHEMA) {
                r = error_set(e, EPROTONOSUPPORT, "store.version", "it has version %lld, and this program knows up to %d", (long long)version, STORE_SCHEMA);
                error_hint(e, "it belongs to a newer Bulkhead: run that one, or put a backup of before in its place");
                return r;
        }
        if (version != STORE_SCHEMA)
                return error_set(e, EINVAL, "store.damaged", "it has version %lld, which never was", (long long)version);
        return check_whole(s, e);
}

static int prepare_statements(struct store_sqlite *s, struct error *e)
{
        for (int i = 0; i < SQL_COUNT; i++)
                if (sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL) != SQLITE_OK)
                        return sqlite_failed(s, "preparing the store", e);
        return 0;
}

static int open_database(struct store_sqlite *s, const char *path, struct error *e)
{
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
        if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK)
                return sqlite_failed(s, path, e);
        /* A file that somebody damaged on purpose gets no more of SQLite than it needs. */
        (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
        (void)sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, 2 * STORE_TEXT_MAX);
        (void)sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
        /* Whoever makes a copy while we run (sqlite3 .backup) holds nothing up for long. */
        (void)sqlite3_busy_timeout(s->db, 2000);
        CLEAN_FREE char *sql = xprintf("PRAGMA cell_size_check=1; PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY; PRAGMA secure_delete=0;", CACHE_KIB);
        int r = run_sql(s, sql, e);
        if (r >= 0)
                r = check_schema(s, e);
        if (r >= 0) /* not before it is known to be ours: this changes the file */
                r = run_sql(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", e);
        if (r >= 0)
                r = prepare_statements(s, e);
        return r;
}

void sqlite_close(struct store *base)
{
        struct store_sqlite *s = (struct store_sqlite *)base;
        for (int i = 0; i < SQL_COUNT; i++)
                (void)sqlite3_finalize(s->statements[i]);
        /* The last one out writes the log back into the file and removes it. */
        (void)sqlite3_close(s->db);
        (void)fd_close(s->lock_fd);
        free(s);
}

int sqlite_read_bounds(struct store_sqlite *s, struct error *e)
{
        sqlite3_stmt *st = sqlite_use(s, SQL_EVENT_BOUNDS);
        if (sqlite3_step(st) != SQLITE_ROW)
                return sqlite_failed(s, "reading the events", e);
        s->first_event = (uint64_t)sqlite3_column_int64(st, 0);
        s->last_event = (uint64_t)sqlite3_column_int64(st, 1);
        (void)sqlite3_reset(st);
        return 0;
}

int sqlite_open(struct store_sqlite *s, const char *path, struct error *e)
{
        CLEAN_FREE char *folder = NULL;
        int r = prepare_folder(path, &folder, e);
        if (r < 0)
                return r;
        CLEAN_FREE char *real = xprintf("%s/%s", text_equal(folder, "/") ? "" : folder, strrchr(path, '/') + 1);
        r = take_lock(real, &s->lock_fd, e);
        if (r >= 0)
                r = prepare_file(real, e);
        if (r >= 0)
                r = open_database(s, real, e);
        if (r >= 0)
                r = sqlite_read_bounds(s, e);
        return r;
}
