/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <argp.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/target.h"
#include "shim/client.h"

struct attach_arguments {
        bool no_stdin;
        char *unit;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct attach_arguments *a = state->input;
        switch (key) {
        case 'n':
                a->no_stdin = true;
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

static void print_note(void *data, const char *text)
{
        (void)data;
        fputs("bulkhead: ", stderr);
        text_print_safe(stderr, text);
        fputc('\n', stderr);
}

int cmd_attach(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "no-stdin", 'n', NULL, 0, "Only watch", 0 },
                { 0 },
        };
        static const struct argp argp = {
                options, parse_option, "UNIT",
                "Connect the terminal to a run\vPress ^] three times within a second to detach.", NULL, NULL, NULL
        };
        struct attach_arguments a = { 0 };
        struct error e = { 0 };
        CLEAN_TARGET struct target t = TARGET_INIT;
        if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
                return 1;
        if (target_open(a.unit, &t, &e) < 0)
                return target_fail("attach to", a.unit, &e);
        if (run_state_ended(&t.state)) {
                (void)error_set(&e, ESRCH, "unit.ended", "%s has ended", t.unit);
                error_hint(&e, "bulkhead logs %s shows its output", t.unit);
                return target_fail("attach to", a.unit, &e);
        }
        struct client_options o = { .tty = t.state.tty, .input = !a.no_stdin, .note = print_note };
        struct wire_exited end;
        CLEAN_FD int fd = client_connect(t.dir_fd, &e);
        if (fd < 0 || client_hello(fd, &o, &e) < 0)
                return target_fail("attach to", a.unit, &e);
        int r = client_attach(fd, &o, &end, &e);
        if (r < 0)
                return target_fail("follow", a.unit, &e);
        if (r == CLIENT_DETACHED)
                fprintf(stderr, "detached from %s\n", t.unit);
        return r == CLIENT_DETACHED ? 0 : client_exit_status(&end);
}
