/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compiled system call filters, kept by the hash of what they were compiled from: libseccomp needs milliseconds
 * for a large filter.  The folder is private to its owner, who could run anything anyway; an entry that is damaged,
 * or not the owner's own, is compiled anew.
 */
#pragma once

#include "plan/filter.h"
#include "plan/profile.h"
#include "plan/restriction.h"

/* As filter_compile, through folder (absolute; made if missing). */
int filter_cache_compile(const char *folder, const struct filter *f, bool notify, struct filter_program *ret, struct error *e);
/* As profile_compile, through folder. The notes are kept along: they are the same every time. */
int filter_cache_compile_profile(const char *folder, const struct profile *p, struct profile_program *ret, struct error *e);
/* The same of restriction_compile. */
int filter_cache_compile_restriction(const char *folder, const struct restriction *r, struct filter_program *ret, struct error *e);
