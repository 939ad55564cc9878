/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other end of a shim's socket. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "shim/wire.h"

struct client_options {
        bool tty;        /* the run has a terminal: our stdin goes raw, ^] three times within a second detaches */
        bool input;      /* send our stdin */
        bool patient;    /* the run is ours: output is never dropped because we are slow */
        bool wait_only;  /* no output either */
        void (*note)(void *data, const char *text); /* leniencies, or NULL */
        void *data;
};

enum client_end {
        CLIENT_EXITED = 0,   /* *ret has the exit record */
        CLIENT_DETACHED = 1, /* the user detached, or a signal ended us while the terminal was ours */
};

/* Connects to the run of that folder. The descriptor, or -errno: "shim.gone" when nobody listens. */
int client_connect(int run_dir_fd, struct error *e);
/* Says hello; before the fork, so that not a byte of output is missed. */
int client_hello(int fd, const struct client_options *o, struct error *e);
/* Follows the run to its end after client_hello. A client_end, or -errno with the set-up child's own error. */
int client_attach(int fd, const struct client_options *o, struct wire_exited *ret, struct error *e);
/*
 * Waits until the supervisor itself is gone, and so has let go of its lock: descriptors are closed in their order, and ours comes after that.
 * Another, started since by a socket or by somebody, is not waited for.
 */
void client_wait_gone(int fd);
/* Waits for the end, with no hello before it. */
int client_wait(int fd, struct wire_exited *ret, struct error *e);
/* Waits until exec succeeded, or the service is up (0), or the set-up failed (its error), as a detached start does. o: for notes, or NULL. */
int client_wait_started(int fd, const struct client_options *o, struct error *e);

/* One message, for whoever has many supervisors to listen to: waits for it. 0, or -errno when the other end is gone. */
enum client_news_kind { CLIENT_NEWS_NOTHING, CLIENT_NEWS_STARTED, CLIENT_NEWS_FAILED, CLIENT_NEWS_NOTE, CLIENT_NEWS_EXITED };
struct client_news {
        enum client_news_kind kind;
        struct error error;       /* FAILED */
        struct wire_exited exit;  /* EXITED */
        char note[1024];
};
int client_hear(int fd, struct client_news *ret);

int client_stop(int fd, uint32_t timeout_ms, struct error *e);
/* Services: after client_stop, waits until it is down. "service.overtaken": somebody had it started again meanwhile. */
int client_wait_stopped(int fd, struct error *e);
/*
 * Services: has it reloaded, and waits for that; has it restarted, or started if it does not stay as it is: what follows is heard as of a start.
 * -ESTALE, of client_wait_started after a restart: it has just ended, and has to be started anew.
 */
int client_reload(int fd, struct error *e);
int client_restart(int fd, bool report_denials, struct error *e); /* whether it begins to, if it does not yet */
int client_start(int fd, struct error *e);
/* Services: forgets failures and counted starts. */
int client_reset(int fd, struct error *e);
int client_kill(int fd, int signal, bool all, struct error *e);

/* What a shell would show: the status, or 128 and the signal. */
int client_exit_status(const struct wire_exited *x);
/* Of a service, as systemd-run: 0 for success, the status of the main process, 255 for a signal, 1 for the rest. */
int client_service_status(const struct wire_exited *x);
