/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run that is only to show how it ends: its output is kept, its time is limited. */
#pragma once

#include "cli/run.h"

enum { TRIAL_OUTPUT_MAX = 256 << 10 /* bytes kept of each stream */ };

enum trial_end {
        TRIAL_ENDED,     /* by itself, with a status as that of "bulkhead run -P" */
        TRIAL_STOPPED,   /* its time was over, it ran, and was stopped */
};

struct trial_result {
        enum trial_end end;
        int status;
        struct text out, err; /* cut to TRIAL_OUTPUT_MAX */
};

/* Starts what the options say, as "bulkhead run --pipe --quiet", with no input, and waits for its end. */
int trial_run(struct run_options *o, unsigned timeout_ms, struct trial_result *ret, struct error *e);
void trial_result_done(struct trial_result *t);
#define CLEAN_TRIAL_RESULT CLEAN(trial_result_done)
