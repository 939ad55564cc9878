/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a service lives: what [Service] and [Unit] of a unit file say of its commands, its kind, its ends and its limits in time
 * (systemd.service(5), systemd.kill(5), systemd.unit(5)). What its processes may do is plan/directive.h's.
 * Pure: no system call, no privilege.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "plan/directive.h"
#include "plan/exec_line.h"
#include "plan/unit_file.h"

enum service_type { SERVICE_SIMPLE, SERVICE_EXEC, SERVICE_FORKING, SERVICE_ONESHOT, SERVICE_NOTIFY, SERVICE_NOTIFY_RELOAD, SERVICE_IDLE };
enum service_list {
        SERVICE_CONDITION, SERVICE_START_PRE, SERVICE_START, SERVICE_START_POST, SERVICE_RELOAD, SERVICE_STOP, SERVICE_STOP_POST,
        SERVICE_LISTS
};
enum service_restart { RESTART_NO, RESTART_ON_SUCCESS, RESTART_ON_FAILURE, RESTART_ON_ABNORMAL, RESTART_ON_WATCHDOG, RESTART_ON_ABORT,
                       RESTART_ALWAYS };
enum service_kill_mode { KILL_MODE_CONTROL_GROUP, KILL_MODE_PROCESS, KILL_MODE_MIXED, KILL_MODE_NONE };
enum service_notify_access { NOTIFY_NONE, NOTIFY_ALL, NOTIFY_EXEC, NOTIFY_MAIN };
/* How a start or a stop that takes too long is ended. */
enum service_failure_mode { FAILURE_TERMINATE, FAILURE_ABORT, FAILURE_KILL };
enum service_oom_policy { OOM_STOP, OOM_CONTINUE, OOM_KILL };
/* When a service is over: with its main process, or with the last of its control group. */
enum service_exit_type { EXIT_MAIN, EXIT_GROUP };

#define SERVICE_NEVER UINT64_MAX

/* Exit statuses and signals. */
struct exit_set {
        uint64_t statuses[4];
        uint64_t signals;
};

struct service {
        enum service_type type;
        struct exec_lines lines[SERVICE_LISTS];
        enum service_restart restart;
        enum service_kill_mode kill_mode;
        enum service_notify_access notify_access;
        bool notify_access_set;
        enum service_failure_mode start_failure, stop_failure;
        enum service_oom_policy oom_policy;
        bool remain_after_exit, no_main_guess, no_sigkill, send_sighup;
        enum service_exit_type exit_type;
        int kill_signal, restart_kill_signal, final_kill_signal, watchdog_signal, reload_signal; /* restart_kill_signal 0: as kill_signal */
        /* Microseconds; SERVICE_NEVER: no limit. */
        uint64_t timeout_start_usec, timeout_stop_usec, timeout_abort_usec, runtime_max_usec, watchdog_usec, restart_usec, restart_max_usec;
        bool timeout_start_set, timeout_abort_set;
        unsigned restart_steps;
        uint64_t start_limit_usec;
        unsigned start_limit_burst; /* 0: no limit */
        unsigned stored_fds_max;
        struct exit_set success, prevent_restart, force_restart;
        char *pid_file;        /* absolute, or NULL */
        char *description;     /* or NULL */
        struct strings sockets;
        struct strings notes;  /* what was passed over, if lenient; unknown escapes in commands */
};

/*
 * Reads what holds of [Service] and [Unit] and checks that it fits together. Directives of plan/directive.h are left to it; those that
 * systemd knows and nothing here applies are an error, or a note if lenient. Ids: "service.value", "service.unsupported",
 * "service.invalid", "unit.exec", "unit.limit".
 */
int service_read(const struct unit_file *u, const struct facts *facts, bool lenient, struct service *ret, struct error *e);
/*
 * One assignment of [Service] or [Unit]: 1 if it is one of ours, 0 if it is not. After the last, service_finish puts in the defaults and
 * checks the whole.
 */
int service_assign(struct service *s, const char *section, const char *name, const char *value, const struct facts *facts, struct error *e);
/* Whether it is one of those. */
bool service_applies(const char *section, const char *name);
int service_finish(struct service *s, struct error *e);
void service_init(struct service *s);
void service_done(struct service *s);
#define CLEAN_SERVICE CLEAN(service_done)

bool exit_set_has(const struct exit_set *s, bool signal, int number);
static inline bool exit_set_is_empty(const struct exit_set *s)
{
        return !(s->statuses[0] | s->statuses[1] | s->statuses[2] | s->statuses[3] | s->signals);
}

/* systemd's words: "simple", "ExecStartPre", "on-failure". */
const char *service_type_word(enum service_type t);
const char *service_list_name(enum service_list l);
const char *service_restart_word(enum service_restart r);
