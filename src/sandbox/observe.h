/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watches what a payload does, by stopping it at each of its system calls (ptrace).
 *
 * The observer is the caller of observe_run, outside the sandbox and an ancestor of the payload. It changes nothing: calls are not
 * answered in the kernel's place, and no filter is added. ptrace sees results, calls of other architectures and what happens behind
 * filters of the payload's own, which a listener of seccomp does not. What it costs: a payload that traces others finds them
 * traced; the observer lets go of a process that asks to be traced by its parent, and notes that it is unseen.
 */
#pragma once

#include "base/error.h"
#include "plan/observations.h"

/* In the child, before exec: waits until the observer at the other end of the socket watches it. Several may at once. */
int observe_meet(int socket, struct error *e);

/* The two ends: ours, and the one for sandbox_host. */
int observe_open(int ret_ends[2], struct error *e);

struct observe_state {
        bool started;        /* the payload's program runs */
        bool ended;          /* its first process is gone */
        pid_t payload;       /* that process, as we see it, of several the last that was started; 0 before */
        uint64_t quiet_usec; /* since its last call that began or ended */
        bool listening;
};

struct observe_watch {
        const char *passed_over; /* a folder that is its supervisor's business: what is below it is not told of; or NULL */
        /* About twenty times a second. */
        void (*tick)(void *context, const struct observe_state *s);
        /* Another child of ours has ended. */
        void (*reaped)(void *context, pid_t pid, int status);
        void *context;
};

/*
 * Watches the payloads, all commands of a service, that supervisor, a child of ours, starts with the other end of socket as observe_fd of its sandbox_host. Returns
 * when the supervisor has ended, with its status as of waitpid. Uses ITIMER_REAL and SIGALRM.
 */
int observe_run(pid_t supervisor, int socket, const struct observe_watch *w, struct observations *o, int *ret_status, struct error *e);
