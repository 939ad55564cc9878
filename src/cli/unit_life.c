/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead unit run, start, stop, restart, reload: services come and go. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cli/target.h"
#include "cli/unit.h"
#include "cli/unit_progress.h"
#include "shim/client.h"
#include "shim/denial_file.h"
#include "shim/service_launch.h"

#define LIFE_OPTIONS                                                                                         \
        UNIT_OPTIONS_SEARCH,                                                                                 \
        UNIT_OPTION_LENIENT,                                                                                 \
        { "no-block", KEY_NO_BLOCK, NULL, 0, "Do not wait", 1 },                                             \
        { "quiet", 'q', NULL, 0, "Say nothing but errors", 1 }

#define OPTION_REPORT { "report-denials", KEY_REPORT, NULL, 0, "Say in the log which directive stopped which call on what", 1 }

static const struct argp_option life_options[] = { LIFE_OPTIONS, { 0 } };
static const struct argp_option restart_options[] = { LIFE_OPTIONS, OPTION_REPORT, { 0 } };
static const struct argp_option start_options[] = {
        LIFE_OPTIONS,
        { "profile", KEY_PROFILE, "NAME", 0, "strict, default or trusted: lines that come before the units' own", 1 },
        OPTION_REPORT,
        { "seal", KEY_SEAL, "MODE", 0, "auto, landlock, userns or off", 1 },
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
                                        .report_denials = l->o.report_denials, .seal = l->o.seal, .profile = l->o.profile, .folders = &l->o.folders, .program = getenv("BULKHEAD_SERVICE") };
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

struct starting {
        const char *name;
        int fd; /* on which the start is awaited, or negative: nothing to await */
};

static void print_output_note(void *data, const char *text)
{
        (void)data;
        error_note(stderr, "bulkhead", text);
}

struct start_progress {
        struct unit_progress shown;
        int status;
};

static void on_start(void *context, enum manager_event event, const char *unit, const char *text, const struct error *e)
{
        struct start_progress *p = context;
        unit_progress_event(&p->shown, event, unit, text, e);
        if (event == MANAGER_FAILED || event == MANAGER_REFUSED)
                p->status = e && e->exit_status ? e->exit_status : 1;
}

/* Those that do not depend on each other start at once. */
int unit_cmd_start(int argc, char **argv)
{
        CLEAN_LIFE struct life l = LIFE_INIT;
        CLEAN_MANAGER struct manager m = { 0 };
        struct error e = { 0 };
        if (!life_parse(&l, start_options, "Start services and wait until they are up", argc, argv))
                return 1;
        struct start_progress p = { .shown.quiet = l.o.quiet };
        const struct manager_options o = { .root_fd = l.root_fd, .root_path = l.root_path, .user_mode = l.o.user_mode, .lenient = l.o.lenient,
                                           .report_denials = l.o.report_denials, .folders = &l.o.folders, .requested = &l.o.names, .only_requested = true, .seal = l.o.seal, .profile = l.o.profile,
                                           .program = getenv("BULKHEAD_SERVICE"), .event = on_start, .context = &p };
        if (manager_open(&o, &m, &e) < 0)
                return target_fail("start", l.o.names.items[0], &e);
        manager_start(&m, !l.o.no_wait);
        return p.status;
}

/* ---- run ---- */

/* Of what ran, or could not. */
static void print_denials(const struct life *l, const char *unit)
{
        CLEAN_DENIALS struct denial_table t = { 0 };
        CLEAN_TEXT struct text text = { 0 };
        struct error e = { 0 };
        CLEAN_FD int dir_fd = l->o.report_denials ? run_open(l->root_fd, unit, NULL) : -EBADF;
        int r = dir_fd < 0 ? -ENOENT : denial_file_load(dir_fd, &t, &e);
        if (r < 0 && r != -ENOENT)
                (void)target_fail("show the denials of", unit, &e);
        if (r < 0)
                return;
        denial_table_text(&t, DENIAL_ROWS_MAX, &text);
        fprintf(stderr, "Denials of %s:\n%s", unit, text.data);
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
        if (fd >= 0)
                print_denials(&l, u.name.whole);
        if (r == 0)
                return client_service_status(&x);
        (void)target_fail("run", l.o.names.items[0], &e);
        return e.exit_status ? e.exit_status : x.result[0] ? client_service_status(&x) : 1;
}

/* ---- stop ---- */

static int name_of(const struct life *l, const char *word, char ret[UNIT_NAME_MAX + 1], struct error *e)
{
        const char *last = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
        (void)l;
        return target_unit_name(last, ret, e);
}

/* Asks of all, and then waits for all: they come and go at once. The exit status, of the last that failed. */
static int ask_all(const struct life *l, int (*ask)(const struct life *l, const char *name, struct starting *ret),
                   int (*await)(const struct life *l, struct starting *s))
{
        int status = 0;
        CLEAN_FREE struct starting *all = xalloc(l->o.names.count, sizeof *all);
        for (size_t i = 0; i < l->o.names.count; i++) {
                all[i] = (struct starting){ l->o.names.items[i], -EBADF };
                int r = ask(l, all[i].name, &all[i]);
                status = r ? r : status;
        }
        for (size_t i = 0; i < l->o.names.count; i++) {
                int r = l->o.no_wait || all[i].fd < 0 ? 0 : await(l, &all[i]);
                status = r ? r : status;
                fd_close(all[i].fd);
        }
        return status;
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

static int await_stop(const struct life *l, struct starting *s)
{
        struct error e = { 0 };
        (void)l;
        if (client_wait_stopped(s->fd, &e) < 0)
                return target_fail("stop", s->name, &e);
        client_wait_gone(s->fd);
        return 0;
}

int unit_cmd_stop(int argc, char **argv)
{
        CLEAN_LIFE struct life l = LIFE_INIT;
        return life_parse(&l, life_options, "Stop services and wait until they are down", argc, argv) ? ask_all(&l, ask_stop, await_stop) : 1;
}

/* ---- restart, reload ---- */

enum { RESTART_TRIES = 100, RESTART_PAUSE_MS = 10 };

/* Whether a unit runs may change while it is asked: then the next answer holds. */
static int restart_one(const struct life *l, const char *name, struct starting *ret)
{
        CLEAN_UNIT struct unit u = { 0 };
        struct error e = { 0 };
        const struct service_launch how = launch_of(l);
        if (unit_open(&l->o, "restart", name, &u) < 0)
                return 1;
        for (int i = 0;; i++) {
                CLEAN_STRINGS struct strings notes = { 0 };
                bool live = false;
                e = (struct error){ 0 };
                CLEAN_FD int dir_fd = open_live(l, u.name.whole, &live, NULL);
                int fd = live ? service_relaunch(&how, &u, dir_fd, &notes, &e) : service_launch(&how, &u, &notes, &e);
                if (fd < 0 && i < RESTART_TRIES && (live ? !run_is_live(dir_fd) : fd == -EEXIST)) {
                        (void)poll(NULL, 0, RESTART_PAUSE_MS);
                        continue;
                }
                print_notes(l, &notes);
                *ret = (struct starting){ name, fd };
                return fd < 0 ? target_fail("restart", name, &e) : 0;
        }
}

static int await_restart(const struct life *l, struct starting *s)
{
        const struct client_options co = { .wait_only = true, .note = l->o.quiet ? NULL : print_output_note };
        struct error e = { 0 };
        int r = 0;
        for (int i = 0; s->fd >= 0; i++) {
                r = client_wait_started(s->fd, &co, &e);
                s->fd = fd_close(s->fd);
                if (r != -ESTALE || i == RESTART_TRIES)
                        break;
                (void)poll(NULL, 0, RESTART_PAUSE_MS); /* it was asked while it ended */
                if (restart_one(l, s->name, s))
                        return 1;
        }
        return r < 0 ? target_fail("restart", s->name, &e) : 0;
}

int unit_cmd_restart(int argc, char **argv)
{
        static const char about[] = "Stop services and start them again, with their files as they are now";
        CLEAN_LIFE struct life l = LIFE_INIT;
        return life_parse(&l, restart_options, about, argc, argv) ? ask_all(&l, restart_one, await_restart) : 1;
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
