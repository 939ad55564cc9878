/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/socket_machine.h"

#include <signal.h>

/* ---- words ---- */

static const struct {
        const char *word;
        bool has_deadline;
} states[SOCKET_STATES] = {
        [SOCKET_AT_DEAD] = { "dead", false },
        [SOCKET_AT_START_PRE] = { "start-pre", true },
        [SOCKET_AT_START_POST] = { "start-post", true },
        [SOCKET_AT_LISTENING] = { "listening", false },
        [SOCKET_AT_STOP_PRE] = { "stop-pre", true },
        [SOCKET_AT_STOP_PRE_SIGTERM] = { "stop-pre-sigterm", true },
        [SOCKET_AT_STOP_PRE_SIGKILL] = { "stop-pre-sigkill", true },
        [SOCKET_AT_STOP_POST] = { "stop-post", true },
        [SOCKET_AT_FINAL_SIGTERM] = { "final-sigterm", true },
        [SOCKET_AT_FINAL_SIGKILL] = { "final-sigkill", true },
        [SOCKET_AT_FAILED] = { "failed", false },
};

static const char *const lists[SOCKET_COMMANDS] = { "ExecStartPre", "ExecStartPost", "ExecStopPre", "ExecStopPost" };

const char *socket_state_word(enum socket_state s)
{
        return states[s].word;
}

const char *socket_commands_name(enum socket_commands list)
{
        return lists[list];
}

bool socket_unit_has_commands(const struct socket_unit *u)
{
        size_t count = 0;
        for (size_t i = 0; i < SOCKET_COMMANDS; i++)
                count += u->commands[i].count;
        return count > 0;
}

bool socket_machine_is_over(const struct socket_machine *m)
{
        return m->state == SOCKET_AT_DEAD || m->state == SOCKET_AT_FAILED;
}

/* ---- small things ---- */

/* The first failure is the one that is told. */
static void keep(struct socket_machine *m, const char *result)
{
        if (!m->result)
                m->result = result;
}

static void arm(struct socket_machine *m)
{
        const uint64_t span = m->unit->timeout_usec, now = m->ops->now(m->context);
        m->deadline_usec = !states[m->state].has_deadline || !span || span > UINT64_MAX - now ? 0 : now + span;
}

static void set_state(struct socket_machine *m, enum socket_state s)
{
        m->state = s;
        arm(m);
        if (m->ops->changed)
                m->ops->changed(m->context);
}

static const char *judge(struct process_exit x)
{
        if (x.code == EXIT_CODE_EXITED)
                return x.status == 0 ? NULL : service_result_word(RESULT_EXIT_CODE);
        return service_result_word(x.code == EXIT_CODE_DUMPED ? RESULT_CORE_DUMP : RESULT_SIGNAL);
}

static int run(struct socket_machine *m, enum socket_commands list, size_t index)
{
        m->list = list;
        m->index = index;
        int r = m->ops->spawn(m->context, list, index);
        m->command_alive = r == 0;
        return r;
}

/* Enters the state whose commands are run one after another, and begins: 1; 0: there are none; -errno. */
static int enter_list(struct socket_machine *m, enum socket_state s, enum socket_commands list)
{
        if (!m->unit->commands[list].count)
                return 0;
        set_state(m, s);
        int r = run(m, list, 0);
        return r < 0 ? r : 1;
}

/* ---- the end ---- */

static void enter_dead(struct socket_machine *m)
{
        m->command_alive = false; /* what outlives this is on its own */
        set_state(m, m->result ? SOCKET_AT_FAILED : SOCKET_AT_DEAD);
}

static void enter_stop_post(struct socket_machine *m, const char *result);

static bool is_kill(enum socket_state s)
{
        return s == SOCKET_AT_STOP_PRE_SIGKILL || s == SOCKET_AT_FINAL_SIGKILL;
}

static unsigned whom(const struct socket_machine *m, enum socket_state s)
{
        switch (m->unit->kill_mode) {
        case SOCKET_KILL_CONTROL_GROUP: return SOCKET_KILLS_COMMAND | SOCKET_KILLS_REST;
        case SOCKET_KILL_MIXED: return SOCKET_KILLS_COMMAND | (is_kill(s) ? SOCKET_KILLS_REST : 0);
        case SOCKET_KILL_PROCESS: return SOCKET_KILLS_COMMAND;
        default: return 0;
        }
}

/* Only a command is waited for: what else is left in the group ends with it. */
static void enter_signal(struct socket_machine *m, enum socket_state s, const char *result)
{
        const struct socket_unit *u = m->unit;
        const unsigned who = whom(m, s);
        keep(m, result);
        if (who)
                m->ops->kill(m->context, who, is_kill(s) ? u->final_kill_signal : u->kill_signal, u->send_sighup && !is_kill(s));
        if (who && m->command_alive)
                set_state(m, s);
        else if (s == SOCKET_AT_STOP_PRE_SIGTERM || s == SOCKET_AT_STOP_PRE_SIGKILL)
                enter_stop_post(m, NULL);
        else
                enter_dead(m);
}

static void enter_stop_post(struct socket_machine *m, const char *result)
{
        keep(m, result);
        if (m->opened)
                m->ops->close(m->context);
        m->opened = false;
        int r = enter_list(m, SOCKET_AT_STOP_POST, SOCKET_STOP_POST);
        if (r <= 0)
                enter_signal(m, SOCKET_AT_FINAL_SIGTERM, r < 0 ? service_result_word(RESULT_RESOURCES) : NULL);
}

static void enter_stop_pre(struct socket_machine *m, const char *result)
{
        keep(m, result);
        int r = enter_list(m, SOCKET_AT_STOP_PRE, SOCKET_STOP_PRE);
        if (r <= 0)
                enter_stop_post(m, r < 0 ? service_result_word(RESULT_RESOURCES) : NULL);
}

/* ---- the start ---- */

static void enter_open(struct socket_machine *m)
{
        m->opened = true; /* what was opened before a failure is to be closed */
        if (m->ops->open(m->context) < 0) {
                enter_stop_pre(m, service_result_word(RESULT_RESOURCES));
                return;
        }
        int r = enter_list(m, SOCKET_AT_START_POST, SOCKET_START_POST);
        if (r < 0)
                enter_stop_pre(m, service_result_word(RESULT_RESOURCES));
        else if (r == 0)
                set_state(m, SOCKET_AT_LISTENING);
}

void socket_machine_init(struct socket_machine *m, const struct socket_unit *u, const struct socket_machine_ops *ops, void *context)
{
        *m = (struct socket_machine){ .unit = u, .ops = ops, .context = context };
}

void socket_machine_start(struct socket_machine *m)
{
        m->result = NULL;
        int r = enter_list(m, SOCKET_AT_START_PRE, SOCKET_START_PRE);
        if (r < 0) {
                keep(m, service_result_word(RESULT_RESOURCES));
                enter_dead(m);
        } else if (r == 0)
                enter_open(m);
}

void socket_machine_stop(struct socket_machine *m)
{
        if (m->state == SOCKET_AT_START_PRE || m->state == SOCKET_AT_START_POST)
                enter_signal(m, SOCKET_AT_STOP_PRE_SIGTERM, NULL);
        else if (m->state == SOCKET_AT_LISTENING)
                enter_stop_pre(m, NULL);
}

void socket_machine_fail(struct socket_machine *m, const char *result)
{
        if (m->state == SOCKET_AT_LISTENING)
                enter_stop_pre(m, result);
        else if (!socket_machine_is_over(m))
                keep(m, result);
}

/* ---- what happens ---- */

static void list_ended(struct socket_machine *m, const char *result)
{
        switch (m->state) {
        case SOCKET_AT_START_PRE:
                if (result)
                        enter_signal(m, SOCKET_AT_FINAL_SIGTERM, result);
                else
                        enter_open(m);
                return;
        case SOCKET_AT_START_POST:
                if (result)
                        enter_stop_pre(m, result);
                else
                        set_state(m, SOCKET_AT_LISTENING);
                return;
        case SOCKET_AT_STOP_PRE:
        case SOCKET_AT_STOP_PRE_SIGTERM:
        case SOCKET_AT_STOP_PRE_SIGKILL:
                enter_stop_post(m, result);
                return;
        case SOCKET_AT_STOP_POST: /* and what it left behind */
                enter_signal(m, SOCKET_AT_FINAL_SIGTERM, result);
                return;
        default:
                keep(m, result);
                enter_dead(m);
        }
}

/* Whether a state runs commands one after another; in the others the last of them is only waited for. */
static bool runs_list(enum socket_state s)
{
        return s == SOCKET_AT_START_PRE || s == SOCKET_AT_START_POST || s == SOCKET_AT_STOP_PRE || s == SOCKET_AT_STOP_POST;
}

void socket_machine_exited(struct socket_machine *m, struct process_exit x)
{
        if (!m->command_alive)
                return;
        const char *result = judge(x);
        m->command_alive = false;
        if (m->unit->commands[m->list].items[m->index].flags & EXEC_IGNORE_FAILURE || !runs_list(m->state))
                result = NULL; /* who was told to end is not blamed for how */
        if (runs_list(m->state) && !result && m->index + 1 < m->unit->commands[m->list].count) {
                arm(m); /* each command has that time */
                if (run(m, m->list, m->index + 1) == 0)
                        return;
                result = service_result_word(RESULT_RESOURCES);
        }
        list_ended(m, result);
}

void socket_machine_time(struct socket_machine *m)
{
        const char *late = service_result_word(RESULT_TIMEOUT);
        if (!m->deadline_usec || m->ops->now(m->context) < m->deadline_usec)
                return;
        m->deadline_usec = 0;
        switch (m->state) {
        case SOCKET_AT_START_PRE:
        case SOCKET_AT_STOP_POST:
                enter_signal(m, SOCKET_AT_FINAL_SIGTERM, late);
                return;
        case SOCKET_AT_START_POST:
        case SOCKET_AT_STOP_PRE:
                enter_signal(m, SOCKET_AT_STOP_PRE_SIGTERM, late);
                return;
        case SOCKET_AT_STOP_PRE_SIGTERM:
                if (m->unit->send_sigkill)
                        enter_signal(m, SOCKET_AT_STOP_PRE_SIGKILL, late);
                else
                        enter_stop_post(m, late);
                return;
        case SOCKET_AT_STOP_PRE_SIGKILL:
                enter_stop_post(m, late);
                return;
        case SOCKET_AT_FINAL_SIGTERM:
                if (m->unit->send_sigkill) {
                        enter_signal(m, SOCKET_AT_FINAL_SIGKILL, late);
                        return;
                }
                keep(m, late);
                enter_dead(m);
                return;
        default:
                keep(m, late);
                enter_dead(m);
        }
}
