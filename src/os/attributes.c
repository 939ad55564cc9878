/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/attributes.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/text.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1UL
#define PR_GET_MDWE 66
#endif

enum { LIST_BITS_MAX = 8192, WORD_BITS = 8 * sizeof(unsigned long), IOPRIO_WHO_PROCESS_ = 1 };

/* As the kernel's struct sched_attr, first version with utilisation left out. */
struct sched_attr_v0 {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
};

int attributes_set_scheduler(const struct attributes_scheduler *s)
{
        struct sched_attr_v0 a = { sizeof a, s->policy, s->flags, s->nice, s->priority, s->runtime_ns, s->deadline_ns, s->period_ns };
        return syscall(SYS_sched_setattr, 0, &a, 0) < 0 ? -errno : 0;
}

int attributes_set_io_priority(int value)
{
        return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS_, 0, value) < 0 ? -errno : 0;
}

/* One "N" or "N-M" of a list. */
static int set_range(const char *text, unsigned long *bits)
{
        CLEAN_FREE char *copy = xstrdup(text);
        char *dash = strchr(copy, '-');
        uint64_t from, to;
        if (dash)
                *dash++ = 0;
        if (text_parse_uint(copy, LIST_BITS_MAX - 1, &from) < 0 || text_parse_uint(dash ? dash : copy, LIST_BITS_MAX - 1, &to) < 0 || from > to)
                return -EINVAL;
        for (uint64_t i = from; i <= to; i++)
                bits[i / WORD_BITS] |= 1UL << i % WORD_BITS;
        return 0;
}

static int parse_list(const char *list, unsigned long bits[LIST_BITS_MAX / WORD_BITS])
{
        CLEAN_FREE char *copy = xstrdup(list);
        char *rest = copy;
        memset(bits, 0, LIST_BITS_MAX / 8);
        for (char *part; (part = strsep(&rest, ","));) {
                part += strspn(part, " ");
                part[strcspn(part, " \n")] = 0;
                int r = *part ? set_range(part, bits) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

int attributes_set_memory_policy(int mode, const char *nodes)
{
        unsigned long bits[LIST_BITS_MAX / WORD_BITS];
        bool any = nodes && *nodes;
        int r = any ? parse_list(nodes, bits) : 0;
        if (r < 0)
                return r;
        return syscall(SYS_set_mempolicy, mode, any ? bits : NULL, any ? LIST_BITS_MAX : 0) < 0 ? -errno : 0;
}

int attributes_set_cpus(const char *list)
{
        unsigned long bits[LIST_BITS_MAX / WORD_BITS];
        int r = parse_list(list, bits);
        if (r < 0)
                return r;
        return syscall(SYS_sched_setaffinity, 0, sizeof bits, bits) < 0 ? -errno : 0;
}

int attributes_set_personality(unsigned long value)
{
        return personality(value) < 0 ? -errno : 0;
}

unsigned long attributes_personality(void)
{
        return (unsigned long)personality(0xffffffff);
}

int attributes_deny_write_execute(void)
{
        return prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) < 0 ? -errno : 0;
}

bool attributes_can_deny_write_execute(void)
{
        return prctl(PR_GET_MDWE, 0, 0, 0, 0) >= 0;
}
