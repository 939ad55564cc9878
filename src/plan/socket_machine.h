/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The states of a socket unit, as systemd's have them, and the order of its commands. Like plan/service_machine.h it holds no process, clock or
 * descriptor: events come in, and what is to be done goes out through struct socket_machine_ops.
 *
 *      start-pre → (opens) → start-post → listening → stop-pre → stop-pre-sigterm → stop-pre-sigkill
 *          → (closes) → stop-post → final-sigterm → final-sigkill → dead | failed
 */
#pragma once

#include "plan/service_machine.h"
#include "plan/socket_unit.h"

enum socket_state {
        SOCKET_AT_DEAD, SOCKET_AT_START_PRE, SOCKET_AT_START_POST, SOCKET_AT_LISTENING, SOCKET_AT_STOP_PRE, SOCKET_AT_STOP_PRE_SIGTERM,
        SOCKET_AT_STOP_PRE_SIGKILL, SOCKET_AT_STOP_POST, SOCKET_AT_FINAL_SIGTERM, SOCKET_AT_FINAL_SIGKILL, SOCKET_AT_FAILED, SOCKET_STATES
};

enum socket_whom { SOCKET_KILLS_COMMAND = 1, SOCKET_KILLS_REST = 2 /* of the control group */ };

struct socket_machine_ops {
        /* Microseconds of a clock that only goes forward. */
        uint64_t (*now)(void *context);
        /* The sockets. open: 0 or -errno. */
        int (*open)(void *context);
        void (*close)(void *context);
        /* Starts a command; its end comes as an event. 0 or -errno. */
        int (*spawn)(void *context, enum socket_commands list, size_t index);
        /* Sends a signal to those of enum socket_whom. */
        void (*kill)(void *context, unsigned whom, int signal, bool also_hup);
        /* The state has changed; or NULL. */
        void (*changed)(void *context);
};

struct socket_machine {
        const struct socket_unit *unit;
        const struct socket_machine_ops *ops;
        void *context;
        enum socket_state state;
        const char *result; /* systemd's word of the first failure; NULL: none */
        bool command_alive, opened;
        enum socket_commands list; /* of the command that runs, or ran last */
        size_t index;
        uint64_t deadline_usec; /* 0: none */
};

void socket_machine_init(struct socket_machine *m, const struct socket_unit *u, const struct socket_machine_ops *ops, void *context);
void socket_machine_start(struct socket_machine *m);
/* Somebody asks for it. */
void socket_machine_stop(struct socket_machine *m);
/* It cannot go on; the word must last. */
void socket_machine_fail(struct socket_machine *m, const char *result);
/* The command that runs has ended. */
void socket_machine_exited(struct socket_machine *m, struct process_exit x);
/* To be called when deadline_usec is there. */
void socket_machine_time(struct socket_machine *m);
bool socket_machine_is_over(const struct socket_machine *m);
/* "start-pre", "listening", "failed" */
const char *socket_state_word(enum socket_state s);
/* Whether the unit's commands are to be prepared for at all. */
bool socket_unit_has_commands(const struct socket_unit *u);
/* "ExecStartPre" */
const char *socket_commands_name(enum socket_commands list);
