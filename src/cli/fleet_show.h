/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans and states of groups in words, from what the controller answers (group/fleet.h). */
#pragma once

#include "base/json.h"

/* A plan: a sign, the group and what would happen; below it what changes. The last line counts. */
void fleet_print_plan(FILE *f, const struct json_node *plan);
/* Whether a plan replaces or removes instances: what a person is asked about first. */
bool fleet_plan_removes(const struct json_node *plan);
/* How a group is, in some words: "converged", "rolling: canary", "paused: ...". Appended. */
void fleet_describe(struct text *t, const struct json_node *group);
/* Whether it waits for a person, or for its provider, and will not go on by itself soon. */
bool fleet_is_stuck(const struct json_node *group);
/* Asks on the terminal; without one nobody is there to say no. 0 to go on, or -ECANCELED, id "group.declined". */
int fleet_confirm(const char *question, struct error *e);
/* Whether colours are wanted there: a terminal, and no NO_COLOR. */
bool fleet_colours(FILE *f);
