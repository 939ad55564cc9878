/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the controllers of v1 call the settings of the specification. */
#include "base/exit_status.h"
#include "os/cgroup_write.h"

struct row {
        enum cgroup_setting setting;
        const char *file;
        const char *unlimited; /* what -1 is written as; NULL: -1 */
        unsigned flags;
};

static void add_rows(const struct cgroup_resources *r, const char *controller, const struct row *rows, size_t count, struct cgroup_writes *w)
{
        for (size_t i = 0; i < count; i++) {
                enum cgroup_setting s = rows[i].setting;
                if (!cgroup_is_set(r, s))
                        continue;
                int64_t n = r->values[s];
                char *value = n < 0 && rows[i].unlimited ? xstrdup(rows[i].unlimited) : xprintf("%lld", n < 0 ? -1LL : (long long)n);
                cgroup_writes_add(w, controller, xstrdup(rows[i].file), value, cgroup_origin(r, s))->flags = rows[i].flags;
        }
}

/* What only v2 has. */
static int check_memory(const struct cgroup_resources *r, struct error *e)
{
        static const enum cgroup_setting settings[] = { CGROUP_MEMORY_HIGH, CGROUP_MEMORY_LOW, CGROUP_MEMORY_MIN, CGROUP_MEMORY_SWAP_ALONE };
        for (size_t i = 0; i < ELEMENTS(settings); i++) {
                bool swap = settings[i] == CGROUP_MEMORY_SWAP_ALONE;
                if (!cgroup_is_set(r, settings[i]) || (swap && cgroup_is_set(r, CGROUP_MEMORY_LIMIT) && r->values[CGROUP_MEMORY_LIMIT] >= 0))
                        continue;
                CLEAN_FREE char *origin = cgroup_origin(r, settings[i]);
                error_set(e, EOPNOTSUPP, "cgroup.unsupported", "%s: control groups v1, which have the memory controller here, cannot do this", origin);
                error_hint(e, swap ? "v1 limits memory and swap together: add a limit of memory" : "leave it out, or use a host with control groups v2");
                error_status(e, STATUS_CGROUP);
                return -EOPNOTSUPP;
        }
        return 0;
}

/* Swap alone is the limit of both less that of memory. */
static void add_swap(const struct cgroup_resources *r, struct cgroup_writes *w)
{
        int64_t swap = r->values[CGROUP_MEMORY_SWAP_ALONE], sum;
        if (!cgroup_is_set(r, CGROUP_MEMORY_SWAP_ALONE))
                return;
        if (swap < 0 || __builtin_add_overflow(r->values[CGROUP_MEMORY_LIMIT], swap, &sum))
                sum = -1;
        cgroup_writes_add(w, "memory", xstrdup("memory.memsw.limit_in_bytes"), xprintf("%lld", (long long)sum), cgroup_origin(r, CGROUP_MEMORY_SWAP_ALONE));
}

int cgroup_v1_memory(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        static const struct row rows[] = {
                { CGROUP_MEMORY_USE_HIERARCHY, "memory.use_hierarchy", NULL, 0 },
                { CGROUP_MEMORY_LIMIT, "memory.limit_in_bytes", NULL, 0 },
                { CGROUP_MEMORY_SWAP, "memory.memsw.limit_in_bytes", NULL, 0 },
                { CGROUP_MEMORY_RESERVATION, "memory.soft_limit_in_bytes", NULL, 0 },
                /* Linux 5.16 ceased to serve it: kernel memory is part of the limit. */
                { CGROUP_MEMORY_KERNEL, "memory.kmem.limit_in_bytes", NULL, CGROUP_WRITE_IF_ABLE },
                { CGROUP_MEMORY_KERNEL_TCP, "memory.kmem.tcp.limit_in_bytes", NULL, 0 },
                { CGROUP_MEMORY_SWAPPINESS, "memory.swappiness", NULL, 0 },
                { CGROUP_MEMORY_DISABLE_OOM_KILLER, "memory.oom_control", NULL, 0 },
        };
        int k = check_memory(r, e);
        if (k < 0)
                return k;
        add_rows(r, "memory", rows, ELEMENTS(rows), w);
        add_swap(r, w);
        /* The two may not cross, so that lifting the one alone would be refused. */
        if (cgroup_is_set(r, CGROUP_MEMORY_LIMIT) && r->values[CGROUP_MEMORY_LIMIT] < 0 && !cgroup_is_set(r, CGROUP_MEMORY_SWAP))
                cgroup_writes_add(w, "memory", xstrdup("memory.memsw.limit_in_bytes"), xstrdup("-1"), cgroup_origin(r, CGROUP_MEMORY_LIMIT))
                        ->flags = CGROUP_WRITE_IF_THERE;
        return 0;
}

int cgroup_v1_cpu(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        static const struct row rows[] = {
                { CGROUP_CPU_SHARES, "cpu.shares", NULL, 0 },
                { CGROUP_CPU_PERIOD, "cpu.cfs_period_us", NULL, 0 },
                { CGROUP_CPU_QUOTA, "cpu.cfs_quota_us", NULL, 0 },
                { CGROUP_CPU_BURST, "cpu.cfs_burst_us", NULL, 0 },
                { CGROUP_CPU_REALTIME_PERIOD, "cpu.rt_period_us", NULL, 0 },
                { CGROUP_CPU_REALTIME_RUNTIME, "cpu.rt_runtime_us", NULL, 0 },
                { CGROUP_CPU_IDLE, "cpu.idle", NULL, 0 },
        };
        (void)e;
        if (cgroup_is_set(r, CGROUP_CPU_WEIGHT))
                cgroup_writes_add(w, "cpu", xstrdup("cpu.shares"),
                                  xprintf("%llu", (unsigned long long)cgroup_shares_of_weight((uint64_t)r->values[CGROUP_CPU_WEIGHT])),
                                  cgroup_origin(r, CGROUP_CPU_WEIGHT));
        add_rows(r, "cpu", rows, ELEMENTS(rows), w);
        return 0;
}

int cgroup_v1_cpuset(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        (void)e;
        if (r->cpus && *r->cpus)
                cgroup_writes_add(w, "cpuset", xstrdup("cpuset.cpus"), xstrdup(r->cpus), cgroup_origin_or(r, r->cpus_origin, "cpu/cpus"));
        if (r->mems && *r->mems)
                cgroup_writes_add(w, "cpuset", xstrdup("cpuset.mems"), xstrdup(r->mems), cgroup_origin_or(r, r->mems_origin, "cpu/mems"));
        return 0;
}

int cgroup_v1_pids(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        static const struct row rows[] = { { CGROUP_PIDS_LIMIT, "pids.max", "max", 0 } };
        (void)e;
        add_rows(r, "pids", rows, ELEMENTS(rows), w);
        return 0;
}

/* BFQ's file, or CFQ's with its own range, as systemd translates to both. */
static void add_weight_v2(const char *device, uint64_t weight, char *origin, struct cgroup_writes *w)
{
        uint64_t old = weight * 500 / 100;
        const char *tail = *device ? "_device" : "";
        struct cgroup_write *row = cgroup_writes_add(w, "blkio", xprintf("blkio.bfq.weight%s", tail),
                                                     xprintf("%s%llu", device, (unsigned long long)cgroup_bfq_weight_of(weight)), origin);
        row->other_file = xprintf("blkio.weight%s", tail);
        row->other_value = xprintf("%s%llu", device, (unsigned long long)(old < 10 ? 10 : old > 1000 ? 1000 : old));
}

/* BFQ took the place of CFQ in Linux 5.0; the one has blkio.bfq.weight, the other blkio.weight. */
static void add_weight(const struct cgroup_resources *r, struct cgroup_writes *w)
{
        static const struct row rows[] = { { CGROUP_IO_WEIGHT, "blkio.bfq.weight", NULL, 0 }, { CGROUP_IO_LEAF_WEIGHT, "blkio.leaf_weight", NULL, 0 } };
        size_t before = w->count;
        add_rows(r, "blkio", rows, 1, w);
        if (w->count > before)
                w->items[before].other_file = xstrdup("blkio.weight");
        add_rows(r, "blkio", rows + 1, 1, w);
        if (cgroup_is_set(r, CGROUP_IO_WEIGHT_V2))
                add_weight_v2("", (uint64_t)r->values[CGROUP_IO_WEIGHT_V2], cgroup_origin(r, CGROUP_IO_WEIGHT_V2), w);
        for (size_t i = 0; i < r->weight_count; i++) {
                const struct cgroup_device_weight *d = &r->weights[i];
                CLEAN_FREE char *tail = xprintf("blockIO/weightDevice/%zu", i), *device = xprintf("%u:%u ", d->major, d->minor);
                if (d->weight_v2)
                        add_weight_v2(device, d->weight_v2, cgroup_origin_or(r, d->origin, tail), w);
                if (d->weight)
                        cgroup_writes_add(w, "blkio", xstrdup("blkio.bfq.weight_device"), xprintf("%u:%u %u", d->major, d->minor, d->weight),
                                          cgroup_origin_at(r, tail))->other_file = xstrdup("blkio.weight_device");
                if (d->leaf_weight)
                        cgroup_writes_add(w, "blkio", xstrdup("blkio.leaf_weight_device"),
                                          xprintf("%u:%u %u", d->major, d->minor, d->leaf_weight), cgroup_origin_at(r, tail));
        }
}

int cgroup_v1_blkio(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        static const struct {
                const char *file, *pointer;
        } kinds[CGROUP_THROTTLES] = {
                [CGROUP_READ_BPS] = { "blkio.throttle.read_bps_device", "blockIO/throttleReadBpsDevice" },
                [CGROUP_WRITE_BPS] = { "blkio.throttle.write_bps_device", "blockIO/throttleWriteBpsDevice" },
                [CGROUP_READ_IOPS] = { "blkio.throttle.read_iops_device", "blockIO/throttleReadIOPSDevice" },
                [CGROUP_WRITE_IOPS] = { "blkio.throttle.write_iops_device", "blockIO/throttleWriteIOPSDevice" },
        };
        (void)e;
        add_weight(r, w);
        for (size_t i = 0; i < r->throttle_count; i++) {
                const struct cgroup_throttle *t = &r->throttles[i];
                cgroup_writes_add(w, "blkio", xstrdup(kinds[t->kind].file), xprintf("%u:%u %llu", t->major, t->minor, (unsigned long long)t->rate),
                                  cgroup_origin_or(r, t->origin, kinds[t->kind].pointer));
        }
        return 0;
}

int cgroup_v1_hugetlb(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        (void)e;
        for (size_t i = 0; i < r->hugepage_count; i++) {
                const struct cgroup_hugepage *h = &r->hugepages[i];
                CLEAN_FREE char *tail = xprintf("hugepageLimits/%zu", i), *value = xprintf("%llu", (unsigned long long)h->limit);
                cgroup_writes_add(w, "hugetlb", xprintf("hugetlb.%s.limit_in_bytes", h->size), xstrdup(value), cgroup_origin_at(r, tail));
                cgroup_writes_add(w, "hugetlb", xprintf("hugetlb.%s.rsvd.limit_in_bytes", h->size), TAKE_PTR(value), cgroup_origin_at(r, tail))
                        ->flags = CGROUP_WRITE_IF_THERE;
        }
        return 0;
}

int cgroup_v1_net_cls(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        static const struct row rows[] = { { CGROUP_NETWORK_CLASS, "net_cls.classid", NULL, 0 } };
        (void)e;
        add_rows(r, "net_cls", rows, ELEMENTS(rows), w);
        return 0;
}

int cgroup_v1_net_prio(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        (void)e;
        for (size_t i = 0; i < r->priority_count; i++) {
                CLEAN_FREE char *tail = xprintf("network/priorities/%zu", i);
                cgroup_writes_add(w, "net_prio", xstrdup("net_prio.ifpriomap"), xprintf("%s %u", r->priorities[i].interface, r->priorities[i].priority),
                                  cgroup_origin_at(r, tail));
        }
        return 0;
}

int cgroup_v1_rdma(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        return cgroup_v2_rdma(r, NULL, w, e); /* the file is the same in both */
}
