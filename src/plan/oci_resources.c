/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/oci_resources.h"

#include <string.h>

/* ---- settings: numbers and truths, each in its slot ---- */

struct slot {
        const char *name;
        enum cgroup_setting setting;
        int64_t least, most;
        bool is_bool;
};

static int read_slot(const struct json_place *at, const struct slot *s, struct cgroup_resources *r, struct error *e)
{
        int64_t n;
        bool b = false;
        int k = s->is_bool ? json_bool(at, &b, e) : json_i64(at, &n, e);
        if (k < 0)
                return k;
        if (s->is_bool)
                n = b;
        if (n < s->least || n > s->most)
                return json_fail(at, e, "is not from %lld to %lld", (long long)s->least, (long long)s->most);
        cgroup_ask(r, s->setting, n);
        return 0;
}

/* Members that are in the table go to their slots; others are for the caller's own table or nobody. */
static int read_slots(const struct json_place *at, const struct slot *slots, struct cgroup_resources *r, struct error *e)
{
        if (at->value->type != JSON_OBJECT)
                return json_fail(at, e, "expected an object");
        const struct json_node *name = at->value + 1;
        for (uint32_t i = 0; i < at->value->count; i++, name = name + 1 + name[1].span) {
                const struct json_place place = { .value = name + 1, .up = at, .key = name->text };
                for (const struct slot *s = slots; s->name && name[1].type != JSON_NULL; s++) {
                        int k = text_equal(s->name, name->text) ? read_slot(&place, s, r, e) : 0;
                        if (k < 0)
                                return k;
                }
        }
        return 0;
}

enum { WHOLE = 0 };
#define ANY INT64_MAX

static int read_memory(const struct json_place *at, void *into, struct error *e)
{
        static const struct slot slots[] = {
                { "limit", CGROUP_MEMORY_LIMIT, -1, ANY, false },
                { "reservation", CGROUP_MEMORY_RESERVATION, -1, ANY, false },
                { "swap", CGROUP_MEMORY_SWAP, -1, ANY, false },
                { "kernel", CGROUP_MEMORY_KERNEL, -1, ANY, false },
                { "kernelTCP", CGROUP_MEMORY_KERNEL_TCP, -1, ANY, false },
                { "swappiness", CGROUP_MEMORY_SWAPPINESS, 0, 100, false },
                { "disableOOMKiller", CGROUP_MEMORY_DISABLE_OOM_KILLER, 0, 1, true },
                { "useHierarchy", CGROUP_MEMORY_USE_HIERARCHY, 0, 1, true },
                { "checkBeforeUpdate", CGROUP_MEMORY_CHECK_BEFORE_UPDATE, 0, 1, true },
                { 0 } };
        return read_slots(at, slots, into, e);
}

/* "0-3,7", as the kernel takes it; anything else could become another line of a file. */
static int read_list(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (strspn(s, "0123456789,-:/ ") != strlen(s))
                return json_fail(at, e, "\"%.60s\" is no list such as \"0-3,7\"", s);
        return json_string(at, into, e);
}

static int read_cpu(const struct json_place *at, void *into, struct error *e)
{
        static const struct slot slots[] = {
                { "shares", CGROUP_CPU_SHARES, 0, ANY, false },
                { "quota", CGROUP_CPU_QUOTA, -1, ANY, false },
                { "burst", CGROUP_CPU_BURST, 0, ANY, false },
                { "period", CGROUP_CPU_PERIOD, 0, ANY, false },
                { "realtimeRuntime", CGROUP_CPU_REALTIME_RUNTIME, -1, ANY, false },
                { "realtimePeriod", CGROUP_CPU_REALTIME_PERIOD, 0, ANY, false },
                { "idle", CGROUP_CPU_IDLE, 0, 1, false },
                { 0 } };
        static const struct json_field fields[] = {
                { "cpus", read_list, offsetof(struct cgroup_resources, cpus), 0 },
                { "mems", read_list, offsetof(struct cgroup_resources, mems), 0 },
                { 0 } };
        struct cgroup_resources *r = into;
        int k = read_slots(at, slots, r, e);
        if (k == 0)
                k = json_object(at, fields, r, e);
        int64_t quota = cgroup_is_set(r, CGROUP_CPU_QUOTA) ? r->values[CGROUP_CPU_QUOTA] : 0;
        if (k == 0 && quota > 0 && cgroup_is_set(r, CGROUP_CPU_BURST) && r->values[CGROUP_CPU_BURST] > quota) {
                const struct json_place burst = { .up = at, .key = "burst" };
                return json_fail(&burst, e, "is larger than quota");
        }
        return k;
}

static int read_pids(const struct json_place *at, void *into, struct error *e)
{
        static const struct slot slots[] = { { "limit", CGROUP_PIDS_LIMIT, -1, ANY, false }, { 0 } };
        return read_slots(at, slots, into, e);
}

/* ---- block devices ---- */

struct numbers {
        uint32_t major, minor;
        uint16_t weight, leaf_weight;
        uint64_t rate;
};

static int read_weight_device(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "major", json_u32, offsetof(struct numbers, major), JSON_REQUIRED },
                { "minor", json_u32, offsetof(struct numbers, minor), JSON_REQUIRED },
                { "weight", json_u16, offsetof(struct numbers, weight), 0 },
                { "leafWeight", json_u16, offsetof(struct numbers, leaf_weight), 0 },
                { 0 } };
        struct cgroup_resources *r = into;
        struct numbers n = { 0 };
        int k = json_object(at, fields, &n, e);
        if (k < 0)
                return k;
        if (!n.weight && !n.leaf_weight)
                return json_fail(at, e, "has neither weight nor leafWeight");
        r->weights = xgrow(r->weights, &r->weight_room, r->weight_count + 1, sizeof *r->weights);
        r->weights[r->weight_count++] = (struct cgroup_device_weight){ .major = n.major, .minor = n.minor, .weight = n.weight, .leaf_weight = n.leaf_weight };
        return 0;
}

static int read_throttle(const struct json_place *at, enum cgroup_throttle_kind kind, struct cgroup_resources *r, struct error *e)
{
        static const struct json_field fields[] = {
                { "major", json_u32, offsetof(struct numbers, major), JSON_REQUIRED },
                { "minor", json_u32, offsetof(struct numbers, minor), JSON_REQUIRED },
                { "rate", json_u64, offsetof(struct numbers, rate), JSON_REQUIRED },
                { 0 } };
        struct numbers n = { 0 };
        int k = json_object(at, fields, &n, e);
        if (k < 0)
                return k;
        r->throttles = xgrow(r->throttles, &r->throttle_room, r->throttle_count + 1, sizeof *r->throttles);
        r->throttles[r->throttle_count++] = (struct cgroup_throttle){ .kind = kind, .major = n.major, .minor = n.minor, .rate = n.rate };
        return 0;
}

#define THROTTLE(name, kind)                                                                                 \
        static int name##_one(const struct json_place *at, void *into, struct error *e)                      \
        {                                                                                                    \
                return read_throttle(at, kind, into, e);                                                     \
        }                                                                                                    \
        static int name(const struct json_place *at, void *into, struct error *e)                            \
        {                                                                                                    \
                return json_each(at, name##_one, into, e);                                                   \
        }

THROTTLE(read_bps, CGROUP_READ_BPS)
THROTTLE(write_bps, CGROUP_WRITE_BPS)
THROTTLE(read_iops, CGROUP_READ_IOPS)
THROTTLE(write_iops, CGROUP_WRITE_IOPS)

static int read_weight_devices(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_weight_device, into, e);
}

static int read_block_io(const struct json_place *at, void *into, struct error *e)
{
        static const struct slot slots[] = { { "weight", CGROUP_IO_WEIGHT, 0, UINT16_MAX, false },
                                             { "leafWeight", CGROUP_IO_LEAF_WEIGHT, 0, UINT16_MAX, false }, { 0 } };
        static const struct json_field fields[] = {
                { "weightDevice", read_weight_devices, WHOLE, 0 },
                { "throttleReadBpsDevice", read_bps, WHOLE, 0 },
                { "throttleWriteBpsDevice", write_bps, WHOLE, 0 },
                { "throttleReadIOPSDevice", read_iops, WHOLE, 0 },
                { "throttleWriteIOPSDevice", write_iops, WHOLE, 0 },
                { 0 } };
        int k = read_slots(at, slots, into, e);
        return k < 0 ? k : json_object(at, fields, into, e);
}

/* ---- huge pages, network, rdma, unified ---- */

/* A part of a file's name. */
static int read_page_size(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        size_t digits = strspn(s, "0123456789");
        if (digits == 0 || digits > 10 || !strchr("KMGTPE", s[digits]) || !s[digits] || !text_equal(s + digits + 1, "B"))
                return json_fail(at, e, "\"%.60s\" is no page size such as \"2MB\"", s);
        return json_string(at, into, e);
}

static int read_hugepage(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "pageSize", read_page_size, offsetof(struct cgroup_hugepage, size), JSON_REQUIRED },
                { "limit", json_u64, offsetof(struct cgroup_hugepage, limit), JSON_REQUIRED },
                { 0 } };
        struct cgroup_resources *r = into;
        r->hugepages = xgrow(r->hugepages, &r->hugepage_room, r->hugepage_count + 1, sizeof *r->hugepages);
        struct cgroup_hugepage *h = &r->hugepages[r->hugepage_count++];
        *h = (struct cgroup_hugepage){ 0 };
        return json_object(at, fields, h, e);
}

static int read_hugepages(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_hugepage, into, e);
}

/* One word of a line that the kernel splits at blanks. */
static int read_word(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s || strpbrk(s, " \t\n/") || strlen(s) > 64)
                return json_fail(at, e, "\"%.64s\" is no name of a device", s);
        return json_string(at, into, e);
}

static int read_priority(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "name", read_word, offsetof(struct cgroup_priority, interface), JSON_REQUIRED },
                { "priority", json_u32, offsetof(struct cgroup_priority, priority), JSON_REQUIRED },
                { 0 } };
        struct cgroup_resources *r = into;
        r->priorities = xgrow(r->priorities, &r->priority_room, r->priority_count + 1, sizeof *r->priorities);
        struct cgroup_priority *p = &r->priorities[r->priority_count++];
        *p = (struct cgroup_priority){ 0 };
        return json_object(at, fields, p, e);
}

static int read_priorities(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_priority, into, e);
}

static int read_network(const struct json_place *at, void *into, struct error *e)
{
        static const struct slot slots[] = { { "classID", CGROUP_NETWORK_CLASS, 0, UINT32_MAX, false }, { 0 } };
        static const struct json_field fields[] = { { "priorities", read_priorities, WHOLE, 0 }, { 0 } };
        int k = read_slots(at, slots, into, e);
        return k < 0 ? k : json_object(at, fields, into, e);
}

static int read_handles(const struct json_place *at, void *into, struct error *e)
{
        struct cgroup_rdma *d = into;
        d->handles_set = true;
        return json_u32(at, &d->handles, e);
}

static int read_objects(const struct json_place *at, void *into, struct error *e)
{
        struct cgroup_rdma *d = into;
        d->objects_set = true;
        return json_u32(at, &d->objects, e);
}

static int read_rdma_device(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = { { "hcaHandles", read_handles, WHOLE, 0 }, { "hcaObjects", read_objects, WHOLE, 0 }, { 0 } };
        struct cgroup_resources *r = into;
        if (!*at->key || strpbrk(at->key, " \t\n/") || strlen(at->key) > 64)
                return json_fail(at, e, "is no name of a device");
        r->rdma = xgrow(r->rdma, &r->rdma_room, r->rdma_count + 1, sizeof *r->rdma);
        struct cgroup_rdma *d = &r->rdma[r->rdma_count++];
        *d = (struct cgroup_rdma){ .device = xstrdup(at->key) };
        int k = json_object(at, fields, d, e);
        return k < 0 || d->handles_set || d->objects_set ? k : json_fail(at, e, "has neither hcaHandles nor hcaObjects");
}

static int read_rdma(const struct json_place *at, void *into, struct error *e)
{
        return json_each_member(at, read_rdma_device, into, e);
}

static int read_unified_one(const struct json_place *at, void *into, struct error *e)
{
        struct cgroup_resources *r = into;
        const char *value = json_text(at, e);
        if (!value)
                return -EINVAL;
        if (!strchr(at->key, '.') || strchr(at->key, '/') || at->key[0] == '.')
                return json_fail(at, e, "is no file of a control group such as \"memory.high\"");
        strings_add(&r->unified, at->key);
        strings_add(&r->unified, value);
        return 0;
}

static int read_unified(const struct json_place *at, void *into, struct error *e)
{
        return json_each_member(at, read_unified_one, into, e);
}

/* ---- devices ---- */

struct device {
        bool allow;
        char *access;
        int64_t major, minor;
        int type;
};

static int read_type(const struct json_place *at, void *into, struct error *e)
{
        static const char *const words[] = { "a", "b", "c", NULL };
        int k = json_word(at, words, e);
        if (k >= 0)
                *(int *)into = words[k][0];
        return k < 0 ? k : 0;
}

static int read_device_number(const struct json_place *at, void *into, struct error *e)
{
        int k = json_i64(at, into, e);
        int64_t n = *(int64_t *)into;
        return k < 0 ? k : n < -1 || n > UINT32_MAX ? json_fail(at, e, "is not from -1, for all, to %u", UINT32_MAX) : 0;
}

static int read_access(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        return s[strspn(s, "rwm")] ? json_fail(at, e, "\"%.20s\" has other letters than r, w and m", s) : json_string(at, into, e);
}

static int read_rule(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "allow", json_bool, offsetof(struct device, allow), JSON_REQUIRED },
                { "type", read_type, offsetof(struct device, type), 0 },
                { "major", read_device_number, offsetof(struct device, major), 0 },
                { "minor", read_device_number, offsetof(struct device, minor), 0 },
                { "access", read_access, offsetof(struct device, access), 0 },
                { 0 } };
        struct device d = { .major = -1, .minor = -1, .type = 'a' };
        int k = json_object(at, fields, &d, e);
        /* As with the others, what is not said stands for all. */
        bool all = !d.access || !*d.access;
        const struct cgroup_device_rule rule = { d.allow, (char)d.type, d.major, d.minor,
                                                 all ? CGROUP_ACCESS_ALL : (unsigned)((strchr(d.access, 'r') ? CGROUP_READ : 0) |
                                                                                      (strchr(d.access, 'w') ? CGROUP_WRITE : 0) |
                                                                                      (strchr(d.access, 'm') ? CGROUP_MKNOD : 0)) };
        free(d.access);
        if (k == 0)
                cgroup_add_rule(into, &rule);
        return k;
}

static int read_devices(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_rule, into, e);
}

int oci_read_resources(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "devices", read_devices, WHOLE, 0 },
                { "memory", read_memory, WHOLE, 0 },
                { "cpu", read_cpu, WHOLE, 0 },
                { "pids", read_pids, WHOLE, 0 },
                { "blockIO", read_block_io, WHOLE, 0 },
                { "hugepageLimits", read_hugepages, WHOLE, 0 },
                { "network", read_network, WHOLE, 0 },
                { "rdma", read_rdma, WHOLE, 0 },
                { "unified", read_unified, WHOLE, 0 },
                { 0 } };
        struct cgroup_resources **target = into;
        if (!*target)
                *target = xalloc(1, sizeof **target);
        free((*target)->pointer);
        (*target)->pointer = json_pointer(at);
        return json_object(at, fields, *target, e);
}

void oci_resources_free(struct cgroup_resources *r)
{
        if (r)
                cgroup_resources_done(r);
        free(r);
}
