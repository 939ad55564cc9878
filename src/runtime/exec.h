/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Another process in a container that runs, through the same executor and with the container's own filter. */
#pragma once

#include "runtime/create.h"

struct exec_options {
        const char *process_file; /* a process object; else what follows, over the container's own process */
        const char *cwd, *user, *apparmor, *process_label, *sub_cgroup;
        struct strings argv, environment, capabilities, additional_gids;
        bool tty, no_new_privileges, ignore_paused;
        struct creation_options o; /* pid file, console socket, pidfd socket, preserve_fds, detaches, io */
};

/* On success the program runs; ret->child is the new process. On failure nothing is left. */
int exec_make(struct record *container, const struct exec_options *x, struct creation *ret, struct error *e);
