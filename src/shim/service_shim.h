/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor of one service: bulkhead-service. It carries out what plan/service_machine.h decides, as the parent of the service's processes
 * and the reaper of what they leave behind. One process per service, which outlives whoever started it.
 *
 *   --dir FD --lock FD --sock FD    of struct run
 *   --root PATH --unit NAME         of the state; of the run. The unit's name is that of the run
 *   [--listen N --names TEXT]       descriptors from 3 on for the service, and their names, between colons
 *   [--room N]                      how many there may be with those that the service stores; the numbers up to 3 + N are free
 *   [--folders PATHS]               sockets and timers: where their service is looked for, between colons
 *   [--environment TEXT]            NAME=VALUE for each command, one a line
 *   [--user] [--lenient] [--collect]
 *   [--observe FD]                  of whoever watches all commands (sandbox/observe.h); the service ends when that is gone
 *   [--report-denials]              of commands: says in the log what directives stop; of services that sockets and timers start, too
 *   [--seal MODE]                   auto, landlock, userns or off
 *   [--profile NAME]                a profile, whose lines come before the unit's
 */
#pragma once

#include "base/error.h"

struct service_options {
        int dir_fd, lock_fd, sock_fd, observe_fd;
        const char *root_path, *unit, *names, *environment, *folders, *seal, *profile;
        unsigned listen_count, room;
        bool user_mode, lenient, collect, report_denials;
};
#define SERVICE_OPTIONS_INIT { .dir_fd = -EBADF, .lock_fd = -EBADF, .sock_fd = -EBADF, .observe_fd = -EBADF }

int service_options_parse(int argc, char **argv, struct service_options *ret, struct error *e);
/* Replaces this process by the supervisor at path (NULL: found beside this program). Returns only on failure. */
int service_exec(const char *path, const struct service_options *o, char *const *environment, struct error *e);
/* Starts the service and supervises it until it is over. 0, or -errno when it could not begin to. */
int service_supervise(const struct service_options *o, struct error *e);
