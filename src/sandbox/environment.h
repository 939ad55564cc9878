/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The payload's environment: a list of NAME=VALUE in which each name stands once. */
#pragma once

#include "base/error.h"
#include "plan/plan.h"

/* A later value of a name takes the place of an earlier one. */
void environment_set(struct strings *l, const char *assignment);
/* Takes a name away. */
void environment_remove(struct strings *l, const char *name);
void environment_pass(struct strings *l, const struct plan_process *p);
void environment_add_search_path(struct strings *l, const struct plan_process *p);
/* The files that EnvironmentFile= names; what is passed over leniently becomes a note. */
int environment_add_files(struct strings *l, const struct plan *p, struct strings *notes, struct error *e);
void environment_unset(struct strings *l, const struct plan_process *p);
