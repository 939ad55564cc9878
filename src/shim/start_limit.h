/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What StartLimitBurst= counts, beyond the life of a supervisor: the file "starts" in the run's folder, which stays when a run of the same name takes
 * it. It holds the id of the boot, whose clock it is, and then numbers.
 */
#pragma once

#include <stdint.h>

struct start_count {
        uint64_t since_usec; /* CLOCK_BOOTTIME */
        unsigned count;
};

/* Nothing is counted where there is no such file, a damaged one, or one of another boot. */
void start_count_load(int dir_fd, struct start_count *ret);
int start_count_save(int dir_fd, const struct start_count *c);
void start_count_forget(int dir_fd);
/* Of a run that has ended, whose lock the caller holds: a failure counts no longer as one, and no start is counted. 0 or -errno. */
int run_reset_failed(int dir_fd);
