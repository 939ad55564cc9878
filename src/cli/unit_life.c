/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead unit run, start, stop, restart, reload: services come and go. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cli/target.h"
#include "cli/unit.h"
#include "shim/client.h"
#include "shim/service_launch.h"

static const struct argp_option start_options[] = {
        UNIT_OPTIONS_SEARCH,
        UNIT_OPTION_LENIENT,
        { "no-block", KEY_NO_BLOCK, NULL, 0, "Do not wait", 1 },
        { "quiet", 'q', NULL, 0, "Say nothing but errors", 1 },
        { 0 },
};

/* Options, and the state of the caller's mode. */
struct life {
        struct unit_options o;
        char *root_path;
        int root_fd;
};

static void life_done(struct life *l)
{
        unit_options_done(&l->o);
        free(l->root_path);
        fd_close(l->root_fd);
}
#define CLEAN_LIFE CLEAN(life_done)
#define LIFE_INIT { .root_fd = -EBADF }

static bool life_parse(struct life *l, const struct argp_option *options, const char *about, int argc, char **argv)
{
        struct error e = { 0 };
        if (!unit_options_parse(&l->o, options, "NAME|FILE...", about, argc, argv))
                return false;
        l->root_fd = state_root_open(l->o.user_mode, &l->root_path, &e);
        if (l->root_fd < 0)
                (void)target_fail("look after", "services", &e);
        else
                (void)runs_prune(l->root_fd);
        return l->root_fd >= 0;
}

static struct service_launch launch_of(const struct life *l)
{
        return (struct service_launch){ .root_fd = l->root_fd, .root_path = l->root_path, .user_mode = l->o.user_mode, .lenient = l->o.lenient,
                                        .program = getenv("BULKHEAD_SERVICE") };
}

static void print_notes(const struct life *l, const struct strings *notes)
{
        for (size_t i = 0; !l->o.quiet && i < notes->count; i++)
                error_note(stderr, "bulkhead", notes->items[i]);
}

/* The folder of a unit's run, and whether a supervisor is in it. */
static int open_live(const struct life *l, const char *unit, bool *ret_live, struct error *e)
{
        int fd = run_open(l->root_fd, unit, e);
        *ret_live = fd >= 0 && run_is_live(fd);
        return fd;
}

/* ---- start ---- */

enum { BEGIN_TRIES = 100, BEGIN_PAUSE_MS = 10 };

struct starting {
        const char *verb, *name;
        int fd; /* on which the start is awaited, or negative: nothing to await */
};

/* Has a unit that lives started, if it does not stay up, or started anew. The connection, or -errno. */
static int ask_live(const struct service_launch *how, const struct life *l, const struct unit *u, bool restarts, struct strings *notes, struct error *e)
{
        bool live = false;
        CLEAN_FD int dir_fd = open_live(l, u->name.whole, &live, e);
        if (!live)
                return -ESTALE;
        if (restarts)
                return service_relaunch(how, u, dir_fd, notes, e);
        CLEAN_FD int fd = client_connect(dir_fd, e);
        int r = fd < 0 ? fd : client_start(fd, e);
        return r < 0 ? r : TAKE_FD(fd);
}

/* Whether a unit lives may change while it is asked: whoever it was is then over, and the next answer holds. */
static int begin_one(const struct life *l, const struct unit *u, bool restarts, struct error *e)
{
        const struct service_launch how = launch_of(l);
        for (int i = 0;; i++) {
                CLEAN_STRINGS struct strings notes = { 0 };
                *e = (struct error){ 0 };
                int fd = restarts ? ask_live(&how, l, u, true, &notes, e) : -ESTALE;
                if (fd == -ESTALE)
                        fd = service_launch(&how, u, &notes, e);
                if (fd == -EEXIST && !restarts)
                        fd = ask_live(&how, l, u, false, &notes, e);
                bool again = fd == -EEXIST || fd == -ESTALE || fd == -ECONNREFUSED || fd == -ECONNRESET || fd == -EPIPE || fd == -ENOENT;
                if (fd >= 0 || !again || i == BEGIN_TRIES) {
                        print_notes(l, &notes);
                        return fd;
                }
                (void)poll(NULL, 0, BEGIN_PAUSE_MS);
        }
}

static int begin(const struct life *l, const char *verb, const char *name, struct starting *ret)
{
        CLEAN_UNIT struct unit u = { 0 };
        struct error e = { 0 };
        if (unit_open(&l->o, verb, name, &u) < 0)
                return 1;
        int fd = begin_one(l, &u, *verb == 'r', &e);
        *ret = (struct starting){ verb, name, fd };
        return fd < 0 ? target_fail(verb, name, &e) : 0;
}

static int await(const struct life *l, struct starting *s)
{
        struct error e = { 0 };
        int r = s->fd < 0 ? 0 : client_wait_started(s->fd, &e);
        s->fd = fd_close(s->fd);
        for (int i = 0; r == -ESTALE && i < BEGIN_TRIES; i++) { /* it was asked while it ended */
                (void)poll(NULL, 0, BEGIN_PAUSE_MS);
                if (begin(l, s->verb, s->name, s))
                        return 1;
                r = client_wait_started(s->fd, &e);
                s->fd = fd_close(s->fd);
        }
        return r < 0 ? target_fail(s->verb, s->name, &e) : 0;
}

/* All are begun first, so that many start in the time of one. */
static int begin_all(const char *verb, const char *about, int argc, char **argv)
{
        CLEAN_LIFE struct life l = LIFE_INIT;
        int status = 0;
        if (!life_parse(&l, start_options, about, argc, argv))
                return 1;
        CLEAN_FREE struct starting *all = xalloc(l.o.names.count, sizeof *all);
        for (size_t i = 0; i < l.o.names.count; i++) {
                all[i].fd = -EBADF;
                int r = begin(&l, verb, l.o.names.items[i], &all[i]);
                status = r ? r : status;
        }
        for (size_t i = 0; i < l.o.names.count; i++) {
                int r = l.o.no_wait ? 0 : await(&l, &all[i]);
                status = r ? r : status;
        }
        return status;
}

int unit_cmd_start(int argc, char **argv)
{
        return begin_all("start", "Start services and wait until they are up", argc, argv);
}

/* ---- run ---- */

static void print_output_note(void *data, const char *text)
{
        (void)data;
        error_note(stderr, "bulkhead", text);
}

/* As systemd-run's statuses: 0 for success, that of the main process, 255 for a signal, 1 for the rest. */
static int status_of(const struct wire_exited *x)
{
        if (text_equal(x->result, "success") || text_equal(x->result, "exec-condition"))
                return 0;
        if (text_equal(x->result, "exit-code"))
                return x->code == WIRE_CODE_EXITED && x->status ? x->status : 1;
        return text_equal(x->result, "signal") || text_equal(x->result, "core-dump") ? 255 : 1;
}

int unit_cmd_run(int argc, char **argv)
{
        CLEAN_LIFE struct life l = LIFE_INIT;
        CLEAN_UNIT struct unit u = { 0 };
        CLEAN_STRINGS struct strings notes = { 0 };
        struct client_options co = { .patient = true };
        struct wire_exited x = { 0 };
        struct error e = { 0 };
        l.o.names_max = 1;
        if (!life_parse(&l, start_options, "Start a service, show its output, and end as it ends", argc, argv))
                return 1;
        co.note = l.o.quiet ? NULL : print_output_note;
        struct service_launch how = launch_of(&l);
        how.output = true;
        if (unit_open(&l.o, "run", l.o.names.items[0], &u) < 0)
                return 1;
        CLEAN_FD int fd = service_launch(&how, &u, &notes, &e);
        print_notes(&l, &notes);
        int r = fd < 0 ? fd : client_attach(fd, &co, &x, &e);
        if (r == 0)
                return status_of(&x);
        (void)target_fail("run", l.o.names.items[0], &e);
        return e.exit_status ? e.exit_status : x.result[0] ? status_of(&x) : 1;
}

/* ---- stop ---- */

static int name_of(const struct life *l, const char *word, char ret[UNIT_NAME_MAX + 1], struct error *e)
{
        const char *last = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
        (void)l;
        return target_unit_name(last, ret, e);
}

static int ask_stop(const struct life *l, const char *word, struct starting *ret)
{
        char unit[UNIT_NAME_MAX + 1];
        struct error e = { 0 };
        bool live = false;
        int r = name_of(l, word, unit, &e);
        CLEAN_FD int dir_fd = r < 0 ? r : open_live(l, unit, &live, &e);
        if (dir_fd < 0)
                return target_fail("stop", word, &e);
        if (!live) {
                (void)run_reconcile(l->root_fd, unit);
                return 0;
        }
        CLEAN_FD int fd = client_connect(dir_fd, &e);
        if (fd >= 0 && client_stop(fd, WIRE_STOP_DEFAULT, &e) == 0)
                ret->fd = TAKE_FD(fd);
        else if (run_is_live(dir_fd))
                return target_fail("stop", word, &e);
        return 0;
}

static void wait_gone(const struct life *l, const char *word)
{
        char unit[UNIT_NAME_MAX + 1];
        bool live = true;
        for (int i = 0; live && name_of(l, word, unit, NULL) == 0; i++) {
                CLEAN_FD int dir_fd = open_live(l, unit, &live, NULL);
                if (live)
                        (void)poll(NULL, 0, i < 50 ? 1 : 10);
        }
}

int unit_cmd_stop(int argc, char **argv)
{
        CLEAN_LIFE struct life l = LIFE_INIT;
        int status = 0;
        if (!life_parse(&l, start_options, "Stop services and wait until they are down", argc, argv))
                return 1;
        CLEAN_FREE struct starting *all = xalloc(l.o.names.count, sizeof *all);
        for (size_t i = 0; i < l.o.names.count; i++) {
                all[i] = (struct starting){ "stop", l.o.names.items[i], -EBADF };
                int r = ask_stop(&l, l.o.names.items[i], &all[i]);
                status = r ? r : status;
        }
        for (size_t i = 0; i < l.o.names.count; i++) {
                struct error e = { 0 };
                if (all[i].fd >= 0 && !l.o.no_wait && client_wait_stopped(all[i].fd, &e) < 0)
                        status = target_fail("stop", all[i].name, &e);
                else if (all[i].fd >= 0 && !l.o.no_wait)
                        wait_gone(&l, all[i].name);
                fd_close(all[i].fd);
        }
        return status;
}

/* ---- restart, reload ---- */

int unit_cmd_restart(int argc, char **argv)
{
        return begin_all("restart", "Stop services and start them again, with their files as they are now", argc, argv);
}

int unit_cmd_reload(int argc, char **argv)
{
        static const struct argp_option options[] = { UNIT_OPTIONS_SEARCH, { 0 } };
        CLEAN_LIFE struct life l = LIFE_INIT;
        int status = 0;
        if (!life_parse(&l, options, "Have services read their configuration again", argc, argv))
                return 1;
        for (size_t i = 0; i < l.o.names.count; i++) {
                char unit[UNIT_NAME_MAX + 1];
                struct error e = { 0 };
                bool live = false;
                int r = name_of(&l, l.o.names.items[i], unit, &e);
                CLEAN_FD int dir_fd = r < 0 ? r : open_live(&l, unit, &live, &e);
                CLEAN_FD int fd = dir_fd < 0 ? dir_fd : client_connect(dir_fd, &e);
                if (fd < 0 || client_reload(fd, &e) < 0)
                        status = target_fail("reload", l.o.names.items[i], &e);
        }
        return status;
}
