/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits of starts. What StartLimitBurst= counts, beyond the life of a supervisor: the file "starts" in the run's folder, which stays when a run of the same name takes
 * it. It holds the id of the boot, whose clock it is, and then numbers.
 */
#pragma once

#include <stdint.h>

#include "base/rate.h"
#include "plan/unit_section.h"

/* Of [Unit], where no reader of the kind has it. */
struct start_limit {
        uint64_t interval_usec; /* either 0: no limit */
        int64_t burst;
};

/* Reads StartLimitIntervalSec= and StartLimitBurst=, and refuses actions other than none. Ids: "directive.value", "directive.unsupported". */
int start_limit_read(const struct unit_file *u, const struct facts *facts, struct start_limit *ret, struct error *e);
/* Counts a start in the run's folder; -EBUSY, "service.start-limit", when it is one too many. */
int start_limit_count(int dir_fd, const char *unit, const struct start_limit *l, struct error *e);
/* Says so. Returns -EBUSY. */
int start_limit_error(struct error *e, const char *unit, unsigned count, uint64_t interval_usec);

/* By state_boot_usec. Nothing is counted where there is no such file, a damaged one, or one of another boot. */
void start_count_load(int dir_fd, struct rate_count *ret);
int start_count_save(int dir_fd, const struct rate_count *c);
void start_count_forget(int dir_fd);
/* Of a run that has ended, whose lock the caller holds: a failure counts no longer as one, and no start is counted. 0 or -errno. */
int run_reset_failed(int dir_fd);
