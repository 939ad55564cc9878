/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How exposed a service would be, by the lines of its unit file: the number that "systemd-analyze security --offline=true"
 * prints, with the checks behind it.  The judge is systemd 252; the table in score.c has a column of weights per version, so
 * that a later one (262 has one check more, and reads more values) can stand beside it.
 *
 * Like its judge it scores text: no file is looked at, and nothing is tried.  Lines that have no part in the number are
 * passed over.  Pure: no system call, no privilege.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "plan/unit_file.h"

enum { SCORE_ROWS_MAX = 96 };

struct score_row {
        const char *check, *directive, *description; /* static */
        bool applies;             /* false: what follows is 0 and does not count */
        unsigned badness, range;  /* 0 is good, range the worst */
        unsigned weight;
        unsigned exposure_tenths; /* its part of the whole, rounded up */
        uint64_t capabilities;    /* that the check is about; 0: none */
};

struct score {
        char *unit; /* the name: of a template with an instance */
        struct score_row rows[SCORE_ROWS_MAX];
        size_t count;
        unsigned exposure; /* 0..100, shown divided by ten */
        const char *rating;
        struct strings notes; /* "PATH:LINE: what was passed over" */
};

/*
 * name: the unit's, such as "a.service".  A value that cannot be used is an error of id "score.value"; with lenient it is
 * passed over with a note, as systemd does, except where systemd refuses the unit.  Other kinds of units: "score.kind".
 */
int score_unit(const struct unit_file *u, const char *name, bool lenient, struct score *ret, struct error *e);
void score_done(struct score *s);
#define CLEAN_SCORE CLEAN(score_done)

/* Makes the number, its rating and each row's part of it from the rows' badness. */
void score_sum_up(struct score *s);
/* The word for an exposure from 0 to 100. */
const char *score_rating(unsigned exposure);
