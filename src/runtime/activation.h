/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a service manager hands to its services, handed on to the container: listening sockets (LISTEN_FDS) and the socket that is told
 * when the service is ready (NOTIFY_SOCKET).
 *
 * The manager's own socket never enters the container.  It gets one of ours at /run/notify/notify.sock, and of what arrives there only
 * lines about the state of the service go on.
 */
#pragma once

#include "runtime/create.h"

/* How many descriptors from 3 on are ours to hand on: LISTEN_FDS where LISTEN_PID says that it is us; else 0. */
unsigned activation_listen_count(void);
/* With NOTIFY_SOCKET set: the folder of the socket, and its mount in the plan. Before the plan is prepared. */
int activation_plan(struct creation *c, struct error *e);
/* The variables, once the plan is prepared. */
void activation_environment(struct creation *c);

/* Makes the socket of a container that was made so. A descriptor, or -ENOENT where NOTIFY_SOCKET is not set or no folder is there. */
int activation_listen(const struct record *r, struct error *e);
/* Passes on what arrives until the container says READY=1 (told with its pid) or ends. */
void activation_until_ready(int fd, const struct record *r, int pidfd);
/* Passes on what arrives, in a process of its own that ends with us. */
int activation_forward(int fd, struct error *e);
