/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a group uses and has used, as far as its folders say: which these are depends on the host and on what was asked to be counted. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum cgroup_use {
        CGROUP_USE_CPU_NSEC, CGROUP_USE_MEMORY, CGROUP_USE_MEMORY_PEAK, CGROUP_USE_TASKS, CGROUP_USE_IO_READ, CGROUP_USE_IO_WRITE,
        CGROUP_USE_IP_IN_BYTES, CGROUP_USE_IP_IN_PACKETS, CGROUP_USE_IP_OUT_BYTES, CGROUP_USE_IP_OUT_PACKETS,
        CGROUP_USES
};

/* All zero: nothing is known. */
struct cgroup_usage {
        uint32_t known; /* bit N for use N */
        uint64_t values[CGROUP_USES];
};

static inline bool cgroup_use_is_known(const struct cgroup_usage *u, enum cgroup_use use)
{
        return u->known >> use & 1;
}

static inline void cgroup_use_set(struct cgroup_usage *u, enum cgroup_use use, uint64_t value)
{
        u->known |= UINT32_C(1) << use;
        u->values[use] = value;
}

/* Once the group is empty, what it uses at this moment says nothing. */
static inline void cgroup_usage_end(struct cgroup_usage *u)
{
        u->known &= ~(UINT32_C(1) << CGROUP_USE_MEMORY | UINT32_C(1) << CGROUP_USE_TASKS);
}

/* "MemoryCurrent", as systemd names its property. */
const char *cgroup_use_name(enum cgroup_use use);
/* Adds what a folder of a group knows, v1 or v2; what it does not stays as it is. */
void cgroup_usage_read(const char *folder, struct cgroup_usage *u);
