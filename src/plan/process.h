/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a plan that says what kind of process a unit's payload is: its limits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* In the order of the rows Limit*= of the table of directives. */
enum plan_limit_kind {
        PLAN_LIMIT_CPU, PLAN_LIMIT_FSIZE, PLAN_LIMIT_DATA, PLAN_LIMIT_STACK, PLAN_LIMIT_CORE, PLAN_LIMIT_RSS, PLAN_LIMIT_NOFILE,
        PLAN_LIMIT_AS, PLAN_LIMIT_NPROC, PLAN_LIMIT_MEMLOCK, PLAN_LIMIT_LOCKS, PLAN_LIMIT_SIGPENDING, PLAN_LIMIT_MSGQUEUE,
        PLAN_LIMIT_NICE, PLAN_LIMIT_RTPRIO, PLAN_LIMIT_RTTIME, PLAN_LIMITS
};

/* In the kernel's units: bytes, seconds (CPU), microseconds (RTTIME), 20 - nice (NICE), or how many. */
struct plan_limit {
        uint64_t soft, hard; /* UINT64_MAX: none */
        const char *origin;  /* NULL: as the caller has it */
};

struct plan_process {
        struct plan_limit limits[PLAN_LIMITS];
};
