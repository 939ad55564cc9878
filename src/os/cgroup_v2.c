/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the controllers of v2 make of the settings of the specification, which were written with v1 in mind.  What has no
 * counterpart is an error, as the specification asks: it is not passed over.
 */
#include "os/cgroup_write.h"

static int unsupported(const struct cgroup_resources *r, enum cgroup_setting s, const char *hint, struct error *e)
{
        CLEAN_FREE char *origin = cgroup_origin(r, s);
        error_set(e, EOPNOTSUPP, "cgroup.unsupported", "%s: control groups v2 cannot do this", origin);
        error_hint(e, "%s", hint);
        return -EOPNOTSUPP;
}

static char *amount(int64_t n)
{
        return n < 0 ? xstrdup("max") : xprintf("%lld", (long long)n);
}

static void add_amount(const struct cgroup_resources *r, const char *controller, enum cgroup_setting s, const char *file, struct cgroup_writes *w)
{
        if (cgroup_is_set(r, s))
                cgroup_writes_add(w, controller, xstrdup(file), amount(r->values[s]), cgroup_origin(r, s));
}

/* v1 and the specification limit memory and swap together, v2 swap alone. */
static int add_swap(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e)
{
        bool limited = cgroup_is_set(r, CGROUP_MEMORY_LIMIT);
        int64_t limit = limited ? r->values[CGROUP_MEMORY_LIMIT] : live ? live->memory_limit : -1;
        int64_t swap = cgroup_is_set(r, CGROUP_MEMORY_SWAP) ? r->values[CGROUP_MEMORY_SWAP] : 0;
        if (swap == 0 && (!limited || limit >= 0))
                return 0;
        if (swap > 0 && (limit < 0 || swap < limit)) {
                CLEAN_FREE char *origin = cgroup_origin(r, CGROUP_MEMORY_SWAP);
                return error_set(e, EINVAL, "cgroup.value", "%s is the limit of memory and swap together, and %s", origin,
                                 limit < 0 ? "there is none of memory" : "less than the limit of memory");
        }
        cgroup_writes_add(w, "memory", xstrdup("memory.swap.max"), swap > 0 ? amount(swap - limit) : xstrdup("max"),
                          cgroup_origin(r, cgroup_is_set(r, CGROUP_MEMORY_SWAP) ? CGROUP_MEMORY_SWAP : CGROUP_MEMORY_LIMIT))
                ->flags = swap > 0 ? 0 : CGROUP_WRITE_IF_THERE; /* a kernel without swap has no such file */
        return 0;
}

int cgroup_v2_memory(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e)
{
        static const struct {
                enum cgroup_setting setting;
                int64_t harmless; /* what the hierarchy does anyhow */
                const char *hint;
        } rows[] = {
                { CGROUP_MEMORY_KERNEL, -1, "memory/limit counts kernel memory too" },
                { CGROUP_MEMORY_KERNEL_TCP, -1, "memory/limit counts it too" },
                { CGROUP_MEMORY_SWAPPINESS, INT64_MIN, "v2 has no swappiness of a group; leave it out" },
                { CGROUP_MEMORY_DISABLE_OOM_KILLER, 0, "leave it out; memory.high in \"unified\" slows down instead of killing" },
                { CGROUP_MEMORY_USE_HIERARCHY, 1, "v2 always counts by hierarchy" },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (cgroup_is_set(r, rows[i].setting) && r->values[rows[i].setting] != rows[i].harmless)
                        return unsupported(r, rows[i].setting, rows[i].hint, e);
        int k = add_swap(r, live, w, e);
        if (k < 0)
                return k;
        add_amount(r, "memory", CGROUP_MEMORY_LIMIT, "memory.max", w);
        add_amount(r, "memory", CGROUP_MEMORY_RESERVATION, "memory.low", w);
        add_amount(r, "memory", CGROUP_MEMORY_HIGH, "memory.high", w);
        add_amount(r, "memory", CGROUP_MEMORY_LOW, "memory.low", w);
        add_amount(r, "memory", CGROUP_MEMORY_MIN, "memory.min", w);
        add_amount(r, "memory", CGROUP_MEMORY_SWAP_ALONE, "memory.swap.max", w);
        return 0;
}

int cgroup_v2_cpu(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e)
{
        bool quota = cgroup_is_set(r, CGROUP_CPU_QUOTA), period = cgroup_is_set(r, CGROUP_CPU_PERIOD);
        static const enum cgroup_setting realtime[] = { CGROUP_CPU_REALTIME_RUNTIME, CGROUP_CPU_REALTIME_PERIOD };
        for (size_t i = 0; i < ELEMENTS(realtime); i++)
                if (cgroup_is_set(r, realtime[i]) && r->values[realtime[i]] != 0)
                        return unsupported(r, realtime[i], "v2 has no budget for realtime; leave it out", e);
        if (cgroup_is_set(r, CGROUP_CPU_SHARES))
                cgroup_writes_add(w, "cpu", xstrdup("cpu.weight"),
                                  xprintf("%llu", (unsigned long long)cgroup_weight_of_shares((uint64_t)r->values[CGROUP_CPU_SHARES])),
                                  cgroup_origin(r, CGROUP_CPU_SHARES));
        add_amount(r, "cpu", CGROUP_CPU_WEIGHT, "cpu.weight", w);
        if (quota || period) {
                /* A first word alone keeps the period; there is no such form for the second. */
                CLEAN_FREE char *first = amount(quota ? r->values[CGROUP_CPU_QUOTA] : live ? live->quota : -1);
                cgroup_writes_add(w, "cpu", xstrdup("cpu.max"),
                                  period ? xprintf("%s %lld", first, (long long)r->values[CGROUP_CPU_PERIOD]) : xstrdup(first),
                                  cgroup_origin(r, quota ? CGROUP_CPU_QUOTA : CGROUP_CPU_PERIOD));
        }
        add_amount(r, "cpu", CGROUP_CPU_BURST, "cpu.max.burst", w);
        add_amount(r, "cpu", CGROUP_CPU_IDLE, "cpu.idle", w);
        return 0;
}

int cgroup_v2_cpuset(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e)
{
        (void)live;
        return cgroup_v1_cpuset(r, w, e); /* the files are the same in both */
}

int cgroup_v2_pids(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e)
{
        (void)live;
        return cgroup_v1_pids(r, w, e);
}

/* BFQ's own file takes the numbers of v1; io.weight, of iocost, has another range. */
static void add_weight(const char *prefix, uint64_t weight, char *origin, struct cgroup_writes *w)
{
        struct cgroup_write *row = cgroup_writes_add(w, "io", xstrdup("io.bfq.weight"), xprintf("%s%llu", prefix, (unsigned long long)weight), origin);
        row->other_file = xstrdup("io.weight");
        row->other_value = xprintf("%s%llu", prefix, (unsigned long long)cgroup_io_weight_of(weight));
}

/* iocost's file and BFQ's, whichever are there. */
static void add_weight_v2(const char *device, uint64_t weight, char *origin, struct cgroup_writes *w)
{
        CLEAN_FREE char *bfq = xprintf("%s%llu", device, (unsigned long long)cgroup_bfq_weight_of(weight));
        struct cgroup_write *row = cgroup_writes_add(w, "io", xstrdup("io.weight"),
                                                     xprintf("%s%llu", *device ? device : "default ", (unsigned long long)weight), origin);
        row->other_file = xstrdup("io.bfq.weight");
        row->other_value = xstrdup(bfq);
        cgroup_writes_add(w, "io", xstrdup("io.bfq.weight"), TAKE_PTR(bfq), xstrdup(origin))->flags = CGROUP_WRITE_IF_THERE;
}

static int leaf_weight(const struct cgroup_resources *r, struct error *e)
{
        return unsupported(r, CGROUP_IO_LEAF_WEIGHT, "processes and groups do not compete within one folder in v2; leave leafWeight out", e);
}

int cgroup_v2_io(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e)
{
        static const struct {
                const char *key, *pointer;
        } kinds[CGROUP_THROTTLES] = {
                [CGROUP_READ_BPS] = { "rbps", "blockIO/throttleReadBpsDevice" },
                [CGROUP_WRITE_BPS] = { "wbps", "blockIO/throttleWriteBpsDevice" },
                [CGROUP_READ_IOPS] = { "riops", "blockIO/throttleReadIOPSDevice" },
                [CGROUP_WRITE_IOPS] = { "wiops", "blockIO/throttleWriteIOPSDevice" },
        };
        (void)live;
        if (cgroup_is_set(r, CGROUP_IO_LEAF_WEIGHT))
                return leaf_weight(r, e);
        if (cgroup_is_set(r, CGROUP_IO_WEIGHT))
                add_weight("", (uint64_t)r->values[CGROUP_IO_WEIGHT], cgroup_origin(r, CGROUP_IO_WEIGHT), w);
        if (cgroup_is_set(r, CGROUP_IO_WEIGHT_V2))
                add_weight_v2("", (uint64_t)r->values[CGROUP_IO_WEIGHT_V2], cgroup_origin(r, CGROUP_IO_WEIGHT_V2), w);
        for (size_t i = 0; i < r->weight_count; i++) {
                const struct cgroup_device_weight *d = &r->weights[i];
                CLEAN_FREE char *tail = xprintf("blockIO/weightDevice/%zu", i), *prefix = xprintf("%u:%u ", d->major, d->minor);
                if (d->leaf_weight)
                        return leaf_weight(r, e);
                if (d->weight_v2)
                        add_weight_v2(prefix, d->weight_v2, cgroup_origin_or(r, d->origin, tail), w);
                if (d->weight)
                        add_weight(prefix, d->weight, cgroup_origin_at(r, tail), w);
        }
        for (size_t i = 0; i < r->throttle_count; i++) {
                const struct cgroup_throttle *t = &r->throttles[i];
                CLEAN_FREE char *rate = t->rate ? xprintf("%llu", (unsigned long long)t->rate) : xstrdup("max"); /* v1 takes 0 for none */
                cgroup_writes_add(w, "io", xstrdup("io.max"), xprintf("%u:%u %s=%s", t->major, t->minor, kinds[t->kind].key, rate),
                                  cgroup_origin_or(r, t->origin, kinds[t->kind].pointer));
        }
        return 0;
}

int cgroup_v2_hugetlb(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e)
{
        (void)live, (void)e;
        for (size_t i = 0; i < r->hugepage_count; i++) {
                const struct cgroup_hugepage *h = &r->hugepages[i];
                CLEAN_FREE char *tail = xprintf("hugepageLimits/%zu", i), *value = xprintf("%llu", (unsigned long long)h->limit);
                cgroup_writes_add(w, "hugetlb", xprintf("hugetlb.%s.max", h->size), xstrdup(value), cgroup_origin_at(r, tail));
                cgroup_writes_add(w, "hugetlb", xprintf("hugetlb.%s.rsvd.max", h->size), TAKE_PTR(value), cgroup_origin_at(r, tail))->flags =
                        CGROUP_WRITE_IF_THERE;
        }
        return 0;
}

int cgroup_v2_rdma(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e)
{
        (void)live, (void)e;
        for (size_t i = 0; i < r->rdma_count; i++) {
                const struct cgroup_rdma *d = &r->rdma[i];
                CLEAN_FREE char *tail = xprintf("rdma/%.60s", d->device);
                CLEAN_TEXT struct text value = { 0 };
                text_add(&value, d->device);
                if (d->handles_set)
                        text_addf(&value, " hca_handle=%u", d->handles);
                if (d->objects_set)
                        text_addf(&value, " hca_object=%u", d->objects);
                cgroup_writes_add(w, "rdma", xstrdup("rdma.max"), TAKE_PTR(value.data), cgroup_origin_at(r, tail));
        }
        return 0;
}
