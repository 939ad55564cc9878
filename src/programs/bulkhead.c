/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/commands.h"
#include "os/probe.h"

static const struct command {
        const char *name;
        int (*run)(int argc, char **argv);
        const char *summary;
} commands[] = {
        { "run", cmd_run, "Run a command in a sandbox" },
        { "explain", cmd_explain, "Show in words what run would do" },
        { "learn", cmd_learn, "Write the tightest directives under which a command still works" },
        { "score", cmd_score, "Show how exposed the service of a unit file would be" },
        { "ps", cmd_ps, "List runs" },
        { "logs", cmd_logs, "Show the output of a run" },
        { "stop", cmd_stop, "Stop runs and forget them" },
        { "kill", cmd_kill, "Send a signal to a run" },
        { "inspect", cmd_inspect, "Show all that is known of a run" },
        { "attach", cmd_attach, "Connect the terminal to a run" },
        { "unit", cmd_unit, "Start, stop, show and verify systemd's units" },
        { "apply", cmd_apply, "Have groups be as files say, and wait until they are" },
        { "plan", cmd_plan, "Show what apply would change" },
        { "status", cmd_status, "Say how groups are" },
        { "events", cmd_events, "Show what happened to groups" },
        { "group", cmd_group, "Commit, scale, pause, undo and destroy groups" },
        { "instance", cmd_instance, "Call an instance plugin by hand" },
        { "flavor", cmd_flavor, "Call a flavor plugin by hand" },
        { "plugin", cmd_plugin, "Start, list and stop plugins" },
        { "template", cmd_template, "Expand a template" },
        { "boot-units", cmd_boot_units, "Start a folder of units in order and look after them" },
        { "init", cmd_init, "The same, as process 1 of a container or machine" },
};

static int usage(FILE *f)
{
        fputs("usage: bulkhead COMMAND [OPTION...]\n\n", f);
        for (size_t i = 0; i < ELEMENTS(commands); i++)
                fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].summary);
        fputs("\n\"bulkhead COMMAND --help\" tells more.\n", f);
        return f == stdout ? 0 : 2;
}

/* A caller that closed 0, 1 or 2 must not find our own files and sockets there. */
static void fill_stdio(void)
{
        int fd;
        while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= 2)
                continue;
        (void)fd_close(fd);
}

int main(int argc, char **argv)
{
        fill_stdio();
        if (argc < 2)
                return usage(stderr);
        if (text_equal(argv[1], "--help") || text_equal(argv[1], "help"))
                return usage(stdout);
        if (text_equal(argv[1], "--version")) {
                puts("bulkhead " BULKHEAD_VERSION);
                return 0;
        }
        if (text_equal(argv[1], "__complete")) /* for the shells: not in the list */
                return cmd_complete_groups(argc - 1, argv + 1);
        if (text_equal(argv[1], PROBE_COMMAND)) /* for "score --measured", inside the sandbox */
                return probe_main(argc - 1, argv + 1);
        for (size_t i = 0; i < ELEMENTS(commands); i++)
                if (text_equal(argv[1], commands[i].name)) {
                        CLEAN_FREE char *name = xprintf("bulkhead %s", argv[1]);
                        argv[1] = name;
                        return commands[i].run(argc - 1, argv + 1);
                }
        fprintf(stderr, "bulkhead: unknown command \"");
        text_print_safe(stderr, argv[1]);
        fputs("\"\n", stderr);
        return usage(stderr);
}
