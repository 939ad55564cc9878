/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup_usage.h"

#include <fcntl.h>
#include <string.h>

#include "os/cgroup_folder.h"
#include "os/cgroup_network.h"
#include "os/file.h"

enum { STAT_SIZE_MAX = 1 << 20 };

const char *cgroup_use_name(enum cgroup_use use)
{
        static const char *const names[CGROUP_USES] = {
                [CGROUP_USE_CPU_NSEC] = "CPUUsageNSec", [CGROUP_USE_MEMORY] = "MemoryCurrent", [CGROUP_USE_MEMORY_PEAK] = "MemoryPeak",
                [CGROUP_USE_TASKS] = "TasksCurrent", [CGROUP_USE_IO_READ] = "IOReadBytes", [CGROUP_USE_IO_WRITE] = "IOWriteBytes",
                [CGROUP_USE_IP_IN_BYTES] = "IPIngressBytes", [CGROUP_USE_IP_IN_PACKETS] = "IPIngressPackets",
                [CGROUP_USE_IP_OUT_BYTES] = "IPEgressBytes", [CGROUP_USE_IP_OUT_PACKETS] = "IPEgressPackets",
        };
        return names[use];
}

/* Files that hold one number, of v2 and of v1. */
static const struct {
        enum cgroup_use use;
        const char *file;
} numbers[] = {
        { CGROUP_USE_CPU_NSEC, "cpuacct.usage" },
        { CGROUP_USE_MEMORY, "memory.current" }, { CGROUP_USE_MEMORY, "memory.usage_in_bytes" },
        { CGROUP_USE_MEMORY_PEAK, "memory.peak" }, { CGROUP_USE_MEMORY_PEAK, "memory.max_usage_in_bytes" },
        { CGROUP_USE_TASKS, "pids.current" },
};

/* The number behind the word, in the line. */
static bool number_behind(const char *line, const char *word, uint64_t *ret)
{
        const char *at = strstr(line, word);
        if (!at)
                return false;
        at += strlen(word);
        CLEAN_FREE char *digits = xstrndup(at, strspn(at, "0123456789"));
        return text_parse_uint(digits, UINT64_MAX, ret) == 0;
}

static void read_cpu(int fd, struct cgroup_usage *u)
{
        CLEAN_TEXT struct text t = { 0 };
        uint64_t usec;
        if (file_read(fd, "cpu.stat", STAT_SIZE_MAX, &t) == 0 && t.data && number_behind(t.data, "usage_usec ", &usec) && usec < UINT64_MAX / 1000)
                cgroup_use_set(u, CGROUP_USE_CPU_NSEC, usec * 1000);
}

/* v2: "8:0 rbytes=1 wbytes=2 ..."; v1: "8:0 Read 1", "8:0 Write 2", ..., "Total 3". A file without a line: nothing was read or written. */
static void read_io(int fd, struct cgroup_usage *u)
{
        static const struct {
                const char *file, *read, *write;
        } rows[] = { { "io.stat", " rbytes=", " wbytes=" }, { "blkio.throttle.io_service_bytes_recursive", " Read ", " Write " } };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_TEXT struct text t = { 0 };
                uint64_t n, sums[2] = { 0 };
                if (file_read(fd, rows[i].file, STAT_SIZE_MAX, &t) < 0)
                        continue;
                char *rest = t.data;
                for (char *line; (line = strsep(&rest, "\n"));) {
                        sums[0] += number_behind(line, rows[i].read, &n) ? n : 0;
                        sums[1] += number_behind(line, rows[i].write, &n) ? n : 0;
                }
                cgroup_use_set(u, CGROUP_USE_IO_READ, sums[0]);
                cgroup_use_set(u, CGROUP_USE_IO_WRITE, sums[1]);
        }
}

static void read_traffic(int fd, struct cgroup_usage *u)
{
        struct cgroup_traffic t = { 0 };
        if (cgroup_traffic_read(fd, &t) < 0)
                return;
        cgroup_use_set(u, CGROUP_USE_IP_IN_BYTES, t.in_bytes);
        cgroup_use_set(u, CGROUP_USE_IP_IN_PACKETS, t.in_packets);
        cgroup_use_set(u, CGROUP_USE_IP_OUT_BYTES, t.out_bytes);
        cgroup_use_set(u, CGROUP_USE_IP_OUT_PACKETS, t.out_packets);
}

void cgroup_usage_read(const char *folder, struct cgroup_usage *u)
{
        int64_t n;
        CLEAN_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return;
        for (size_t i = 0; i < ELEMENTS(numbers); i++)
                if (cgroup_read_number(fd, numbers[i].file, &n) == 0 && n >= 0)
                        cgroup_use_set(u, numbers[i].use, (uint64_t)n);
        read_cpu(fd, u);
        read_io(fd, u);
        read_traffic(fd, u);
}
