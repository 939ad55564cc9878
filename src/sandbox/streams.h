/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * StandardInput=, StandardOutput= and StandardError=.  Files are opened by the supervisor, on the host's mounts: one that is
 * open for writing on a mount of the child's would keep that from becoming read-only.
 */
#pragma once

#include "base/error.h"
#include "plan/plan.h"

/* Into fds, -EBADF where there is nothing to open. Errors have the exit status of the stream. */
int streams_open(const struct plan *p, int fds[PLAN_STREAMS], struct error *e);
void streams_close(int fds[PLAN_STREAMS]);
/* In the child: what of from[] takes the place of which descriptor. */
void streams_place(const struct plan *p, const int fds[PLAN_STREAMS], int from[PLAN_STREAMS]);
