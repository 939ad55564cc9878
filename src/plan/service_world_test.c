/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The states of services in a world of their own: a clock, processes that end, do not want to, fork, cannot be started, say something; driven by
 * a seeded generator, step by step, with what must always hold checked after each. BULKHEAD_TEST_SEED and BULKHEAD_TEST_STEPS choose another
 * world, and a longer life of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/service_machine.h"

enum { STEPS_OF_ONE = 120, STEPS_TO_END = 400, STACK_MAX = 16384 };

/* A process as the world sees it: what is over may still have to be told. */
struct creature {
        bool lives, dies; /* dies: its end is there to be told */
        bool deaf;        /* to all but SIGKILL */
        bool undying;     /* in the kernel's hands */
        struct process_exit end;
};

struct world {
        uint64_t seed, random, clock, steps;
        struct machine machine;
        struct service service;
        struct creature main, control, rest[4];
        bool open, cut_off; /* cut_off: nothing starts and nothing lives for ever any more */
        bool stop_asked;
        enum service_state before;
        const char *base; /* of the stack, in this step */
        unsigned mains, spawned;
        char said[256];
};

#define MUST(w, condition)                                                                                                              \
        do {                                                                                                                            \
                if (!(condition))                                                                                                       \
                        broken(w, #condition, __LINE__);                                                                                \
        } while (0)

static _Noreturn void broken(const struct world *w, const char *what, int line)
{
        const struct machine *m = &w->machine;
        fprintf(stderr, "line %d: %s does not hold; seed %llu, step %llu (%s): state %s, result %s, main %d/%d/%d, control %d/%d, type %s, restart %s, "
                        "kill mode %d, deadline %llu, clock %llu\n", line, what, (unsigned long long)w->seed, (unsigned long long)w->steps, w->said,
                service_state_word(m->state), service_result_word(m->result), m->main_known, m->main_alive, w->main.lives, m->control_alive,
                w->control.lives, service_type_word(w->service.type), service_restart_word(w->service.restart), (int)w->service.kill_mode,
                (unsigned long long)m->deadline_usec, (unsigned long long)w->clock);
        fail();
        abort();
}

/* xorshift64*: the same everywhere. */
static unsigned chance(struct world *w, unsigned below)
{
        w->random ^= w->random >> 12;
        w->random ^= w->random << 25;
        w->random ^= w->random >> 27;
        return (unsigned)((w->random * UINT64_C(2685821657736338717)) >> 33) % below;
}

static bool once_in(struct world *w, unsigned n)
{
        return chance(w, n) == 0;
}

static unsigned rest_count(const struct world *w)
{
        unsigned n = 0;
        for (size_t i = 0; i < ELEMENTS(w->rest); i++)
                n += w->rest[i].lives;
        return n;
}

static bool anything(const struct world *w)
{
        return w->main.lives || w->control.lives || rest_count(w);
}

/* ---- what the machine asks of the world ---- */

static uint64_t op_now(void *context)
{
        return ((struct world *)context)->clock;
}

static void look_at_stack(struct world *w)
{
        char here;
        MUST(w, w->base - &here < STACK_MAX && &here - w->base < STACK_MAX);
}

static int op_open(void *context)
{
        struct world *w = context;
        MUST(w, !w->open);
        look_at_stack(w);
        w->open = true;
        return !w->cut_off && once_in(w, 30) ? -ENOSPC : 0;
}

static void op_close(void *context, bool restarts)
{
        struct world *w = context;
        MUST(w, w->open);
        MUST(w, !restarts || !w->stop_asked);
        w->open = false;
        /* What is left was left on purpose, or cannot be ended. */
        bool spares = w->service.kill_mode == KILL_MODE_NONE || w->service.no_sigkill;
        if (w->main.lives && !w->main.dies)
                MUST(w, spares || w->main.undying || w->service.final_kill_signal != SIGKILL);
        for (size_t i = 0; i < ELEMENTS(w->rest); i++)
                if (w->rest[i].lives && !w->rest[i].dies)
                        MUST(w, spares || w->service.kill_mode == KILL_MODE_PROCESS || w->rest[i].undying);
        /* As the supervisor does: what is left is nobody's from here on. */
        if (w->main.lives)
                w->main = (struct creature){ 0 };
        w->control = (struct creature){ 0 };
        if (spares || w->service.kill_mode == KILL_MODE_PROCESS)
                memset(w->rest, 0, sizeof w->rest);
}

static enum service_state state_of_list(enum service_list l)
{
        static const enum service_state states[SERVICE_LISTS] = {
                [SERVICE_CONDITION] = STATE_CONDITION, [SERVICE_START_PRE] = STATE_START_PRE, [SERVICE_START] = STATE_START,
                [SERVICE_START_POST] = STATE_START_POST, [SERVICE_RELOAD] = STATE_RELOAD, [SERVICE_STOP] = STATE_STOP,
                [SERVICE_STOP_POST] = STATE_STOP_POST,
        };
        return states[l];
}

static struct creature birth(struct world *w)
{
        return (struct creature){ .lives = true, .deaf = once_in(w, 4), .undying = !w->cut_off && once_in(w, 40) };
}

static int op_spawn(void *context, enum service_list list, size_t index, enum machine_process as)
{
        struct world *w = context;
        look_at_stack(w);
        MUST(w, w->open);
        MUST(w, index < w->service.lines[list].count);
        MUST(w, w->machine.state == state_of_list(list));
        MUST(w, !w->stop_asked || list == SERVICE_STOP || list == SERVICE_STOP_POST);
        MUST(w, as == PROCESS_MAIN ? list == SERVICE_START && w->service.type != SERVICE_FORKING : list != SERVICE_START || w->service.type == SERVICE_FORKING);
        w->spawned++;
        if (once_in(w, 25))
                return -ENOMEM;
        if (as == PROCESS_MAIN) {
                MUST(w, !w->main.lives && !w->machine.main_alive);
                w->mains++;
                w->main = birth(w);
        } else {
                /* A second one beside the first only where the first cannot be ended. */
                MUST(w, !w->machine.control_alive || w->control.undying || w->control.dies || w->service.kill_mode == KILL_MODE_NONE || w->service.no_sigkill);
                w->control = birth(w);
        }
        return 0;
}

static void hit(struct world *w, struct creature *c, int signal)
{
        if (!c->lives || c->dies || c->undying || (c->deaf && signal != SIGKILL))
                return;
        c->dies = true;
        c->end = signal == SIGKILL || once_in(w, 2) ? (struct process_exit){ EXIT_CODE_KILLED, signal }
                                                    : (struct process_exit){ EXIT_CODE_EXITED, once_in(w, 2) ? 143 : 0 };
}

static bool op_kill(void *context, unsigned processes, int signal, bool also_hup)
{
        struct world *w = context;
        const struct machine *m = &w->machine;
        (void)also_hup;
        look_at_stack(w);
        MUST(w, w->service.kill_mode != KILL_MODE_NONE || processes == 0 || m->state == STATE_RUNNING || m->state == STATE_EXITED || m->state == STATE_RELOAD);
        if (processes & PROCESS_MAIN && m->main_alive)
                hit(w, &w->main, signal);
        if (processes & PROCESS_CONTROL && m->control_alive)
                hit(w, &w->control, signal);
        for (size_t i = 0; processes & PROCESS_REST && i < ELEMENTS(w->rest); i++)
                hit(w, &w->rest[i], signal);
        return (processes & PROCESS_MAIN && m->main_alive) || (processes & PROCESS_CONTROL && m->control_alive) ||
               (processes & PROCESS_REST && anything(w));
}

static bool op_group_lives(void *context)
{
        return anything(context);
}

static int op_find_main(void *context)
{
        struct world *w = context;
        if (w->service.pid_file && once_in(w, 3))
                return once_in(w, 5) ? -EIO : -EAGAIN;
        if (!rest_count(w))
                return 0;
        if (!w->service.pid_file && once_in(w, 3))
                return 0;
        for (size_t i = 0; i < ELEMENTS(w->rest); i++)
                if (w->rest[i].lives && !w->rest[i].dies) {
                        w->main = w->rest[i];
                        w->rest[i] = (struct creature){ 0 };
                        return 1;
                }
        return 0;
}

/* From one state to another without one between that would be told. An end goes forward only. */
static void op_changed(void *context)
{
        struct world *w = context;
        const enum service_state a = w->before, b = w->machine.state;
        const bool ends_a = a >= STATE_STOP && a <= STATE_FINAL_SIGKILL, ends_b = b >= STATE_STOP && b <= STATE_FINAL_SIGKILL;
        if (ends_a && ends_b)
                MUST(w, b >= a || (a == STATE_STOP_SIGTERM && b == STATE_STOP_WATCHDOG));
        if (ends_a)
                MUST(w, ends_b || machine_is_over(&w->machine) || b == STATE_AUTO_RESTART);
        if (b == STATE_RELOAD)
                MUST(w, a == STATE_RUNNING || a == STATE_EXITED || a == STATE_RELOAD);
        if (b == STATE_RUNNING || b == STATE_EXITED)
                MUST(w, a == STATE_START_POST || a == STATE_START || a == STATE_START_PRE || a == STATE_CONDITION || a == STATE_RELOAD || a == STATE_RUNNING ||
                        a == STATE_EXITED || machine_is_over(&(struct machine){ .state = a }) || a == STATE_AUTO_RESTART);
        w->before = b;
}

static const struct machine_ops ops = { op_now, op_open, op_close, op_spawn, op_kill, op_group_lives, op_find_main, op_changed };

/* ---- what holds after each step ---- */

static void check(struct world *w)
{
        const struct machine *m = &w->machine;
        const bool over = machine_is_over(m), waits = m->state == STATE_AUTO_RESTART;
        MUST(w, m->state < SERVICE_STATES && m->result < SERVICE_RESULTS);
        MUST(w, w->open == (!over && !waits));
        MUST(w, !m->control_alive || w->control.lives);
        MUST(w, !m->main_alive || (w->main.lives && m->main_known));
        MUST(w, !(over || waits) || (!m->main_alive && !m->control_alive));
        MUST(w, !waits || machine_deadline(m));
        MUST(w, !waits || !w->stop_asked);
        if (m->state == STATE_DEAD)
                MUST(w, m->result == RESULT_SUCCESS || m->result == RESULT_CONDITION);
        if (m->state == STATE_FAILED)
                MUST(w, m->result != RESULT_SUCCESS && m->result != RESULT_CONDITION);
        if (m->state == STATE_RUNNING)
                MUST(w, anything(w) && m->result == RESULT_SUCCESS);
        if (m->state == STATE_EXITED)
                MUST(w, w->service.remain_after_exit && m->result == RESULT_SUCCESS);
        /* Whatever is waited for comes, or time ends it. */
        if (!over && m->state != STATE_EXITED)
                MUST(w, machine_deadline(m) || anything(w));
        if (w->stop_asked)
                MUST(w, over || m->state >= STATE_STOP);
}

/* ---- what happens ---- */

static void add_command(struct world *w, enum service_list list, const char *command)
{
        static const struct facts facts = { .unit = "u.service", .runtime_folder = "/run" };
        char line[32];
        (void)snprintf(line, sizeof line, "%s%s", once_in(w, 5) ? "-" : "", command);
        MUST(w, exec_lines_assign(&w->service.lines[list], line, &facts, NULL) == 0);
}

static void random_service(struct world *w)
{
        static const char *const commands[SERVICE_LISTS] = { "/condition", "/pre", "/start", "/post", "/reload", "/stop", "/stop-post" };
        static const uint64_t spans[] = { SERVICE_NEVER, 1000000, 5000000, 90000000 };
        struct service *s = &w->service;
        service_init(s);
        s->type = chance(w, SERVICE_DBUS + 1);
        for (unsigned l = 0; l < SERVICE_LISTS; l++) {
                unsigned n = l == SERVICE_START ? (s->type == SERVICE_ONESHOT ? chance(w, 4) : 1) : once_in(w, 3) ? 1 + chance(w, 3) : 0;
                for (unsigned i = 0; i < n; i++)
                        add_command(w, l, commands[l]);
        }
        if (!s->lines[SERVICE_START].count && !s->lines[SERVICE_STOP].count)
                add_command(w, SERVICE_STOP, "/stop");
        s->restart = chance(w, RESTART_ALWAYS + 1);
        if (s->type == SERVICE_ONESHOT && (s->restart == RESTART_ALWAYS || s->restart == RESTART_ON_SUCCESS))
                s->restart = RESTART_ON_FAILURE;
        s->kill_mode = chance(w, 2) ? KILL_MODE_CONTROL_GROUP : chance(w, KILL_MODE_NONE + 1);
        s->notify_access = chance(w, NOTIFY_MAIN + 1);
        s->start_failure = chance(w, FAILURE_KILL + 1);
        s->stop_failure = chance(w, FAILURE_KILL + 1);
        s->oom_policy = chance(w, OOM_KILL + 1);
        s->remain_after_exit = once_in(w, 4);
        s->no_sigkill = once_in(w, 8);
        s->exit_type = once_in(w, 8);
        s->timeout_start_usec = spans[chance(w, ELEMENTS(spans))];
        s->timeout_stop_usec = spans[chance(w, ELEMENTS(spans))];
        s->timeout_abort_usec = spans[chance(w, ELEMENTS(spans))];
        s->runtime_max_usec = once_in(w, 4) ? 3000000 : SERVICE_NEVER;
        s->watchdog_usec = once_in(w, 3) ? 2000000 : SERVICE_NEVER;
        s->restart_usec = once_in(w, 3) ? 0 : 100000;
        if (once_in(w, 3)) {
                s->restart_steps = 1 + chance(w, 5);
                s->restart_max_usec = s->restart_usec + 5000000;
        }
        s->start_limit_burst = chance(w, 6);
        s->success.statuses[0] = once_in(w, 4) ? 2 : 0;
        s->prevent_restart.statuses[0] = once_in(w, 6) ? 4 : 0;
        s->force_restart.statuses[0] = once_in(w, 6) ? 8 : 0;
        if (s->type == SERVICE_FORKING && once_in(w, 2))
                s->pid_file = xstrdup("/run/pid");
}

static void end_of_own(struct world *w, struct creature *c)
{
        if (!c->lives || c->dies)
                return;
        c->dies = true;
        c->end = once_in(w, 6) ? (struct process_exit){ once_in(w, 2) ? EXIT_CODE_DUMPED : EXIT_CODE_KILLED, SIGSEGV }
                               : (struct process_exit){ EXIT_CODE_EXITED, once_in(w, 2) ? 0 : (int)chance(w, 5) };
}

/* A tale that is told once: an end. */
static void tell_ends(struct world *w)
{
        bool any = false;
        if (w->main.dies) {
                w->main.lives = w->main.dies = false;
                any = true;
                if (once_in(w, 2) && w->main.end.code == EXIT_CODE_EXITED)
                        machine_main_executed(&w->machine);
                machine_main_exited(&w->machine, w->main.end);
        }
        if (w->control.dies) {
                w->control.lives = w->control.dies = false;
                any = true;
                machine_control_exited(&w->machine, w->control.end);
        }
        for (size_t i = 0; i < ELEMENTS(w->rest); i++)
                if (w->rest[i].dies) {
                        w->rest[i] = (struct creature){ 0 };
                        any = true;
                }
        if (any && !anything(w))
                machine_group_empty(&w->machine);
}

static void give_birth(struct world *w)
{
        const struct creature *parents[] = { &w->main, &w->control, &w->rest[0], &w->rest[1] }, *p = parents[chance(w, ELEMENTS(parents))];
        if (!p->lives || p->dies || p->undying)
                return;
        for (size_t i = 0; i < ELEMENTS(w->rest); i++)
                if (!w->rest[i].lives) {
                        w->rest[i] = birth(w);
                        return;
                }
}

static void let_time_pass(struct world *w)
{
        uint64_t deadline = machine_deadline(&w->machine);
        if (deadline && once_in(w, 2))
                w->clock = deadline > w->clock ? deadline : w->clock;
        else
                w->clock += 1 + chance(w, 3000000);
        deadline = machine_deadline(&w->machine);
        if (deadline && w->clock >= deadline)
                machine_time(&w->machine);
}

static void say_something(struct world *w)
{
        struct machine *m = &w->machine;
        if (!w->open || !anything(w))
                return;
        switch (chance(w, 12)) {
        case 9: case 10: machine_bus_name(m, true); return;
        case 11: machine_bus_name(m, false); return;
        case 0: case 1: machine_ready(m); return;
        case 2: machine_reloading(m); return;
        case 3: machine_stopping(m); return;
        case 4: machine_alive(m); return;
        case 5: machine_watchdog_trigger(m); return;
        case 6: machine_set_watchdog(m, chance(w, 2) ? 500000 : 0); return;
        case 7: machine_extend(m, chance(w, 4000000)); return;
        default: machine_out_of_memory(m); return;
        }
}

static void ask_something(struct world *w)
{
        struct machine *m = &w->machine;
        switch (chance(w, 8)) {
        case 0: case 1:
                w->stop_asked = true;
                (void)machine_stop(m);
                return;
        case 2: case 3: case 4:
                w->stop_asked = false;
                (void)machine_start(m);
                return;
        case 5:
                w->stop_asked = false;
                (void)machine_restart(m);
                return;
        default:
                (void)machine_reload(m);
        }
}

static void step(struct world *w)
{
        char here;
        const unsigned what = chance(w, 16);
        w->base = &here;
        w->steps++;
        (void)snprintf(w->said, sizeof w->said, "kind %u from %s", what, service_state_word(w->machine.state));
        if (what < 4)
                tell_ends(w);
        else if (what < 6)
                end_of_own(w, &w->main);
        else if (what < 8)
                end_of_own(w, &w->control);
        else if (what < 9)
                end_of_own(w, &w->rest[chance(w, ELEMENTS(w->rest))]);
        else if (what < 10)
                give_birth(w);
        else if (what < 12)
                let_time_pass(w);
        else if (what < 14)
                say_something(w);
        else if (what < 15 && w->machine.waits_for_main && op_find_main(w) == 1)
                machine_main_found(&w->machine);
        else if (what < 15)
                machine_main_executed(&w->machine);
        else if (once_in(w, 3))
                ask_something(w);
        check(w);
}

/* However it stands: a stop ends. Nobody listens to anything but SIGKILL here; who gets none ends in time. */
static void end(struct world *w)
{
        char here;
        w->base = &here;
        w->cut_off = w->stop_asked = true;
        (void)machine_stop(&w->machine);
        check(w);
        for (unsigned i = 0; !machine_is_over(&w->machine); i++) {
                MUST(w, i < STEPS_TO_END);
                (void)snprintf(w->said, sizeof w->said, "the end");
                tell_ends(w);
                check(w);
                uint64_t deadline = machine_deadline(&w->machine);
                if (machine_is_over(&w->machine))
                        break;
                if (!deadline) { /* no limit: it takes as long as it takes */
                        w->main.undying = w->control.undying = false;
                        end_of_own(w, &w->main);
                        end_of_own(w, &w->control);
                        for (size_t k = 0; k < ELEMENTS(w->rest); k++)
                                end_of_own(w, &w->rest[k]);
                        continue;
                }
                if (once_in(w, 2) && w->control.lives)
                        end_of_own(w, &w->control);
                else if (deadline > w->clock)
                        w->clock = deadline;
                if (w->clock >= deadline)
                        machine_time(&w->machine);
                check(w);
        }
        MUST(w, !w->open);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
        const char *text = getenv(name);
        return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_lives(void **state)
{
        (void)state;
        uint64_t seed = number_of("BULKHEAD_TEST_SEED", 1), most = number_of("BULKHEAD_TEST_STEPS", 3000000), steps = 0, lives = 0, mains = 0;
        unsigned seen[SERVICE_STATES] = { 0 }, results[SERVICE_RESULTS] = { 0 };
        for (; steps < most; seed++, lives++) {
                struct world w = { .seed = seed, .random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1, .clock = 1000000 };
                char here;
                w.base = &here;
                for (int i = 0; i < 4; i++)
                        (void)chance(&w, 2);
                random_service(&w);
                machine_init(&w.machine, &w.service, &ops, &w);
                (void)machine_start(&w.machine);
                check(&w);
                for (unsigned i = 0; i < STEPS_OF_ONE; i++) {
                        step(&w);
                        seen[w.machine.state]++;
                        results[w.machine.result]++;
                }
                end(&w);
                steps += w.steps;
                mains += w.mains;
                service_done(&w.service);
        }
        /* A world in which this did not happen shows nothing. */
        for (unsigned i = 0; i < SERVICE_STATES; i++)
                if (!seen[i])
                        fail_msg("state %s was never seen", service_state_word(i));
        for (unsigned i = 0; i < SERVICE_RESULTS; i++)
                if (!results[i])
                        fail_msg("result %s was never seen", service_result_word(i));
        print_message("%llu lives, %llu steps, %llu main processes\n", (unsigned long long)lives, (unsigned long long)steps, (unsigned long long)mains);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_lives) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
