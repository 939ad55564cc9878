/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Profiles of a whole sandbox: one word that stands for many directives. Its lines come before all others, so that those of a unit or of -p open
 * what the program needs. Pure: no system call, no privilege.
 */
#pragma once

#include "plan/directive.h"

/* The name and the summary of profile i, the strictest first; NULL at the end. */
const char *run_profile_name(unsigned i, const char **ret_summary);
/* Its lines, NAME=VALUE; user_mode: without those that only root can have. -EINVAL, "profile.unknown". */
int run_profile_lines(const char *name, bool user_mode, struct strings *ret, struct error *e);
/*
 * Assigns them, with origins that name the profile. Whoever starts a unit calls it before anything else is assigned; name NULL: nothing
 * is.
 */
int run_profile_assign(const char *name, const struct facts *facts, struct settings *s, struct error *e);
