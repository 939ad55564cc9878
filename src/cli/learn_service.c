/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service as it is, under observation: its own supervisor starts it, with all its commands, and tells when it is up. So it is learned under its
 * own Type=, speaks to its notification socket, and may put itself into the background.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cli/learn.h"
#include "cli/target.h"
#include "shim/client.h"
#include "shim/service_launch.h"

enum { STOP_MS = 10000 };

bool learn_is_service(const struct learn_session *s)
{
        return s->o->unit && !s->o->argv.count && s->like.unit.name.type == UNIT_SERVICE;
}

/* ---- in the fork ---- */

/* What it leaves behind when it stops nobody would watch. */
static bool leaves_processes(const struct learn_session *s)
{
        const struct unit_line *line;
        bool leaves = false;
        for (size_t at = 0; (line = unit_file_next(&s->like.file, s->like.section, "KillMode", &at));)
                leaves = text_equal(line->value, "process") || text_equal(line->value, "none");
        return leaves;
}

/*
 * What holds while it is watched comes last, as a drop-in of its own. One run is one start; the watchdog does not know that each call takes
 * longer; and a trial that does not get up is not waited for as long as the unit would.
 */
static void add_drop_in(const struct learn_session *s, const struct strings *more, struct unit *u)
{
        CLEAN_TEXT struct text t = { 0 };
        text_addf(&t, "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=no\nWatchdogSec=0\n%s%s", leaves_processes(s) ? "KillMode=control-group\n" : "",
                  more ? "TimeoutStartSec=30\n" : "");
        for (size_t i = 0; i < s->o->properties.count; i++)
                text_addf(&t, "%s\n", s->o->properties.items[i]);
        for (size_t i = 0; more && i < more->count; i++)
                text_addf(&t, "%s\n", more->items[i]);
        u->sources = xgrow(u->sources, &u->room, u->count + 1, sizeof *u->sources);
        u->sources[u->count++] = (struct unit_source){ xstrdup("learn"), t };
        t = (struct text){ 0 };
}

static void print_note(void *data, const char *text)
{
        (void)data;
        error_note(stderr, "bulkhead", text);
}

int learn_start_service(struct learn_session *s, const struct strings *more, int socket)
{
        const struct client_options follows = { .patient = true, .note = s->o->quiet ? NULL : print_note };
        struct unit *u = &s->like.unit;
        struct wire_exited x = { 0 };
        struct error e = { 0 };
        CLEAN_FREE char *root_path = NULL;
        CLEAN_STRINGS struct strings notes = { 0 };
        add_drop_in(s, more, u);
        CLEAN_FD int root_fd = state_root_open(s->o->user_mode, &root_path, &e);
        const struct service_launch how = { .root_fd = root_fd, .root_path = root_path, .user_mode = s->o->user_mode, .lenient = s->o->lenient,
                                            .collect = true, .output = true, .observe_fd = socket, .program = getenv("BULKHEAD_SERVICE") };
        CLEAN_FD int fd = root_fd < 0 ? root_fd : service_launch(&how, u, &notes, &e);
        fd_close(socket);
        for (size_t i = 0; !s->o->quiet && i < notes.count; i++)
                error_note(stderr, "bulkhead", notes.items[i]);
        int r = fd < 0 ? fd : client_attach(fd, &follows, &x, &e);
        if (fd >= 0)
                client_wait_gone(fd);
        if (r == 0)
                return client_service_status(&x);
        (void)target_fail("learn from", u->name.whole, &e);
        return e.exit_status ? e.exit_status : x.result[0] ? client_service_status(&x) : 1;
}

/* ---- beside it ---- */

/* Only once one of its commands runs: before that there may be another service of this name, which is not ours. */
static int connect(const struct learn_session *s)
{
        static const struct client_options quiet = { .wait_only = true };
        CLEAN_FD int root_fd = state_root_open(s->o->user_mode, NULL, NULL);
        CLEAN_FD int dir_fd = root_fd < 0 ? root_fd : run_open(root_fd, s->like.unit.name.whole, NULL);
        CLEAN_FD int fd = dir_fd < 0 ? dir_fd : client_connect(dir_fd, NULL);
        return fd < 0 || client_hello(fd, &quiet, NULL) < 0 ? -EBADF : TAKE_FD(fd);
}

void learn_hear_service(const struct learn_session *s, struct learn_service *v)
{
        if (v->fd < 0)
                v->fd = connect(s);
        struct pollfd p = { .fd = v->fd, .events = POLLIN };
        while (v->fd >= 0 && !v->over && poll(&p, 1, 0) > 0) {
                struct client_news news;
                v->over = client_hear(v->fd, &news) < 0 || news.kind == CLIENT_NEWS_EXITED || news.kind == CLIENT_NEWS_FAILED;
                v->up |= news.kind == CLIENT_NEWS_STARTED;
        }
}

bool learn_stop_service(struct learn_service *v)
{
        return v->fd >= 0 && client_stop(v->fd, STOP_MS, NULL) == 0;
}
