/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/service_machine.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/deadline.h"
#include "base/signal_name.h"

/* ---- words ---- */

static const struct {
        const char *word, *activity;
        bool has_deadline; /* of the start or the stop */
} states[SERVICE_STATES] = {
        [STATE_DEAD] = { "dead", "inactive", false },
        [STATE_CONDITION] = { "condition", "activating", true },
        [STATE_START_PRE] = { "start-pre", "activating", true },
        [STATE_START] = { "start", "activating", true },
        [STATE_START_POST] = { "start-post", "activating", true },
        [STATE_RUNNING] = { "running", "active", false },
        [STATE_EXITED] = { "exited", "active", false },
        [STATE_RELOAD] = { "reload", "reloading", true },
        [STATE_STOP] = { "stop", "deactivating", true },
        [STATE_STOP_WATCHDOG] = { "stop-watchdog", "deactivating", true },
        [STATE_STOP_SIGTERM] = { "stop-sigterm", "deactivating", true },
        [STATE_STOP_SIGKILL] = { "stop-sigkill", "deactivating", true },
        [STATE_STOP_POST] = { "stop-post", "deactivating", true },
        [STATE_FINAL_SIGTERM] = { "final-sigterm", "deactivating", true },
        [STATE_FINAL_SIGKILL] = { "final-sigkill", "deactivating", true },
        [STATE_FAILED] = { "failed", "failed", false },
        [STATE_AUTO_RESTART] = { "auto-restart", "activating", true },
};

static const char *const results[SERVICE_RESULTS] = {
        [RESULT_SUCCESS] = "success", [RESULT_RESOURCES] = "resources", [RESULT_PROTOCOL] = "protocol", [RESULT_TIMEOUT] = "timeout",
        [RESULT_EXIT_CODE] = "exit-code", [RESULT_SIGNAL] = "signal", [RESULT_CORE_DUMP] = "core-dump", [RESULT_WATCHDOG] = "watchdog",
        [RESULT_START_LIMIT] = "start-limit-hit", [RESULT_OOM_KILL] = "oom-kill", [RESULT_CONDITION] = "exec-condition",
};

const char *service_state_word(enum service_state s)
{
        return states[s].word;
}

const char *service_activity_word(enum service_state s)
{
        return states[s].activity;
}

const char *service_result_word(enum service_result r)
{
        return results[r];
}

bool machine_is_active(const struct machine *m)
{
        return m->state == STATE_RUNNING || m->state == STATE_EXITED || m->state == STATE_RELOAD;
}

bool machine_is_over(const struct machine *m)
{
        return m->state == STATE_DEAD || m->state == STATE_FAILED;
}

/* ---- small things ---- */

static uint64_t now(const struct machine *m)
{
        return m->ops->now(m->context);
}

static uint64_t after(uint64_t from, uint64_t span)
{
        return span == SERVICE_NEVER || span > UINT64_MAX - from ? 0 : from + span;
}

/* The first failure is the one that is told. */
static void fail(struct machine *m, enum service_result r)
{
        if (m->result == RESULT_SUCCESS)
                m->result = r;
}

static void set_state(struct machine *m, enum service_state s, uint64_t span)
{
        m->state = s;
        m->deadline_usec = states[s].has_deadline ? after(now(m), span) : 0;
        if (s != STATE_START && s != STATE_START_POST)
                m->waits_for_main = false;
        if (m->ops->changed)
                m->ops->changed(m->context);
}

static const struct exec_line *line_of(const struct machine *m, enum service_list list, size_t index)
{
        return &m->service->lines[list].items[index];
}

/* How the end of a command counts. Of what was started to stay, these signals are a clean end as well; a dumped core never is. */
static enum service_result judge(const struct machine *m, struct process_exit x, enum service_list list)
{
        const struct exit_set *good = &m->service->success;
        const bool daemon = list == SERVICE_START && m->service->type != SERVICE_ONESHOT;
        if (x.code == EXIT_CODE_EXITED)
                return x.status == 0 || exit_set_has(good, false, x.status) ? RESULT_SUCCESS : RESULT_EXIT_CODE;
        if (x.code == EXIT_CODE_DUMPED)
                return RESULT_CORE_DUMP;
        return (daemon && signal_ends_cleanly(x.status)) || exit_set_has(good, true, x.status) ? RESULT_SUCCESS : RESULT_SIGNAL;
}

/* ---- the ends ---- */

static void enter_start(struct machine *m);
static void enter_running(struct machine *m, enum service_result r);
static void enter_stop_post(struct machine *m, enum service_result r);
static void enter_signal(struct machine *m, enum service_state s, enum service_result r);

static bool wants_restart(const struct machine *m)
{
        const struct service *s = m->service;
        const enum service_result r = m->result;
        const bool by_signal = m->main_exit.code != EXIT_CODE_EXITED;
        if (m->restart_asked)
                return true;
        if (m->stop_asked || r == RESULT_START_LIMIT)
                return false;
        if (m->main_exit.code && exit_set_has(&s->prevent_restart, by_signal, m->main_exit.status))
                return false;
        if (m->main_exit.code && exit_set_has(&s->force_restart, by_signal, m->main_exit.status))
                return true;
        switch (s->restart) {
        case RESTART_NO: return false;
        case RESTART_ON_SUCCESS: return r == RESULT_SUCCESS;
        case RESTART_ON_FAILURE: return r != RESULT_SUCCESS && r != RESULT_CONDITION;
        case RESTART_ON_ABNORMAL: return r != RESULT_SUCCESS && r != RESULT_CONDITION && r != RESULT_EXIT_CODE;
        case RESTART_ON_WATCHDOG: return r == RESULT_WATCHDOG;
        case RESTART_ON_ABORT: return r == RESULT_SIGNAL || r == RESULT_CORE_DUMP;
        case RESTART_ALWAYS: return r != RESULT_CONDITION;
        }
        return false;
}

/* RestartSec= at first, and in RestartSteps= equal ratios up to RestartMaxDelaySec=. */
static uint64_t restart_delay(const struct machine *m)
{
        const struct service *s = m->service;
        if (!s->restart_steps || s->restart_max_usec == SERVICE_NEVER || !s->restart_usec || m->restarts == 0)
                return s->restart_usec;
        if (m->restarts >= s->restart_steps)
                return s->restart_max_usec;
        /* The ratio's power by halving: no mathematics library in the plan. */
        double whole = (double)s->restart_max_usec / (double)s->restart_usec, low = 1, high = whole;
        for (int i = 0; i < 200; i++) {
                double middle = (low + high) / 2, power = 1;
                for (unsigned k = 0; k < s->restart_steps && power < whole; k++)
                        power *= middle;
                *(power < whole ? &low : &high) = middle;
        }
        double delay = (double)s->restart_usec;
        for (unsigned k = 0; k < m->restarts; k++)
                delay *= high;
        return (uint64_t)delay;
}

static enum service_state dead_state(const struct machine *m)
{
        return m->result == RESULT_SUCCESS || m->result == RESULT_CONDITION ? STATE_DEAD : STATE_FAILED;
}

static void enter_dead(struct machine *m)
{
        bool again = wants_restart(m), asked = m->restart_asked;
        m->main_known = m->main_alive = m->control_alive = m->ready = false; /* what outlives this is on its own */
        m->runtime_deadline_usec = m->watchdog_deadline_usec = 0;
        m->ops->close(m->context, again);
        if (!again) {
                set_state(m, dead_state(m), 0);
                return;
        }
        m->restart_asked = false;
        uint64_t delay = asked ? 0 : restart_delay(m);
        if (!asked)
                m->restarts++;
        set_state(m, STATE_AUTO_RESTART, delay); /* even a delay of nothing: begin would be called from within its own failure */
}

/* ---- control processes ---- */

static bool has_command(const struct machine *m, enum service_list list)
{
        return m->service->lines[list].count > 0;
}

static int run_control(struct machine *m, enum service_list list, size_t index)
{
        m->list = list;
        m->control_index = index;
        int r = m->ops->spawn(m->context, list, index, PROCESS_CONTROL);
        m->control_alive = r == 0;
        return r;
}

static const struct {
        enum service_list list;
        bool start; /* its time is that of the start */
} of_state[SERVICE_STATES] = {
        [STATE_CONDITION] = { SERVICE_CONDITION, true }, [STATE_START_PRE] = { SERVICE_START_PRE, true },
        [STATE_START_POST] = { SERVICE_START_POST, true }, [STATE_RELOAD] = { SERVICE_RELOAD, true },
        [STATE_STOP] = { SERVICE_STOP, false },            [STATE_STOP_POST] = { SERVICE_STOP_POST, false },
};

static uint64_t span_of(const struct machine *m, enum service_state s)
{
        return of_state[s].start ? m->service->timeout_start_usec : m->service->timeout_stop_usec;
}

/* Enters the state whose commands are run one after another, and begins; false: none of them, or it could not. */
static bool enter_list(struct machine *m, enum service_state s, int *ret_error)
{
        *ret_error = 0;
        if (!has_command(m, of_state[s].list))
                return false;
        set_state(m, s, span_of(m, s));
        *ret_error = run_control(m, of_state[s].list, 0);
        return *ret_error == 0;
}

/* ---- signals ---- */

static bool is_kill(enum service_state s)
{
        return s == STATE_STOP_SIGKILL || s == STATE_FINAL_SIGKILL;
}

static int signal_of(const struct machine *m, enum service_state s)
{
        const struct service *c = m->service;
        if (is_kill(s))
                return c->final_kill_signal;
        if (s == STATE_STOP_WATCHDOG)
                return c->watchdog_signal;
        return m->restart_asked && c->restart_kill_signal ? c->restart_kill_signal : c->kill_signal;
}

static unsigned whom(const struct machine *m, enum service_state s)
{
        static const unsigned both = PROCESS_MAIN | PROCESS_CONTROL;
        switch (m->service->kill_mode) {
        case KILL_MODE_CONTROL_GROUP: return both | PROCESS_REST;
        case KILL_MODE_MIXED: return is_kill(s) ? both | PROCESS_REST : both;
        case KILL_MODE_PROCESS: return both;
        case KILL_MODE_NONE: return 0;
        }
        return 0;
}

static void after_signal(struct machine *m, enum service_state s)
{
        switch (s) {
        case STATE_STOP_WATCHDOG:
        case STATE_STOP_SIGTERM:
                if (!m->service->no_sigkill) {
                        enter_signal(m, STATE_STOP_SIGKILL, RESULT_SUCCESS);
                        return;
                }
                enter_stop_post(m, RESULT_SUCCESS);
                return;
        case STATE_STOP_SIGKILL:
                enter_stop_post(m, RESULT_SUCCESS);
                return;
        case STATE_FINAL_SIGTERM:
                if (!m->service->no_sigkill) {
                        enter_signal(m, STATE_FINAL_SIGKILL, RESULT_SUCCESS);
                        return;
                }
                enter_dead(m);
                return;
        default:
                enter_dead(m);
        }
}

/* Signals and waits; if there is nobody, the next. */
static void enter_signal(struct machine *m, enum service_state s, enum service_result r)
{
        const struct service *c = m->service;
        fail(m, r);
        m->watchdog_deadline_usec = 0;
        bool waits = m->ops->kill(m->context, whom(m, s), signal_of(m, s), c->send_sighup && !is_kill(s));
        if (!waits) {
                m->state = s;
                after_signal(m, s);
                return;
        }
        set_state(m, s, s == STATE_STOP_WATCHDOG ? c->timeout_abort_usec : c->timeout_stop_usec);
}

/* Whether there is nobody left to wait for in a state of signals. */
static void check_gone(struct machine *m)
{
        bool rest = whom(m, m->state) & PROCESS_REST && m->ops->group_lives(m->context);
        if (m->main_alive || m->control_alive || rest)
                return;
        after_signal(m, m->state);
}

static void enter_stop_post(struct machine *m, enum service_result r)
{
        int k;
        fail(m, r);
        if (enter_list(m, STATE_STOP_POST, &k))
                return;
        enter_signal(m, STATE_FINAL_SIGTERM, k < 0 ? RESULT_RESOURCES : RESULT_SUCCESS);
}

static void enter_stop(struct machine *m, enum service_result r)
{
        int k;
        fail(m, r);
        if (enter_list(m, STATE_STOP, &k))
                return;
        enter_signal(m, STATE_STOP_SIGTERM, k < 0 ? RESULT_RESOURCES : RESULT_SUCCESS);
}

/* ---- the start ---- */

static void arm_watchdog(struct machine *m)
{
        m->watchdog_deadline_usec = m->watchdog_usec ? after(now(m), m->watchdog_usec) : 0;
}

static void enter_running(struct machine *m, enum service_result r)
{
        fail(m, r);
        bool lives = m->main_known ? m->main_alive || (m->service->exit_type == EXIT_GROUP && m->ops->group_lives(m->context))
                                   : m->service->type != SERVICE_ONESHOT && m->ops->group_lives(m->context);
        if (m->service->type == SERVICE_DBUS && !m->bus_named)
                lives = false; /* nobody can reach it any more */
        if (m->result != RESULT_SUCCESS) {
                enter_signal(m, STATE_STOP_SIGTERM, RESULT_SUCCESS);
                return;
        }
        if (m->stop_said && lives) {
                set_state(m, STATE_STOP_SIGTERM, m->service->timeout_stop_usec); /* by its own will: it needs no signal */
                return;
        }
        if (lives)
                set_state(m, STATE_RUNNING, 0);
        else if (m->service->remain_after_exit)
                set_state(m, STATE_EXITED, 0);
        else
                enter_stop(m, RESULT_SUCCESS);
}

static void enter_start_post(struct machine *m)
{
        int k;
        m->active_usec = now(m);
        m->ready = true;
        m->runtime_deadline_usec = after(now(m), m->service->runtime_max_usec);
        arm_watchdog(m);
        if (enter_list(m, STATE_START_POST, &k))
                return;
        if (k < 0)
                enter_stop(m, RESULT_RESOURCES);
        else
                enter_running(m, RESULT_SUCCESS);
}

static int run_main(struct machine *m, size_t index)
{
        const bool forks = m->service->type == SERVICE_FORKING;
        m->executed = false;
        m->main_index = index;
        if (forks)
                return run_control(m, SERVICE_START, index);
        int r = m->ops->spawn(m->context, SERVICE_START, index, PROCESS_MAIN);
        m->main_known = m->main_alive = r == 0;
        return r;
}

static void enter_start(struct machine *m)
{
        if (!has_command(m, SERVICE_START)) {
                enter_start_post(m);
                return;
        }
        set_state(m, STATE_START, m->service->timeout_start_usec);
        if (run_main(m, 0) < 0) {
                enter_signal(m, STATE_STOP_SIGTERM, RESULT_RESOURCES);
                return;
        }
        if (m->service->type == SERVICE_SIMPLE || m->service->type == SERVICE_IDLE)
                enter_start_post(m);
}

static void enter_start_pre(struct machine *m)
{
        int k;
        if (enter_list(m, STATE_START_PRE, &k))
                return;
        if (k < 0)
                enter_signal(m, STATE_STOP_SIGTERM, RESULT_RESOURCES);
        else
                enter_start(m);
}

static void begin(struct machine *m)
{
        int k;
        if (!rate_take(&m->starts, now(m), m->service->start_limit_usec, m->service->start_limit_burst)) {
                m->result = RESULT_START_LIMIT;
                set_state(m, STATE_FAILED, 0);
                return;
        }
        m->result = m->reload_result = RESULT_SUCCESS;
        m->main_exit = (struct process_exit){ 0 };
        m->main_known = m->main_alive = m->control_alive = m->ready = m->executed = m->stop_said = m->reload_started = m->reload_ended = false;
        m->started_usec = now(m);
        k = m->ops->open(m->context);
        if (k == -ECANCELED && m->starts.count)
                m->starts.count--; /* what was not to start did not */
        if (k < 0) {
                fail(m, k == -ECANCELED ? RESULT_CONDITION : RESULT_RESOURCES);
                enter_dead(m);
                return;
        }
        m->watchdog_usec = m->service->watchdog_usec == SERVICE_NEVER ? 0 : m->service->watchdog_usec; /* as it was read just now */
        if (enter_list(m, STATE_CONDITION, &k))
                return;
        if (k < 0)
                enter_signal(m, STATE_STOP_SIGTERM, RESULT_RESOURCES);
        else
                enter_start_pre(m);
}

/* ---- what is asked ---- */

void machine_init(struct machine *m, const struct service *s, const struct machine_ops *ops, void *context)
{
        *m = (struct machine){ .service = s, .ops = ops, .context = context };
}

bool machine_start(struct machine *m)
{
        m->stop_asked = false;
        if (machine_is_over(m) || m->state == STATE_AUTO_RESTART) {
                m->restarts = 0;
                begin(m);
                return true;
        }
        if (m->state >= STATE_STOP) /* after the end that is under way */
                m->restart_asked = true;
        return true;
}

static bool stop(struct machine *m)
{
        switch (m->state) {
        case STATE_DEAD:
        case STATE_FAILED:
                return true;
        case STATE_AUTO_RESTART:
                set_state(m, dead_state(m), 0);
                return true;
        case STATE_CONDITION:
        case STATE_START_PRE:
        case STATE_START:
        case STATE_START_POST:
        case STATE_RELOAD:
                enter_signal(m, STATE_STOP_SIGTERM, RESULT_SUCCESS);
                return true;
        case STATE_RUNNING:
        case STATE_EXITED:
                enter_stop(m, RESULT_SUCCESS);
                return true;
        default:
                return true; /* on its way */
        }
}

bool machine_stop(struct machine *m)
{
        m->stop_asked = true;
        m->restart_asked = false;
        return stop(m);
}

bool machine_restart(struct machine *m)
{
        m->stop_asked = false;
        if (machine_is_over(m) || m->state == STATE_AUTO_RESTART)
                return machine_start(m);
        m->restart_asked = true;
        return stop(m);
}

bool machine_reload(struct machine *m)
{
        int k;
        const bool by_signal = m->service->type == SERVICE_NOTIFY_RELOAD;
        if (m->state != STATE_RUNNING && m->state != STATE_EXITED)
                return false;
        m->reload_result = RESULT_SUCCESS;
        m->reload_started = m->reload_ended = false;
        if (by_signal && m->main_alive)
                (void)m->ops->kill(m->context, PROCESS_MAIN, m->service->reload_signal, false);
        if (enter_list(m, STATE_RELOAD, &k))
                return true;
        if (k < 0) {
                m->reload_result = RESULT_RESOURCES;
                enter_running(m, RESULT_SUCCESS);
                return true;
        }
        if (by_signal && m->main_alive)
                set_state(m, STATE_RELOAD, m->service->timeout_start_usec);
        return by_signal;
}

/* ---- what happens: the main process ---- */

void machine_main_executed(struct machine *m)
{
        m->executed = true;
        if (m->state == STATE_START && m->service->type == SERVICE_EXEC)
                enter_start_post(m);
}

/* The next command of a oneshot service, if all is well so far. */
static bool next_main(struct machine *m, enum service_result r)
{
        if (m->state != STATE_START || r != RESULT_SUCCESS || m->main_index + 1 >= m->service->lines[SERVICE_START].count)
                return false;
        set_state(m, STATE_START, m->service->timeout_start_usec); /* each command has that time */
        if (run_main(m, m->main_index + 1) < 0)
                enter_signal(m, STATE_STOP_SIGTERM, RESULT_RESOURCES);
        return true;
}

static void main_exited_in_start(struct machine *m, enum service_result r)
{
        switch (m->service->type) {
        case SERVICE_ONESHOT:
                if (r == RESULT_SUCCESS)
                        enter_start_post(m);
                else
                        enter_signal(m, STATE_STOP_SIGTERM, r);
                return;
        case SERVICE_NOTIFY:
        case SERVICE_NOTIFY_RELOAD:
                /* It ended before it said that it was ready; another may still say so. */
                if (r == RESULT_SUCCESS && m->service->remain_after_exit && m->service->notify_access > NOTIFY_NONE &&
                    m->service->notify_access != NOTIFY_MAIN && m->ops->group_lives(m->context))
                        return;
                enter_signal(m, STATE_STOP_SIGTERM, r == RESULT_SUCCESS ? RESULT_PROTOCOL : r);
                return;
        case SERVICE_FORKING: /* it was named by MAINPID=; the command that starts it is still at work */
                if (!m->control_alive)
                        enter_running(m, r);
                return;
        default:
                enter_running(m, r);
        }
}

void machine_main_exited(struct machine *m, struct process_exit x)
{
        if (!m->main_alive) /* one that was given up before */
                return;
        const struct exec_line *line = m->service->type == SERVICE_FORKING || !has_command(m, SERVICE_START)
                                               ? NULL : line_of(m, SERVICE_START, m->main_index);
        enum service_result r = judge(m, x, SERVICE_START);
        m->main_alive = false;
        m->main_exit = x;
        if (line && line->flags & EXEC_IGNORE_FAILURE)
                r = RESULT_SUCCESS;
        /* When it was told to end by the deadline or the watchdog, that is the result. */
        if (m->state != STATE_EXITED) /* one that lost its name on the bus, and stays up for RemainAfterExit= */
                fail(m, r);
        if (next_main(m, r))
                return;
        switch (m->state) {
        case STATE_START:
                main_exited_in_start(m, r);
                return;
        case STATE_RUNNING:
                enter_running(m, r);
                return;
        case STATE_RELOAD:
                if (!m->control_alive)
                        enter_running(m, r);
                return;
        case STATE_STOP_WATCHDOG:
        case STATE_STOP_SIGTERM:
        case STATE_STOP_SIGKILL:
        case STATE_FINAL_SIGTERM:
        case STATE_FINAL_SIGKILL:
                check_gone(m);
                return;
        default: /* a control process is at work: the next state looks */
                return;
        }
}

/* ---- what happens: control processes ---- */

/* The start goes on behind the look for the main process, which its commands or those of ExecStartPost= have made. */
static void go_on(struct machine *m)
{
        if (m->state == STATE_START)
                enter_start_post(m);
        else
                enter_running(m, RESULT_SUCCESS);
}

/* The start command of a forking service has ended well: which one is the main process? Its PID file may be the work of ExecStartPost=. */
static void look_for_main(struct machine *m)
{
        int r = m->main_known && !m->service->pid_file ? 0 : m->ops->find_main(m->context);
        if (r == -EAGAIN && m->state == STATE_START && has_command(m, SERVICE_START_POST)) {
                enter_start_post(m);
                return;
        }
        if (r == -EAGAIN) {
                m->waits_for_main = true;
                return;
        }
        if (r < 0 || (r == 0 && !m->main_known && !m->ops->group_lives(m->context))) {
                enter_signal(m, STATE_STOP_SIGTERM, RESULT_PROTOCOL);
                return;
        }
        if (r > 0)
                m->main_known = m->main_alive = true;
        go_on(m);
}

void machine_main_found(struct machine *m)
{
        if (!m->waits_for_main)
                return;
        m->waits_for_main = false;
        m->main_known = m->main_alive = true;
        go_on(m);
}

static void list_ended(struct machine *m, enum service_result r)
{
        switch (m->state) {
        case STATE_CONDITION:
                if (r == RESULT_SUCCESS)
                        enter_start_pre(m);
                else
                        enter_signal(m, STATE_STOP_SIGTERM, r);
                return;
        case STATE_START_PRE:
                if (r == RESULT_SUCCESS)
                        enter_start(m);
                else
                        enter_signal(m, STATE_STOP_SIGTERM, r);
                return;
        case STATE_START:
                if (r == RESULT_SUCCESS)
                        look_for_main(m);
                else
                        enter_signal(m, STATE_STOP_SIGTERM, r);
                return;
        case STATE_START_POST:
                if (r != RESULT_SUCCESS)
                        enter_signal(m, STATE_STOP_SIGTERM, r);
                else if (m->service->type == SERVICE_FORKING && m->service->pid_file && !m->main_known)
                        look_for_main(m);
                else
                        enter_running(m, RESULT_SUCCESS);
                return;
        case STATE_RELOAD:
                m->reload_result = r;
                if (m->service->type != SERVICE_NOTIFY_RELOAD || !m->main_alive || m->reload_ended)
                        enter_running(m, RESULT_SUCCESS);
                return;
        case STATE_STOP:
                enter_signal(m, STATE_STOP_SIGTERM, r);
                return;
        case STATE_STOP_POST:
                enter_signal(m, STATE_FINAL_SIGTERM, r);
                return;
        default:
                check_gone(m);
        }
}

void machine_control_exited(struct machine *m, struct process_exit x)
{
        if (!m->control_alive) /* one that was given up before */
                return;
        m->control_alive = false;
        if (!of_state[m->state].list && m->state != STATE_CONDITION && m->state != STATE_START) {
                if (m->state >= STATE_STOP && !machine_is_over(m) && m->state != STATE_AUTO_RESTART)
                        check_gone(m);
                return;
        }
        enum service_result r = judge(m, x, m->list);
        if (line_of(m, m->list, m->control_index)->flags & EXEC_IGNORE_FAILURE)
                r = RESULT_SUCCESS;
        if (m->list == SERVICE_CONDITION && r == RESULT_EXIT_CODE && x.status < 255)
                r = RESULT_CONDITION;
        if (r == RESULT_SUCCESS && m->control_index + 1 < m->service->lines[m->list].count && m->list != SERVICE_START) {
                set_state(m, m->state, span_of(m, m->state)); /* each command has that time */
                if (run_control(m, m->list, m->control_index + 1) == 0)
                        return;
                r = RESULT_RESOURCES;
        }
        list_ended(m, r);
}

/* ---- what happens: the rest ---- */

void machine_group_empty(struct machine *m)
{
        if (m->main_alive || m->control_alive)
                return;
        switch (m->state) {
        case STATE_START: /* the PID file never comes, nor the word that it is ready */
        case STATE_START_POST:
                if (m->waits_for_main || (m->state == STATE_START && m->main_known))
                        enter_signal(m, STATE_STOP_SIGTERM, RESULT_PROTOCOL);
                return;
        case STATE_RUNNING:
        case STATE_RELOAD: /* it said that it reloads, and ended */
                enter_running(m, RESULT_SUCCESS);
                return;
        case STATE_STOP_WATCHDOG:
        case STATE_STOP_SIGTERM:
        case STATE_STOP_SIGKILL:
        case STATE_FINAL_SIGTERM:
        case STATE_FINAL_SIGKILL:
                check_gone(m);
                return;
        default:
                return;
        }
}

void machine_out_of_memory(struct machine *m)
{
        if (m->service->oom_policy == OOM_CONTINUE)
                return;
        bool hard = m->service->oom_policy == OOM_KILL;
        switch (m->state) {
        case STATE_CONDITION:
        case STATE_START_PRE:
        case STATE_START:
        case STATE_START_POST:
        case STATE_RUNNING:
        case STATE_EXITED:
        case STATE_RELOAD:
                if (hard || (m->state != STATE_RUNNING && m->state != STATE_EXITED))
                        enter_signal(m, hard ? STATE_STOP_SIGKILL : STATE_STOP_SIGTERM, RESULT_OOM_KILL);
                else
                        enter_stop(m, RESULT_OOM_KILL);
                return;
        default:
                fail(m, RESULT_OOM_KILL);
        }
}

void machine_bus_name(struct machine *m, bool owned)
{
        m->bus_named = owned;
        if (m->service->type != SERVICE_DBUS)
                return;
        if (m->state == STATE_RUNNING)
                enter_running(m, RESULT_SUCCESS);
        else if (m->state == STATE_START && owned)
                enter_start_post(m);
}

void machine_ready(struct machine *m)
{
        const bool notifies = m->service->type == SERVICE_NOTIFY || m->service->type == SERVICE_NOTIFY_RELOAD;
        if (m->state == STATE_START && notifies && !m->ready)
                enter_start_post(m);
        if (m->state != STATE_RELOAD || !m->reload_started)
                return;
        m->reload_started = false;
        m->reload_ended = true;
        if (!m->control_alive)
                enter_running(m, RESULT_SUCCESS);
}

void machine_reloading(struct machine *m)
{
        if (m->state == STATE_RUNNING || m->state == STATE_RELOAD) {
                m->reload_started = true;
                m->reload_ended = false;
                if (m->state == STATE_RUNNING)
                        set_state(m, STATE_RELOAD, m->service->timeout_start_usec);
        }
}

void machine_stopping(struct machine *m)
{
        m->stop_said = true;
        if (m->state == STATE_RUNNING)
                set_state(m, STATE_STOP_SIGTERM, m->service->timeout_stop_usec); /* by its own will: it needs no signal */
}

void machine_alive(struct machine *m)
{
        if (m->watchdog_deadline_usec)
                arm_watchdog(m);
}

void machine_watchdog_trigger(struct machine *m)
{
        if (machine_is_active(m) || m->state == STATE_START || m->state == STATE_START_POST)
                enter_signal(m, STATE_STOP_WATCHDOG, RESULT_WATCHDOG);
}

void machine_set_watchdog(struct machine *m, uint64_t usec)
{
        m->watchdog_usec = usec == SERVICE_NEVER ? 0 : usec;
        if (m->watchdog_deadline_usec || machine_is_active(m))
                arm_watchdog(m);
}

void machine_extend(struct machine *m, uint64_t usec)
{
        uint64_t until = after(now(m), usec);
        uint64_t *deadline = m->state == STATE_RUNNING ? &m->runtime_deadline_usec : &m->deadline_usec;
        if (*deadline && until > *deadline)
                *deadline = until;
}

/* ---- time ---- */

uint64_t machine_deadline(const struct machine *m)
{
        uint64_t d = m->deadline_usec;
        if (m->state == STATE_RUNNING || m->state == STATE_RELOAD || m->state == STATE_START_POST)
                deadline_sooner(&d, m->watchdog_deadline_usec);
        if (m->state == STATE_RUNNING)
                deadline_sooner(&d, m->runtime_deadline_usec);
        return d;
}

/* What a mode of failure says about a start or a stop that takes too long. */
static void end_by(struct machine *m, enum service_failure_mode f)
{
        if (f == FAILURE_KILL && m->service->no_sigkill)
                enter_stop_post(m, RESULT_TIMEOUT);
        else
                enter_signal(m, f == FAILURE_KILL ? STATE_STOP_SIGKILL : f == FAILURE_ABORT ? STATE_STOP_WATCHDOG : STATE_STOP_SIGTERM,
                             RESULT_TIMEOUT);
}

static void state_timed_out(struct machine *m)
{
        const struct service *s = m->service;
        m->deadline_usec = 0;
        switch (m->state) {
        case STATE_CONDITION:
        case STATE_START_PRE:
        case STATE_START:
        case STATE_START_POST:
                end_by(m, s->start_failure);
                return;
        case STATE_RELOAD: /* the service goes on */
                m->reload_result = RESULT_TIMEOUT;
                if (m->control_alive)
                        (void)m->ops->kill(m->context, PROCESS_CONTROL, SIGKILL, false);
                m->control_alive = false;
                enter_running(m, RESULT_SUCCESS);
                return;
        case STATE_STOP:
                end_by(m, s->stop_failure);
                return;
        case STATE_STOP_SIGTERM:
                if (s->stop_failure == FAILURE_ABORT)
                        enter_signal(m, STATE_STOP_WATCHDOG, RESULT_TIMEOUT);
                else if (!s->no_sigkill)
                        enter_signal(m, STATE_STOP_SIGKILL, RESULT_TIMEOUT);
                else
                        enter_stop_post(m, RESULT_TIMEOUT);
                return;
        case STATE_STOP_WATCHDOG:
                if (!s->no_sigkill)
                        enter_signal(m, STATE_STOP_SIGKILL, RESULT_TIMEOUT);
                else
                        enter_stop_post(m, RESULT_TIMEOUT);
                return;
        case STATE_STOP_SIGKILL: /* what SIGKILL does not end stays behind */
                enter_stop_post(m, RESULT_TIMEOUT);
                return;
        case STATE_STOP_POST:
                enter_signal(m, s->stop_failure == FAILURE_KILL && !s->no_sigkill ? STATE_FINAL_SIGKILL : STATE_FINAL_SIGTERM, RESULT_TIMEOUT);
                return;
        case STATE_FINAL_SIGTERM:
                if (!s->no_sigkill) {
                        enter_signal(m, STATE_FINAL_SIGKILL, RESULT_TIMEOUT);
                        return;
                }
                fail(m, RESULT_TIMEOUT);
                enter_dead(m);
                return;
        case STATE_FINAL_SIGKILL:
                fail(m, RESULT_TIMEOUT);
                enter_dead(m);
                return;
        case STATE_AUTO_RESTART:
                begin(m);
                return;
        default:
                return;
        }
}

void machine_time(struct machine *m)
{
        uint64_t at = now(m);
        if (m->deadline_usec && at >= m->deadline_usec) {
                state_timed_out(m);
                return;
        }
        bool watched = m->state == STATE_RUNNING || m->state == STATE_RELOAD || m->state == STATE_START_POST;
        if (watched && m->watchdog_deadline_usec && at >= m->watchdog_deadline_usec) {
                enter_signal(m, STATE_STOP_WATCHDOG, RESULT_WATCHDOG);
                return;
        }
        if (m->state == STATE_RUNNING && m->runtime_deadline_usec && at >= m->runtime_deadline_usec) {
                m->runtime_deadline_usec = 0;
                enter_stop(m, RESULT_TIMEOUT);
        }
}
