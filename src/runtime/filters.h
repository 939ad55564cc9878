/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system call filter of a container. */
#pragma once

#include "sandbox/sandbox.h"

/* Compiles the plan's profile, through the cache, into s->filters. */
int filters_build(struct sandbox *s, struct error *e);
