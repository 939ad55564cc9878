/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a control group may use: all controllers of the OCI runtime specification 1.3, in its terms, whichever
 * version of control groups the host has.  Only what is set is written.
 *
 * -1 stands for "no limit".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum cgroup_setting {
        CGROUP_MEMORY_LIMIT, CGROUP_MEMORY_RESERVATION, CGROUP_MEMORY_SWAP, /* memory and swap together */
        CGROUP_MEMORY_KERNEL, CGROUP_MEMORY_KERNEL_TCP, CGROUP_MEMORY_SWAPPINESS, CGROUP_MEMORY_DISABLE_OOM_KILLER,
        CGROUP_MEMORY_USE_HIERARCHY, CGROUP_MEMORY_CHECK_BEFORE_UPDATE,
        CGROUP_CPU_SHARES, CGROUP_CPU_QUOTA, CGROUP_CPU_BURST, CGROUP_CPU_PERIOD, /* microseconds */
        CGROUP_CPU_REALTIME_RUNTIME, CGROUP_CPU_REALTIME_PERIOD, CGROUP_CPU_IDLE,
        CGROUP_PIDS_LIMIT, CGROUP_IO_WEIGHT, CGROUP_IO_LEAF_WEIGHT, CGROUP_NETWORK_CLASS,
        /* In the terms of v2, as directives have them; to v1 they are translated where it has the like. */
        CGROUP_MEMORY_HIGH, CGROUP_MEMORY_LOW, CGROUP_MEMORY_MIN, CGROUP_MEMORY_SWAP_ALONE,
        CGROUP_CPU_WEIGHT, CGROUP_IO_WEIGHT_V2, /* 1..10000 */
        CGROUP_SETTINGS
};

/* What is counted even where nothing is limited. */
enum cgroup_counted { CGROUP_COUNT_CPU, CGROUP_COUNT_MEMORY, CGROUP_COUNT_IO, CGROUP_COUNT_TASKS, CGROUP_COUNTED };

enum cgroup_throttle_kind { CGROUP_READ_BPS, CGROUP_WRITE_BPS, CGROUP_READ_IOPS, CGROUP_WRITE_IOPS, CGROUP_THROTTLES };

struct cgroup_throttle {
        enum cgroup_throttle_kind kind;
        uint32_t major, minor;
        uint64_t rate; /* 0: no limit */
        const char *origin; /* as origins below; borrowed */
};

struct cgroup_device_weight {
        uint32_t major, minor;
        uint16_t weight, leaf_weight; /* 0: not said */
        uint16_t weight_v2; /* 1..10000; 0: not said */
        const char *origin;
};

struct cgroup_hugepage {
        char *size; /* "2MB" */
        uint64_t limit;
};

struct cgroup_priority {
        char *interface;
        uint32_t priority;
};

struct cgroup_rdma {
        char *device;
        bool handles_set, objects_set;
        uint32_t handles, objects;
};

enum { CGROUP_MKNOD = 1, CGROUP_READ = 2, CGROUP_WRITE = 4, CGROUP_ACCESS_ALL = 7 }; /* as BPF_DEVCG_ACC_* */
/* "rwm", as the kernel and systemd write it. */
char *cgroup_access_text(unsigned access);

struct cgroup_device_rule {
        bool allow;
        char type; /* 'a', 'b' or 'c' */
        int64_t major, minor; /* -1: all */
        unsigned access; /* CGROUP_MKNOD | ... */
};

struct cgroup_resources {
        uint64_t set; /* bit N for setting N */
        int64_t values[CGROUP_SETTINGS];
        const char *origins[CGROUP_SETTINGS]; /* the directive that asked; NULL: the JSON pointer. Borrowed */
        char *pointer; /* of the resources object, for errors; NULL: "/linux/resources" */
        const char *counted[CGROUP_COUNTED]; /* who asked, borrowed; NULL: nobody. Where there is no controller for it, it is not counted */
        char *cpus, *mems;
        const char *cpus_origin, *mems_origin, *devices_origin;
        struct cgroup_device_weight *weights;
        size_t weight_count, weight_room;
        struct cgroup_throttle *throttles;
        size_t throttle_count, throttle_room;
        struct cgroup_hugepage *hugepages;
        size_t hugepage_count, hugepage_room;
        struct cgroup_priority *priorities;
        size_t priority_count, priority_room;
        struct cgroup_rdma *rdma;
        size_t rdma_count, rdma_room;
        struct cgroup_device_rule *rules; /* in their order; the last that speaks of an access decides */
        size_t rule_count, rule_room;
        struct strings unified; /* FILE, VALUE, FILE, VALUE... */
};

void cgroup_resources_done(struct cgroup_resources *r);

static inline bool cgroup_is_set(const struct cgroup_resources *r, enum cgroup_setting s)
{
        return r->set >> s & 1;
}

static inline void cgroup_set(struct cgroup_resources *r, enum cgroup_setting s, int64_t value)
{
        r->set |= UINT64_C(1) << s;
        r->values[s] = value;
}

/*
 * As cgroup_set, for configurations of containers and `update`: as runtimes have always read them, 0 stands for "not
 * said" in limits of memory, shares, quota, periods, the limit of tasks and weights.
 */
void cgroup_ask(struct cgroup_resources *r, enum cgroup_setting s, int64_t value);

void cgroup_add_rule(struct cgroup_resources *r, const struct cgroup_device_rule *rule);
/*
 * The rules that every container has behind its own: making any node, and using null, zero, full, random, urandom,
 * tty, ptmx and pts.  Without them a configuration that allows nothing would leave a /dev that does not work.
 */
void cgroup_add_default_rules(struct cgroup_resources *r);

/* "memory/limit": where the setting stands in a resources object. */
const char *cgroup_setting_pointer(enum cgroup_setting s);
/* 2..262144 to 1..10000 so that 1024, the default of one, is 100, the default of the other. 0 stays 0. */
uint64_t cgroup_weight_of_shares(uint64_t shares);
/* 1..10000 to 2..262144, as systemd has it: 100 is 1024. */
uint64_t cgroup_shares_of_weight(uint64_t weight);
/* 1..10000 to the 1..1000 of BFQ, as systemd has it: up to 100 the same. */
uint64_t cgroup_bfq_weight_of(uint64_t weight);
/* 10..1000 to 1..10000. 0 stays 0. */
uint64_t cgroup_io_weight_of(uint64_t weight);
