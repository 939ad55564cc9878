/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of "bulkhead score" share. */
#pragma once

#include "cli/like.h"
#include "cli/run.h"
#include "plan/score.h"

enum { SCORE_STATUS_ABOVE = 1, SCORE_STATUS_FAILED = 2 };

struct score_options {
        bool json, lenient, user_mode, measured, suggest;
        unsigned threshold, timeout_ms;
        const char *profile, *output;
        enum plan_seal seal;
        struct strings files, properties, command;
};

/* The text that is scored: the lines of the profile, of a unit's file and drop-ins, and of -p, in this order. */
struct score_subject {
        struct like like; /* only with a unit */
        struct unit_file file;
        char *name; /* the unit's */
};

/* file NULL: only the profile and -p. all_folders: the unit as it would run, and not what stands beside the file alone. */
int score_subject_load(const struct score_options *o, const char *file, bool all_folders, struct score_subject *ret, struct error *e);
void score_subject_done(struct score_subject *s);
#define CLEAN_SCORE_SUBJECT CLEAN(score_subject_done)
/* The score of a subject with one line more, or none. Notes are printed once, without a line. */
int score_subject_judge(const struct score_options *o, const struct score_subject *s, const struct strings *more, struct score *ret, struct error *e);
/* The options of a run of that subject. what borrows from o and s. */
void score_run_options(const struct score_options *o, const struct score_subject *s, const char *file, struct run_options *ret);
int score_fail(const char *what, const struct error *e);
void score_print_number(FILE *f, unsigned tenths);
/* What a row is, without the closing brace. */
void score_add_row_json(const struct score_row *r, struct text *t);

/* --measured and --suggest: the exit status. */
int score_measured(const struct score_options *o, const char *file);
int score_suggest(const struct score_options *o, const char *file);
