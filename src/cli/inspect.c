/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <argp.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/record.h"
#include "cli/target.h"

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        switch (key) {
        case ARGP_KEY_ARG:
                if (state->arg_num > 0)
                        argp_error(state, "one unit only");
                *(char **)state->input = arg;
                return 0;
        case ARGP_KEY_NO_ARGS:
                argp_error(state, "which unit?");
                return EINVAL;
        default:
                return ARGP_ERR_UNKNOWN;
        }
}

int cmd_inspect(int argc, char **argv)
{
        static const struct argp argp = { NULL, parse_option, "UNIT", "Show all that is known about a run, as JSON", NULL,
                                          NULL, NULL };
        char *name = NULL;
        struct error e = { 0 };
        CLEAN_TARGET struct target t = TARGET_INIT;
        if (argp_parse(&argp, argc, argv, 0, NULL, &name) != 0)
                return 1;
        if (target_open(name, &t, &e) < 0)
                return target_fail("inspect", name, &e);
        record_refresh(&t);
        if (record_print_json(&t, &e) < 0)
                return target_fail("inspect", name, &e);
        return fflush(stdout) == 0 ? 0 : 1;
}
