/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system call profile of a container. */
#pragma once

#include "sandbox/notify.h"
#include "sandbox/sandbox.h"

/* Compiles the plan's profile, through the cache, into s->profile. */
int filters_build(struct sandbox *s, struct error *e);
/* Gives the listener, descriptor number of the process pidfd, to the agent of the profile. */
int filters_hand_over(const struct profile *p, const struct notify_state *state, int number, int pidfd, struct error *e);
