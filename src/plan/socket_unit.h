/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The [Socket] section (systemd.socket(5)). Pure; os/socket_listen.h opens what it says. */
#pragma once

#include "os/socket_listen.h"
#include "plan/directive.h"
#include "plan/exec_line.h"
#include "plan/unit_file.h"
#include "plan/unit_name.h"

enum { SOCKET_ADDRESSES_MAX = 1000, SOCKET_LINKS_MAX = 1000 };

enum socket_commands { SOCKET_START_PRE, SOCKET_START_POST, SOCKET_STOP_PRE, SOCKET_STOP_POST, SOCKET_COMMANDS };
enum socket_kill_mode { SOCKET_KILL_CONTROL_GROUP, SOCKET_KILL_MIXED, SOCKET_KILL_PROCESS, SOCKET_KILL_NONE };

struct socket_unit {
        struct listen_address *addresses; /* in their order: that of the descriptors */
        size_t count, room;
        struct listen_options options; /* uid and gid are not set: user and group are to be looked up */
        char *user, *group;            /* NULL: the caller's; of a user alone also its group */
        int protocol;                  /* of SocketProtocol=, already in the addresses; 0: none */
        bool accept, flush_pending, remove_on_stop;
        int64_t max_connections, max_connections_per_source; /* 0: no limit, for the second */
        char *service;         /* that it activates; with accept the template, "NAME@.service" */
        char *descriptor_name; /* as LISTEN_FDNAMES has it */
        uint64_t trigger_limit_interval_usec;
        uint64_t timeout_usec; /* of each command, and of each signal's effect; 0 and UINT64_MAX: no limit */
        int64_t trigger_limit_burst; /* 0: no limit */
        struct strings links; /* Symlinks= */
        struct exec_lines commands[SOCKET_COMMANDS];
        int kill_mode; /* enum socket_kill_mode */
        int kill_signal, final_kill_signal;
        bool send_sighup, send_sigkill;
};

/* Ids of errors: "socket.address", "socket.empty", "socket.service", "socket.value", "socket.limit"; those of plan/unit_section.h and exec_line.h. */
int socket_unit_parse(const struct unit_file *f, const struct unit_name *name, const struct facts *facts, bool lenient, struct strings *notes,
                      struct socket_unit *ret, struct error *e);
/* Whether one line of [Socket] can be read. */
int socket_unit_check(const struct unit_line *l, const struct facts *facts, struct error *e);
/* Whether a directive of [Socket] is carried out. */
bool socket_unit_applies(const char *name);
void socket_unit_done(struct socket_unit *s);
#define CLEAN_SOCKET_UNIT CLEAN(socket_unit_done)
