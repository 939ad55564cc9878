/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a service uses, in the words of systemctl status. */
#include <stdio.h>

#include "cli/unit.h"

/* "3.4M": as short as systemd's. */
static void print_size(uint64_t bytes)
{
        static const char units[] = "KMGTPE";
        uint64_t unit = 1024;
        size_t i = 0;
        if (bytes < 1024) {
                printf("%lluB", (unsigned long long)bytes);
                return;
        }
        for (; units[i + 1] && bytes / 1024 >= unit; i++)
                unit *= 1024;
        printf("%llu.%llu%c", (unsigned long long)(bytes / unit), (unsigned long long)(bytes % unit / (unit / 1024) * 10 / 1024), units[i]);
}

/* "12ms", "1.305s", "2min 3.042s", "1h 2min 3s". */
static void print_span(uint64_t nsec)
{
        const unsigned long long ms = nsec / 1000000, s = ms / 1000;
        if (s >= 3600)
                printf("%lluh ", s / 3600);
        if (s >= 60)
                printf("%llumin ", s / 60 % 60);
        if (s >= 3600)
                printf("%llus", s % 60);
        else if (s)
                printf("%llu.%03llus", s % 60, ms % 1000);
        else
                printf("%llums", ms);
}

static void print_pair(const struct cgroup_usage *u, const char *label, enum cgroup_use first, const char *is, enum cgroup_use second, const char *other)
{
        if (!cgroup_use_is_known(u, first))
                return;
        printf("%12s: ", label);
        print_size(u->values[first]);
        printf(" %s, ", is);
        print_size(u->values[second]);
        printf(" %s\n", other);
}

void unit_usage_print(const struct cgroup_usage *u)
{
        if (cgroup_use_is_known(u, CGROUP_USE_TASKS))
                printf("%12s: %llu\n", "Tasks", (unsigned long long)u->values[CGROUP_USE_TASKS]);
        if (cgroup_use_is_known(u, CGROUP_USE_MEMORY)) {
                printf("%12s: ", "Memory");
                print_size(u->values[CGROUP_USE_MEMORY]);
                if (cgroup_use_is_known(u, CGROUP_USE_MEMORY_PEAK)) {
                        fputs(" (peak: ", stdout);
                        print_size(u->values[CGROUP_USE_MEMORY_PEAK]);
                        putchar(')');
                }
                putchar('\n');
        } else if (cgroup_use_is_known(u, CGROUP_USE_MEMORY_PEAK)) {
                printf("%12s: ", "Mem peak");
                print_size(u->values[CGROUP_USE_MEMORY_PEAK]);
                putchar('\n');
        }
        if (cgroup_use_is_known(u, CGROUP_USE_CPU_NSEC)) {
                printf("%12s: ", "CPU");
                print_span(u->values[CGROUP_USE_CPU_NSEC]);
                putchar('\n');
        }
        print_pair(u, "IP", CGROUP_USE_IP_IN_BYTES, "in", CGROUP_USE_IP_OUT_BYTES, "out");
        print_pair(u, "IO", CGROUP_USE_IO_READ, "read", CGROUP_USE_IO_WRITE, "written");
}
