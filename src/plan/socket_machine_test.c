/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each path through the states of a socket unit, as a line: what its file says, what happens, and what the machine does about it.
 * What happens: start stop fail exit=N (the command's status; -N: a signal, !N: with a core) time (until the deadline) fails=N (the N-th next command
 * cannot be started) closed (opening fails).
 * What it does: open close, the commands (StartPre.0 ...), SIGNAL:cr (to the command, to the rest), =state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/signal_name.h"
#include "plan/socket_machine.h"

struct stage {
        struct socket_machine machine;
        struct socket_unit unit;
        struct text trace;
        uint64_t clock;
        int fails;
        bool closed;
};

static void add(struct stage *s, const char *word)
{
        text_addf(&s->trace, "%s%s", s->trace.length ? " " : "", word);
}

static uint64_t op_now(void *context)
{
        return ((struct stage *)context)->clock;
}

static int op_open(void *context)
{
        struct stage *s = context;
        add(s, s->closed ? "open!" : "open");
        return s->closed ? -EADDRINUSE : 0;
}

static void op_close(void *context)
{
        add(context, "close");
}

static int op_spawn(void *context, enum socket_commands list, size_t index)
{
        struct stage *s = context;
        char word[64];
        const bool fails = s->fails > 0 && --s->fails == 0;
        (void)snprintf(word, sizeof word, "%s.%zu%s", socket_commands_name(list) + strlen("Exec"), index, fails ? "!" : "");
        add(s, word);
        return fails ? -ENOENT : 0;
}

static void op_kill(void *context, unsigned whom, int signal, bool also_hup)
{
        struct stage *s = context;
        char word[64], buffer[16];
        const bool command = whom & SOCKET_KILLS_COMMAND && s->machine.command_alive;
        (void)snprintf(word, sizeof word, "%s:%s%s%s", signal_name(signal, buffer), command ? "c" : "", whom & SOCKET_KILLS_REST ? "r" : "", also_hup ? "+HUP" : "");
        if (command)
                add(s, word);
}

static void op_changed(void *context)
{
        struct stage *s = context;
        char word[64];
        (void)snprintf(word, sizeof word, "=%s", socket_state_word(s->machine.state));
        add(s, word);
}

static void happen(struct stage *s, const char *what)
{
        struct socket_machine *m = &s->machine;
        if (text_equal(what, "start"))
                socket_machine_start(m);
        else if (text_equal(what, "stop"))
                socket_machine_stop(m);
        else if (text_equal(what, "fail"))
                socket_machine_fail(m, "trigger-limit-hit");
        else if (text_equal(what, "closed"))
                s->closed = true;
        else if (text_starts(what, "fails="))
                s->fails = atoi(what + 6);
        else if (text_equal(what, "time")) {
                char word[64];
                (void)snprintf(word, sizeof word, m->deadline_usec ? "@%llus" : "@never", (unsigned long long)(m->deadline_usec - s->clock) / 1000000);
                add(s, word);
                s->clock = m->deadline_usec ? m->deadline_usec : s->clock;
                socket_machine_time(m);
        } else {
                const bool core = what[5] == '!';
                const int n = atoi(what + 5 + core);
                assert_true(text_starts(what, "exit="));
                socket_machine_exited(m, (struct process_exit){ core ? EXIT_CODE_DUMPED : n < 0 ? EXIT_CODE_KILLED : EXIT_CODE_EXITED, abs(n) });
        }
}

static const struct socket_machine_ops ops = { op_now, op_open, op_close, op_spawn, op_kill, op_changed };
#define PRE "ExecStartPre=/p\nExecStartPre=/p\n"
#define ALL "ExecStartPre=/a\nExecStartPost=/b\nExecStopPre=/c\nExecStopPost=/d\n"

static const struct {
        const char *unit, *events, *trace;
} rows[] = {
        { "", "start stop", "open =listening close =dead" },
        { "", "closed start", "open! close =failed resources" },
        { "", "start fail", "open =listening close =failed trigger-limit-hit" },
        { "", "stop", "" },
        { ALL, "start exit=0 exit=0 stop exit=0 exit=0",
          "=start-pre StartPre.0 open =start-post StartPost.0 =listening =stop-pre StopPre.0 close =stop-post StopPost.0 =dead" },
        { ALL, "start exit=0 exit=0 fail exit=0 exit=0",
          "=start-pre StartPre.0 open =start-post StartPost.0 =listening =stop-pre StopPre.0 close =stop-post StopPost.0 =failed trigger-limit-hit" },
        { PRE, "start exit=0 exit=0", "=start-pre StartPre.0 StartPre.1 open =listening" },
        /* failures */
        { PRE "ExecStopPost=/d\n", "start exit=3", "=start-pre StartPre.0 =failed exit-code" },
        { PRE, "start exit=0 exit=-9", "=start-pre StartPre.0 StartPre.1 =failed signal" },
        { PRE, "start exit=-15", "=start-pre StartPre.0 =failed signal" },
        { PRE, "start exit=!6", "=start-pre StartPre.0 =failed core-dump" },
        { PRE, "fails=1 start", "=start-pre StartPre.0! =failed resources" },
        { PRE, "fails=2 start exit=0", "=start-pre StartPre.0 StartPre.1! =failed resources" },
        { "ExecStartPre=-/p\n", "start exit=3", "=start-pre StartPre.0 open =listening" },
        { ALL, "closed start exit=0 exit=0 exit=0", "=start-pre StartPre.0 open! =stop-pre StopPre.0 close =stop-post StopPost.0 =failed resources" },
        { ALL, "start exit=0 exit=1 exit=0 exit=0", "=start-pre StartPre.0 open =start-post StartPost.0 =stop-pre StopPre.0 close =stop-post StopPost.0 =failed exit-code" },
        { ALL, "fails=2 start exit=0 exit=0 exit=0", "=start-pre StartPre.0 open =start-post StartPost.0! =stop-pre StopPre.0 close =stop-post StopPost.0 =failed resources" },
        { "ExecStopPre=/c\nExecStopPost=/d\n", "start stop exit=1 exit=0", "open =listening =stop-pre StopPre.0 close =stop-post StopPost.0 =failed exit-code" },
        { "ExecStopPre=/c\nExecStopPost=/d\n", "fails=1 start stop exit=0", "open =listening =stop-pre StopPre.0! close =stop-post StopPost.0 =failed resources" },
        { "ExecStopPost=/d\n", "start stop exit=1", "open =listening close =stop-post StopPost.0 =failed exit-code" },
        { "ExecStopPost=/d\n", "fails=1 start stop", "open =listening close =stop-post StopPost.0! =failed resources" },
        /* stopping while it starts */
        { ALL, "start stop exit=-15 exit=0", "=start-pre StartPre.0 TERM:cr =stop-pre-sigterm =stop-post StopPost.0 =dead" },
        { ALL, "start exit=0 stop exit=-15 exit=0", "=start-pre StartPre.0 open =start-post StartPost.0 TERM:cr =stop-pre-sigterm close =stop-post StopPost.0 =dead" },
        { ALL, "start exit=0 fail exit=0 stop exit=0 exit=0",
          "=start-pre StartPre.0 open =start-post StartPost.0 =listening =stop-pre StopPre.0 close =stop-post StopPost.0 =failed trigger-limit-hit" },
        /* time */
        { PRE, "start time exit=-15", "=start-pre StartPre.0 @90s TERM:cr =final-sigterm =failed timeout" },
        { PRE "TimeoutSec=5\n", "start exit=0 time time time", "=start-pre StartPre.0 StartPre.1 @5s TERM:cr =final-sigterm @5s KILL:cr =final-sigkill @5s =failed timeout" },
        { PRE "SendSIGKILL=no\n", "start time time", "=start-pre StartPre.0 @90s TERM:cr =final-sigterm @90s =failed timeout" },
        { PRE "TimeoutSec=infinity\n", "start time exit=0", "=start-pre StartPre.0 @never StartPre.1" },
        { PRE "TimeoutSec=0\n", "start time", "=start-pre StartPre.0 @never" },
        { "ExecStartPost=/b\nTimeoutSec=5\n", "start time time time", "open =start-post StartPost.0 @5s TERM:cr =stop-pre-sigterm @5s KILL:cr =stop-pre-sigkill @5s close TERM:cr =final-sigterm" },
        { "ExecStopPre=/c\nTimeoutSec=5\n", "start stop time exit=-15", "open =listening =stop-pre StopPre.0 @5s TERM:cr =stop-pre-sigterm close =failed timeout" },
        { "ExecStopPre=/c\nSendSIGKILL=no\nTimeoutSec=5\n", "start stop time time", "open =listening =stop-pre StopPre.0 @5s TERM:cr =stop-pre-sigterm @5s close TERM:cr =final-sigterm" },
        { "ExecStopPost=/d\nTimeoutSec=5\n", "start stop time exit=-15", "open =listening close =stop-post StopPost.0 @5s TERM:cr =final-sigterm =failed timeout" },
        /* who is signalled */
        { PRE "KillSignal=SIGINT\nFinalKillSignal=SIGQUIT\nSendSIGHUP=yes\n", "start time time", "=start-pre StartPre.0 @90s INT:cr+HUP =final-sigterm @90s QUIT:cr =final-sigkill" },
        { PRE "KillMode=mixed\n", "start time time", "=start-pre StartPre.0 @90s TERM:c =final-sigterm @90s KILL:cr =final-sigkill" },
        { PRE "KillMode=process\n", "start time time", "=start-pre StartPre.0 @90s TERM:c =final-sigterm @90s KILL:c =final-sigkill" },
        { PRE "KillMode=none\n", "start time exit=0", "=start-pre StartPre.0 @90s =failed timeout" },
        { ALL "KillMode=none\n", "start stop exit=0", "=start-pre StartPre.0 =stop-post StopPost.0 =dead" },
};

static void read_unit(const char *text, struct socket_unit *ret)
{
        static const struct facts facts = { .unit = "web.socket", .runtime_folder = "/run" };
        CLEAN_UNIT_FILE struct unit_file f = { 0 };
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        CLEAN_FREE char *whole = xprintf("[Socket]\nListenStream=/run/x\n%s", text);
        assert_int_equal(unit_file_parse(&f, "web.socket", whole, strlen(whole), NULL, false, NULL), 0);
        assert_int_equal(unit_name_parse("web.socket", &n, NULL), 0);
        assert_int_equal(socket_unit_parse(&f, &n, &facts, false, NULL, ret, NULL), 0);
}

static void rows_hold(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct stage s = { .clock = 1000000 };
                CLEAN_FREE char *events = xstrdup(rows[i].events);
                char *rest = events;
                read_unit(rows[i].unit, &s.unit);
                socket_machine_init(&s.machine, &s.unit, &ops, &s);
                text_add(&s.trace, "");
                for (char *event; (event = strsep(&rest, " "));)
                        happen(&s, event);
                if (s.machine.state == SOCKET_AT_FAILED)
                        add(&s, s.machine.result);
                if (!text_equal(s.trace.data, rows[i].trace))
                        fail_msg("row %zu: %s\n  %s\n  expected\n  %s", i, rows[i].events, s.trace.data, rows[i].trace);
                text_clear(&s.trace);
                socket_unit_done(&s.unit);
        }
}

/* Whatever happens, in whichever order: it never hangs without a command, a deadline or a wish, and what was opened is closed once it is over. */
static void random_events(void **state)
{
        static const char *const events[] = { "stop", "fail", "exit=0", "exit=1", "exit=-15", "time", "exit=0", "exit=0" };
        static const char *const units[] = { "", PRE, ALL, ALL "KillMode=none\n", ALL "TimeoutSec=0\n", PRE "ExecStopPre=-/x\nKillMode=mixed\nSendSIGKILL=no\n" };
        (void)state;
        srand(1);
        for (int run = 0; run < 20000; run++) {
                struct stage s = { .clock = 1000000, .fails = rand() % 8, .closed = rand() % 4 == 0 };
                read_unit(units[run % (int)ELEMENTS(units)], &s.unit);
                socket_machine_init(&s.machine, &s.unit, &ops, &s);
                socket_machine_start(&s.machine);
                for (int i = 0; i < 40 && !socket_machine_is_over(&s.machine); i++) {
                        assert_true(s.machine.state == SOCKET_AT_LISTENING || s.machine.command_alive);
                        happen(&s, events[rand() % (int)ELEMENTS(events)]);
                }
                if (socket_machine_is_over(&s.machine))
                        assert_true(!s.machine.opened && !s.machine.command_alive && (s.machine.state == SOCKET_AT_FAILED) == (s.machine.result != NULL));
                text_clear(&s.trace);
                socket_unit_done(&s.unit);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(rows_hold), cmocka_unit_test(random_events) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
