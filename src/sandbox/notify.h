/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handing the listener of a system call profile to the agent that answers it, as runtime-spec's "container process
 * state" has it: the payload's process installs the profile and announces the listener, the runtime takes a copy and
 * sends it to the agent's socket.
 *
 * The profile is in force when the listener is announced.  One write(2) is all that it takes, and the reader of profiles
 * refuses those that let write wait for the agent; whatever the process calls next may wait, for an agent that by then
 * can answer.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

/* In the payload's process, right after seccomp_install_flags: tells the runtime the number of listener. 0 or -errno. */
int notify_announce(int pipe_fd, int listener);
/* In the runtime: copies the listener that was announced out of the process. A descriptor, or "seccomp.listener". */
int notify_take(int number, int pidfd, struct error *e);

/* Strings are borrowed; NULL or empty ones that are optional are left out. */
struct notify_state {
        const char *oci_version;
        const char *id, *status, *bundle;
        pid_t pid; /* of the process that is filtered, as the runtime sees it */
        pid_t container_pid; /* of the container's first process */
        const struct strings *annotations; /* KEY, VALUE, KEY, VALUE..., or NULL */
        const char *metadata;              /* optional */
};

/* The container process state as JSON, with one descriptor, "seccompFd". */
void notify_format(const struct notify_state *s, struct text *t);
/* Sends text with the listener to a connected stream socket. 0 or "seccomp.listener". */
int notify_send(int socket_fd, const struct text *t, int listener, struct error *e);
/* Connects to the agent's socket at path, sends, and hangs up. 0 or "seccomp.listener"; gives up after ten seconds. */
int notify_hand_over(const char *path, const struct notify_state *s, int listener, struct error *e);
