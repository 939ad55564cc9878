/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In the foreground: passes signals and a terminal on, until the payload ends. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct supervision {
        pid_t pid;
        int pidfd;
        int terminal_fd; /* the main side of the payload's terminal, or negative */
};

/* Blocks the signals that are passed on; before the payload is cloned. subreaper: orphans of the payload become ours. */
void supervise_prepare(bool subreaper);
/* Waits for the end: its exit status, or 128 and the signal. */
int supervise(const struct supervision *s);
