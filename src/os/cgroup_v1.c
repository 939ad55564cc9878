/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the controllers of v1 call the settings of the specification. */
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
        (void)e;
        add_rows(r, "memory", rows, ELEMENTS(rows), w);
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
        add_rows(r, "cpu", rows, ELEMENTS(rows), w);
        return 0;
}

int cgroup_v1_cpuset(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        (void)e;
        if (r->cpus && *r->cpus)
                cgroup_writes_add(w, "cpuset", xstrdup("cpuset.cpus"), xstrdup(r->cpus), cgroup_origin_at(r, "cpu/cpus"));
        if (r->mems && *r->mems)
                cgroup_writes_add(w, "cpuset", xstrdup("cpuset.mems"), xstrdup(r->mems), cgroup_origin_at(r, "cpu/mems"));
        return 0;
}

int cgroup_v1_pids(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e)
{
        static const struct row rows[] = { { CGROUP_PIDS_LIMIT, "pids.max", "max", 0 } };
        (void)e;
        add_rows(r, "pids", rows, ELEMENTS(rows), w);
        return 0;
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
        for (size_t i = 0; i < r->weight_count; i++) {
                const struct cgroup_device_weight *d = &r->weights[i];
                CLEAN_FREE char *tail = xprintf("blockIO/weightDevice/%zu", i);
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
                                  cgroup_origin_at(r, kinds[t->kind].pointer));
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
