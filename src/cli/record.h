/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of a run beside its state. */
#pragma once

#include "cli/target.h"

/* Has the state say what a live run uses now. */
void record_refresh(struct target *t);
/* The state with all else, as one JSON object and a newline. */
void record_json(const struct target *t, struct text *ret);
/* The same, printed over several lines. 0 or -errno. */
int record_print_json(const struct target *t, struct error *e);
