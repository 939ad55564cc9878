/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Supervision of a run whose stdio is its caller's own, by the process that started it; no shim is needed. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "shim/state.h"

struct foreground {
        struct run *run;
        pid_t pid;
        int pidfd;
        pid_t spared;  /* a child that is not part of the run, or 0 */
        bool own_pids; /* first of a pid namespace: it hears only the signals that it handles */
};

/* Blocks the signals that foreground_wait passes on; call it before the payload is cloned. */
void foreground_prepare(void);
/*
 * Waits for the payload; passes signals on, and answers stop, kill and wait on the run's socket.  Kills what is
 * left of the run without a control group.  The wait status.
 */
int foreground_wait(const struct foreground *f);
