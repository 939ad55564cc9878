/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compiled system call filters, kept by the hash of what they were compiled from: libseccomp needs milliseconds
 * for a large filter.  The folder is private to its owner, who could run anything anyway; a damaged entry is
 * compiled anew.
 */
#pragma once

#include "plan/filter.h"

/* As filter_compile, through folder (absolute; made if missing). */
int filter_cache_compile(const char *folder, const struct filter *f, bool notify, struct filter_program *ret, struct error *e);
