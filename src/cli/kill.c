/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/signal_name.h"
#include "cli/commands.h"
#include "cli/target.h"
#include "shim/client.h"

struct kill_arguments {
        int signal;
        bool all;
        char *unit;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct kill_arguments *a = state->input;
        switch (key) {
        case 's':
                a->signal = signal_from_name(arg);
                if (a->signal < 0)
                        argp_error(state, "unknown signal %s", arg);
                return 0;
        case 'a':
                a->all = true;
                return 0;
        case ARGP_KEY_ARG:
                if (a->unit)
                        argp_error(state, "one unit only");
                a->unit = arg;
                return 0;
        case ARGP_KEY_NO_ARGS:
                argp_error(state, "which unit?");
                return EINVAL;
        default:
                return ARGP_ERR_UNKNOWN;
        }
}

int cmd_kill(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "signal", 's', "SIGNAL", 0, "The signal to send (default: TERM)", 0 },
                { "all", 'a', NULL, 0, "To all processes of the run, not only its main one", 0 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, "UNIT", "Send a signal to a run", NULL, NULL, NULL };
        struct kill_arguments a = { .signal = SIGTERM };
        struct error e = { 0 };
        CLEAN_TARGET struct target t = TARGET_INIT;
        if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
                return 1;
        if (target_open(a.unit, &t, &e) < 0)
                return target_fail("signal", a.unit, &e);
        if (run_state_ended(&t.state)) {
                (void)error_set(&e, ESRCH, "unit.ended", "%s has ended", t.unit);
                return target_fail("signal", a.unit, &e);
        }
        CLEAN_FD int fd = client_connect(t.dir_fd, &e);
        if (fd < 0 || client_kill(fd, a.signal, a.all, &e) < 0)
                return target_fail("signal", a.unit, &e);
        return 0;
}
