/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a plan that says what a unit's processes may use together, beside memory, tasks and CPU quota. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "os/cgroup_resources.h"

/* In the order of the rows of the table of directives. */
enum plan_amount_kind {
        PLAN_MEMORY_HIGH, PLAN_MEMORY_LOW, PLAN_MEMORY_MIN, PLAN_MEMORY_SWAP_MAX, /* bytes; UINT64_MAX: no limit */
        PLAN_CPU_WEIGHT,            /* 1 to 10000; 0: idle */
        PLAN_CPU_QUOTA_PERIOD_USEC,
        PLAN_IO_WEIGHT,             /* 1 to 10000 */
        PLAN_AMOUNTS
};

struct plan_amount {
        uint64_t value;
        const char *origin; /* NULL: not asked for */
};

/* Likewise. */
enum plan_io_kind { PLAN_IO_DEVICE_WEIGHT, PLAN_IO_READ_BPS, PLAN_IO_WRITE_BPS, PLAN_IO_READ_IOPS, PLAN_IO_WRITE_IOPS, PLAN_IO_KINDS };

struct plan_io {
        enum plan_io_kind kind;
        char *path;     /* of a block device, or of a file on one */
        uint64_t value; /* weight, bytes or operations a second; UINT64_MAX: no limit */
        const char *origin;
};

enum plan_device_policy { PLAN_DEVICES_AUTO, PLAN_DEVICES_CLOSED, PLAN_DEVICES_STRICT };

struct plan_device_rule {
        char *what;      /* "/dev/x", "char-NAME" or "block-NAME"; names may be patterns */
        unsigned access; /* CGROUP_MKNOD | ... */
        const char *origin;
};

/* A control group that is the payload's to divide. */
struct plan_delegation {
        struct strings controllers; /* that it is to have, where the host has them; of v1 and v2 */
        char *subgroup;             /* where the processes are, or NULL: in the group itself */
        const char *origin;         /* NULL: it is the supervisor's */
        const char *subgroup_origin;
};
void plan_delegation_done(struct plan_delegation *d);

struct plan_resources {
        struct plan_amount amounts[PLAN_AMOUNTS];
        const char *counted[CGROUP_COUNTED]; /* the origin, where it is asked for */
        char *cpus, *memory_nodes; /* "0-3,7" */
        const char *cpus_origin, *memory_nodes_origin;
        struct plan_io *io;
        size_t io_count, io_room;
        enum plan_device_policy device_policy;
        const char *device_policy_origin;
        struct plan_device_rule *rules;
        size_t rule_count, rule_room;
        struct plan_delegation delegation;
};

void plan_resources_done(struct plan_resources *r);
/* Whether devices are shut out by DevicePolicy= or DeviceAllow=. */
bool plan_resources_close_devices(const struct plan_resources *r);
/* The period and the quota within it, in microseconds, of so many thousandths of a CPU, as systemd fits them to the kernel. */
void plan_quota(const struct plan_resources *r, uint64_t permille, uint64_t *ret_period_usec, uint64_t *ret_quota_usec);
