/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead template: what a fleet file becomes before it is read. */
#include <argp.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/group_input.h"
#include "cli/target.h"

struct options {
        const char *file;
        struct strings variables;
};

enum { KEY_VAR = 0x100 };

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct options *o = state->input;
        switch (key) {
        case KEY_VAR: strings_add(&o->variables, arg); return 0;
        case ARGP_KEY_ARG:
                if (o->file)
                        argp_error(state, "one file only");
                o->file = arg;
                return 0;
        case ARGP_KEY_NO_ARGS: argp_error(state, "which file?"); return EINVAL;
        default: return ARGP_ERR_UNKNOWN;
        }
}

int cmd_template(int argc, char **argv)
{
        static const struct argp_option options[] = { { "var", KEY_VAR, "NAME=VALUE", 0, "What {{ var \"NAME\" }} gives", 0 }, { 0 } };
        static const struct argp argp = { options, parse_option, "FILE|-", "Expand a template and print what it becomes", NULL, NULL, NULL };
        struct options o = { 0 };
        struct error e = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
                return 1;
        int r = input_expand(o.file, &o.variables, &t, &e);
        strings_clear(&o.variables);
        if (r < 0)
                return target_fail("expand", o.file, &e);
        (void)fwrite(t.length ? t.data : "", 1, t.length, stdout);
        return fflush(stdout) == 0 ? 0 : 1;
}
