/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup_resources.h"

#include <math.h>

static const char *const pointers[CGROUP_SETTINGS] = {
        [CGROUP_MEMORY_LIMIT] = "memory/limit",
        [CGROUP_MEMORY_RESERVATION] = "memory/reservation",
        [CGROUP_MEMORY_SWAP] = "memory/swap",
        [CGROUP_MEMORY_KERNEL] = "memory/kernel",
        [CGROUP_MEMORY_KERNEL_TCP] = "memory/kernelTCP",
        [CGROUP_MEMORY_SWAPPINESS] = "memory/swappiness",
        [CGROUP_MEMORY_DISABLE_OOM_KILLER] = "memory/disableOOMKiller",
        [CGROUP_MEMORY_USE_HIERARCHY] = "memory/useHierarchy",
        [CGROUP_MEMORY_CHECK_BEFORE_UPDATE] = "memory/checkBeforeUpdate",
        [CGROUP_CPU_SHARES] = "cpu/shares",
        [CGROUP_CPU_QUOTA] = "cpu/quota",
        [CGROUP_CPU_BURST] = "cpu/burst",
        [CGROUP_CPU_PERIOD] = "cpu/period",
        [CGROUP_CPU_REALTIME_RUNTIME] = "cpu/realtimeRuntime",
        [CGROUP_CPU_REALTIME_PERIOD] = "cpu/realtimePeriod",
        [CGROUP_CPU_IDLE] = "cpu/idle",
        [CGROUP_PIDS_LIMIT] = "pids/limit",
        [CGROUP_IO_WEIGHT] = "blockIO/weight",
        [CGROUP_IO_LEAF_WEIGHT] = "blockIO/leafWeight",
        [CGROUP_NETWORK_CLASS] = "network/classID",
        [CGROUP_MEMORY_HIGH] = "unified/memory.high",
        [CGROUP_MEMORY_LOW] = "unified/memory.low",
        [CGROUP_MEMORY_MIN] = "unified/memory.min",
        [CGROUP_MEMORY_SWAP_ALONE] = "unified/memory.swap.max",
        [CGROUP_CPU_WEIGHT] = "unified/cpu.weight",
        [CGROUP_IO_WEIGHT_V2] = "unified/io.weight",
};

const char *cgroup_setting_pointer(enum cgroup_setting s)
{
        return pointers[s];
}

void cgroup_resources_done(struct cgroup_resources *r)
{
        for (size_t i = 0; i < r->hugepage_count; i++)
                free(r->hugepages[i].size);
        for (size_t i = 0; i < r->priority_count; i++)
                free(r->priorities[i].interface);
        for (size_t i = 0; i < r->rdma_count; i++)
                free(r->rdma[i].device);
        void *owned[] = { r->pointer, r->cpus, r->mems, r->weights, r->throttles, r->hugepages, r->priorities, r->rdma, r->rules };
        for (size_t i = 0; i < ELEMENTS(owned); i++)
                free(owned[i]);
        strings_clear(&r->unified);
        *r = (struct cgroup_resources){ 0 };
}

void cgroup_ask(struct cgroup_resources *r, enum cgroup_setting s, int64_t value)
{
        static const uint64_t zero_counts = UINT64_C(1) << CGROUP_MEMORY_SWAPPINESS | UINT64_C(1) << CGROUP_MEMORY_DISABLE_OOM_KILLER |
                                            UINT64_C(1) << CGROUP_MEMORY_USE_HIERARCHY | UINT64_C(1) << CGROUP_CPU_BURST |
                                            UINT64_C(1) << CGROUP_CPU_REALTIME_RUNTIME | UINT64_C(1) << CGROUP_CPU_IDLE |
                                            UINT64_C(1) << CGROUP_NETWORK_CLASS;
        if (value != 0 || zero_counts >> s & 1)
                cgroup_set(r, s, value);
}

void cgroup_add_rule(struct cgroup_resources *r, const struct cgroup_device_rule *rule)
{
        r->rules = xgrow(r->rules, &r->rule_room, r->rule_count + 1, sizeof *r->rules);
        r->rules[r->rule_count++] = *rule;
}

char *cgroup_access_text(unsigned access)
{
        return xprintf("%s%s%s", access & CGROUP_READ ? "r" : "", access & CGROUP_WRITE ? "w" : "", access & CGROUP_MKNOD ? "m" : "");
}

void cgroup_add_default_rules(struct cgroup_resources *r)
{
        static const struct cgroup_device_rule defaults[] = {
                { true, 'c', -1, -1, CGROUP_MKNOD },     { true, 'b', -1, -1, CGROUP_MKNOD },
                { true, 'c', 1, 3, CGROUP_ACCESS_ALL },  { true, 'c', 1, 5, CGROUP_ACCESS_ALL },
                { true, 'c', 1, 7, CGROUP_ACCESS_ALL },  { true, 'c', 1, 8, CGROUP_ACCESS_ALL },
                { true, 'c', 1, 9, CGROUP_ACCESS_ALL },  { true, 'c', 5, 0, CGROUP_ACCESS_ALL },
                { true, 'c', 5, 2, CGROUP_ACCESS_ALL },  { true, 'c', 136, -1, CGROUP_ACCESS_ALL },
        };
        for (size_t i = 0; i < ELEMENTS(defaults); i++)
                cgroup_add_rule(r, &defaults[i]);
}

uint64_t cgroup_weight_of_shares(uint64_t shares)
{
        if (shares == 0)
                return 0;
        if (shares <= 2)
                return 1;
        if (shares >= 262144)
                return 10000;
        /* The parabola through the least, the default and the most of both, on logarithmic axes. */
        double l = log2((double)shares);
        return (uint64_t)ceil(pow(10, (l * l + 125 * l) / 612 - 7.0 / 34));
}

uint64_t cgroup_shares_of_weight(uint64_t weight)
{
        uint64_t shares = weight * 1024 / 100;
        return shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
}

uint64_t cgroup_bfq_weight_of(uint64_t weight)
{
        return weight <= 100 ? weight : 100 + (weight - 100) * (1000 - 100) / (10000 - 100);
}

uint64_t cgroup_io_weight_of(uint64_t weight)
{
        if (weight == 0)
                return 0;
        weight = weight < 10 ? 10 : weight > 1000 ? 1000 : weight;
        return 1 + (weight - 10) * 9999 / 990;
}
