/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes of a service, as its supervisor sees them: all that the service leaves behind become its children. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "plan/service_machine.h"
#include "sandbox/status.h"

struct service_process {
        pid_t pid; /* 0: none */
        int pidfd, status_fd;
        bool failed; /* its set-up */
        int killed_for; /* the signal that SIGKILL was sent for (service_process_is_deaf), or 0 */
};
#define SERVICE_PROCESS_NONE { .pidfd = -EBADF, .status_fd = -EBADF }

/* Takes the descriptors. */
void service_process_set(struct service_process *p, pid_t pid, int pidfd, int status_fd);
void service_process_clear(struct service_process *p);
/* Another process, one of ours, takes its place. 0 or -errno. */
int service_process_adopt(struct service_process *p, pid_t pid);
bool service_process_lives(const struct service_process *p);
/*
 * Whether the kernel would drop a signal that ends others: to the first process of a process namespace (PrivatePIDs=), unless it catches or blocks it.
 * One that ignores it by its own will is not deaf. While it is set up it is deaf: the kernel keeps what is blocked, and drops it when it is let through.
 */
bool service_process_is_deaf(const struct service_process *p, int sig);
/* What the set-up tells before it runs, its texts ended: 1 a message; 0 none yet; -1 there is no more, and status_fd is closed. */
int service_process_hear(struct service_process *p, struct status_message *ret);
/* Of a status of wait(2). Who was killed because it was deaf to a signal was ended by that one. */
struct process_exit service_exit_of(int status, int killed_for);

/* Whether we have any child, dead ones that nobody has reaped included. */
bool service_has_children(void);
bool service_is_child(pid_t pid);
/* Whether a process descends from us. */
bool service_is_descendant(pid_t pid);
/* The process that a PID file names, if it is ours: 1; -EAGAIN when there is no such file or process yet, else -errno ("service.pid-file"). */
int service_read_pid_file(const char *path, pid_t *ret, struct error *e);
/* The one child that we have: 1; 0 when there is none or more than one. */
int service_guess_main(pid_t *ret);
