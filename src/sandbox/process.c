/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kind of process a unit's payload is.  Each failure has the exit status of systemd.exec(5). */
#include <string.h>
#include <sys/resource.h>

#include "base/exit_status.h"
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
