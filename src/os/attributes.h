/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attributes of the calling process that have no better place: scheduling, I/O priority, memory policy, processors,
 * personality.  All return 0 or -errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attributes_scheduler {
        uint32_t policy; /* SCHED_* */
        uint64_t flags;  /* SCHED_FLAG_* */
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
};

int attributes_set_scheduler(const struct attributes_scheduler *s);
/* value as ioprio_set(2) takes it. */
int attributes_set_io_priority(int value);
/* mode: MPOL_* | MPOL_F_*; nodes: a list such as "0-1,3", or NULL. */
int attributes_set_memory_policy(int mode, const char *nodes);
/* list: processors such as "0-3,7". -EINVAL when it is no list. */
int attributes_set_cpus(const char *list);
int attributes_set_personality(unsigned long personality);
unsigned long attributes_personality(void);
/* From now on no memory gains the right to execute, nor has it beside the right to write; passed on to programs. */
int attributes_deny_write_execute(void);
/* Linux 6.3 and later. */
bool attributes_can_deny_write_execute(void);
