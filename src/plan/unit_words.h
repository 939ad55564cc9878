/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sections of unit files, the names that systemd (version 252) knows in them, and how several assignments of one name add up.
 * What Bulkhead itself carries out is told by plan/directive.h. Pure: no system call, no privilege.
 */
#pragma once

#include "plan/unit_file.h"
#include "plan/unit_name.h"

enum unit_word {
        UNIT_WORD_UNKNOWN,
        UNIT_WORD_ONE,      /* the last assignment holds */
        UNIT_WORD_LIST,     /* assignments add up; an empty one forgets those before it */
        UNIT_WORD_SET,      /* as a list, but the empty assignment is a value as well: no capabilities */
        UNIT_WORD_ADDS,     /* assignments add up and cannot be forgotten: what a unit depends on */
        UNIT_WORD_SHARED,   /* as a list, but an empty one forgets those of all names in its group: conditions, timers */
        UNIT_WORD_COMMANDS, /* a list of command lines: plan/exec_line.h */
};

/* The sections of a type of unit, ended by NULL: as unit_file_parse takes them. */
const char *const *unit_sections(enum unit_type t);
/* The section of a type's own, such as "Service"; NULL for those that have none. */
const char *unit_section_of(enum unit_type t);
/* Whether a section may hold the directives of plan/directive.h: what processes and control groups are given. */
bool unit_section_has_sandbox(const char *section);
enum unit_word unit_word_kind(const char *section, const char *name);

/* The assignments of a unit that hold, as indices of u->lines in their order. Free it. */
size_t *unit_merge(const struct unit_file *u, size_t *ret_count);
