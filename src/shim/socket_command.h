/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commands of a socket unit, one at a time, in the sandbox that its [Socket] section asks for; and the network namespace that its sockets
 * are opened in. What comes when is plan/socket_machine.h's.
 */
#pragma once

#include "plan/socket_machine.h"
#include "shim/activation.h"
#include "shim/service_process.h"
#include "shim/trigger.h"

enum { SOURCE_COMMAND_OUT = TRIGGER_SOURCE, SOURCE_COMMAND_ERR, SOURCE_COMMAND_STATUS, SOCKET_SOURCE /* the first that is free */ };

struct socket_command {
        struct trigger *t;
        const struct socket_unit *unit;
        struct activation activation;
        struct service_process process;
        struct error error; /* of the last one's set-up, when id is set */
        int null_fd, out[2], err[2];
        bool open;
};
#define SOCKET_COMMAND_INIT { .process = SERVICE_PROCESS_NONE, .null_fd = -EBADF, .out = { -EBADF, -EBADF }, .err = { -EBADF, -EBADF } }

/* Prepares the sandbox, where there are commands or a namespace. Ids: those of directive.h and sandbox.h, "shim.start". */
int socket_command_open(struct socket_command *c, struct trigger *t, const struct socket_unit *u, struct error *e);
/* 0 or -errno, which is logged and kept in error. */
int socket_command_spawn(struct socket_command *c, enum socket_commands list, size_t index);
void socket_command_kill(struct socket_command *c, unsigned whom, int signal, bool also_hup);
/* A child of ours has ended. Whether it was the command. */
bool socket_command_reaped(struct socket_command *c, pid_t pid);
/* What happened on one of the sources above. */
void socket_command_event(struct socket_command *c, unsigned source);
/* The sockets' namespace: enters it, ret_back is the way back or -EBADF where there is none to enter. Id: "namespace.join". */
int socket_command_enter_network(struct socket_command *c, int *ret_back, struct error *e);
int socket_command_leave_network(int back, struct error *e);
/* Until the next command. */
void socket_command_rest(struct socket_command *c);
/* Takes the sandbox away, and with it what is left of commands, unless KillMode= leaves it. */
void socket_command_close(struct socket_command *c);
