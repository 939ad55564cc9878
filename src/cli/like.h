/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run and explain --like UNIT: the sandbox of a unit's file for any command, or for the unit's own. */
#pragma once

#include "plan/exec_line.h"
#include "shim/unit_load.h"

struct like {
        struct unit unit;
        struct unit_file file;
        const char *section; /* of the unit's type, such as "Service" */
};

/* Finds and reads the unit: a name, of a service if it has no type, or the path of a file. "unit.kind" when no process belongs to it. */
int like_load(const char *name, bool user_mode, bool lenient, struct like *ret, struct error *e);
/*
 * Assigns what it says of the sandbox. What tells how a service lives is passed over; what Bulkhead does not apply yet is an error,
 * "unit.unsupported", or with s->lenient a note.
 */
int like_assign(const struct like *l, const struct facts *facts, struct settings *s, struct error *e);
/* The unit's command, for a plan without one; its variables are those of p. */
int like_command(const struct like *l, const struct facts *facts, struct plan *p, struct strings *argv, struct error *e);
void like_done(struct like *l);
#define CLEAN_LIKE CLEAN(like_done)
