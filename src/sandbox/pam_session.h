/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions of PAM (PAMName=).  Its modules are shared objects: they run in a program of its own, bulkhead-pam, which opens the session, tells what
 * environment and limits it made, and closes it when the command has ended; then also when we are gone.
 */
#pragma once

#include "sandbox/sandbox.h"

/*
 * As sandbox_spawn, in the session of the plan, if it has one: environment, which is that of s, gains its variables, the plan the limits that it does
 * not set itself.  The session lasts as long as the child.  alone: nothing of ours runs yet, so bulkhead-pam can be left to those above us; else it is
 * a child of ours, which ends by itself.
 */
int pam_session_spawn(struct sandbox *s, struct strings *environment, bool alone, const struct sandbox_io *io, struct sandbox_child *ret, struct error *e);
