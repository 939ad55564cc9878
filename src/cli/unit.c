/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead unit: systemd's units, read, checked and started. */
#include "cli/unit.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/target.h"
#include "plan/plan.h"

static const struct verb {
        const char *name;
        int (*run)(int argc, char **argv);
        const char *summary;
} verbs[] = {
        { "start", unit_cmd_start, "Start services and wait until they are up" },
        { "stop", unit_cmd_stop, "Stop services and wait until they are down" },
        { "restart", unit_cmd_restart, "Stop services and start them again, with their files as they are now" },
        { "reload", unit_cmd_reload, "Have services read their configuration again" },
        { "reset-failed", unit_cmd_reset_failed, "Forget failures, and the starts that were counted" },
        { "run", unit_cmd_run, "Start a service, show its output, and end as it ends" },
        { "status", unit_cmd_status, "Say how services are" },
        { "cat", unit_cmd_cat, "Show a unit's file and its drop-ins" },
        { "show", unit_cmd_show, "Show what holds when all of them are read" },
        { "verify", unit_cmd_verify, "Say what is wrong in units" },
        { "escape", unit_cmd_escape, "Write texts as parts of units' names" },
        { "calendar", unit_cmd_calendar, "Show when calendar events (OnCalendar=) are" },
};

/* ---- options ---- */

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct unit_options *o = state->input;
        uint64_t n;
        switch (key) {
        case KEY_UNIT_PATH: o->unit_path = arg; return 0;
        case KEY_USER: o->user_mode = true; return 0;
        case KEY_SYSTEM: o->user_mode = false; return 0;
        case KEY_LENIENT: o->lenient = true; return 0;
        case KEY_PATH: o->as_path = true; return 0;
        case KEY_SEAL: {
                enum plan_seal ignored;
                if (plan_seal_parse(arg, &ignored) < 0)
                        argp_error(state, "--seal takes %s", PLAN_SEAL_WORDS);
                o->seal = arg;
                return 0;
        }
        case KEY_PROFILE: o->profile = arg; return 0;
        case KEY_REPORT: o->report_denials = true; return 0;
        case KEY_NO_BLOCK: o->no_wait = true; return 0;
        case KEY_BASE_TIME: o->base_time = arg; return 0;
        case KEY_ITERATIONS:
                if (text_parse_uint(arg, UNIT_ITERATIONS_MAX, &n) < 0 || n == 0)
                        argp_error(state, "--iterations takes a number from 1 to %d", UNIT_ITERATIONS_MAX);
                o->iterations = (unsigned)n;
                return 0;
        case 'u': o->unescape = true; return 0;
        case 'p': strings_add(&o->properties, arg); return 0;
        case 'j': o->json = true; return 0;
        case 'q': o->quiet = true; return 0;
        case ARGP_KEY_ARG:
                if (o->names_max && o->names.count == o->names_max)
                        argp_error(state, "one unit only");
                strings_add(&o->names, arg);
                return 0;
        case ARGP_KEY_NO_ARGS:
                if (o->names_optional)
                        return 0;
                argp_error(state, "nothing is named");
                return EINVAL;
        default:
                return ARGP_ERR_UNKNOWN;
        }
}

bool unit_options_parse(struct unit_options *o, const struct argp_option *options, const char *arguments, const char *about, int argc, char **argv)
{
        const struct argp argp = { options, parse_option, arguments, about, NULL, NULL, NULL };
        struct error e = { 0 };
        o->unit_path = getenv("BULKHEAD_UNIT_PATH");
        o->user_mode = geteuid() != 0;
        if (argp_parse(&argp, argc, argv, 0, NULL, o) != 0)
                return false;
        if (unit_folders(o->unit_path, o->user_mode, &o->folders, &e) == 0)
                return true;
        error_print(stderr, "bulkhead", "cannot look for units", &e);
        return false;
}

void unit_options_done(struct unit_options *o)
{
        strings_clear(&o->names);
        strings_clear(&o->properties);
        strings_clear(&o->folders);
}

/* ---- loading ---- */

static bool has_type(const char *name)
{
        CLEAN_FREE char *any = xprintf("a%s", strrchr(name, '.') ? strrchr(name, '.') : "");
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        return unit_name_parse(any, &n, NULL) == 0;
}

int unit_open(const struct unit_options *o, const char *verb, const char *name, struct unit *ret)
{
        CLEAN_FREE char *full = xprintf("%s%s", name, strchr(name, '/') || has_type(name) ? "" : ".service");
        struct error e = { 0 };
        int r = unit_load(&o->folders, full, o->lenient, ret, &e);
        if (r < 0) {
                (void)target_fail(verb, name, &e);
                return r;
        }
        for (size_t i = 0; i < ret->notes.count; i++)
                error_note(stderr, "bulkhead", ret->notes.items[i]);
        return 0;
}

/* ---- cat ---- */

static void print_source(const struct unit_source *s, bool first)
{
        fputs(first ? "# " : "\n# ", stdout);
        text_print_safe(stdout, s->path);
        fputc('\n', stdout);
        (void)fwrite(s->text.data, 1, s->text.length, stdout);
        if (s->text.length && s->text.data[s->text.length - 1] != '\n')
                fputc('\n', stdout);
}

int unit_cmd_cat(int argc, char **argv)
{
        static const struct argp_option options[] = { UNIT_OPTIONS_SEARCH, UNIT_OPTION_LENIENT, { 0 } };
        CLEAN_UNIT_OPTIONS struct unit_options o = { 0 };
        bool first = true, failed = false;
        if (!unit_options_parse(&o, options, "NAME|FILE...", "Show a unit's file and its drop-ins, in the order in which they take effect", argc, argv))
                return 1;
        for (size_t i = 0; i < o.names.count; i++) {
                CLEAN_UNIT struct unit u = { 0 };
                failed |= unit_open(&o, "show", o.names.items[i], &u) < 0;
                for (size_t k = 0; k < u.count; k++, first = false)
                        print_source(&u.sources[k], first);
        }
        return fflush(stdout) == 0 && !failed ? 0 : 1;
}

/* ---- escape ---- */

int unit_cmd_escape(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "unescape", 'u', NULL, 0, "Read them again", 1 },
                { "path", KEY_PATH, NULL, 0, "They are paths", 1 },
                { 0 },
        };
        CLEAN_UNIT_OPTIONS struct unit_options o = { 0 };
        if (!unit_options_parse(&o, options, "TEXT...", "Write texts as parts of units' names, one a line", argc, argv))
                return 1;
        for (size_t i = 0; i < o.names.count; i++) {
                CLEAN_FREE char *text = NULL;
                const char *name = o.names.items[i];
                int r = 0;
                if (!o.unescape && !o.as_path)
                        text = unit_escape(name);
                else
                        r = (o.unescape ? o.as_path ? unit_unescape_path : unit_unescape : unit_escape_path)(name, &text);
                if (r < 0) {
                        struct error e = { 0 };
                        error_set(&e, r, "unit.escape", "\"%.80s\" is no %s", name, o.unescape ? "escaped text" : "path without \"..\"");
                        return target_fail("escape", name, &e);
                }
                puts(text);
        }
        return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- the command ---- */

static int usage(FILE *f)
{
        fputs("usage: bulkhead unit VERB [OPTION...] NAME|FILE...\n\n", f);
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                fprintf(f, "  %-12s %s\n", verbs[i].name, verbs[i].summary);
        fputs("\n\"bulkhead unit VERB --help\" tells more.\n", f);
        return f == stdout ? 0 : 2;
}

int cmd_unit(int argc, char **argv)
{
        if (argc < 2)
                return usage(stderr);
        if (text_equal(argv[1], "--help") || text_equal(argv[1], "-?"))
                return usage(stdout);
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                if (text_equal(argv[1], verbs[i].name)) {
                        CLEAN_FREE char *name = xprintf("bulkhead unit %s", argv[1]);
                        argv[1] = name;
                        return verbs[i].run(argc - 1, argv + 1);
                }
        fputs("bulkhead unit: unknown verb \"", stderr);
        text_print_safe(stderr, argv[1]);
        fputs("\"\n", stderr);
        return usage(stderr);
}
