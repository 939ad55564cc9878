/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/service.h"

#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "base/exit_status.h"
#include "base/path.h"
#include "base/signal_name.h"
#include "plan/specifier.h"
#include "plan/unit_words.h"

static const uint64_t second_usec = 1000000, default_timeout_usec = 90 * UINT64_C(1000000);

/* ---- words ---- */

static const char *const types[] = { "simple", "exec", "forking", "oneshot", "notify", "notify-reload", "idle", NULL };
static const char *const restarts[] = { "no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always", NULL };
static const char *const kill_modes[] = { "control-group", "process", "mixed", "none", NULL };
static const char *const notify_accesses[] = { "none", "all", "exec", "main", NULL };
static const char *const failure_modes[] = { "terminate", "abort", "kill", NULL };
static const char *const oom_policies[] = { "stop", "continue", "kill", NULL };
static const char *const exit_types[] = { "main", "cgroup", NULL };
static const char *const only_none[] = { "none", NULL };
static const char *const list_names[] = { "ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost" };

const char *service_type_word(enum service_type t)
{
        return types[t];
}

const char *service_list_name(enum service_list l)
{
        return list_names[l];
}

const char *service_restart_word(enum service_restart r)
{
        return restarts[r];
}

/* ---- readers ---- */

struct row;
struct assignment {
        struct service *s;
        const struct row *row;
        void *field;
        const char *value; /* specifiers are not expanded */
        const struct facts *facts;
};
typedef int reader(const struct assignment *a, struct error *e);

/* Which second field a row sets: that it was set at all. */
struct row {
        const char *section, *name;
        reader *read;
        const char *const *words;
        size_t offset, set_offset;
};

static int bad(const struct assignment *a, struct error *e, const char *expected)
{
        error_set(e, EINVAL, "service.value", "\"%.80s\" is not %s", a->value, expected);
        return error_while(e, "reading %s=", a->row->name);
}

static int read_word(const struct assignment *a, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        for (int i = 0; a->row->words[i]; i++) {
                if (text_equal(a->row->words[i], a->value)) {
                        *(int *)a->field = i;
                        return 0;
                }
                text_addf(&t, "%s%s", i ? ", " : "one of ", a->row->words[i]);
        }
        return bad(a, e, t.data);
}

/* What is accepted as long as it asks for nothing. */
static int read_nothing(const struct assignment *a, struct error *e)
{
        if (text_equal(a->value, a->row->words[0]) || !*a->value)
                return 0;
        error_set(e, ENOTSUP, "service.unsupported", "%s=%.80s is not applied by Bulkhead", a->row->name, a->value);
        return -ENOTSUP;
}

static int read_bool(const struct assignment *a, struct error *e)
{
        return text_parse_bool(a->value, a->field) < 0 ? bad(a, e, "a boolean") : 0;
}

static int read_not(const struct assignment *a, struct error *e)
{
        bool b;
        if (text_parse_bool(a->value, &b) < 0)
                return bad(a, e, "a boolean");
        *(bool *)a->field = !b;
        return 0;
}

static int read_span(const struct assignment *a, struct error *e)
{
        return text_parse_span_usec(a->value, a->field) < 0 ? bad(a, e, "a time span, such as 90 or 1min 30s") : 0;
}

/* Of limits: 0 and infinity are none. */
static int read_limit(const struct assignment *a, struct error *e)
{
        uint64_t n;
        if (text_parse_span_usec(a->value, &n) < 0)
                return bad(a, e, "a time span, such as 90 or 1min 30s");
        *(uint64_t *)a->field = n ? n : SERVICE_NEVER;
        return 0;
}

static int read_both_limits(const struct assignment *a, struct error *e)
{
        int r = read_limit(a, e);
        a->s->timeout_start_set |= r == 0;
        a->s->timeout_stop_usec = a->s->timeout_start_usec;
        return r;
}

/* Empty: as the stop. */
static int read_abort_limit(const struct assignment *a, struct error *e)
{
        a->s->timeout_abort_set = *a->value;
        return *a->value ? read_limit(a, e) : 0;
}

static int read_signal(const struct assignment *a, struct error *e)
{
        int n = signal_from_name(a->value);
        if (n < 0)
                return bad(a, e, "a signal");
        *(int *)a->field = n;
        return 0;
}

static int read_count(const struct assignment *a, struct error *e)
{
        uint64_t n;
        if (text_parse_uint(a->value, INT_MAX, &n) < 0)
                return bad(a, e, "a number");
        *(unsigned *)a->field = (unsigned)n;
        return 0;
}

static int read_text(const struct assignment *a, struct error *e)
{
        char **field = a->field, *text = NULL;
        int r = *a->value ? specifier_expand(a->value, a->facts, &text, e) : 0;
        if (r < 0)
                return error_while(e, "reading %s=", a->row->name);
        free(*field);
        *field = text;
        return 0;
}

/* A relative path is one below the folder of what runs now. */
static int read_pid_file(const struct assignment *a, struct error *e)
{
        CLEAN_FREE char *text = NULL;
        int r = *a->value ? specifier_expand(a->value, a->facts, &text, e) : 0;
        if (r < 0)
                return error_while(e, "reading %s=", a->row->name);
        CLEAN_FREE char *joined = text ? *text == '/' ? xstrdup(text) : xprintf("%s/%s", a->facts->runtime_folder, text) : NULL;
        char *path = NULL;
        if (joined && path_normalize(joined, &path) < 0)
                return bad(a, e, "a path");
        free(a->s->pid_file);
        a->s->pid_file = path;
        return 0;
}

static int read_words(const struct assignment *a, struct error *e)
{
        struct strings *l = a->field;
        if (!*a->value)
                strings_clear(l);
        return text_split_words(a->value, l) < 0 ? bad(a, e, "a list of words") : 0;
}

static int add_to_set(struct exit_set *set, const char *word)
{
        uint64_t n;
        int status = text_parse_uint(word, 255, &n) == 0 ? (int)n : exit_status_from_name(word);
        int sig = status < 0 ? signal_from_name(word) : 0;
        if (status >= 0)
                set->statuses[status / 64] |= UINT64_C(1) << status % 64;
        else if (sig > 0 && sig < 64)
                set->signals |= UINT64_C(1) << sig;
        else
                return -EINVAL;
        return 0;
}

static int read_exit_set(const struct assignment *a, struct error *e)
{
        struct exit_set *field = a->field, set = *a->value ? *field : (struct exit_set){ 0 };
        CLEAN_STRINGS struct strings words = { 0 };
        if (text_split_words(a->value, &words) < 0)
                return bad(a, e, "a list of exit statuses and signals");
        for (size_t i = 0; i < words.count; i++)
                if (add_to_set(&set, words.items[i]) < 0)
                        return bad(a, e, "a list of exit statuses and signals");
        *field = set;
        return 0;
}

bool exit_set_has(const struct exit_set *s, bool signal, int number)
{
        if (number < 0 || number > (signal ? 63 : 255))
                return false;
        return (signal ? s->signals >> number : s->statuses[number / 64] >> number % 64) & 1;
}

static int read_commands(const struct assignment *a, struct error *e)
{
        struct exec_lines *l = a->field;
        int r = exec_lines_assign(l, a->value, a->facts, e);
        for (size_t i = 0; i < l->notes.count; i++)
                strings_take(&a->s->notes, xprintf("%s=: %s", a->row->name, l->notes.items[i]));
        strings_clear(&l->notes);
        return r < 0 ? error_while(e, "reading %s=", a->row->name) : 0;
}

/* ---- the table ---- */

#define AT(member) offsetof(struct service, member)
#define LIST(name, list) { "Service", name, read_commands, NULL, AT(lines) + sizeof(struct exec_lines) * (list), 0 }
static const struct row rows[] = {
        { "Service", "Type", read_word, types, AT(type), 0 },
        { "Service", "ExitType", read_word, exit_types, AT(exit_type), 0 },
        LIST("ExecCondition", SERVICE_CONDITION),
        LIST("ExecStartPre", SERVICE_START_PRE),
        LIST("ExecStart", SERVICE_START),
        LIST("ExecStartPost", SERVICE_START_POST),
        LIST("ExecReload", SERVICE_RELOAD),
        LIST("ExecStop", SERVICE_STOP),
        LIST("ExecStopPost", SERVICE_STOP_POST),
        { "Service", "Restart", read_word, restarts, AT(restart), 0 },
        { "Service", "RestartSec", read_span, NULL, AT(restart_usec), 0 },
        { "Service", "RestartSteps", read_count, NULL, AT(restart_steps), 0 },
        { "Service", "RestartMaxDelaySec", read_span, NULL, AT(restart_max_usec), 0 },
        { "Service", "TimeoutStartSec", read_limit, NULL, AT(timeout_start_usec), AT(timeout_start_set) },
        { "Service", "TimeoutStopSec", read_limit, NULL, AT(timeout_stop_usec), 0 },
        { "Service", "TimeoutAbortSec", read_abort_limit, NULL, AT(timeout_abort_usec), 0 },
        { "Service", "TimeoutSec", read_both_limits, NULL, AT(timeout_start_usec), 0 },
        { "Service", "TimeoutStartFailureMode", read_word, failure_modes, AT(start_failure), 0 },
        { "Service", "TimeoutStopFailureMode", read_word, failure_modes, AT(stop_failure), 0 },
        { "Service", "RuntimeMaxSec", read_limit, NULL, AT(runtime_max_usec), 0 },
        { "Service", "WatchdogSec", read_limit, NULL, AT(watchdog_usec), 0 },
        { "Service", "WatchdogSignal", read_signal, NULL, AT(watchdog_signal), 0 },
        { "Service", "KillMode", read_word, kill_modes, AT(kill_mode), 0 },
        { "Service", "KillSignal", read_signal, NULL, AT(kill_signal), 0 },
        { "Service", "RestartKillSignal", read_signal, NULL, AT(restart_kill_signal), 0 },
        { "Service", "FinalKillSignal", read_signal, NULL, AT(final_kill_signal), 0 },
        { "Service", "ReloadSignal", read_signal, NULL, AT(reload_signal), 0 },
        { "Service", "SendSIGKILL", read_not, NULL, AT(no_sigkill), 0 },
        { "Service", "SendSIGHUP", read_bool, NULL, AT(send_sighup), 0 },
        { "Service", "RemainAfterExit", read_bool, NULL, AT(remain_after_exit), 0 },
        { "Service", "GuessMainPID", read_not, NULL, AT(no_main_guess), 0 },
        { "Service", "PIDFile", read_pid_file, NULL, AT(pid_file), 0 },
        { "Service", "SuccessExitStatus", read_exit_set, NULL, AT(success), 0 },
        { "Service", "RestartPreventExitStatus", read_exit_set, NULL, AT(prevent_restart), 0 },
        { "Service", "RestartForceExitStatus", read_exit_set, NULL, AT(force_restart), 0 },
        { "Service", "NotifyAccess", read_word, notify_accesses, AT(notify_access), AT(notify_access_set) },
        { "Service", "OOMPolicy", read_word, oom_policies, AT(oom_policy), 0 },
        { "Service", "Sockets", read_words, NULL, AT(sockets), 0 },
        { "Service", "FileDescriptorStoreMax", read_count, NULL, AT(stored_fds_max), 0 },
        { "Unit", "Description", read_text, NULL, AT(description), 0 },
        { "Unit", "StartLimitIntervalSec", read_span, NULL, AT(start_limit_usec), 0 },
        { "Unit", "StartLimitBurst", read_count, NULL, AT(start_limit_burst), 0 },
        { "Service", "StartLimitInterval", read_span, NULL, AT(start_limit_usec), 0 }, /* where it stood before */
        { "Service", "StartLimitBurst", read_count, NULL, AT(start_limit_burst), 0 },
        { "Unit", "StartLimitAction", read_nothing, only_none, 0, 0 },
        { "Unit", "FailureAction", read_nothing, only_none, 0, 0 },
        { "Unit", "SuccessAction", read_nothing, only_none, 0, 0 },
};

/* ---- the whole ---- */

void service_init(struct service *s)
{
        *s = (struct service){ .kill_signal = SIGTERM, .final_kill_signal = SIGKILL, .watchdog_signal = SIGABRT, .reload_signal = SIGHUP,
                               .timeout_start_usec = default_timeout_usec, .timeout_stop_usec = default_timeout_usec,
                               .timeout_abort_usec = default_timeout_usec, .runtime_max_usec = SERVICE_NEVER, .watchdog_usec = SERVICE_NEVER,
                               .restart_usec = second_usec / 10, .restart_max_usec = SERVICE_NEVER,
                               .start_limit_usec = 10 * second_usec, .start_limit_burst = 5 };
}

void service_done(struct service *s)
{
        for (unsigned i = 0; i < SERVICE_LISTS; i++)
                exec_lines_done(&s->lines[i]);
        free(s->pid_file);
        free(s->description);
        strings_clear(&s->sockets);
        strings_clear(&s->notes);
        *s = (struct service){ 0 };
}

int service_assign(struct service *s, const char *section, const char *name, const char *value, const struct facts *facts, struct error *e)
{
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                if (!text_equal(rows[i].name, name) || !text_equal(rows[i].section, section))
                        continue;
                const struct assignment a = { s, &rows[i], (char *)s + rows[i].offset, value, facts };
                int r = rows[i].read(&a, e);
                if (r == 0 && rows[i].set_offset)
                        *((bool *)s + rows[i].set_offset) = true;
                return r < 0 ? r : 1;
        }
        return 0;
}

bool service_applies(const char *section, const char *name)
{
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (text_equal(rows[i].name, name) && text_equal(rows[i].section, section))
                        return true;
        return false;
}

static int invalid(struct error *e, const char *what)
{
        return error_set(e, EINVAL, "service.invalid", "%s", what);
}

/* What systemd refuses as well. */
static int check(const struct service *s, struct error *e)
{
        const size_t starts = s->lines[SERVICE_START].count;
        const bool once = s->type == SERVICE_ONESHOT;
        if (!starts && !s->lines[SERVICE_STOP].count)
                return invalid(e, "there is neither ExecStart= nor ExecStop=: nothing to do");
        if (!starts && !once && !s->remain_after_exit)
                return invalid(e, "without ExecStart= there must be RemainAfterExit=yes or Type=oneshot");
        if (starts > 1 && !once)
                return invalid(e, "more than one ExecStart= needs Type=oneshot");
        if (once && (s->restart == RESTART_ALWAYS || s->restart == RESTART_ON_SUCCESS))
                return invalid(e, "Type=oneshot that is restarted after success would never be over");
        if (s->restart_max_usec != SERVICE_NEVER && s->restart_max_usec < s->restart_usec)
                return invalid(e, "RestartMaxDelaySec= is shorter than RestartSec=");
        return 0;
}

int service_finish(struct service *s, struct error *e)
{
        const bool notifies = s->type == SERVICE_NOTIFY || s->type == SERVICE_NOTIFY_RELOAD || s->watchdog_usec != SERVICE_NEVER ||
                              s->stored_fds_max;
        if (s->type == SERVICE_ONESHOT && !s->timeout_start_set)
                s->timeout_start_usec = SERVICE_NEVER;
        if (!s->timeout_abort_set)
                s->timeout_abort_usec = s->timeout_stop_usec;
        if (notifies && (!s->notify_access_set || s->notify_access == NOTIFY_NONE))
                s->notify_access = NOTIFY_MAIN;
        return check(s, e);
}

/* Whether a line is for others to read: the sandbox's, the graph's of units, and what is marked as somebody else's. */
static bool is_others(const struct unit_line *l)
{
        return !text_equal(l->section, "Service") || directive_is_known(l->name) || text_starts(l->name, "X-");
}

static int refuse(const struct unit_line *l, bool lenient, struct service *s, const char *place, struct error *e)
{
        if (lenient) {
                strings_take(&s->notes, xprintf("%s: %s= is not applied; ignored", place, l->name));
                return 0;
        }
        if (unit_word_kind(l->section, l->name) == UNIT_WORD_UNKNOWN)
                error_set(e, EINVAL, "directive.unknown", "unknown directive \"%.80s\"", l->name);
        else
                error_set(e, ENOTSUP, "service.unsupported", "%s= is systemd's, and Bulkhead does not apply it", l->name);
        error_hint(e, "--lenient leaves it out, with a note");
        return -ENOTSUP;
}

static int read_line(const struct unit_line *l, const struct facts *facts, bool lenient, struct service *s, const char *place, struct error *e)
{
        struct error why = { 0 };
        const size_t notes = s->notes.count;
        int r = service_assign(s, l->section, l->name, l->value, facts, &why);
        for (size_t i = notes; i < s->notes.count; i++) {
                CLEAN_FREE char *without = s->notes.items[i];
                s->notes.items[i] = xprintf("%s: %s", place, without);
        }
        if (r > 0 || (r == 0 && is_others(l)))
                return 0;
        if (r == 0)
                return refuse(l, lenient, s, place, e);
        if (lenient) {
                strings_take(&s->notes, xprintf("%s: %s; ignored", place, why.cause));
                return 0;
        }
        if (e)
                *e = why;
        return r;
}

int service_read(const struct unit_file *u, const struct facts *facts, bool lenient, struct service *ret, struct error *e)
{
        CLEAN_SERVICE struct service s;
        service_init(&s);
        size_t count = 0;
        CLEAN_FREE size_t *held = unit_merge(u, &count);
        for (size_t i = 0; i < count; i++) {
                const struct unit_line *l = &u->lines[held[i]];
                CLEAN_FREE char *place = unit_file_place(u, l);
                int r = read_line(l, facts, lenient, &s, place, e);
                if (r < 0)
                        return error_while(e, "reading %s", place);
        }
        int r = service_finish(&s, e);
        if (r < 0)
                return r;
        *ret = s;
        s = (struct service){ 0 };
        return 0;
}
