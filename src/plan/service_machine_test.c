/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each path through the states of a service, as a line: what its file says, what happens, and what the machine does about it.
 * What happens: start stop restart reload, main=N control=N (exit status), main=-N (signal; main=!N with a core), exec, ready reloading stopping
 * alive trigger, named unnamed (the name on the bus has an owner, or lost it), extend=SECONDS watchdog=SECONDS, time (until the deadline) wait=SECONDS, rest=N (so many others live) empty (the last of all has
 * ended), found, oom; find=N (what is known of the main process: 1, 0, or "not yet" for 2), fails=N (the N-th next command cannot be started), opens=N
 * (from now on: 0 opening fails).
 * What it does: open close keep (close before a restart), the commands (Pre.0 Start.0 ...), SIGNAL:mcr (to main, control, rest), =state.
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

#include "base/signal_name.h"
#include "plan/service_machine.h"

struct stage {
        struct machine machine;
        struct service service;
        struct text trace;
        uint64_t clock;
        int rest, find, fails, opens;
};

static uint64_t op_now(void *context)
{
        return ((struct stage *)context)->clock;
}

static void add(struct stage *s, const char *word)
{
        text_addf(&s->trace, "%s%s", s->trace.length ? " " : "", word);
}

static int op_open(void *context)
{
        struct stage *s = context;
        add(s, "open");
        return s->opens ? 0 : -ENOSPC;
}

static void op_close(void *context, bool restarts)
{
        add(context, restarts ? "keep" : "close");
}

static int op_spawn(void *context, enum service_list list, size_t index, enum machine_process as)
{
        struct stage *s = context;
        char word[64];
        bool fails = s->fails > 0 && --s->fails == 0;
        (void)as;
        (void)snprintf(word, sizeof word, "%s.%zu%s", service_list_name(list) + strlen("Exec"), index, fails ? "!" : "");
        add(s, word);
        return fails ? -ENOENT : 0;
}

static bool op_kill(void *context, unsigned processes, int signal, bool also_hup)
{
        struct stage *s = context;
        char word[64], buffer[16];
        const bool main = processes & PROCESS_MAIN && s->machine.main_alive, control = processes & PROCESS_CONTROL && s->machine.control_alive,
                   rest = processes & PROCESS_REST && s->rest > 0;
        if (!main && !control && !rest)
                return false;
        (void)snprintf(word, sizeof word, "%s:%s%s%s%s", signal_name(signal, buffer), main ? "m" : "", control ? "c" : "", rest ? "r" : "",
                       also_hup ? "+HUP" : "");
        add(s, word);
        return true;
}

static bool op_group_lives(void *context)
{
        const struct stage *s = context;
        return s->machine.main_alive || s->machine.control_alive || s->rest > 0;
}

static int op_find_main(void *context)
{
        const struct stage *s = context;
        return s->find == 2 ? -EAGAIN : s->find;
}

static void op_changed(void *context)
{
        struct stage *s = context;
        char word[32];
        (void)snprintf(word, sizeof word, "=%s", service_state_word(s->machine.state));
        add(s, word);
}

static const struct machine_ops ops = { op_now, op_open, op_close, op_spawn, op_kill, op_group_lives, op_find_main, op_changed };

/* ---- what happens ---- */

static void ask_start(struct stage *s) { (void)machine_start(&s->machine); }
static void ask_stop(struct stage *s) { (void)machine_stop(&s->machine); }
static void ask_restart(struct stage *s) { (void)machine_restart(&s->machine); }
static void ask_reload(struct stage *s) { add(s, machine_reload(&s->machine) ? "yes" : "no"); }
static void tell_executed(struct stage *s) { machine_main_executed(&s->machine); }
static void tell_ready(struct stage *s) { machine_ready(&s->machine); }
static void tell_reloading(struct stage *s) { machine_reloading(&s->machine); }
static void tell_stopping(struct stage *s) { machine_stopping(&s->machine); }
static void tell_alive(struct stage *s) { machine_alive(&s->machine); }
static void tell_trigger(struct stage *s) { machine_watchdog_trigger(&s->machine); }
static void tell_named(struct stage *s) { machine_bus_name(&s->machine, true); }
static void tell_unnamed(struct stage *s) { machine_bus_name(&s->machine, false); }
static void tell_found(struct stage *s) { machine_main_found(&s->machine); }
static void tell_oom(struct stage *s) { machine_out_of_memory(&s->machine); }
static void tell_empty(struct stage *s) { s->rest = 0; machine_group_empty(&s->machine); }

static void pass_time(struct stage *s)
{
        uint64_t d = machine_deadline(&s->machine);
        char word[32];
        (void)snprintf(word, sizeof word, d ? "@%gs" : "@never", (double)(d - s->clock) / 1e6);
        add(s, word);
        if (!d)
                return;
        s->clock = d;
        machine_time(&s->machine);
}

static void wait(struct stage *s, int seconds)
{
        s->clock += (uint64_t)seconds * 1000000;
        uint64_t d = machine_deadline(&s->machine);
        if (d && s->clock >= d)
                machine_time(&s->machine);
}

static struct process_exit end_of(const char *value)
{
        if (*value == '!')
                return (struct process_exit){ EXIT_CODE_DUMPED, atoi(value + 1) };
        int n = atoi(value);
        return n < 0 ? (struct process_exit){ EXIT_CODE_KILLED, -n } : (struct process_exit){ EXIT_CODE_EXITED, n };
}

static const struct {
        const char *word;
        void (*act)(struct stage *);
} words[] = {
        { "start", ask_start }, { "stop", ask_stop }, { "restart", ask_restart }, { "reload", ask_reload }, { "exec", tell_executed },
        { "ready", tell_ready }, { "reloading", tell_reloading }, { "stopping", tell_stopping }, { "alive", tell_alive }, { "trigger", tell_trigger },
        { "named", tell_named }, { "unnamed", tell_unnamed }, { "found", tell_found }, { "oom", tell_oom }, { "empty", tell_empty }, { "time", pass_time },
};

static void happen(struct stage *s, char *word)
{
        char *value = strchr(word, '=');
        struct machine *m = &s->machine;
        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (text_equal(words[i].word, word)) {
                        words[i].act(s);
                        return;
                }
        assert_non_null(value);
        *value++ = 0;
        const int n = atoi(value);
        if (text_equal(word, "main"))
                machine_main_exited(m, end_of(value));
        else if (text_equal(word, "control"))
                machine_control_exited(m, end_of(value));
        else if (text_equal(word, "rest"))
                s->rest = n;
        else if (text_equal(word, "find"))
                s->find = n;
        else if (text_equal(word, "fails"))
                s->fails = n;
        else if (text_equal(word, "opens"))
                s->opens = n;
        else if (text_equal(word, "wait"))
                wait(s, n);
        else if (text_equal(word, "extend"))
                machine_extend(m, (uint64_t)n * 1000000);
        else if (text_equal(word, "watchdog"))
                machine_set_watchdog(m, (uint64_t)n * 1000000);
        else
                fail_msg("%s is no event", word);
}

/* ---- the rows ---- */

static void read_text(const char *text, struct service *ret)
{
        static const struct facts facts = { .unit = "u.service", .runtime_folder = "/run" };
        CLEAN_FREE char *copy = xstrdup(text);
        struct error e = { 0 };
        char *rest = copy;
        service_init(ret);
        for (char *line; (line = strsep(&rest, "\n"));) {
                char *sign = strchr(line, '=');
                if (!sign)
                        continue;
                *sign = 0;
                const char *section = text_starts(line, "StartLimit") ? "Unit" : "Service";
                if (service_assign(ret, section, line, sign + 1, &facts, &e) != 1)
                        fail_msg("%s=%s: %s", line, sign + 1, e.cause);
        }
        if (service_finish(ret, &e) < 0)
                fail_msg("%s: %s", text, e.cause);
}

static const struct row {
        const char *text, *events, *trace;
} rows[] = {
#include "plan/service_machine_rows.h"
};

static void test_paths(void **state)
{
        bool writes = getenv("BULKHEAD_TEST_WRITE"); /* prints all rows as they are, for who reads them against systemd.service(5) */
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct stage s = { .clock = 1000000, .opens = 1, .find = 1 };
                CLEAN_FREE char *copy = xstrdup(rows[i].events);
                char *rest = copy;
                read_text(rows[i].text, &s.service);
                machine_init(&s.machine, &s.service, &ops, &s);
                for (char *word; (word = strsep(&rest, " "));)
                        if (*word)
                                happen(&s, word);
                if (machine_is_over(&s.machine) && s.machine.result != RESULT_SUCCESS)
                        add(&s, service_result_word(s.machine.result));
                if (writes)
                        print_message("%s| %s\n=> %s\n", rows[i].text, rows[i].events, s.trace.data);
                else if (!text_equal(s.trace.data, rows[i].trace))
                        fail_msg("row %zu: %s| %s\n got: %s\nwant: %s", i, rows[i].text, rows[i].events, s.trace.data, rows[i].trace);
                text_clear(&s.trace);
                service_done(&s.service);
        }
}

/* ---- Restart= against each result ---- */

static const struct {
        const char *word, *more, *events;
        enum service_result result;
} ends[] = {
        { "success", "", "main=0", RESULT_SUCCESS },
        { "clean signal", "", "main=-15", RESULT_SUCCESS },
        { "exit code", "", "main=1", RESULT_EXIT_CODE },
        { "signal", "", "main=-9", RESULT_SIGNAL },
        { "core", "", "main=!11", RESULT_CORE_DUMP },
        { "timeout", "RuntimeMaxSec=1\n", "time main=-15", RESULT_TIMEOUT },
        { "watchdog", "WatchdogSec=1\n", "time main=!6", RESULT_WATCHDOG },
        { "oom", "", "oom main=-9", RESULT_OOM_KILL },
        { "condition", "ExecCondition=/c\n", "control=1", RESULT_CONDITION },
        { "condition fails", "ExecCondition=/c\n", "control=255", RESULT_EXIT_CODE },
};

static const struct {
        const char *word;
        bool again[ELEMENTS(ends)];
} policies[] = {
        /*                success signal code  signal core  timeout watchdog oom condition 255 */
        { "no",          { false, false, false, false, false, false, false, false, false, false } },
        { "on-success",  { true,  true,  false, false, false, false, false, false, false, false } },
        { "on-failure",  { false, false, true,  true,  true,  true,  true,  true,  false, true } },
        { "on-abnormal", { false, false, false, true,  true,  true,  true,  true,  false, false } },
        { "on-watchdog", { false, false, false, false, false, false, true,  false, false, false } },
        { "on-abort",    { false, false, false, true,  true,  false, false, false, false, false } },
        { "always",      { true,  true,  true,  true,  true,  true,  true,  true,  false, true } },
};

static void test_restart(void **state)
{
        (void)state;
        for (size_t p = 0; p < ELEMENTS(policies); p++)
                for (size_t i = 0; i < ELEMENTS(ends); i++)
                        for (int stops = 0; stops < 2; stops++) {
                                struct stage s = { .clock = 1000000, .opens = 1 };
                                CLEAN_FREE char *text = xprintf("ExecStart=/a\nRestart=%s\n%s", policies[p].word, ends[i].more);
                                CLEAN_FREE char *copy = xstrdup(ends[i].events);
                                char *rest = copy;
                                read_text(text, &s.service);
                                machine_init(&s.machine, &s.service, &ops, &s);
                                (void)machine_start(&s.machine);
                                for (char *word; (word = strsep(&rest, " "));) {
                                        if (stops && !rest)
                                                (void)machine_stop(&s.machine);
                                        happen(&s, word);
                                }
                                /* Who asked for the stop gets it, whatever the end was. */
                                bool again = policies[p].again[i] && !stops;
                                if ((s.machine.state == STATE_AUTO_RESTART) != again || (!stops && s.machine.result != ends[i].result))
                                        fail_msg("Restart=%s, %s, stop %d: %s, %s", policies[p].word, ends[i].word, stops,
                                                 service_state_word(s.machine.state), service_result_word(s.machine.result));
                                text_clear(&s.trace);
                                service_done(&s.service);
                        }
}

/* ---- RestartSteps= ---- */

static void test_back_off(void **state)
{
        static const double expected[] = { 1, 2, 4, 8, 16, 32, 32, 32 };
        struct stage s = { .clock = 1000000, .opens = 1 };
        (void)state;
        read_text("ExecStart=/a\nRestart=always\nRestartSec=1\nRestartSteps=5\nRestartMaxDelaySec=32\nStartLimitBurst=0\n", &s.service);
        machine_init(&s.machine, &s.service, &ops, &s);
        (void)machine_start(&s.machine);
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                machine_main_exited(&s.machine, (struct process_exit){ EXIT_CODE_EXITED, 1 });
                assert_int_equal(s.machine.state, STATE_AUTO_RESTART);
                double delay = (double)(machine_deadline(&s.machine) - s.clock) / 1e6;
                if (delay < expected[i] * 0.999 || delay > expected[i] * 1.001)
                        fail_msg("restart %zu after %g s, not %g", i, delay, expected[i]);
                s.clock = machine_deadline(&s.machine);
                machine_time(&s.machine);
                assert_int_equal(s.machine.state, STATE_RUNNING);
        }
        assert_int_equal(s.machine.restarts, ELEMENTS(expected));
        text_clear(&s.trace);
        service_done(&s.service);
}

/* ---- a stop, and a restart, from everywhere ---- */

static const char everything[] = "Type=%s\nPIDFile=%s\nExecCondition=/c\nExecStartPre=/p\nExecStart=/a\nExecStartPost=/q\nExecReload=/r\nExecStop=/s\n"
                                 "ExecStopPost=/t\nRestart=on-failure\nWatchdogSec=5\n%s";
static const struct {
        const char *type, *more, *events;
        enum service_state state;
} places[] = {
        { "simple", "", "", STATE_DEAD },
        { "simple", "", "start", STATE_CONDITION },
        { "simple", "", "start control=0", STATE_START_PRE },
        { "exec", "", "start control=0 control=0", STATE_START },
        { "notify", "", "start control=0 control=0 exec", STATE_START },
        { "forking", "", "start control=0 control=0", STATE_START },
        { "simple", "", "start control=0 control=0", STATE_START_POST },
        { "simple", "", "start control=0 control=0 control=0", STATE_RUNNING },
        { "simple", "RemainAfterExit=yes\n", "start control=0 control=0 control=0 main=0", STATE_EXITED },
        { "simple", "", "start control=0 control=0 control=0 reload", STATE_RELOAD },
        { "simple", "", "start control=0 control=0 control=0 main=0", STATE_STOP },
        { "simple", "", "start control=0 control=0 control=0 time", STATE_STOP_WATCHDOG },
        { "simple", "", "start control=0 control=0 control=0 stop time", STATE_STOP_SIGTERM },
        { "simple", "", "start control=0 control=0 control=0 stop time time", STATE_STOP_SIGKILL },
        { "simple", "", "start control=0 control=0 control=0 main=1", STATE_STOP_POST },
        { "simple", "", "start control=0 control=0 control=0 main=1 time", STATE_FINAL_SIGTERM },
        { "simple", "", "start control=0 control=0 control=0 main=1 time time", STATE_FINAL_SIGKILL },
        { "simple", "", "start control=0 control=0 control=0 main=1 control=0", STATE_AUTO_RESTART },
        { "simple", "Restart=no\n", "start control=0 control=0 control=0 main=1 control=0", STATE_FAILED },
};

static void reach(struct stage *s, size_t place)
{
        CLEAN_FREE char *text = xprintf(everything, places[place].type, text_equal(places[place].type, "forking") ? "/pid" : "", places[place].more);
        CLEAN_FREE char *copy = xstrdup(places[place].events);
        char *rest = copy;
        read_text(text, &s->service);
        machine_init(&s->machine, &s->service, &ops, s);
        for (char *word; (word = strsep(&rest, " "));)
                if (*word)
                        happen(s, word);
        if (s->machine.state != places[place].state)
                fail_msg("place %zu: %s, not %s", place, service_state_word(s->machine.state), service_state_word(places[place].state));
}

/* Whatever lives goes, and time passes; until is told when it is enough. */
static void run_out(struct stage *s, bool (*until)(const struct machine *))
{
        for (int i = 0; !until(&s->machine); i++) {
                assert_true(i < 60);
                if (s->machine.control_alive)
                        machine_control_exited(&s->machine, (struct process_exit){ EXIT_CODE_EXITED, 0 });
                else if (s->machine.main_alive && s->machine.state >= STATE_STOP)
                        machine_main_exited(&s->machine, (struct process_exit){ EXIT_CODE_KILLED, SIGTERM });
                else
                        pass_time(s);
        }
}

static void test_stop_everywhere(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(places); i++) {
                struct stage s = { .clock = 1000000, .opens = 1, .find = 2 };
                reach(&s, i);
                text_clear(&s.trace);
                assert_true(machine_stop(&s.machine));
                run_out(&s, machine_is_over);
                /* Nothing was begun any more, and the end was an end. */
                const char *t = s.trace.data ? s.trace.data : "";
                assert_null(strstr(t, "Start"));
                assert_null(strstr(t, "Reload"));
                assert_null(strstr(t, "open"));
                assert_null(strstr(t, "keep"));
                text_clear(&s.trace);
                service_done(&s.service);
        }
}

static void test_restart_everywhere(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(places); i++) {
                struct stage s = { .clock = 1000000, .opens = 1, .find = 2 };
                const bool was_over = places[i].state == STATE_DEAD || places[i].state == STATE_FAILED || places[i].state == STATE_AUTO_RESTART;
                reach(&s, i);
                text_clear(&s.trace);
                unsigned restarts = s.machine.restarts;
                assert_true(machine_restart(&s.machine));
                s.find = 1;
                bool begun = false;
                for (int k = 0; !(begun && s.machine.state >= STATE_START && s.machine.state <= STATE_RUNNING); k++) {
                        assert_true(k < 60);
                        begun |= s.trace.data && strstr(s.trace.data, "open");
                        if (s.machine.control_alive)
                                machine_control_exited(&s.machine, (struct process_exit){ EXIT_CODE_EXITED, 0 });
                        else if (s.machine.main_alive && s.machine.state >= STATE_STOP)
                                machine_main_exited(&s.machine, (struct process_exit){ EXIT_CODE_KILLED, SIGTERM });
                        else
                                pass_time(&s);
                }
                assert_true(was_over || strstr(s.trace.data, "keep open") || strstr(s.trace.data, "keep =auto-restart @0s open"));
                assert_true(s.machine.restarts <= restarts); /* it was asked for: none of its own */
                text_clear(&s.trace);
                service_done(&s.service);
        }
}

/* Each state and each result has a word, and each state says what others see of it. */
static void test_words(void **state)
{
        (void)state;
        for (unsigned i = 0; i < SERVICE_STATES; i++) {
                assert_non_null(service_state_word(i));
                assert_non_null(service_activity_word(i));
                for (unsigned k = 0; k < i; k++)
                        assert_string_not_equal(service_state_word(i), service_state_word(k));
        }
        for (unsigned i = 0; i < SERVICE_RESULTS; i++)
                assert_non_null(service_result_word(i));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_paths), cmocka_unit_test(test_restart), cmocka_unit_test(test_back_off), cmocka_unit_test(test_stop_everywhere),
                cmocka_unit_test(test_restart_everywhere), cmocka_unit_test(test_words),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
