/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /process of an OCI configuration, and the process of exec. */
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mutant.h"
#include "os/capability.h"
#include "plan/oci_internal.h"

/* ---- user ---- */

static int add_group(const struct json_place *at, void *into, struct error *e)
{
        struct plan_identity *i = into;
        int r = oci_id(at, &i->groups[i->group_count], e);
        i->group_count += r == 0;
        return r;
}

static int read_groups(const struct json_place *at, void *into, struct error *e)
{
        struct plan_identity *i = into;
        free(i->groups);
        i->groups = xalloc(at->value->count, sizeof *i->groups);
        i->group_count = 0;
        return oci_each(at, add_group, i, e);
}

static int read_umask(const struct json_place *at, void *into, struct error *e)
{
        struct plan_identity *i = into;
        uint32_t mask;
        int r = json_u32(at, &mask, e);
        if (r < 0)
                return r;
        if (mask > 0777)
                return oci_fail(at, e, "it is a decimal number: 18 stands for 0022", "is not from 0 to 511 (octal 0777)");
        i->umask_set = true;
        i->umask = mask;
        return 0;
}

static const struct json_field user_fields[] = {
        { "uid", oci_id, offsetof(struct plan_identity, uid), JSON_REQUIRED },
        { "gid", oci_id, offsetof(struct plan_identity, gid), JSON_REQUIRED },
        { "umask", read_umask, 0, 0 },
        { "additionalGids", read_groups, 0, 0 },
        { 0 },
};

static int read_user(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        int ret = json_object(at, user_fields, &r->c->identity, e);
        if (ret == 0 && r->c->identity.umask_set)
                r->p->umask = r->c->identity.umask;
        r->p->identity_origin = oci_origin(r->p, at);
        return ret;
}

/* ---- capabilities ---- */

struct capability_set {
        uint64_t mask;
        struct oci_reading *r;
};

static int add_capability(const struct json_place *at, void *into, struct error *e)
{
        struct capability_set *set = into;
        const char *s = json_text(at, e);
        unsigned n;
        if (!s)
                return -EINVAL;
        /* The specification has what cannot be granted logged, and the container made without it: that is less, never more. */
        if (!text_starts(s, "CAP_") || capability_parse(s, &n) < 0) {
                strings_take(&set->r->p->notes, xprintf("unknown capability \"%.60s\": left out", s));
                return 0;
        }
        if (set->r->facts->capabilities_all >> n & 1)
                set->mask |= UINT64_C(1) << n;
        else
                strings_take(&set->r->p->notes, xprintf("%s: this kernel does not know it", s));
        return 0;
}

struct capability_sets {
        struct plan_capabilities c;
        struct oci_reading *r;
};

#define SET_READER(name)                                                                                     \
        static int read_##name(const struct json_place *at, void *into, struct error *e)                     \
        {                                                                                                    \
                struct capability_sets *all = into;                                                          \
                struct capability_set set = { .r = all->r };                                                 \
                int r = oci_each(at, add_capability, &set, e);                                               \
                all->c.name = set.mask;                                                                      \
                return r;                                                                                    \
        }

SET_READER(bounding)
SET_READER(effective)
SET_READER(permitted)
SET_READER(inheritable)
SET_READER(ambient)

static const struct json_field capability_fields[] = {
        { "bounding", read_bounding, 0, 0 },       { "effective", read_effective, 0, 0 },
        { "permitted", read_permitted, 0, 0 },     { "inheritable", read_inheritable, 0, 0 },
        { "ambient", read_ambient, 0, 0 },         { 0 },
};

/* What the kernel would refuse is refused here, where it can be named. */
static int check_capabilities(const struct json_place *at, const struct plan_capabilities *c, struct error *e)
{
        const struct {
                const char *set, *within;
                uint64_t beyond;
        } rules[] = {
                { "effective", "permitted", c->effective & ~c->permitted },
                { "ambient", "permitted", c->ambient & ~c->permitted },
                { "ambient", "inheritable", c->ambient & ~c->inheritable },
        };
        for (size_t i = 0; i < ELEMENTS(rules); i++) {
                if (!rules[i].beyond)
                        continue;
                const struct json_place set = oci_member(at, rules[i].set);
                const char *name = capability_name((unsigned)__builtin_ctzll(rules[i].beyond));
                return oci_fail(&set, e, "the kernel asks for it in both", "%s is not in \"%s\"", name ? name : "a capability", rules[i].within);
        }
        return 0;
}

static void set_capabilities(struct oci_reading *r, const struct plan_capabilities *c, const char *origin)
{
        r->c->capabilities = *c;
        r->c->capabilities.set = true;
        r->p->bounding = c->bounding;
        r->p->ambient = c->ambient;
        r->p->bounding_origin = origin;
}

static int read_capabilities(const struct json_place *at, void *into, struct error *e)
{
        struct capability_sets sets = { .r = into };
        int ret = json_object(at, capability_fields, &sets, e);
        if (ret == 0)
                ret = check_capabilities(at, &sets.c, e);
        if (ret == 0)
                set_capabilities(into, &sets.c, oci_origin(sets.r->p, at));
        return ret;
}

/* ---- limits ---- */

static const struct oci_word rlimit_words[] = {
        { "RLIMIT_AS", RLIMIT_AS },           { "RLIMIT_CORE", RLIMIT_CORE },         { "RLIMIT_CPU", RLIMIT_CPU },
        { "RLIMIT_DATA", RLIMIT_DATA },       { "RLIMIT_FSIZE", RLIMIT_FSIZE },       { "RLIMIT_LOCKS", RLIMIT_LOCKS },
        { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK }, { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE },
        { "RLIMIT_NOFILE", RLIMIT_NOFILE },   { "RLIMIT_NPROC", RLIMIT_NPROC },       { "RLIMIT_RSS", RLIMIT_RSS },
        { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },   { "RLIMIT_RTTIME", RLIMIT_RTTIME },     { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
        { "RLIMIT_STACK", RLIMIT_STACK },     { 0 },
};

static int read_rlimit_type(const struct json_place *at, void *into, struct error *e)
{
        uint64_t resource;
        int r = oci_word(at, rlimit_words, &resource, e);
        if (r == 0)
                *(int *)into = (int)resource;
        return r;
}

static const struct json_field rlimit_fields[] = {
        { "type", read_rlimit_type, offsetof(struct plan_rlimit, resource), JSON_REQUIRED },
        { "soft", json_u64, offsetof(struct plan_rlimit, soft), JSON_REQUIRED },
        { "hard", json_u64, offsetof(struct plan_rlimit, hard), JSON_REQUIRED },
        { 0 },
};

static int add_rlimit(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        struct plan_container *c = r->c;
        struct plan_rlimit limit = { .origin = oci_origin(r->p, at) };
        int ret = json_object(at, rlimit_fields, &limit, e);
        if (ret < 0)
                return MUTANT("ignore-unknown") ? 0 : ret;
        if (limit.soft > limit.hard)
                return oci_fail(at, e, "the hard limit is the ceiling of the soft one", "soft is above hard");
        for (size_t i = 0; i < c->rlimit_count; i++)
                if (c->rlimits[i].resource == limit.resource)
                        return oci_fail(at, e, "leave one of them", "the same type as in %s", c->rlimits[i].origin);
        c->rlimits = xgrow(c->rlimits, &c->rlimit_room, c->rlimit_count + 1, sizeof *c->rlimits);
        c->rlimits[c->rlimit_count++] = limit;
        return 0;
}

static int read_rlimits(const struct json_place *at, void *into, struct error *e)
{
        ((struct oci_reading *)into)->c->rlimit_count = 0;
        return oci_each(at, add_rlimit, into, e);
}

static int read_oom_score(const struct json_place *at, void *into, struct error *e)
{
        struct plan_container *c = ((struct oci_reading *)into)->c;
        int r = json_i32(at, &c->oom_score, e);
        if (r < 0)
                return r;
        if (c->oom_score < -1000 || c->oom_score > 1000)
                return json_fail(at, e, "is not from -1000 to 1000");
        c->oom_score_set = true;
        return 0;
}

/* ---- scheduling ---- */

enum { POLICY_OTHER = 0, POLICY_FIFO = 1, POLICY_RR = 2, POLICY_DEADLINE = 6 };
enum { DEADLINE_RUNTIME_MIN_NS = 1024 }; /* what the kernel counts in */

static int read_policy(const struct json_place *at, void *into, struct error *e)
{
        static const struct oci_word words[] = {
                { "SCHED_OTHER", POLICY_OTHER }, { "SCHED_FIFO", POLICY_FIFO }, { "SCHED_RR", POLICY_RR },
                { "SCHED_BATCH", 3 },            { "SCHED_ISO", 4 },            { "SCHED_IDLE", 5 },
                { "SCHED_DEADLINE", POLICY_DEADLINE }, { 0 },
        };
        uint64_t policy;
        int r = oci_word(at, words, &policy, e);
        if (r == 0)
                *(uint32_t *)into = (uint32_t)policy;
        return r;
}

static int read_scheduler_flags(const struct json_place *at, void *into, struct error *e)
{
        static const struct oci_word words[] = {
                { "SCHED_FLAG_RESET_ON_FORK", 0x01 },  { "SCHED_FLAG_RECLAIM", 0x02 },        { "SCHED_FLAG_DL_OVERRUN", 0x04 },
                { "SCHED_FLAG_KEEP_POLICY", 0x08 },    { "SCHED_FLAG_KEEP_PARAMS", 0x10 },    { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
                { "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 }, { 0 },
        };
        return oci_words(at, words, into, e);
}

static int read_nice(const struct json_place *at, void *into, struct error *e)
{
        int32_t nice;
        int r = json_i32(at, &nice, e);
        if (r == 0 && (nice < -20 || nice > 19))
                return json_fail(at, e, "is not from -20 to 19");
        if (r == 0)
                *(int32_t *)into = nice;
        return r;
}

static int read_priority(const struct json_place *at, void *into, struct error *e)
{
        uint32_t priority;
        int r = json_u32(at, &priority, e);
        if (r == 0 && priority > 99)
                return json_fail(at, e, "is not from 0 to 99");
        if (r == 0)
                *(uint32_t *)into = priority;
        return r;
}

struct scheduler_reading {
        struct plan_scheduler s;
        bool has_runtime;
};

static int read_runtime(const struct json_place *at, void *into, struct error *e)
{
        struct scheduler_reading *r = into;
        r->has_runtime = true;
        return json_u64(at, &r->s.runtime_ns, e);
}

#define SCHEDULER(member) offsetof(struct scheduler_reading, s.member)
static const struct json_field scheduler_fields[] = {
        { "policy", read_policy, SCHEDULER(policy), JSON_REQUIRED },
        { "nice", read_nice, SCHEDULER(nice), 0 },
        { "priority", read_priority, SCHEDULER(priority), 0 },
        { "flags", read_scheduler_flags, SCHEDULER(flags), 0 },
        { "runtime", read_runtime, 0, 0 },
        { "deadline", json_u64, SCHEDULER(deadline_ns), 0 },
        { "period", json_u64, SCHEDULER(period_ns), 0 },
        { 0 },
};

/* The words are those that others say of the same mistakes. */
static int bad_deadline(const struct json_place *at, const char *member, const char *text, struct error *e)
{
        const struct json_place place = oci_member(at, member);
        return oci_fail(&place, e, "in nanoseconds, in the order runtime <= deadline <= period", "sched_setattr: `SCHED_DEADLINE` %s", text);
}

static int check_deadline(const struct json_place *at, const struct scheduler_reading *r, struct error *e)
{
        const struct plan_scheduler *s = &r->s;
        uint64_t period = s->period_ns ? s->period_ns : s->deadline_ns;
        CLEAN_FREE char *range = xprintf("runtime %" PRIu64 " must be between %d and %" PRId64, s->runtime_ns, DEADLINE_RUNTIME_MIN_NS, INT64_MAX);
        CLEAN_FREE char *above_deadline = xprintf("runtime %" PRIu64 " must be <= deadline %" PRIu64, s->runtime_ns, s->deadline_ns);
        CLEAN_FREE char *above_period = xprintf("deadline %" PRIu64 " must be <= period %" PRIu64, s->deadline_ns, period);
        const struct {
                bool wrong;
                const char *member, *text;
        } rows[] = { { !r->has_runtime, "runtime", "requires `runtime`" },
                     { !s->runtime_ns, "runtime", "runtime must be greater than 0" },
                     { !s->deadline_ns, "deadline", "requires `deadline`" },
                     { s->runtime_ns < DEADLINE_RUNTIME_MIN_NS || s->runtime_ns > INT64_MAX, "runtime", range },
                     { s->runtime_ns > s->deadline_ns, "runtime", above_deadline },
                     { s->deadline_ns > period, "deadline", above_period },
                     { period > INT64_MAX, "period", "period is too long" } };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].wrong)
                        return bad_deadline(at, rows[i].member, rows[i].text, e);
        return 0;
}

static int check_scheduler(const struct json_place *at, const struct scheduler_reading *r, struct error *e)
{
        const struct plan_scheduler *s = &r->s;
        bool real_time = s->policy == POLICY_FIFO || s->policy == POLICY_RR;
        const struct json_place priority = oci_member(at, "priority"), policy = oci_member(at, "policy");
        if (real_time && !s->priority)
                return oci_fail(&priority, e, "SCHED_FIFO and SCHED_RR take 1 (lowest) to 99", "is missing or 0");
        if (!real_time && s->priority)
                return oci_fail(&priority, e, "other policies go by nice", "is for SCHED_FIFO and SCHED_RR only");
        if (s->policy == POLICY_DEADLINE)
                return check_deadline(at, r, e);
        if (s->runtime_ns || s->deadline_ns || s->period_ns)
                return oci_fail(&policy, e, NULL, "runtime, deadline and period are for SCHED_DEADLINE only");
        return 0;
}

static int read_scheduler(const struct json_place *at, void *into, struct error *e)
{
        struct scheduler_reading read = { .s.set = true };
        int r = json_object(at, scheduler_fields, &read, e);
        if (r == 0)
                r = check_scheduler(at, &read, e);
        if (r == 0)
                ((struct oci_reading *)into)->c->scheduler = read.s;
        return r;
}

struct io_priority {
        uint64_t class;
        uint32_t priority;
};

static int read_io_class(const struct json_place *at, void *into, struct error *e)
{
        static const struct oci_word words[] = { { "IOPRIO_CLASS_RT", 1 }, { "IOPRIO_CLASS_BE", 2 }, { "IOPRIO_CLASS_IDLE", 3 }, { 0 } };
        return oci_word(at, words, into, e);
}

static int read_io_priority(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field io_fields[] = {
                { "class", read_io_class, offsetof(struct io_priority, class), JSON_REQUIRED },
                { "priority", json_u32, offsetof(struct io_priority, priority), 0 },
                { 0 },
        };
        struct io_priority p = { 0 };
        const struct json_place level = oci_member(at, "priority");
        int r = json_object(at, io_fields, &p, e);
        if (r < 0)
                return r;
        if (p.priority > 7)
                return json_fail(&level, e, "is not from 0 (highest) to 7");
        ((struct oci_reading *)into)->c->io_priority = (struct plan_io_priority){ true, (int)(p.class << 13 | p.priority) };
        return 0;
}

static int read_affinity(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field affinity_fields[] = {
                { "initial", oci_list, offsetof(struct plan_container, cpus_initial), 0 },
                { "final", oci_list, offsetof(struct plan_container, cpus_final), 0 },
                { 0 },
        };
        return json_object(at, affinity_fields, ((struct oci_reading *)into)->c, e);
}

/* ---- process ---- */

static int read_args(const struct json_place *at, void *into, struct error *e)
{
        struct strings *argv = &((struct oci_reading *)into)->p->argv;
        strings_clear(argv);
        int r = oci_strings(at, argv, e);
        if (r == 0 && (!argv->count || !*argv->items[0]))
                return oci_fail(at, e, "its first element is the program", argv->count ? "names no program" : "is empty");
        return r;
}

static int read_env(const struct json_place *at, void *into, struct error *e)
{
        return oci_environment(at, &((struct oci_reading *)into)->p->environment, e);
}

static int read_cwd(const struct json_place *at, void *into, struct error *e)
{
        struct plan *p = ((struct oci_reading *)into)->p;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (*s != '/' || strlen(s) > OCI_PATH_MAX)
                return oci_fail(at, e, "begin it with /", "\"%.200s\" is not an absolute path", s);
        return json_string(at, &p->working_directory, e);
}

static int read_no_new_privileges(const struct json_place *at, void *into, struct error *e)
{
        struct plan *p = ((struct oci_reading *)into)->p;
        p->no_new_privileges_origin = oci_origin(p, at);
        return json_bool(at, &p->no_new_privileges, e);
}

static int read_terminal(const struct json_place *at, void *into, struct error *e)
{
        return json_bool(at, &((struct oci_reading *)into)->c->terminal, e);
}

static int read_selinux_label(const struct json_place *at, void *into, struct error *e)
{
        return oci_text(at, &((struct oci_reading *)into)->c->process_label, e);
}

static int read_apparmor(const struct json_place *at, void *into, struct error *e)
{
        return oci_text(at, &((struct oci_reading *)into)->c->apparmor, e);
}

static const struct json_field process_fields[] = {
        { "terminal", read_terminal, 0, 0 },
        { "user", read_user, 0, 0 },
        { "args", read_args, 0, JSON_REQUIRED },
        { "env", read_env, 0, 0 },
        { "cwd", read_cwd, 0, JSON_REQUIRED },
        { "capabilities", read_capabilities, 0, 0 },
        { "rlimits", read_rlimits, 0, 0 },
        { "noNewPrivileges", read_no_new_privileges, 0, 0 },
        { "apparmorProfile", read_apparmor, 0, 0 },
        { "selinuxLabel", read_selinux_label, 0, 0 },
        { "oomScoreAdj", read_oom_score, 0, 0 },
        { "scheduler", read_scheduler, 0, 0 },
        { "ioPriority", read_io_priority, 0, 0 },
        { "execCPUAffinity", read_affinity, 0, 0 },
        { 0 },
};

static int read_console_size(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field size_fields[] = {
                { "height", json_u16, offsetof(struct plan_container, rows), JSON_REQUIRED },
                { "width", json_u16, offsetof(struct plan_container, columns), JSON_REQUIRED },
                { 0 },
        };
        return json_object(at, size_fields, ((struct oci_reading *)into)->c, e);
}

/* The size of a terminal that is not there is passed over, as the specification asks. */
static const struct json_field terminal_fields[] = { { "consoleSize", read_console_size, 0, 0 }, { 0 } };

/* What a process object always says itself; the rest stays as it is where exec's object is silent. */
static void reset_process(struct oci_reading *r)
{
        struct plan_container *c = r->c;
        free(c->identity.groups);
        c->identity = (struct plan_identity){ .set = true };
        c->terminal = false;
        c->rows = c->columns = 0;
        r->p->umask = 0022;
        strings_clear(&r->p->argv);
        strings_clear(&r->p->environment);
}

int oci_read_process(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        reset_process(r);
        if (!r->c->capabilities.set)
                set_capabilities(r, &(struct plan_capabilities){ 0 }, "default: none");
        int ret = json_object(at, process_fields, r, e);
        if (ret == 0 && r->c->terminal)
                ret = json_object(at, terminal_fields, r, e);
        return ret;
}
