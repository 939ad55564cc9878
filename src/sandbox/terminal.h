/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A terminal of the host as standard input, output or error of a unit. */
#pragma once

#include "sandbox/child.h"

/* Opens the plan's terminal for reading and writing, prepared as its directives say; never as our own controlling one. -errno. */
int terminal_open(const struct plan_process *p);
/* In the child, a session leader: makes the terminal on fd its controlling one, by force or after waiting where the plan says so. */
int terminal_take(const struct plan *p, int fd, struct error *e);
