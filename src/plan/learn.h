/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From what runs were seen to do to the tightest directives under which they would do it again, as the lines of a drop-in. Each
 * row is one directive or a few that belong together, with what was seen as its reason.  Pure: no system call, no privilege.
 */
#pragma once

#include "plan/observations.h"

struct learned_row {
        const char *directive;     /* the first of its assignments */
        struct strings assignments; /* "NAME=VALUE", in order; an empty value resets what the unit says */
        char *seen;                /* one line: what speaks for it */
        char *dropped;             /* one line: why it is left out; NULL: it holds */
};

struct learned {
        struct learned_row *rows;
        size_t count, room;
        struct strings notes; /* lines: what is worth knowing and has no directive */
};

struct learn_facts {
        const struct observations *seen;
        const struct strings *given;  /* "NAME=VALUE" of the unit and of the command line, in their order */
        const struct strings *hidden; /* absolute paths on this host that need not be seen by one who does not use them */
};

void learn_derive(const struct learn_facts *f, struct learned *ret);
/* Puts capabilities into the row of CapabilityBoundingSet=. */
void learn_set_capabilities(struct learned_row *row, uint64_t capabilities);
/* The assignments of all rows that hold. */
void learn_assignments(const struct learned *l, struct strings *ret);
/* The drop-in; head: lines of comment at its top. */
void learn_format(const struct learned *l, const struct strings *head, struct text *ret);
void learned_done(struct learned *l);
#define CLEAN_LEARNED CLEAN(learned_done)
