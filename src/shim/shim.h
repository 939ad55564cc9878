/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor of one run.  It is exec'ed in the process that is already the parent of the payload, and so
 * keeps its children.  All descriptors are inherited and at least 3:
 *
 *   --dir FD --lock FD [--sock FD] --status FD --pidfd FD --pid N   of struct run; of the payload
 *   [--pty FD | --out FD --err FD] [--stdin FD] [--hold FD]   our ends of the payload's terminal or pipes
 *   [--observer N]                of a child that ends by itself once all others are gone
 *   [--collect] [--unit NAME] [--stop-timeout-ms N] [--kill-mode control-group|process]
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct shim_options {
        int dir_fd, lock_fd, sock_fd, status_fd, pidfd;
        int pty_fd, out_fd, err_fd, stdin_fd; /* negative: none */
        int hold_fd; /* kept open and nothing more: a lock that ends with the run; negative: none */
        pid_t pid;
        pid_t observer; /* a child that reports denials once all others are gone, and then ends; 0: none */
        bool collect, kill_main_only;
        const char *unit, *kill_mode; /* kill_mode: NULL, or as the option has it */
        uint32_t stop_timeout_ms;
};
#define SHIM_OPTIONS_INIT                                                                                            \
        { .dir_fd = -EBADF, .lock_fd = -EBADF, .sock_fd = -EBADF, .status_fd = -EBADF, .pidfd = -EBADF,             \
          .pty_fd = -EBADF, .out_fd = -EBADF, .err_fd = -EBADF, .stdin_fd = -EBADF, .hold_fd = -EBADF, .stop_timeout_ms = 10000 }

int shim_parse(int argc, char **argv, struct shim_options *ret, struct error *e);
/* Replaces this process by the shim at path (NULL: found beside this program). Returns only on failure. */
int shim_exec(const char *path, const struct shim_options *o, struct error *e);
/* Supervises until the end of the run. 0, or -errno when it could not start to. */
int shim_supervise(const struct shim_options *o, struct error *e);
