/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/explain_process.h"

/* ---- limits ---- */

static const struct limit_row {
        const char *name, *words, *unit;
} limit_rows[PLAN_LIMITS] = {
        [PLAN_LIMIT_CPU] = { "cpu_seconds", "CPU time of a process", "s" },
        [PLAN_LIMIT_FSIZE] = { "file_size_bytes", "size of a file", " bytes" },
        [PLAN_LIMIT_DATA] = { "data_bytes", "data segment", " bytes" },
        [PLAN_LIMIT_STACK] = { "stack_bytes", "stack", " bytes" },
        [PLAN_LIMIT_CORE] = { "core_bytes", "core dump", " bytes" },
        [PLAN_LIMIT_RSS] = { "resident_bytes", "resident memory", " bytes" },
        [PLAN_LIMIT_NOFILE] = { "open_files", "open files", "" },
        [PLAN_LIMIT_AS] = { "address_space_bytes", "address space", " bytes" },
        [PLAN_LIMIT_NPROC] = { "processes", "processes of its user", "" },
        [PLAN_LIMIT_MEMLOCK] = { "locked_bytes", "locked memory", " bytes" },
        [PLAN_LIMIT_LOCKS] = { "file_locks", "file locks", "" },
        [PLAN_LIMIT_SIGPENDING] = { "pending_signals", "queued signals", "" },
        [PLAN_LIMIT_MSGQUEUE] = { "message_queue_bytes", "message queues", " bytes" },
        [PLAN_LIMIT_NICE] = { "nice", "lowest nice", " (20 - nice)" },
        [PLAN_LIMIT_RTPRIO] = { "realtime_priority", "realtime priority", "" },
        [PLAN_LIMIT_RTTIME] = { "realtime_usec", "realtime CPU time", "us" },
};

static char *limit_number(uint64_t n, const char *unit)
{
        return n == UINT64_MAX ? xstrdup("none") : xprintf("%llu%s", (unsigned long long)n, unit);
}

static void text_limits(const struct view *v)
{
        for (size_t i = 0; i < PLAN_LIMITS; i++) {
                const struct plan_limit *l = &v->p->process.limits[i];
                if (!l->origin)
                        continue;
                CLEAN_FREE char *soft = limit_number(l->soft, limit_rows[i].unit), *hard = limit_number(l->hard, limit_rows[i].unit);
                CLEAN_FREE char *words = l->soft == l->hard ? xstrdup(soft) : xprintf("%s, may be raised to %s", soft, hard);
                line(v, "limits", limit_rows[i].words, words, l->origin);
        }
}

/* No limit is null. */
static void json_amount(struct text *t, const char *name, uint64_t n)
{
        if (n == UINT64_MAX)
                json_string(t, name, NULL);
        else
                json_number(t, name, n);
}

static void json_limits(const struct view *v)
{
        key(v->t, "process_limits");
        text_add(v->t, "{");
        for (size_t i = 0; i < PLAN_LIMITS; i++) {
                const struct plan_limit *l = &v->p->process.limits[i];
                if (!l->origin)
                        continue;
                key(v->t, limit_rows[i].name);
                text_add(v->t, "{");
                json_amount(v->t, "soft", l->soft);
                json_amount(v->t, "hard", l->hard);
                json_string(v->t, "origin", l->origin);
                text_add(v->t, "}");
        }
        text_add(v->t, "}");
}

void explain_process_text(const struct view *v)
{
        text_limits(v);
}

void explain_process_json(const struct view *v)
{
        json_limits(v);
}
