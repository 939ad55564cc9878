/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes of a container: those in its control groups; or, where an ordinary user got none, those that /proc tells of. */
#pragma once

#include "runtime/record.h"

/*
 * Each once, in no order.  Without control groups these are the container's own process, all in its process namespace, where it has one
 * of its own, and all that descend from them: what left its parents in a shared namespace is not found.
 */
int members_list(const struct record *r, struct cgroup_pids *ret, struct error *e);
/* Sends a signal to all. How many got it, or -errno. */
int members_signal(const struct record *r, int signal);
