/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs for what a plan says of its sockets: made before the run's control group, tied to it before anybody enters. */
#pragma once

#include "sandbox/sandbox.h"

/* Fills s->programs.  What is refused is an error with exit status 219; leniently it is left out, and noted. */
int network_make_programs(struct sandbox *s, struct error *e);
/*
 * Ties them to the group. Likewise.  Those that would hold the set-up as well are tied to a group below it, NETWORK_LAST_GROUP, whose
 * processes the child is one of from just before exec on: then s->last_group_fd is open.
 */
#define NETWORK_LAST_GROUP "restricted"
int network_attach_programs(struct sandbox *s, struct error *e);
/* Puts a process into the group below. 0 or -errno. */
int network_enter_last_group(const struct sandbox *s, pid_t pid, struct error *e);
/* Whether the run may go on without its programs: leniently, or where they only count. */
bool network_may_leave_out(const struct sandbox *s);
/* Where it may: forgets all programs, with a note for each who asked. */
void network_leave_out(struct sandbox *s, int error);
