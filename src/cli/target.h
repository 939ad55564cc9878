/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The run that a command line names. */
#pragma once

#include "base/error.h"
#include "shim/state.h"

struct target {
        int root_fd, dir_fd;
        char unit[UNIT_NAME_MAX + 1];
        struct run_state state; /* reconciled: never "running" with a dead supervisor */
};

/* Completes NAME to NAME.service. -EINVAL when that is no unit name. */
int target_unit_name(const char *name, char ret[UNIT_NAME_MAX + 1], struct error *e);
/* Opens the state root of the caller. */
int target_root(struct error *e);
/* Opens a run and reads its state; "unit.unknown" when there is none. */
int target_open(const char *name, struct target *ret, struct error *e);
void target_close(struct target *t);
#define CLEAN_TARGET CLEAN(target_close)
#define TARGET_INIT { .root_fd = -EBADF, .dir_fd = -EBADF }

/* Prints the error below "cannot VERB NAME"; returns the exit status. */
int target_fail(const char *verb, const char *name, const struct error *e);
