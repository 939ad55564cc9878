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

/* ---- attributes ---- */

static const struct attribute_text {
        const char *name, *subject, *unit;
        bool yes_or_no;
} attribute_texts[PLAN_ATTRIBUTES] = {
        [PLAN_NICE] = { "nice", "nice level", "", false },
        [PLAN_OOM_SCORE_ADJUST] = { "oom_score_adjust", "OOM score adjustment", "", false },
        [PLAN_TIMER_SLACK_NS] = { "timer_slack_ns", "timer slack", " ns", false },
        [PLAN_IO_CLASS] = { "io_class", "I/O class", "", false },
        [PLAN_IO_PRIORITY] = { "io_priority", "I/O priority", "", false },
        [PLAN_CPU_POLICY] = { "cpu_policy", "CPU scheduler", "", false },
        [PLAN_CPU_PRIORITY] = { "cpu_priority", "CPU priority", "", false },
        [PLAN_CPU_RESET_ON_FORK] = { "cpu_reset_on_fork", "scheduler of children", "", true },
        [PLAN_NUMA_POLICY] = { "numa_policy", "memory policy", "", false },
        [PLAN_PERSONALITY] = { "personality", "personality", "", false },
        [PLAN_COREDUMP_FILTER] = { "coredump_filter", "core dump contains", "", false },
        [PLAN_IGNORE_SIGPIPE] = { "ignore_sigpipe", "SIGPIPE", "", true },
        [PLAN_MEMORY_KSM] = { "memory_ksm", "equal pages", "", true },
};

static char *attribute_words(enum plan_attribute_kind kind, int64_t value)
{
        const char *word = plan_attribute_word(kind, value);
        if (word)
                return xstrdup(word);
        if (kind == PLAN_CPU_RESET_ON_FORK)
                return xstrdup(value ? "the default" : "the same");
        if (kind == PLAN_IGNORE_SIGPIPE)
                return xstrdup(value ? "ignored" : "ends the process");
        if (kind == PLAN_MEMORY_KSM)
                return xstrdup(value ? "shared" : "not shared");
        return kind == PLAN_COREDUMP_FILTER ? xprintf("0x%llx", (unsigned long long)value)
                                            : xprintf("%lld%s", (long long)value, attribute_texts[kind].unit);
}

static void text_attributes(const struct view *v)
{
        const struct plan_process *p = &v->p->process;
        for (size_t i = 0; i < PLAN_ATTRIBUTES; i++) {
                const struct plan_attribute *a = &p->attributes[i];
                CLEAN_FREE char *words = attribute_words((enum plan_attribute_kind)i, a->value);
                if (a->origin)
                        line(v, "process", attribute_texts[i].subject, words, a->origin);
        }
        if (p->cpus)
                line(v, "process", "CPUs", text_equal(p->cpus, "numa") ? "those of its memory nodes" : p->cpus, p->cpus_origin);
        if (p->numa_nodes)
                line(v, "process", "memory nodes", p->numa_nodes, p->numa_nodes_origin);
}

static const struct label_text {
        const char *name, *subject;
} label_texts[PLAN_LABELS] = { [PLAN_LABEL_SELINUX] = { "selinux_context", "SELinux context" }, [PLAN_LABEL_APPARMOR] = { "apparmor_profile", "AppArmor profile" },
                               [PLAN_LABEL_SMACK] = { "smack_label", "Smack label" } };

static void text_labels(const struct view *v)
{
        const struct plan_process *p = &v->p->process;
        for (size_t i = 0; i < PLAN_LABELS; i++) {
                const struct plan_label *l = &p->labels[i];
                CLEAN_FREE char *words = l->text ? xprintf("%s%s", l->text, l->optional ? ", if it can be had" : "") : NULL;
                if (words)
                        line(v, "process", label_texts[i].subject, words, l->origin);
        }
        if (p->login_origin)
                line(v, "environment", "HOME, LOGNAME, USER, SHELL", p->login == PLAN_LOGIN_YES ? "set" : "not set", p->login_origin);
}

static void json_attribute(struct text *t, const struct plan_process *p, enum plan_attribute_kind kind)
{
        const struct plan_attribute *a = &p->attributes[kind];
        const char *word = plan_attribute_word(kind, a->value);
        key(t, attribute_texts[kind].name);
        text_add(t, "{");
        if (word)
                json_string(t, "value", word);
        else if (attribute_texts[kind].yes_or_no)
                json_bool(t, "value", a->value);
        else {
                key(t, "value");
                text_addf(t, "%lld", (long long)a->value);
        }
        json_string(t, "origin", a->origin);
        text_add(t, "}");
}

/* Only what was asked for. */
static void json_attributes(const struct view *v)
{
        const struct plan_process *p = &v->p->process;
        key(v->t, "process");
        text_add(v->t, "{");
        for (size_t i = 0; i < PLAN_ATTRIBUTES; i++)
                if (p->attributes[i].origin)
                        json_attribute(v->t, p, (enum plan_attribute_kind)i);
        for (size_t i = 0; i < PLAN_LABELS; i++)
                json_origin(v->t, label_texts[i].name, p->labels[i].text, p->labels[i].origin);
        json_origin(v->t, "login_environment", p->login == PLAN_LOGIN_DEFAULT ? NULL : p->login == PLAN_LOGIN_YES ? "yes" : "no", p->login_origin);
        json_origin(v->t, "cpus", p->cpus, p->cpus_origin);
        json_origin(v->t, "numa_nodes", p->numa_nodes, p->numa_nodes_origin);
        text_add(v->t, "}");
}

/* ---- environment and streams ---- */

static const struct list_row {
        const char *name, *label, *words;
} list_rows[] = {
        { "search_path", "search path", "where programs are looked for, and PATH" },
        { "pass", "environment", "from the caller, where it is set" },
        { "files", "environment", "from this file, read at the start" },
        { "unset", "environment", "taken away" },
};

static const struct strings *list_of(const struct plan_process *p, size_t i, const char **ret_origin)
{
        const struct strings *const lists[] = { &p->search_path, &p->pass, &p->files, &p->unset };
        const char *const origins[] = { p->search_path_origin, p->pass_origin, p->files_origin, p->unset_origin };
        *ret_origin = origins[i];
        return lists[i];
}

static void text_lists(const struct view *v)
{
        for (size_t i = 0; i < ELEMENTS(list_rows); i++) {
                const char *origin;
                const struct strings *l = list_of(&v->p->process, i, &origin);
                for (size_t k = 0; k < l->count; k++)
                        line(v, list_rows[i].label, l->items[k] + (*l->items[k] == '-'), *l->items[k] == '-' ? "from this file, if there" : list_rows[i].words, origin);
        }
}

static const struct stream_text {
        const char *name, *subject;
} stream_texts[PLAN_STREAMS] = { { "input", "standard input" }, { "output", "standard output" }, { "error", "standard error" } };

static const char *const stream_words[] = { [PLAN_STREAM_INHERIT] = "inherit", [PLAN_STREAM_NULL] = "null", [PLAN_STREAM_FILE] = "file",
                                            [PLAN_STREAM_APPEND] = "append", [PLAN_STREAM_TRUNCATE] = "truncate", [PLAN_STREAM_LOG] = "log",
                                            [PLAN_STREAM_DATA] = "data", [PLAN_STREAM_TTY] = "tty",
                                            [PLAN_STREAM_SOCKET] = "socket", [PLAN_STREAM_NAMED] = "fd" };

static const char *const tty_words[] = { [PLAN_TTY_WAIT] = "tty", [PLAN_TTY_FORCE] = "tty, by force", [PLAN_TTY_FAIL] = "tty, if it is free" };

static const char *tty_path(const struct plan_process *p)
{
        return p->tty.path ? p->tty.path : "/dev/console";
}

static char *stream_subject(const struct plan_process *p, const struct plan_stream *s)
{
        switch (s->kind) {
        case PLAN_STREAM_NULL:
                return xstrdup("nowhere");
        case PLAN_STREAM_LOG:
                return xstrdup("the run's log or caller");
        case PLAN_STREAM_DATA:
                return xprintf("%zu bytes of the plan's", p->input.length);
        case PLAN_STREAM_TTY:
                return xprintf("%s %s", s == p->streams ? tty_words[s->tty] : "tty", tty_path(p));
        case PLAN_STREAM_SOCKET:
                return xstrdup("the socket that the service is started by");
        case PLAN_STREAM_NAMED:
                return xprintf("the descriptor %s that the service is given", s->path);
        default:
                return s->path ? xprintf("%s %s", stream_words[s->kind], s->path) : xstrdup("the run's own");
        }
}

/* Standard error follows an output that goes elsewhere. */
static bool follows_output(const struct plan_process *p, size_t i)
{
        return i == 2 && p->streams[2].kind == PLAN_STREAM_INHERIT && p->streams[1].kind != PLAN_STREAM_INHERIT && p->streams[1].kind != PLAN_STREAM_LOG;
}

/* "inherit" means a descriptor that was handed over for input, and standard error goes with it. */
static bool follows_input(const struct plan_process *p, size_t i)
{
        const enum plan_stream_kind in = p->streams[0].kind;
        return i && (in == PLAN_STREAM_SOCKET || in == PLAN_STREAM_NAMED) && p->streams[i].kind == PLAN_STREAM_INHERIT &&
               p->streams[1].kind == PLAN_STREAM_INHERIT && p->streams[1].origin;
}

static void text_streams(const struct view *v)
{
        const struct plan_process *p = &v->p->process;
        for (size_t i = 0; i < PLAN_STREAMS; i++) {
                const struct plan_stream *s = &p->streams[i];
                CLEAN_FREE char *words = follows_output(p, i) ? xstrdup("where standard output goes")
                                        : follows_input(p, i) ? xstrdup("where standard input comes from") : stream_subject(p, s);
                if (s->origin || follows_output(p, i) || follows_input(p, i))
                        line(v, "process", stream_texts[i].subject, words, s->origin ? s->origin : p->streams[1].origin);
        }
}

static void json_lists(const struct view *v)
{
        key(v->t, "environment_sources");
        text_add(v->t, "{");
        for (size_t i = 0; i < ELEMENTS(list_rows); i++) {
                const char *origin;
                const struct strings *l = list_of(&v->p->process, i, &origin);
                if (!l->count)
                        continue;
                key(v->t, list_rows[i].name);
                text_add(v->t, "{");
                json_strings(v->t, "value", l);
                json_string(v->t, "origin", origin);
                text_add(v->t, "}");
        }
        text_add(v->t, "}");
}

static void json_streams(const struct view *v)
{
        const struct plan_process *p = &v->p->process;
        key(v->t, "streams");
        text_add(v->t, "{");
        for (size_t i = 0; i < PLAN_STREAMS; i++) {
                const struct plan_stream *s = &p->streams[i];
                if (!s->origin && !follows_output(p, i) && !follows_input(p, i))
                        continue;
                key(v->t, stream_texts[i].name);
                text_add(v->t, "{");
                json_string(v->t, "kind", follows_output(p, i) ? "output" : follows_input(p, i) ? "input" : stream_words[s->kind]);
                json_string(v->t, "path", s->kind == PLAN_STREAM_TTY ? tty_path(p) : s->path);
                json_string(v->t, "origin", s->origin ? s->origin : p->streams[1].origin);
                text_add(v->t, "}");
        }
        text_add(v->t, "}");
}

void explain_process_text(const struct view *v)
{
        text_limits(v);
        text_attributes(v);
        text_labels(v);
        text_lists(v);
        text_streams(v);
}

void explain_process_json(const struct view *v)
{
        json_limits(v);
        json_attributes(v);
        json_lists(v);
        json_streams(v);
}
