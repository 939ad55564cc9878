/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the score of a unit's text is worth: the same rows, judged by what a probe inside the sandbox (os/probe.h) could do. A row may be as
 * its text says, fall short of its promise, or be better, such as a capability that a user without rights never gets.
 * Pure: no system call, no privilege.
 */
#pragma once

#include "plan/score.h"

enum {
        SCORE_REPORT_MAX = 64 << 10, /* bytes of a report */
        SCORE_REPORT_LINES = 512,
        SCORE_FINDINGS_MAX = 128,
};

struct score_report_line {
        char name[32];
        bool known; /* false: it could not be told */
        uint64_t value;
        char detail[256];
};

/* What the probe wrote. */
struct score_report {
        struct score_report_line *lines;
        size_t count, room;
        bool whole; /* it came to its end */
};

/* Lines of "NAME VALUE [DETAIL]". -EINVAL with the id "score.report" where one is not so; E2BIG beyond a limit. */
int score_report_parse(struct score_report *ret, const char *data, size_t size, struct error *e);
void score_report_done(struct score_report *r);
#define CLEAN_SCORE_REPORT CLEAN(score_report_done)

enum score_effect {
        SCORE_NOT_MEASURED, /* the text's word stands */
        SCORE_SAME,
        SCORE_WEAKER,   /* the text promises more than holds */
        SCORE_STRONGER, /* more holds than the text promises */
};

struct score_measured_row {
        enum score_effect effect;
        unsigned badness;
        char *why; /* what was found, or why nothing could be; NULL: nothing to say */
};

struct score_finding {
        char *text;
        bool is_door; /* whoever goes through it is root on the host */
};

struct score_measured {
        struct score_measured_row rows[SCORE_ROWS_MAX]; /* as in the score */
        size_t measured;                                /* how many rows */
        struct score_finding findings[SCORE_FINDINGS_MAX];
        size_t finding_count;
        unsigned exposure; /* of the text's rows, with what was measured in their place; 100 with a door */
        const char *rating;
};

void score_measure(const struct score *s, const struct score_report *r, struct score_measured *ret);
void score_measured_done(struct score_measured *m);
#define CLEAN_SCORE_MEASURED CLEAN(score_measured_done)
const char *score_effect_word(enum score_effect e);
