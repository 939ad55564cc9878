/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A controller that only keeps: what stands on standard input is done with the store, what the store tells is printed, a line each.
 *
 *      store_probe WHERE [NAME=VALUE...]       name, address, lease, ca, certificate, key, user, password, tls, plain, events, age, history
 *
 *      commit GROUP REVISION TEXT | document GROUP REVISION TEXT | state GROUP TEXT | soon GROUP TEXT (a state, STORE_SOON) | flags GROUP NUMBER | forget GROUP
 *      event GROUP MESSAGE | audit METHOD OBJECT | flood GROUP COUNT BYTES | bench GROUP COUNT BYTES
 *      history GROUP | events FROM MAX [GROUP] | audits FROM MAX | leads | leader | stop
 *
 * Each write has a number, counted from 1: "done 1 ok" or "done 1 store.lost". Before each line stands when it was said, in microseconds of the
 * monotonic clock: who reads it may be late.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "group/store.h"
#include "os/event_loop.h"

static struct loop *loop;
static struct store *store;
static unsigned writes;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
        va_list ap;
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        (void)printf("%llu ", (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
        va_start(ap, format);
        (void)vprintf(format, ap);
        va_end(ap);
        putchar('\n');
        (void)fflush(stdout);
}

/* ---- what the store tells ---- */

static void on_lead(struct store_listener *l, struct store_groups *groups)
{
        (void)l;
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "lead");
        for (size_t i = 0; i < groups->count; i++) {
                const struct store_group *g = &groups->items[i];
                text_addf(&t, " %s@%llu=%s/%s/%u", g->id, (unsigned long long)g->revision, g->document, g->state ? g->state : "-", g->flags);
        }
        say("%s", t.data);
}

static void on_lost(struct store_listener *l, const struct error *why)
{
        (void)l;
        say("lost %s: %s", why->id, why->cause);
}

static void on_leader(struct store_listener *l, const char *address)
{
        (void)l;
        say("leader %s", address ? address : "-");
}

static void on_told(struct store_listener *l, const struct store_event *event)
{
        (void)l;
        say("told %llu %s", (unsigned long long)event->sequence, event->message);
}

static void on_trouble(struct store_listener *l, const struct error *e)
{
        (void)l;
        say("trouble %s%s%s", e ? e->id : "over", e ? ": " : "", e ? e->cause : "");
}

static struct store_listener listener = { .lead = on_lead, .lost = on_lost, .leader = on_leader, .told = on_told, .trouble = on_trouble };

static void on_done(void *self, const struct error *e)
{
        say("done %u %s", (unsigned)(uintptr_t)self, e ? e->id : "ok");
}

static void on_history(void *self, const struct store_revisions *l, const struct error *e)
{
        (void)self;
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, e ? e->id : "history");
        for (size_t i = 0; !e && i < l->count; i++)
                text_addf(&t, " %llu=%s/%s", (unsigned long long)l->items[i].revision, l->items[i].document, l->items[i].actor);
        say("%s", t.data);
}

static void on_log(void *self, const struct store_log *l, const struct error *e)
{
        (void)self;
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, e ? e->id : "log");
        if (!e)
                text_addf(&t, " next=%llu last=%llu", (unsigned long long)l->next, (unsigned long long)l->last);
        for (size_t i = 0; !e && i < l->event_count; i++)
                text_addf(&t, " %llu:%.32s", (unsigned long long)l->events[i].sequence, l->events[i].message);
        for (size_t i = 0; !e && i < l->audit_count; i++)
                text_addf(&t, " %llu:%s(%s)", (unsigned long long)l->audits[i].sequence, l->audits[i].method, l->audits[i].object);
        say("%s", t.data);
}

/* ---- what is asked for ---- */

static void write_now(struct store_batch *b)
{
        store_write(store, b, STORE_SURE, on_done, (void *)(uintptr_t)++writes);
}

static uint64_t number_of(const char *s)
{
        uint64_t n = 0;
        (void)text_parse_uint(s, UINT64_MAX, &n);
        return n;
}

static char *filler(uint64_t size)
{
        char *s = xalloc(size + 1, 1);
        memset(s, 'x', size);
        return s;
}

static void do_commit(char **words)
{
        struct store_batch b = { 0 };
        batch_commit(&b, words[1], number_of(words[2]), words[3], "probe", NULL, 0);
        write_now(&b);
}
static void do_document(char **words)
{
        struct store_batch b = { 0 };
        batch_document(&b, words[1], number_of(words[2]), words[3]);
        write_now(&b);
}
static void do_state(char **words)
{
        struct store_batch b = { 0 };
        batch_state(&b, words[1], words[2]);
        write_now(&b);
}
static void do_soon(char **words)
{
        struct store_batch b = { 0 };
        batch_state(&b, words[1], words[2]);
        store_write(store, &b, STORE_SOON, on_done, (void *)(uintptr_t)++writes);
}
static void do_flags(char **words)
{
        struct store_batch b = { 0 };
        batch_flags(&b, words[1], (uint32_t)number_of(words[2]));
        write_now(&b);
}
static void do_forget(char **words)
{
        struct store_batch b = { 0 };
        batch_forget(&b, words[1]);
        write_now(&b);
}
static void do_event(char **words)
{
        struct store_batch b = { 0 };
        batch_event(&b, &(struct store_event){ .topic = (char *)"probe", .group = words[1], .message = words[2] });
        write_now(&b);
}
static void do_audit(char **words)
{
        struct store_batch b = { 0 };
        batch_audit(&b, &(struct store_audit){ .uid = 1, .pid = 2, .actor = (char *)"ann", .role = (char *)"admin", .method = words[1], .object = words[2],
                                               .outcome = (char *)"ok" });
        write_now(&b);
}
static void do_flood(char **words)
{
        struct store_batch b = { 0 };
        CLEAN_FREE char *message = filler(number_of(words[3]));
        for (uint64_t i = 0; i < number_of(words[2]); i++)
                batch_event(&b, &(struct store_event){ .topic = (char *)"flood", .group = words[1], .message = message });
        write_now(&b);
}
static void do_history(char **words)
{
        store_history(store, words[1], on_history, NULL);
}
static void do_events(char **words)
{
        store_events(store, number_of(words[1]), words[3], number_of(words[2]), on_log, NULL);
}
static void do_audits(char **words)
{
        store_audits(store, number_of(words[1]), number_of(words[2]), on_log, NULL);
}
static void do_leads(char **words)
{
        (void)words;
        say("leads %s", store_leads(store) ? "yes" : "no");
}
static void do_leader(char **words)
{
        (void)words;
        say("leader %s", store_leader(store) ? store_leader(store) : "-");
}
static void on_stopped(void *self, const struct error *e)
{
        (void)self;
        say("stopped %s", e ? e->id : "ok");
        loop_stop(loop, 0);
}
static void do_stop(char **words)
{
        (void)words;
        store_stop(store, on_stopped, NULL);
}

/* One write after another; tells the time that each took. */
static struct bench {
        char *group, *state;
        uint64_t left, count, began_usec;
} bench;
static void bench_next(void *self, const struct error *e)
{
        (void)self;
        if (e || !bench.left--) {
                say("bench %s %llu", e ? e->id : "usec", (unsigned long long)((loop_fresh_usec(loop) - bench.began_usec) / bench.count));
                free(bench.group);
                free(bench.state);
                return;
        }
        struct store_batch b = { 0 };
        batch_state(&b, bench.group, bench.state);
        store_write(store, &b, STORE_SURE, bench_next, NULL);
}
static void do_bench(char **words)
{
        bench = (struct bench){ xstrdup(words[1]), filler(number_of(words[3])), number_of(words[2]), number_of(words[2]), loop_fresh_usec(loop) };
        bench_next(NULL, NULL);
}

static const struct {
        const char *name;
        int words; /* with the name; the last one goes to the end of the line */
        void (*run)(char **words);
} commands[] = {
        { "commit", 4, do_commit }, { "document", 4, do_document }, { "state", 3, do_state },   { "soon", 3, do_soon },     { "flags", 3, do_flags },   { "forget", 2, do_forget },
        { "event", 3, do_event },   { "audit", 3, do_audit },       { "flood", 4, do_flood },   { "bench", 4, do_bench },   { "history", 2, do_history },
        { "events", 4, do_events }, { "audits", 3, do_audits },     { "leads", 1, do_leads },   { "leader", 1, do_leader }, { "stop", 1, do_stop },
};

static void run_line(char *line)
{
        char *words[5] = { strtok(line, " ") };
        for (size_t i = 0; words[0] && i < ELEMENTS(commands); i++) {
                if (!text_equal(commands[i].name, words[0]))
                        continue;
                for (int k = 1; k < commands[i].words; k++)
                        words[k] = strtok(NULL, k == commands[i].words - 1 ? "" : " ");
                commands[i].run(words);
                return;
        }
        say("what?");
}

static void on_input(struct loop_source *source, uint32_t events)
{
        static char kept[1 << 16];
        static size_t size;
        (void)events;
        ssize_t n = read(source->fd, kept + size, sizeof kept - size - 1);
        if (n <= 0) {
                loop_stop(loop, 0);
                return;
        }
        size += (size_t)n;
        char *end;
        while ((end = memchr(kept, '\n', size))) {
                *end = 0;
                run_line(kept);
                size_t used = (size_t)(end - kept) + 1;
                memmove(kept, kept + used, size - used);
                size -= used;
        }
}

static void take_option(struct store_options *o, char *word)
{
        char *value = strchr(word, '=');
        if (!value)
                return;
        *value++ = 0;
        const struct {
                const char *name;
                const char **words;
        } table[] = { { "name", &o->name },       { "address", &o->address },   { "ca", &o->ca }, { "certificate", &o->certificate },
                      { "key", &o->key }, { "tls", &o->tls_program }, { "user", &o->user }, { "password", &o->password_file } };
        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (text_equal(table[i].name, word))
                        *table[i].words = value;
        if (text_equal(word, "lease"))
                o->lease_s = (uint32_t)number_of(value);
        if (text_equal(word, "events"))
                o->events = number_of(value);
        if (text_equal(word, "age"))
                o->event_age_usec = number_of(value);
        if (text_equal(word, "history"))
                o->history = (uint32_t)number_of(value);
        if (text_equal(word, "plain"))
                o->plain = true;
}

int main(int argc, char **argv)
{
        struct error e = { 0 };
        struct store_options o = { .where = argc > 1 ? argv[1] : "" };
        for (int i = 2; i < argc; i++)
                take_option(&o, argv[i]);
        struct loop_source input = { .ready = on_input, .fd = 0 };
        if (loop_open(&loop, &e) < 0 || store_open(loop, &o, &listener, &store, &e) < 0 || loop_watch(loop, &input, EPOLLIN) < 0 ||
            store_start(store, &e) < 0) {
                error_print(stderr, "store_probe", "cannot keep", &e);
                return 1;
        }
        int status = loop_run(loop);
        loop_forget(loop, &input);
        store_close(store);
        loop_close(loop);
        return status;
}
