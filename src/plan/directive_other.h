/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directives of systemd that have no row of their own: older names of others; those that are accepted and say nothing
 * that a run is not anyway, which explain shows; and those that are refused with the reason.  For directive.c alone.
 */
#pragma once

#include "plan/directive_internal.h"

struct other;

/* NULL: the name is not one of them. */
const struct other *other_find(const char *name, size_t length);
/* The name that stands for this one now, or NULL. */
const char *other_newer_name(const struct other *o);
/* Takes an assignment to one that is no older name. */
int other_assign(struct settings *s, const struct other *o, const char *value, const char *origin, struct error *e);
void other_compile(const struct settings *s, struct plan *p);
