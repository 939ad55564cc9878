/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "group/store.h"
#include "os/file.h"

/* What the store told. */
struct seen {
        struct store_listener listener;
        struct store_groups groups;
        unsigned leads, told;
        uint64_t last_told;
};

static void on_lead(struct store_listener *l, struct store_groups *groups)
{
        struct seen *seen = (struct seen *)l;
        store_groups_done(&seen->groups);
        seen->groups = *groups;
        *groups = (struct store_groups){ 0 };
        seen->leads++;
}

static void on_told(struct store_listener *l, const struct store_event *event)
{
        struct seen *seen = (struct seen *)l;
        seen->told++;
        seen->last_told = event->sequence;
}

static struct seen seen;
static char folder[64], path[96];

static int before(void **state)
{
        (void)state;
        (void)snprintf(folder, sizeof folder, "/tmp/bulkhead-store.XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void)snprintf(path, sizeof path, "%s/kept/state.db", folder);
        seen = (struct seen){ .listener = { .lead = on_lead, .told = on_told } };
        return 0;
}

static int after(void **state)
{
        (void)state;
        store_groups_done(&seen.groups);
        return file_remove_tree(AT_FDCWD, folder);
}

static int try_open(struct store **ret, struct error *e)
{
        struct store_options o = { .where = path, .history = 3, .events = 100 };
        return store_open(NULL, &o, &seen.listener, ret, e);
}

static struct store *open_store(void)
{
        struct store *s = NULL;
        struct error e = { 0 };
        if (try_open(&s, &e) < 0 || store_start(s, &e) < 0)
                fail_msg("%s: %s", e.id, e.cause);
        assert_true(store_leads(s));
        return s;
}

static void assert_refused(const char *id)
{
        struct store *s = NULL;
        struct error e = { 0 };
        assert_true(try_open(&s, &e) < 0);
        assert_string_equal(e.id, id);
}

/* The id of the error that a write ended with; "" when it was well. */
static char outcome[ERROR_ID_MAX];
static void on_done(void *self, const struct error *e)
{
        (void)snprintf(outcome, sizeof outcome, "%s", e ? e->id : "");
        (*(unsigned *)self)++;
}

static const char *write_batch(struct store *s, struct store_batch *b)
{
        unsigned calls = 0;
        store_write(s, b, STORE_SURE, on_done, &calls);
        assert_int_equal(calls, 1);
        assert_int_equal(b->count, 0);
        return outcome;
}

static const char *commit(struct store *s, const char *group, uint64_t revision, const char *document)
{
        struct store_batch b = { 0 };
        batch_commit(&b, group, revision, document, "ann", "because", 1000 + revision);
        return write_batch(s, &b);
}

static void what_is_written_is_there_again(void **state)
{
        (void)state;
        struct store *s = open_store();
        assert_int_equal(seen.groups.count, 0);
        assert_string_equal(commit(s, "web", 1, "{\"ID\":\"web\"}"), "");
        assert_string_equal(commit(s, "db/eu", 1, "{}"), "");
        struct store_batch b = { 0 };
        batch_state(&b, "web", "first");
        batch_state(&b, "web", "{\"intents\":[]}");
        batch_flags(&b, "web", 5);
        assert_string_equal(write_batch(s, &b), "");
        store_close(s);
        s = open_store();
        assert_int_equal(seen.groups.count, 2);
        assert_string_equal(seen.groups.items[0].id, "db/eu");
        assert_null(seen.groups.items[0].state);
        const struct store_group *g = &seen.groups.items[1];
        assert_string_equal(g->id, "web");
        assert_string_equal(g->document, "{\"ID\":\"web\"}");
        assert_string_equal(g->state, "{\"intents\":[]}");
        assert_int_equal(g->flags, 5);
        assert_int_equal(g->revision, 1);
        store_close(s);
}

static void on_history(void *self, const struct store_revisions *revisions, const struct error *e)
{
        assert_null(e);
        struct text *t = self;
        for (size_t i = 0; i < revisions->count; i++)
                text_addf(t, "%llu=%s(%s,%s,%llu) ", (unsigned long long)revisions->items[i].revision, revisions->items[i].document,
                          revisions->items[i].actor, revisions->items[i].reason, (unsigned long long)revisions->items[i].at_usec);
}

static void history_is_kept_and_bounded(void **state)
{
        (void)state;
        struct store *s = open_store();
        for (unsigned i = 1; i <= 6; i++) {
                char document[16];
                (void)snprintf(document, sizeof document, "d%u", i);
                assert_string_equal(commit(s, "web", i, document), "");
        }
        struct store_batch b = { 0 };
        batch_document(&b, "web", 6, "d6b");
        assert_string_equal(write_batch(s, &b), "");
        CLEAN_TEXT struct text t = { 0 };
        store_history(s, "web", on_history, &t);
        assert_string_equal(t.data, "6=d6b(ann,because,1006) 5=d5(ann,because,1005) 4=d4(ann,because,1004) 3=d3(ann,because,1003) ");
        text_clear(&t);
        store_history(s, "nobody", on_history, &t);
        assert_null(t.data);
        store_close(s);
}

static void a_revision_out_of_turn_is_refused_with_all_of_its_batch(void **state)
{
        (void)state;
        struct store *s = open_store();
        assert_string_equal(commit(s, "web", 2, "x"), "store.conflict");
        assert_string_equal(commit(s, "web", 1, "x"), "");
        assert_string_equal(commit(s, "web", 1, "y"), "store.conflict");
        struct store_batch b = { 0 };
        batch_flags(&b, "web", 7);
        batch_event(&b, &(struct store_event){ .topic = (char *)"t" });
        batch_state(&b, "nobody", "s");
        assert_string_equal(write_batch(s, &b), "store.conflict");
        assert_int_equal(seen.told, 0);
        batch_document(&b, "web", 2, "z");
        assert_string_equal(write_batch(s, &b), "store.conflict");
        store_close(s);
        s = open_store();
        assert_int_equal(seen.groups.items[0].flags, 0);
        assert_string_equal(seen.groups.items[0].document, "x");
        store_close(s);
}

static void a_group_is_forgotten_with_its_history(void **state)
{
        (void)state;
        struct store *s = open_store();
        assert_string_equal(commit(s, "web", 1, "x"), "");
        struct store_batch b = { 0 };
        batch_forget(&b, "web");
        batch_event(&b, &(struct store_event){ .topic = (char *)"group/gone", .group = (char *)"web" });
        assert_string_equal(write_batch(s, &b), "");
        assert_string_equal(commit(s, "web", 1, "again"), "");
        CLEAN_TEXT struct text t = { 0 };
        store_history(s, "web", on_history, &t);
        assert_string_equal(t.data, "1=again(ann,because,1001) ");
        store_close(s);
}

struct log_view {
        struct text t;
        uint64_t first, last;
};
static void on_log(void *self, const struct store_log *log, const struct error *e)
{
        assert_null(e);
        struct log_view *v = self;
        text_clear(&v->t);
        text_add(&v->t, "");
        for (size_t i = 0; i < log->event_count; i++)
                text_addf(&v->t, "%llu:%s ", (unsigned long long)log->events[i].sequence, log->events[i].message);
        for (size_t i = 0; i < log->audit_count; i++)
                text_addf(&v->t, "%llu:%s/%u/%d/%s/%s/%s/%s/%s ", (unsigned long long)log->audits[i].sequence, log->audits[i].actor, log->audits[i].uid,
                          log->audits[i].pid, log->audits[i].role, log->audits[i].method, log->audits[i].object, log->audits[i].reason,
                          log->audits[i].outcome);
        v->first = log->first;
        v->last = log->last;
}

static void add_events(struct store *s, unsigned from, unsigned count, const char *group)
{
        struct store_batch b = { 0 };
        for (unsigned i = from; i < from + count; i++) {
                char message[16];
                (void)snprintf(message, sizeof message, "m%u", i);
                batch_event(&b, &(struct store_event){ .topic = (char *)"t", .group = (char *)group, .message = message });
        }
        assert_string_equal(write_batch(s, &b), "");
}

static void events_have_numbers_that_go_on(void **state)
{
        (void)state;
        struct store *s = open_store();
        add_events(s, 1, 3, "web");
        assert_int_equal(seen.told, 3);
        assert_int_equal(seen.last_told, 3);
        add_events(s, 4, 1, "db");
        store_close(s);
        s = open_store();
        add_events(s, 5, 1, "web");
        struct log_view v = { 0 };
        store_events(s, 4, NULL, 10, on_log, &v);
        assert_string_equal(v.t.data, "4:m4 5:m5 ");
        assert_int_equal(v.first, 1);
        assert_int_equal(v.last, 5);
        store_events(s, 0, NULL, 2, on_log, &v);
        assert_string_equal(v.t.data, "4:m4 5:m5 ");
        store_events(s, 2, "web", 2, on_log, &v);
        assert_string_equal(v.t.data, "2:m2 3:m3 ");
        store_events(s, 0, "web", 2, on_log, &v);
        assert_string_equal(v.t.data, "3:m3 5:m5 ");
        store_events(s, UINT64_MAX, NULL, 2, on_log, &v);
        assert_string_equal(v.t.data, "");
        text_clear(&v.t);
        store_close(s);
}

static void events_are_bounded_by_age(void **state)
{
        (void)state;
        struct store *s = open_store();
        struct store_batch b = { 0 };
        batch_event(&b, &(struct store_event){ .at_usec = 1, .topic = (char *)"t", .message = (char *)"old" });
        assert_string_equal(write_batch(s, &b), "");
        store_close(s);
        s = open_store(); /* looked at once an hour, and at the first write */
        add_events(s, 2, 1, NULL);
        struct log_view v = { 0 };
        store_events(s, 1, NULL, 10, on_log, &v);
        assert_string_equal(v.t.data, "2:m2 ");
        assert_int_equal(v.first, 2);
        text_clear(&v.t);
        store_close(s);
}

static void events_are_bounded_by_number(void **state)
{
        (void)state;
        struct store *s = open_store();
        add_events(s, 1, 90, NULL);
        add_events(s, 91, 30, NULL);
        struct log_view v = { 0 };
        store_events(s, 1, NULL, 1, on_log, &v);
        assert_string_equal(v.t.data, "21:m21 ");
        assert_int_equal(v.first, 21);
        assert_int_equal(v.last, 120);
        text_clear(&v.t);
        store_close(s);
}

static void the_audit_log_says_who_did_what_and_stays(void **state)
{
        (void)state;
        struct store *s = open_store();
        struct store_batch b = { 0 };
        batch_audit(&b, &(struct store_audit){ .uid = 1000, .pid = 77, .actor = (char *)"ann", .role = (char *)"operate", .method = (char *)"Group.Commit",
                                               .object = (char *)"web", .reason = (char *)"ticket 5", .outcome = (char *)"ok" });
        assert_string_equal(write_batch(s, &b), "");
        struct log_view v = { 0 };
        store_audits(s, 0, 10, on_log, &v);
        assert_string_equal(v.t.data, "1:ann/1000/77/operate/Group.Commit/web/ticket 5/ok ");
        text_clear(&v.t);
        store_close(s);
        sqlite3 *db;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "UPDATE audits SET actor='bob'", NULL, NULL, NULL), SQLITE_CONSTRAINT);
        assert_int_equal(sqlite3_exec(db, "DELETE FROM audits", NULL, NULL, NULL), SQLITE_CONSTRAINT);
        assert_int_equal(sqlite3_exec(db, "SELECT * FROM audits", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void words_of_logs_are_cut_between_characters(void **state)
{
        (void)state;
        struct store *s = open_store();
        CLEAN_FREE char *words = xalloc(STORE_WORDS_MAX + 3, 1);
        memset(words, 'x', STORE_WORDS_MAX - 1);
        strcat(words, "\xc3\xa9");
        struct store_batch b = { 0 };
        batch_event(&b, &(struct store_event){ .topic = (char *)"t", .message = words });
        assert_string_equal(write_batch(s, &b), "");
        struct log_view v = { 0 };
        store_events(s, 1, NULL, 1, on_log, &v);
        assert_int_equal(strlen(v.t.data), strlen("1: ") + STORE_WORDS_MAX - 1);
        text_clear(&v.t);
        store_close(s);
}

static void what_is_too_large_is_refused(void **state)
{
        (void)state;
        struct store *s = open_store();
        CLEAN_FREE char *document = xalloc(STORE_TEXT_MAX + 2, 1);
        memset(document, 'x', STORE_TEXT_MAX + 1);
        assert_string_equal(commit(s, "web", 1, document), "store.too-large");
        document[STORE_TEXT_MAX] = 0;
        assert_string_equal(commit(s, "web", 1, document), "");
        store_close(s);
}

static mode_t mode_of(const char *suffix)
{
        char name[128];
        struct stat st;
        (void)snprintf(name, sizeof name, "%s%s", path, suffix);
        assert_int_equal(stat(name, &st), 0);
        return st.st_mode & 07777;
}

static void files_are_the_callers_alone(void **state)
{
        (void)state;
        mode_t mask = umask(0);
        struct store *s = open_store();
        assert_string_equal(commit(s, "web", 1, "x"), "");
        umask(mask);
        assert_int_equal(mode_of(""), 0600);
        assert_int_equal(mode_of("-wal"), 0600);
        assert_int_equal(mode_of("-shm"), 0600);
        assert_int_equal(mode_of(".lock"), 0600);
        char kept[96], other[96];
        struct stat st;
        (void)snprintf(kept, sizeof kept, "%s/kept", folder);
        (void)snprintf(other, sizeof other, "%s/other.db", folder);
        assert_int_equal(stat(kept, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        store_close(s);
        /* One that was opened up is closed again; one that leads elsewhere, or a folder that others write to, is refused. */
        assert_int_equal(chmod(path, 0644), 0);
        store_close(open_store());
        assert_int_equal(mode_of(""), 0600);
        assert_int_equal(chmod(kept, 0770), 0);
        assert_refused("store.folder");
        assert_int_equal(chmod(kept, 0700), 0);
        assert_int_equal(rename(path, other), 0);
        assert_int_equal(symlink(other, path), 0);
        assert_refused("store.folder");
}

static void two_controllers_do_not_share_a_file(void **state)
{
        (void)state;
        struct store *s = open_store();
        assert_refused("store.busy");
        store_close(s);
        store_close(open_store());
}

static void run_sql(const char *sql)
{
        sqlite3 *db;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void a_newer_version_and_strangers_are_refused(void **state)
{
        (void)state;
        store_close(open_store());
        run_sql("PRAGMA user_version=2");
        assert_refused("store.version");
        run_sql("PRAGMA user_version=0");
        assert_refused("store.damaged");
        run_sql("PRAGMA user_version=1; PRAGMA application_id=5; PRAGMA journal_mode=DELETE");
        assert_refused("store.damaged");
        /* Somebody else's file is left as it is: 1 stands for a file without a write-ahead log. */
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        assert_int_equal(fseek(f, 18, SEEK_SET), 0);
        assert_int_equal(fgetc(f), 1);
        (void)fclose(f);
}

static void write_at(long offset, const char *words)
{
        FILE *f = fopen(path, "r+");
        assert_non_null(f);
        assert_int_equal(fseek(f, offset, SEEK_SET), 0);
        assert_int_equal(fputs(words, f) < 0, 0);
        assert_int_equal(fclose(f), 0);
}

static void damage_is_refused_and_changes_nothing(void **state)
{
        (void)state;
        store_close(open_store());
        write_at(0, "this is no database");
        assert_refused("store.damaged");
        FILE *f = fopen(path, "r");
        char start[20] = "";
        assert_int_equal(fread(start, 1, 19, f), 19);
        (void)fclose(f);
        assert_string_equal(start, "this is no database");
}

static void damaged_pages_are_refused(void **state)
{
        (void)state;
        struct store *s = open_store();
        char document[6000];
        memset(document, 'x', sizeof document - 1);
        document[sizeof document - 1] = 0;
        assert_string_equal(commit(s, "web", 1, document), "");
        store_close(s);
        for (long page = 1; page < 4; page++)
                write_at(page * 4096, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
        assert_refused("store.damaged");
}

static void a_group_without_its_document_is_refused(void **state)
{
        (void)state;
        struct store *s = open_store();
        assert_string_equal(commit(s, "web", 1, "x"), "");
        store_close(s);
        run_sql("UPDATE groups SET revision = 9");
        struct error e = { 0 };
        assert_int_equal(try_open(&s, &e), 0);
        assert_true(store_start(s, &e) < 0);
        assert_string_equal(e.id, "store.damaged");
        store_close(s);
}

/* A child that dies without closing leaves all that it was told is written. */
static void what_was_done_outlasts_a_crash(void **state)
{
        (void)state;
        pid_t pid = fork();
        if (!pid) {
                struct store *s = open_store();
                (void)commit(s, "web", 1, "x");
                struct store_batch b = { 0 };
                batch_state(&b, "web", "soon");
                unsigned calls = 0;
                store_write(s, &b, STORE_SOON, on_done, &calls);
                _exit(*outcome ? 1 : 0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        store_close(open_store());
        assert_string_equal(seen.groups.items[0].state, "soon");
}

/* What a callback writes comes after what it was called for. */
static struct store *again_store;
static void on_done_again(void *self, const struct error *e)
{
        assert_null(e);
        struct store_batch b = { 0 };
        batch_flags(&b, "web", 9);
        store_write(again_store, &b, STORE_SOON, on_done, self);
}

static void a_callback_may_write(void **state)
{
        (void)state;
        again_store = open_store();
        struct store_batch b = { 0 };
        unsigned calls = 0;
        batch_commit(&b, "web", 1, "x", NULL, NULL, 0);
        batch_event(&b, &(struct store_event){ .topic = (char *)"t" });
        store_write(again_store, &b, STORE_SURE, on_done_again, &calls);
        assert_int_equal(calls, 1);
        assert_string_equal(outcome, "");
        assert_int_equal(seen.last_told, 1);
        unsigned empty = 0;
        store_write(again_store, &b, STORE_SURE, on_done, &empty);
        assert_int_equal(empty, 1);
        store_close(again_store);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, before, after)
        const struct CMUnitTest tests[] = {
                EACH(what_is_written_is_there_again),
                EACH(history_is_kept_and_bounded),
                EACH(a_revision_out_of_turn_is_refused_with_all_of_its_batch),
                EACH(a_group_is_forgotten_with_its_history),
                EACH(events_have_numbers_that_go_on),
                EACH(events_are_bounded_by_age),
                EACH(events_are_bounded_by_number),
                EACH(the_audit_log_says_who_did_what_and_stays),
                EACH(words_of_logs_are_cut_between_characters),
                EACH(what_is_too_large_is_refused),
                EACH(files_are_the_callers_alone),
                EACH(two_controllers_do_not_share_a_file),
                EACH(a_newer_version_and_strangers_are_refused),
                EACH(damage_is_refused_and_changes_nothing),
                EACH(damaged_pages_are_refused),
                EACH(a_group_without_its_document_is_refused),
                EACH(what_was_done_outlasts_a_crash),
                EACH(a_callback_may_write),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
