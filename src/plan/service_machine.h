/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The states of a service, as systemd's services have them, and what leads from one to the next. It holds no process, clock or file:
 * whoever runs it passes events in and carries out what it asks for through struct machine_ops. So the whole life of a service can be
 * tested, and simulated, without one.
 *
 *      condition → start-pre → start → start-post → running ⇄ reload
 *                                          ↓           ↓ (exited)
 *                        stop → stop-sigterm → stop-sigkill → stop-post → final-sigterm → final-sigkill → dead | failed | auto-restart
 *
 * Two kinds of processes: the main one, which is the service; and control processes, the other commands, one at a time.
 */
#pragma once

#include "base/rate.h"
#include "plan/service.h"

enum service_state {
        STATE_DEAD, STATE_CONDITION, STATE_START_PRE, STATE_START, STATE_START_POST, STATE_RUNNING, STATE_EXITED, STATE_RELOAD, STATE_STOP,
        STATE_STOP_WATCHDOG, STATE_STOP_SIGTERM, STATE_STOP_SIGKILL, STATE_STOP_POST, STATE_FINAL_SIGTERM, STATE_FINAL_SIGKILL,
        STATE_FAILED, STATE_AUTO_RESTART, SERVICE_STATES
};

enum service_result {
        RESULT_SUCCESS, RESULT_RESOURCES, RESULT_PROTOCOL, RESULT_TIMEOUT, RESULT_EXIT_CODE, RESULT_SIGNAL, RESULT_CORE_DUMP, RESULT_WATCHDOG,
        RESULT_START_LIMIT, RESULT_OOM_KILL, RESULT_CONDITION, SERVICE_RESULTS
};

enum exit_code { EXIT_CODE_NONE, EXIT_CODE_EXITED, EXIT_CODE_KILLED, EXIT_CODE_DUMPED };
struct process_exit {
        enum exit_code code;
        int status; /* exit status, or signal */
};

enum machine_process { PROCESS_MAIN = 1, PROCESS_CONTROL = 2, PROCESS_REST = 4 /* of the control group */ };

struct machine_ops {
        /* Microseconds of a clock that only goes forward. */
        uint64_t (*now)(void *context);
        /*
         * What an activation needs before its first command, and what is taken away after its last. 0 or -errno; -ECANCELED: a condition
         * of the unit does not hold, which is no failure.
         */
        int (*open)(void *context);
        void (*close)(void *context, bool restarts);
        /* Starts a command; its end comes as an event. 0 or -errno. */
        int (*spawn)(void *context, enum service_list list, size_t index, enum machine_process as);
        /* Sends a signal to those of the processes (a mask) that are there. Whether there are any, of which one is to wait for the end. */
        bool (*kill)(void *context, unsigned processes, int signal, bool also_hup);
        /* Whether anything of the control group is left. */
        bool (*group_lives)(void *context);
        /*
         * Type=forking: looks for the main process, in the PID file or by guessing. 1: found, 0: there is none to be known, -EAGAIN: not
         * yet (machine_main_found or the time limit follow), else -errno.
         */
        int (*find_main)(void *context);
        /* The state has changed. */
        void (*changed)(void *context);
};

struct machine {
        const struct service *service;
        const struct machine_ops *ops;
        void *context;
        enum service_state state;
        enum service_result result, reload_result;
        bool main_known, main_alive, control_alive;
        struct process_exit main_exit;
        enum service_list list; /* of the control process, or of the last */
        size_t main_index, control_index;
        uint64_t deadline_usec, runtime_deadline_usec, watchdog_deadline_usec, watchdog_usec; /* 0: none */
        uint64_t started_usec, active_usec;
        bool executed;       /* the main process runs its program */
        bool ready;          /* the service said so, or need not */
        bool stop_asked;     /* by somebody: no restart of its own */
        bool restart_asked, stop_said;
        bool waits_for_main; /* for the PID file */
        bool bus_named;      /* Type=dbus: somebody owns the name */
        bool reload_started, reload_ended; /* RELOADING=1 came, and READY=1 after it */
        unsigned restarts;
        struct rate_count starts; /* for the start limit, by its clock; what an earlier machine counted may be put in */
};

void machine_init(struct machine *m, const struct service *s, const struct machine_ops *ops, void *context);

/* What is asked of it. Whether that is possible in the state that it is in. */
bool machine_start(struct machine *m);
bool machine_stop(struct machine *m);
bool machine_restart(struct machine *m);
bool machine_reload(struct machine *m);

/* What happens. */
void machine_main_executed(struct machine *m);
void machine_main_exited(struct machine *m, struct process_exit x);
void machine_control_exited(struct machine *m, struct process_exit x);
void machine_main_found(struct machine *m);
void machine_group_empty(struct machine *m);
void machine_out_of_memory(struct machine *m);
void machine_bus_name(struct machine *m, bool owned);           /* its name on the bus got an owner, or lost it */
void machine_ready(struct machine *m);
void machine_reloading(struct machine *m);
void machine_stopping(struct machine *m);
void machine_alive(struct machine *m);                           /* WATCHDOG=1 */
void machine_watchdog_trigger(struct machine *m);                /* WATCHDOG=trigger */
void machine_set_watchdog(struct machine *m, uint64_t usec);     /* WATCHDOG_USEC= */
void machine_extend(struct machine *m, uint64_t usec);           /* EXTEND_TIMEOUT_USEC= */

/* When machine_time must be called at the latest; 0: never. */
uint64_t machine_deadline(const struct machine *m);
void machine_time(struct machine *m);

bool machine_is_active(const struct machine *m);   /* as others that wait for it see it */
bool machine_is_over(const struct machine *m);     /* dead or failed, and not about to start again */
const char *service_state_word(enum service_state s);
/* "active", "activating", "deactivating", "reloading", "inactive", "failed" */
const char *service_activity_word(enum service_state s);
const char *service_result_word(enum service_result r);
