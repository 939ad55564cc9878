/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kind of process a unit's payload is.  Each failure has the exit status of systemd.exec(5). */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/exit_status.h"
#include "os/attributes.h"
#include "os/file.h"
#include "sandbox/child.h"

/* ---- limits ---- */

static const __rlimit_resource_t limit_resources[PLAN_LIMITS] = {
        [PLAN_LIMIT_CPU] = RLIMIT_CPU,         [PLAN_LIMIT_FSIZE] = RLIMIT_FSIZE,     [PLAN_LIMIT_DATA] = RLIMIT_DATA,
        [PLAN_LIMIT_STACK] = RLIMIT_STACK,     [PLAN_LIMIT_CORE] = RLIMIT_CORE,       [PLAN_LIMIT_RSS] = RLIMIT_RSS,
        [PLAN_LIMIT_NOFILE] = RLIMIT_NOFILE,   [PLAN_LIMIT_AS] = RLIMIT_AS,           [PLAN_LIMIT_NPROC] = RLIMIT_NPROC,
        [PLAN_LIMIT_MEMLOCK] = RLIMIT_MEMLOCK, [PLAN_LIMIT_LOCKS] = RLIMIT_LOCKS,     [PLAN_LIMIT_SIGPENDING] = RLIMIT_SIGPENDING,
        [PLAN_LIMIT_MSGQUEUE] = RLIMIT_MSGQUEUE, [PLAN_LIMIT_NICE] = RLIMIT_NICE,     [PLAN_LIMIT_RTPRIO] = RLIMIT_RTPRIO,
        [PLAN_LIMIT_RTTIME] = RLIMIT_RTTIME,
};

void process_take_limit(struct plan_process *p, unsigned resource, uint64_t soft, uint64_t hard, const char *origin)
{
        for (size_t i = 0; i < PLAN_LIMITS; i++)
                if (limit_resources[i] == resource && !p->limits[i].origin)
                        p->limits[i] = (struct plan_limit){ soft, hard, origin };
}

static int limit_refused(const struct plan_limit *l, int error, struct error *e)
{
        error_errno(e, error, "process.limit", "setting the limit to %llu:%llu", (unsigned long long)l->soft, (unsigned long long)l->hard);
        if (error == EPERM)
                error_hint(e, "above the hard limit of the caller, which CAP_SYS_RESOURCE alone may raise (LimitNOFILE= also not beyond fs.nr_open)");
        error_status(e, STATUS_LIMITS);
        return error_while(e, "applying %s", l->origin);
}

/* What the caller has where the kernel refuses more, and a note. */
static int lower_leniently(struct child *c, struct plan_limit *l, const struct rlimit *had, int error, struct error *e)
{
        if (!c->s->plan->lenient)
                return limit_refused(l, error, e);
        child_note(c, "%s: not applied in full: %s", l->origin, strerror(error));
        l->hard = had->rlim_max;
        l->soft = l->soft < l->hard ? l->soft : l->hard;
        return 0;
}

/*
 * Hard limits go up while we may raise them; down, and the soft ones, only when nothing of the set-up is left that they could
 * stop (child_set_limits).  That of processes is the exception: the change of user asks whether it has one too many.
 */
int child_raise_limits(struct child *c, struct error *e)
{
        for (size_t i = 0; i < PLAN_LIMITS; i++) {
                struct plan_limit *l = &c->s->plan->process.limits[i];
                struct rlimit had, raised;
                if (!l->origin)
                        continue;
                if (getrlimit(limit_resources[i], &had) < 0)
                        return limit_refused(l, errno, e);
                raised = (struct rlimit){ had.rlim_cur, l->hard > had.rlim_max ? l->hard : had.rlim_max };
                if (i == PLAN_LIMIT_NPROC)
                        raised = (struct rlimit){ l->soft, l->hard };
                int r = setrlimit(limit_resources[i], &raised) < 0 ? lower_leniently(c, l, &had, errno, e) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

int child_set_limits(struct child *c, struct error *e)
{
        for (size_t i = 0; i < PLAN_LIMITS; i++) {
                const struct plan_limit *l = &c->s->plan->process.limits[i];
                const struct rlimit limit = { l->soft, l->hard };
                if (l->origin && setrlimit(limit_resources[i], &limit) < 0)
                        return limit_refused(l, errno, e);
        }
        return 0;
}

/* ---- attributes ---- */

static bool has(const struct plan_process *p, enum plan_attribute_kind kind)
{
        return p->attributes[kind].origin;
}

static int write_own(const struct child *c, const char *name, const char *format, long long value)
{
        CLEAN_FREE char *path = xprintf("self/%s", name), *text = xprintf(*format == 'x' ? "0x%llx" : "%lld", value);
        return file_write(c->proc_fd, path, text);
}

static int set_oom_score(const struct child *c, const struct plan_process *p)
{
        return has(p, PLAN_OOM_SCORE_ADJUST) ? write_own(c, "oom_score_adj", "d", p->attributes[PLAN_OOM_SCORE_ADJUST].value) : 0;
}

static int set_coredump_filter(const struct child *c, const struct plan_process *p)
{
        return has(p, PLAN_COREDUMP_FILTER) ? write_own(c, "coredump_filter", "x", p->attributes[PLAN_COREDUMP_FILTER].value) : 0;
}

static int set_nice(const struct child *c, const struct plan_process *p)
{
        (void)c;
        return has(p, PLAN_NICE) && setpriority(PRIO_PROCESS, 0, (int)p->attributes[PLAN_NICE].value) < 0 ? -errno : 0;
}

static int set_scheduler(const struct child *c, const struct plan_process *p)
{
        (void)c;
        const struct attributes_scheduler a = { .policy = (uint32_t)p->attributes[PLAN_CPU_POLICY].value,
                                                .priority = (uint32_t)p->attributes[PLAN_CPU_PRIORITY].value,
                                                .flags = p->attributes[PLAN_CPU_RESET_ON_FORK].value ? SCHED_FLAG_RESET_ON_FORK : 0,
                                                .nice = getpriority(PRIO_PROCESS, 0) };
        bool asked = has(p, PLAN_CPU_POLICY) || has(p, PLAN_CPU_PRIORITY) || has(p, PLAN_CPU_RESET_ON_FORK);
        return asked ? attributes_set_scheduler(&a) : 0;
}

/* The CPUs of one node, or with "all" those that are there. */
static int add_cpus_of(const char *node, struct text *t)
{
        CLEAN_TEXT struct text one = { 0 };
        CLEAN_FREE char *path = text_equal(node, "all") ? xstrdup("/sys/devices/system/cpu/online") : xprintf("/sys/devices/system/node/node%s/cpulist", node);
        int r = file_read_value(AT_FDCWD, path, &one);
        if (r < 0)
                return r;
        one.data[strcspn(one.data, "\n")] = 0;
        if (*one.data)
                text_addf(t, "%s%s", t->length ? "," : "", one.data);
        return 0;
}

/* nodes: "0-3,7" or "all". */
static int set_cpus_of_nodes(const char *nodes)
{
        CLEAN_TEXT struct text cpus = { 0 };
        CLEAN_FREE char *copy = xstrdup(nodes);
        char *rest = copy;
        int r = text_equal(nodes, "all") ? add_cpus_of(nodes, &cpus) : 0;
        for (char *word; r == 0 && !text_equal(nodes, "all") && (word = strsep(&rest, ","));) {
                char *end;
                unsigned long from = strtoul(word, &end, 10), to = *end == '-' ? strtoul(end + 1, NULL, 10) : from;
                for (; r == 0 && from <= to; from++) {
                        CLEAN_FREE char *node = xprintf("%lu", from);
                        r = add_cpus_of(node, &cpus);
                }
        }
        return r < 0 ? r : cpus.length ? attributes_set_cpus(cpus.data) : -EINVAL;
}

static int set_cpus(const struct child *c, const struct plan_process *p)
{
        (void)c;
        if (!p->cpus)
                return 0;
        return text_equal(p->cpus, "numa") ? set_cpus_of_nodes(p->numa_nodes) : attributes_set_cpus(p->cpus);
}

static int set_memory_policy(const struct child *c, const struct plan_process *p)
{
        int mode = (int)p->attributes[PLAN_NUMA_POLICY].value;
        CLEAN_TEXT struct text all = { 0 };
        const char *nodes = mode == MPOL_DEFAULT || mode == MPOL_LOCAL ? NULL : p->numa_nodes;
        (void)c;
        if (!has(p, PLAN_NUMA_POLICY))
                return 0;
        if (nodes && text_equal(nodes, "all")) {
                int r = file_read(AT_FDCWD, "/sys/devices/system/node/online", 4096, &all);
                if (r < 0)
                        return r;
                nodes = all.data;
        }
        return attributes_set_memory_policy(mode, nodes);
}

/* As systemd has it: what is not said is best-effort and 4, and so is the class "none". */
static int set_io_priority(const struct child *c, const struct plan_process *p)
{
        const struct plan_attribute *class = &p->attributes[PLAN_IO_CLASS], *priority = &p->attributes[PLAN_IO_PRIORITY];
        (void)c;
        if (!class->origin && !priority->origin)
                return 0;
        bool none = !class->origin || class->value == 0;
        int level = (class->origin && none) || !priority->origin ? 4 : (int)priority->value;
        return attributes_set_io_priority((none ? 2 : (int)class->value) << 13 | level);
}

static int set_timer_slack(const struct child *c, const struct plan_process *p)
{
        (void)c;
        return has(p, PLAN_TIMER_SLACK_NS) && prctl(PR_SET_TIMERSLACK, (unsigned long)p->attributes[PLAN_TIMER_SLACK_NS].value, 0, 0, 0) < 0 ? -errno : 0;
}

static int set_personality(const struct child *c, const struct plan_process *p)
{
        (void)c;
        return has(p, PLAN_PERSONALITY) ? attributes_set_personality((unsigned long)p->attributes[PLAN_PERSONALITY].value) : 0;
}

/* Linux 6.4 and later. Headers may be older. */
static int set_ksm(const struct child *c, const struct plan_process *p)
{
        enum { MEMORY_MERGE = 67 };
        (void)c;
        return has(p, PLAN_MEMORY_KSM) && prctl(MEMORY_MERGE, (unsigned long)p->attributes[PLAN_MEMORY_KSM].value, 0, 0, 0) < 0 ? -errno : 0;
}

/* In systemd's order. */
static const struct attribute_row {
        const char *what, *hint;
        int (*set)(const struct child *c, const struct plan_process *p);
        int exit_status;
        enum plan_attribute_kind kinds[3]; /* who may have asked, the last one again where there are fewer */
} attribute_rows[] = {
        { "the OOM score adjustment", "lowering it needs CAP_SYS_RESOURCE", set_oom_score, STATUS_OOM_ADJUST,
          { PLAN_OOM_SCORE_ADJUST, PLAN_OOM_SCORE_ADJUST, PLAN_OOM_SCORE_ADJUST } },
        { "the core dump filter", NULL, set_coredump_filter, STATUS_LIMITS, { PLAN_COREDUMP_FILTER, PLAN_COREDUMP_FILTER, PLAN_COREDUMP_FILTER } },
        { "the nice level", "lowering it needs CAP_SYS_NICE, or a limit of the caller that allows it", set_nice, STATUS_NICE,
          { PLAN_NICE, PLAN_NICE, PLAN_NICE } },
        { "the CPU scheduler", "realtime needs CAP_SYS_NICE, or a limit of the caller that allows it, and realtime in the control group", set_scheduler,
          STATUS_SETSCHEDULER, { PLAN_CPU_POLICY, PLAN_CPU_PRIORITY, PLAN_CPU_RESET_ON_FORK } },
        { "the CPUs", "none of them is there, or the control group allows none of them", set_cpus, STATUS_CPUAFFINITY, { PLAN_ATTRIBUTES } },
        { "the memory policy", "the nodes must be there, and the kernel must have NUMA", set_memory_policy, STATUS_NUMA_POLICY,
          { PLAN_NUMA_POLICY, PLAN_NUMA_POLICY, PLAN_NUMA_POLICY } },
        { "the I/O priority", "realtime needs CAP_SYS_NICE or CAP_SYS_ADMIN", set_io_priority, STATUS_IOPRIO,
          { PLAN_IO_CLASS, PLAN_IO_PRIORITY, PLAN_IO_PRIORITY } },
        { "the timer slack", NULL, set_timer_slack, STATUS_TIMERSLACK, { PLAN_TIMER_SLACK_NS, PLAN_TIMER_SLACK_NS, PLAN_TIMER_SLACK_NS } },
        { "the sharing of equal pages", "it needs Linux 6.4 with KSM, and CAP_SYS_RESOURCE", set_ksm, STATUS_KSM, { PLAN_MEMORY_KSM, PLAN_MEMORY_KSM, PLAN_MEMORY_KSM } },
        { "the personality", NULL, set_personality, STATUS_PERSONALITY, { PLAN_PERSONALITY, PLAN_PERSONALITY, PLAN_PERSONALITY } },
};

static const char *origin_of(const struct plan_process *p, const struct attribute_row *row)
{
        if (row->kinds[0] == PLAN_ATTRIBUTES)
                return p->cpus_origin;
        for (size_t i = 0; i < ELEMENTS(row->kinds); i++)
                if (has(p, row->kinds[i]))
                        return p->attributes[row->kinds[i]].origin;
        return NULL;
}

int child_attributes(struct child *c, struct error *e)
{
        const struct plan_process *p = &c->s->plan->process;
        for (size_t i = 0; i < ELEMENTS(attribute_rows); i++) {
                const struct attribute_row *row = &attribute_rows[i];
                const char *origin = origin_of(p, row);
                int r = origin ? row->set(c, p) : 0;
                if (r == 0)
                        continue;
                if (c->s->plan->lenient) {
                        child_note(c, "%s: not applied: %s", origin, strerror(-r));
                        continue;
                }
                error_errno(e, r, "process.attribute", "setting %s", row->what);
                if (row->hint)
                        error_hint(e, "%s", row->hint);
                error_status(e, row->exit_status);
                return error_while(e, "applying %s", origin);
        }
        return 0;
}
