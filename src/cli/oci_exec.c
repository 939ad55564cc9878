/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/oci.h"
#include "runtime/exec.h"
#include "runtime/supervise.h"

enum { KEY_CONSOLE = 256, KEY_PID_FILE, KEY_PIDFD_SOCKET, KEY_CWD, KEY_LABEL, KEY_APPARMOR, KEY_NNP, KEY_PRESERVE, KEY_CGROUP, KEY_IGNORE_PAUSED,
       KEY_NO_KEYRING };

static const struct argp_option options[] = {
        { "process", 'p', "FILE", 0, "Read the process object from FILE", 0 },
        { "console-socket", KEY_CONSOLE, "PATH", 0, "Send the terminal to the unix socket PATH", 0 },
        { "pid-file", KEY_PID_FILE, "FILE", 0, "Write the process id to FILE", 0 },
        { "pidfd-socket", KEY_PIDFD_SOCKET, "PATH", 0, "Send a pidfd of the process to PATH", 0 },
        { "cwd", KEY_CWD, "PATH", 0, "Start in PATH", 1 },
        { "env", 'e', "NAME=VALUE", 0, "Set a variable", 1 },
        { "tty", 't', NULL, 0, "Run on a terminal", 1 },
        { "user", 'u', "UID[:GID]", 0, "Run as this user", 1 },
        { "additional-gids", 'g', "GID", 0, "One more group", 1 },
        { "cap", 'c', "CAPABILITY", 0, "One more capability", 1 },
        { "no-new-privs", KEY_NNP, NULL, 0, "Never gain privileges by exec", 1 },
        { "apparmor", KEY_APPARMOR, "PROFILE", 0, "AppArmor profile", 1 },
        { "process-label", KEY_LABEL, "LABEL", 0, "SELinux label", 1 },
        { "cgroup", KEY_CGROUP, "PATH", 0, "Run in a sub-group of the container's", 1 },
        { "detach", 'd', NULL, 0, "Do not wait for the end", 2 },
        { "preserve-fds", KEY_PRESERVE, "N", 0, "Pass N more descriptors from 3 on", 2 },
        { "ignore-paused", KEY_IGNORE_PAUSED, NULL, 0, "Into a paused container as well", 2 },
        { "no-new-keyring", KEY_NO_KEYRING, NULL, 0, "Keep the caller's session keyring", 2 },
        { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
        struct exec_options *x = state->input;
        switch (key) {
        case 'p': x->process_file = arg; return 0;
        case 'e': strings_add(&x->environment, arg); return 0;
        case 't': x->tty = true; return 0;
        case 'u': x->user = arg; return 0;
        case 'g': strings_add(&x->additional_gids, arg); return 0;
        case 'c': strings_add(&x->capabilities, arg); return 0;
        case 'd': x->o.detaches = true; return 0;
        case KEY_CONSOLE: x->o.console_socket = arg; return 0;
        case KEY_PID_FILE: x->o.pid_file = arg; return 0;
        case KEY_PIDFD_SOCKET: x->o.pidfd_socket = arg; return 0;
        case KEY_CWD: x->cwd = arg; return 0;
        case KEY_LABEL: x->process_label = arg; return 0;
        case KEY_APPARMOR: x->apparmor = arg; return 0;
        case KEY_NNP: x->no_new_privileges = true; return 0;
        case KEY_CGROUP: x->sub_cgroup = arg; return 0;
        case KEY_IGNORE_PAUSED: x->ignore_paused = true; return 0;
        case KEY_NO_KEYRING: x->o.no_new_keyring = true; return 0;
        case KEY_PRESERVE:
                if (oci_parse_preserve_fds(arg, &x->o.preserve_fds) < 0)
                        argp_error(state, "--preserve-fds takes how many descriptors from 3 on are open, up to 4096");
                return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

static void options_done(struct exec_options *x)
{
        struct strings *const lists[] = { &x->argv, &x->environment, &x->capabilities, &x->additional_gids };
        for (size_t i = 0; i < ELEMENTS(lists); i++)
                strings_clear(lists[i]);
}

static int fail(const struct oci_globals *g, const struct error *e)
{
        (void)oci_say_failed(g, "cannot exec in the container", e);
        return oci_exec_status(e, 255);
}

int oci_cmd_exec(const struct oci_globals *g, int argc, char **argv)
{
        CLEAN(options_done) struct exec_options x = { .o = { .io = { .in = 0, .out = 1, .err = 2 } } };
        struct oci_arguments a = { .options = options, .parse = parse, .input = &x, .usage = "CONTAINER [PROGRAM [ARGUMENT...]]",
                                   .doc = "Run another program in a container", .takes_rest = true };
        CLEAN_RECORD struct record r = RECORD_INIT;
        CLEAN_CREATION struct creation c = CREATION_INIT;
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        for (int i = 0; i < a.rest_count; i++)
                strings_add(&x.argv, a.rest[i]);
        if (!x.o.detaches)
                supervise_prepare(false);
        if (oci_open(g, a.id, &r, &e) < 0 || exec_make(&r, &x, &c, &e) < 0)
                return fail(g, &e);
        if (x.o.detaches)
                return 0;
        const struct supervision s = { .pid = c.child.pid, .pidfd = c.child.pidfd, .terminal_fd = c.terminal_fd };
        return supervise(&s);
}
