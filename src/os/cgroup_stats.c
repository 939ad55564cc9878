/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers of use, under the names by which engines know them from `events --stats`.  A file that is not there leaves its numbers at
 * 0 or out: which files there are depends on kernel and host.
 */
#include <string.h>

#include "os/cgroup.h"
#include "os/cgroup_folder.h"
#include "os/file.h"

enum { STAT_SIZE_MAX = 1 << 20 };

static bool is_v2(const struct cgroup_folder *f)
{
        return !*f->controllers;
}

static int read_text(const struct cgroup_folder *f, const char *file, struct text *ret)
{
        return f && f->fd >= 0 ? file_read(f->fd, file, STAT_SIZE_MAX, ret) : -ENOENT;
}

/* A file's number; 0 where it is not there, "max" as it is. */
static uint64_t number(const struct cgroup_folder *f, const char *file)
{
        int64_t n;
        return !f || cgroup_read_number(f->fd, file, &n) < 0 || n < 0 ? 0 : n == INT64_MAX ? UINT64_MAX : (uint64_t)n;
}

static bool there(const struct cgroup_folder *f, const char *file)
{
        CLEAN_TEXT struct text t = { 0 };
        return read_text(f, file, &t) == 0;
}

static uint64_t parse(const char *digits)
{
        uint64_t n = 0;
        CLEAN_FREE char *word = xstrndup(digits, strspn(digits, "0123456789"));
        return text_parse_uint(word, UINT64_MAX, &n) < 0 ? 0 : n;
}

/* The number in a line "KEY N". */
static uint64_t keyed(const struct text *t, const char *key)
{
        size_t n = strlen(key);
        for (const char *line = t->data; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
                if (!strncmp(line, key, n) && line[n] == ' ')
                        return parse(line + n + 1);
        return 0;
}

static unsigned long long wide(uint64_t n)
{
        return n;
}

/* ---- pressure: lines "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" ---- */

static void add_pressure_line(struct text *j, const char *line)
{
        static const char *const keys[] = { "avg10", "avg60", "avg300", "total" };
        const char *end = strchrnul(line, '\n');
        text_addf(j, "\"%.*s\":{", (int)strcspn(line, " "), line);
        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                CLEAN_FREE char *word = xprintf(" %s=", keys[i]);
                const char *at = strstr(line, word);
                const char *value = at && at < end ? at + strlen(word) : "0";
                text_addf(j, "%s\"%s\":%.*s", i ? "," : "", keys[i], (int)strspn(value, "0123456789."), value);
        }
        text_add(j, "}");
}

static void add_pressure(struct text *j, const struct cgroup *c, const char *file)
{
        CLEAN_TEXT struct text t = { 0 };
        bool any = false;
        if (read_text(cgroup_v2_folder(c), file, &t) < 0)
                return;
        for (const char *line = t.data; *line; line += strcspn(line, "\n"), line += *line == '\n')
                if (text_starts(line, "some ") || text_starts(line, "full ")) {
                        text_add(j, any ? "," : ",\"psi\":{");
                        add_pressure_line(j, line);
                        any = true;
                }
        if (any)
                text_add(j, "}");
}

/* ---- cpu ---- */

static void add_numbers(struct text *j, const char *name, const struct cgroup_folder *f, const char *file)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_STRINGS struct strings words = { 0 };
        if (read_text(f, file, &t) < 0 || text_split_words(t.data, &words) < 0 || !words.count)
                return;
        text_addf(j, ",\"%s\":[", name);
        for (size_t i = 0; i < words.count; i++)
                text_addf(j, "%s%llu", i ? "," : "", wide(parse(words.items[i])));
        text_add(j, "]");
}

static void add_cpu(struct text *j, const struct cgroup *c)
{
        const struct cgroup_folder *usage = cgroup_folder_of(c, "cpuacct"), *limits = cgroup_folder_of(c, "cpu");
        CLEAN_TEXT struct text t = { 0 }, throttling = { 0 };
        text_add(j, "\"cpu\":{\"usage\":{");
        if (usage && is_v2(usage)) {
                (void)read_text(usage, "cpu.stat", &t);
                text_addf(j, "\"total\":%llu,\"kernel\":%llu,\"user\":%llu", wide(keyed(&t, "usage_usec") * 1000),
                          wide(keyed(&t, "system_usec") * 1000), wide(keyed(&t, "user_usec") * 1000));
        } else {
                text_addf(j, "\"total\":%llu,\"kernel\":%llu,\"user\":%llu", wide(number(usage, "cpuacct.usage")),
                          wide(number(usage, "cpuacct.usage_sys")), wide(number(usage, "cpuacct.usage_user")));
                add_numbers(j, "percpu", usage, "cpuacct.usage_percpu");
                add_numbers(j, "percpu_kernel", usage, "cpuacct.usage_percpu_sys");
                add_numbers(j, "percpu_user", usage, "cpuacct.usage_percpu_user");
        }
        (void)read_text(limits, "cpu.stat", &throttling);
        uint64_t time_ns = limits && is_v2(limits) ? keyed(&throttling, "throttled_usec") * 1000 : keyed(&throttling, "throttled_time");
        text_addf(j, "},\"throttling\":{\"periods\":%llu,\"throttledPeriods\":%llu,\"throttledTime\":%llu}", wide(keyed(&throttling, "nr_periods")),
                  wide(keyed(&throttling, "nr_throttled")), wide(time_ns));
        add_pressure(j, c, "cpu.pressure");
        text_add(j, "}");
}

/* ---- memory ---- */

static void add_entry(struct text *j, const char *name, uint64_t limit, uint64_t usage, uint64_t most, uint64_t failures)
{
        text_addf(j, ",\"%s\":{\"limit\":%llu,\"usage\":%llu,\"max\":%llu,\"failcnt\":%llu}", name, wide(limit), wide(usage), wide(most), wide(failures));
}

static void add_v1_entry(struct text *j, const char *name, const struct cgroup_folder *f, const char *prefix)
{
        static const char *const ends[] = { "limit_in_bytes", "usage_in_bytes", "max_usage_in_bytes", "failcnt" };
        uint64_t n[ELEMENTS(ends)];
        for (size_t i = 0; i < ELEMENTS(ends); i++) {
                CLEAN_FREE char *file = xprintf("memory.%s%s", prefix, ends[i]);
                n[i] = number(f, file);
        }
        add_entry(j, name, n[0], n[1], n[2], n[3]);
}

static uint64_t sum(uint64_t a, uint64_t b)
{
        return a == UINT64_MAX || b == UINT64_MAX ? UINT64_MAX : a + b;
}

/* v2 counts swap alone; the names are of memory and swap together. */
static void add_v2_entries(struct text *j, const struct cgroup_folder *f)
{
        CLEAN_TEXT struct text events = { 0 };
        (void)read_text(f, "memory.events", &events);
        uint64_t limit = number(f, "memory.max"), usage = number(f, "memory.current");
        add_entry(j, "usage", limit, usage, number(f, "memory.peak"), keyed(&events, "max"));
        if (there(f, "memory.swap.max"))
                add_entry(j, "swap", sum(limit, number(f, "memory.swap.max")), sum(usage, number(f, "memory.swap.current")), 0, 0);
}

static void add_raw(struct text *j, const struct text *stat)
{
        bool first = true;
        text_add(j, ",\"raw\":{");
        for (const char *line = stat->data; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
                size_t n = strcspn(line, " \n");
                if (line[n] != ' ')
                        continue;
                CLEAN_FREE char *key = xstrndup(line, n);
                text_add(j, first ? "" : ",");
                text_add_json(j, key);
                text_addf(j, ":%llu", wide(parse(line + n + 1)));
                first = false;
        }
        text_add(j, "}");
}

static void add_memory(struct text *j, const struct cgroup *c)
{
        const struct cgroup_folder *f = cgroup_folder_of(c, "memory");
        CLEAN_TEXT struct text stat = { 0 };
        (void)read_text(f, "memory.stat", &stat);
        text_addf(j, ",\"memory\":{\"cache\":%llu", wide(keyed(&stat, f && is_v2(f) ? "file" : "total_cache")));
        if (f && is_v2(f)) {
                add_v2_entries(j, f);
        } else if (f) {
                add_v1_entry(j, "usage", f, "");
                if (there(f, "memory.memsw.limit_in_bytes"))
                        add_v1_entry(j, "swap", f, "memsw.");
                add_v1_entry(j, "kernel", f, "kmem.");
                add_v1_entry(j, "kernelTCP", f, "kmem.tcp.");
        }
        add_raw(j, &stat);
        add_pressure(j, c, "memory.pressure");
        text_add(j, "}");
}

/* ---- block devices ---- */

static void add_block(struct text *j, bool *first, const char *device, const char *op, uint64_t value)
{
        const char *colon = strchr(device, ':');
        if (!colon)
                return;
        text_addf(j, "%s{\"major\":%llu,\"minor\":%llu,\"op\":", *first ? "" : ",", wide(parse(device)), wide(parse(colon + 1)));
        text_add_json(j, op);
        text_addf(j, ",\"value\":%llu}", wide(value));
        *first = false;
}

/* v1: "8:0 Read 4096"; a last line, "Total N", has no device. */
static void add_v1_block(struct text *j, const struct cgroup_folder *f, const char *file, const char *other)
{
        CLEAN_TEXT struct text t = { 0 };
        bool first = true;
        if (read_text(f, file, &t) < 0 || text_starts(t.data, "Total 0")) {
                text_clear(&t);
                (void)read_text(f, other, &t);
        }
        char *rest = t.data;
        for (char *line; (line = strsep(&rest, "\n"));) {
                char *op = strchr(line, ' '), *value = op ? strchr(op + 1, ' ') : NULL;
                if (!value)
                        continue;
                *op++ = *value++ = 0;
                add_block(j, &first, line, op, parse(value));
        }
}

/* v2: "8:0 rbytes=1 wbytes=2 rios=3 ..." */
static void add_v2_block(struct text *j, const struct cgroup_folder *f, const char *const keys[3])
{
        static const char *const ops[] = { "Read", "Write", "Discard" };
        CLEAN_TEXT struct text t = { 0 };
        bool first = true;
        (void)read_text(f, "io.stat", &t);
        char *rest = t.data;
        for (char *line; (line = strsep(&rest, "\n"));)
                for (size_t i = 0; i < ELEMENTS(ops); i++) {
                        const char *at = strstr(line, keys[i]);
                        if (at)
                                add_block(j, &first, line, ops[i], parse(at + strlen(keys[i])));
                }
}

static void add_blkio(struct text *j, const struct cgroup *c)
{
        static const struct {
                const char *name, *v1, *v1_other, *v2[3];
        } rows[] = {
                { "ioServiceBytesRecursive", "blkio.bfq.io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive",
                  { " rbytes=", " wbytes=", " dbytes=" } },
                { "ioServicedRecursive", "blkio.bfq.io_serviced_recursive", "blkio.throttle.io_serviced_recursive", { " rios=", " wios=", " dios=" } },
        };
        const struct cgroup_folder *v1 = cgroup_v1_folder_of(c, "blkio");
        text_add(j, ",\"blkio\":{");
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                text_addf(j, "%s\"%s\":[", i ? "," : "", rows[i].name);
                if (v1)
                        add_v1_block(j, v1, rows[i].v1, rows[i].v1_other);
                else
                        add_v2_block(j, cgroup_v2_folder(c), rows[i].v2);
                text_add(j, "]");
        }
        add_pressure(j, c, "io.pressure");
        text_add(j, "}");
}

/* ---- the rest ---- */

static void add_pids(struct text *j, const struct cgroup *c)
{
        const struct cgroup_folder *f = cgroup_folder_of(c, "pids");
        uint64_t limit = number(f, "pids.max");
        text_addf(j, ",\"pids\":{\"current\":%llu,\"limit\":%llu}", wide(number(f, "pids.current")), wide(limit == UINT64_MAX ? 0 : limit));
}

/* One per page size, which the names of the files tell. */
static void add_hugetlb(struct text *j, const struct cgroup *c)
{
        const struct cgroup_folder *f = cgroup_folder_of(c, "hugetlb");
        CLEAN_STRINGS struct strings files = { 0 };
        const char *end = f && is_v2(f) ? ".current" : ".usage_in_bytes";
        bool first = true;
        text_add(j, ",\"hugetlb\":{");
        if (f && f->fd >= 0)
                (void)file_list(f->fd, &files);
        for (size_t i = 0; i < files.count; i++) {
                const char *name = files.items[i];
                if (!text_starts(name, "hugetlb.") || !text_ends(name, end) || strstr(name, ".rsvd."))
                        continue;
                CLEAN_FREE char *size = xstrndup(name + 8, strlen(name) - 8 - strlen(end));
                CLEAN_FREE char *most = xprintf("hugetlb.%s.max_usage_in_bytes", size), *events = xprintf("hugetlb.%s.events", size);
                CLEAN_FREE char *failures = xprintf("hugetlb.%s.failcnt", size);
                CLEAN_TEXT struct text t = { 0 };
                (void)read_text(f, events, &t);
                text_add(j, first ? "" : ",");
                text_add_json(j, size);
                text_addf(j, ":{\"usage\":%llu,\"max\":%llu,\"failcnt\":%llu}", wide(number(f, name)), wide(is_v2(f) ? 0 : number(f, most)),
                          wide(is_v2(f) ? keyed(&t, "max") : number(f, failures)));
                first = false;
        }
        text_add(j, "}");
}

static void add_rdma_file(struct text *j, const char *name, const struct cgroup_folder *f, const char *file)
{
        static const char *const keys[][2] = { { " hca_handle=", "hcaHandles" }, { " hca_object=", "hcaObjects" } };
        CLEAN_TEXT struct text t = { 0 };
        bool first = true;
        (void)read_text(f, file, &t);
        text_addf(j, "\"%s\":[", name);
        char *rest = t.data;
        for (char *line; (line = strsep(&rest, "\n"));) {
                CLEAN_FREE char *device = xstrndup(line, strcspn(line, " "));
                if (!*device)
                        continue;
                text_add(j, first ? "{\"device\":" : ",{\"device\":");
                text_add_json(j, device);
                for (size_t i = 0; i < ELEMENTS(keys); i++) {
                        const char *at = strstr(line, keys[i][0]);
                        if (at && at[strlen(keys[i][0])] != 'm') /* "max" is left out */
                                text_addf(j, ",\"%s\":%llu", keys[i][1], wide(parse(at + strlen(keys[i][0]))));
                }
                text_add(j, "}");
                first = false;
        }
        text_add(j, "]");
}

static void add_rdma(struct text *j, const struct cgroup *c)
{
        const struct cgroup_folder *f = cgroup_folder_of(c, "rdma");
        if (!there(f, "rdma.current"))
                return;
        text_add(j, ",\"rdma\":{");
        add_rdma_file(j, "current", f, "rdma.current");
        text_add(j, ",");
        add_rdma_file(j, "limit", f, "rdma.max");
        text_add(j, "}");
}

int cgroup_stats(const struct cgroup *c, struct text *json, struct error *e)
{
        static void (*const parts[])(struct text *, const struct cgroup *) = { add_cpu, add_memory, add_pids, add_blkio, add_hugetlb, add_rdma };
        if (!cgroup_tracker(c))
                return error_set(e, ENOENT, "cgroup.controller", "this container has no control group to take numbers from");
        text_add(json, "{");
        for (size_t i = 0; i < ELEMENTS(parts); i++)
                parts[i](json, c);
        text_add(json, "}");
        return 0;
}
