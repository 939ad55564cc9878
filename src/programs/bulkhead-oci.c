/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <argp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/oci.h"
#include "os/self.h"

enum { KEY_ROOT = 256, KEY_LOG, KEY_LOG_FORMAT, KEY_LOG_LEVEL, KEY_DEBUG, KEY_SYSTEMD, KEY_MANAGER, KEY_ROOTLESS };

static const struct argp_option options[] = {
        { "root", KEY_ROOT, "PATH", 0, "Where the state of containers is kept", 0 },
        { "log", KEY_LOG, "FILE", 0, "Where errors are logged, besides standard error", 0 },
        { "log-format", KEY_LOG_FORMAT, "FORMAT", 0, "text or json", 0 },
        { "log-level", KEY_LOG_LEVEL, "LEVEL", 0, "error, warning or debug", 0 },
        { "debug", KEY_DEBUG, NULL, 0, "Log more", 0 },
        { "systemd-cgroup", KEY_SYSTEMD, NULL, 0, "Have systemd make the control groups", 0 },
        { "cgroup-manager", KEY_MANAGER, "MANAGER", 0, "cgroupfs, systemd or disabled", 0 },
        { "rootless", KEY_ROOTLESS, "BOOL", 0, "Ignored: found out by itself", 0 },
        { 0 },
};

struct line {
        struct oci_globals g;
        int command_at; /* index in argv */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
        static const char *const managers[] = { "cgroupfs", "systemd", "disabled" };
        struct line *l = state->input;
        switch (key) {
        case KEY_ROOT: l->g.root = arg; return 0;
        case KEY_LOG:
                l->g.log = text_starts(arg, "file:") ? arg + 5 : arg;
                return 0;
        case KEY_LOG_FORMAT:
                if (!text_equal(arg, "json") && !text_equal(arg, "text"))
                        argp_error(state, "--log-format takes text or json");
                l->g.log_json = text_equal(arg, "json");
                return 0;
        case KEY_LOG_LEVEL: l->g.debug |= text_equal(arg, "debug"); return 0;
        case KEY_DEBUG: l->g.debug = true; return 0;
        case KEY_SYSTEMD: l->g.manager = MANAGER_SYSTEMD; return 0;
        case KEY_ROOTLESS: return 0;
        case KEY_MANAGER:
                for (size_t i = 0; i < ELEMENTS(managers); i++)
                        if (text_equal(arg, managers[i])) {
                                l->g.manager = (enum cgroup_manager)i;
                                return 0;
                        }
                argp_error(state, "--cgroup-manager takes cgroupfs, systemd or disabled");
                return EINVAL;
        case ARGP_KEY_ARG:
                l->command_at = state->next - 1;
                state->next = state->argc;
                return 0;
        case ARGP_KEY_NO_ARGS: argp_usage(state); return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

/* The last line is in the words of crun, whose callers look for them. */
static void print_version(FILE *f, struct argp_state *state)
{
        (void)state;
        fputs("bulkhead-oci version " BULKHEAD_VERSION "\nspec: 1.3.0\n"
              "+SELINUX +APPARMOR +CAP +SECCOMP +EBPF +CRIU +CGROUPS_V1 +CGROUPS_V2\n", f);
}

static char *list_commands(int key, const char *text, void *input)
{
        CLEAN_TEXT struct text t = { 0 };
        (void)input;
        if (key != ARGP_KEY_HELP_POST_DOC)
                return (char *)text;
        text_add(&t, "COMMANDS:\n");
        for (const struct oci_command *c = oci_commands; c->name; c++)
                text_addf(&t, "  %-12s %s\n", c->name, c->summary);
        return TAKE_PTR(t.data);
}

/* A caller that closed 0, 1 or 2 must not find our own files and sockets there. */
static void fill_stdio(void)
{
        int fd;
        while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= 2)
                continue;
        (void)fd_close(fd);
}

/* Kernels that cannot exchange a process's file: start again from a read-only copy of its mount. */
static void start_read_only(char **argv)
{
        if (self_can_exchange() || self_is_read_only())
                return;
        CLEAN_FD int fd = self_open_read_only();
        if (fd >= 0)
                (void)self_execute(fd, argv);
}

int main(int argc, char **argv)
{
        static const struct argp argp = { options, parse, "COMMAND [OPTION...]", "OCI runtime\v", NULL, list_commands, NULL };
        struct line l = { .command_at = 0 };
        if (fcntl(2, F_GETFD) < 0 || fcntl(1, F_GETFD) < 0 || fcntl(0, F_GETFD) < 0)
                fill_stdio();
        start_read_only(argv);
        argp_program_version_hook = print_version;
        argp_err_exit_status = 1;
        if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &l) != 0)
                return 1;
        CLEAN_FREE char *root = l.g.root ? NULL : record_default_root();
        if (!l.g.root)
                l.g.root = root;
        const char *name = argv[l.command_at];
        for (const struct oci_command *c = oci_commands; c->name; c++)
                if (text_equal(c->name, name)) {
                        /* A container can be taken away in any case: the log may have been in a bundle that is gone. */
                        if (c->run != oci_cmd_delete && !oci_log_opens(&l.g))
                                return 1;
                        CLEAN_FREE char *shown = xprintf("bulkhead-oci %s", name);
                        argv[l.command_at] = shown;
                        return c->run(&l.g, argc - l.command_at, argv + l.command_at);
                }
        fputs("bulkhead-oci: unknown command \"", stderr);
        text_print_safe(stderr, name);
        fputs("\"; try \"bulkhead-oci --help\".\n", stderr);
        return 1;
}
