/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <argp.h>
#include <poll.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/target.h"
#include "shim/client.h"

struct stop_arguments {
        uint32_t timeout_ms;
        struct strings units;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct stop_arguments *a = state->input;
        uint64_t usec;
        switch (key) {
        case 't':
                if (text_parse_span_usec(arg, &usec) < 0 || usec / 1000 >= WIRE_STOP_DEFAULT)
                        argp_error(state, "%s is not a time", arg);
                else
                        a->timeout_ms = (uint32_t)(usec / 1000);
                return 0;
        case ARGP_KEY_ARG:
                strings_add(&a->units, arg);
                return 0;
        case ARGP_KEY_NO_ARGS:
                argp_error(state, "which unit?");
                return EINVAL;
        default:
                return ARGP_ERR_UNKNOWN;
        }
}

/* Tells the supervisor to stop; it need not hear it when it is ending anyway. The connection, or -errno. */
static int ask_stop(const struct target *t, uint32_t timeout_ms, struct error *e)
{
        CLEAN_FD int fd = client_connect(t->dir_fd, e);
        if (fd < 0)
                return run_is_live(t->dir_fd) ? fd : -ESRCH;
        int r = client_stop(fd, timeout_ms, e);
        if (r < 0)
                return run_is_live(t->dir_fd) ? r : -ESRCH;
        return TAKE_FD(fd);
}

/* The lock tells when the supervisor is gone: it is the last thing that it gives back. */
static void wait_gone(int dir_fd)
{
        for (int i = 0; run_is_live(dir_fd); i++)
                (void)poll(NULL, 0, i < 50 ? 1 : 10);
}

static int stop_one(const char *name, int fd, struct target *t, struct error *e)
{
        struct wire_exited ignored = { 0 };
        if (fd >= 0)
                (void)client_wait(fd, &ignored, NULL);
        wait_gone(t->dir_fd);
        int r = run_remove(t->root_fd, t->unit);
        return r < 0 && r != -ENOENT ? error_errno(e, r, "state.remove", "remove the record of %s", name) : 0;
}

struct stopping {
        struct target target;
        int fd;
        bool asked;
};

int cmd_stop(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "time", 't', "SEC", 0, "How long to wait before SIGKILL (default: as the run says, or 10)", 0 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, "UNIT...", "Stop runs and remove their records", NULL, NULL,
                                          NULL };
        struct stop_arguments a = { .timeout_ms = WIRE_STOP_DEFAULT };
        int status = 0;
        if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
                return 1;
        struct stopping *all = xalloc(a.units.count, sizeof *all);
        /* All are asked first, so that many stop in the time of one. */
        for (size_t i = 0; i < a.units.count; i++) {
                struct error e = { 0 };
                struct stopping *s = &all[i];
                s->target = (struct target)TARGET_INIT;
                s->fd = -ESRCH;
                int r = target_open(a.units.items[i], &s->target, &e);
                if (r == 0 && !run_state_ended(&s->target.state))
                        s->fd = ask_stop(&s->target, a.timeout_ms, &e);
                s->asked = r == 0 && (s->fd >= 0 || s->fd == -ESRCH);
                if (!s->asked)
                        status = target_fail("stop", a.units.items[i], &e);
        }
        for (size_t i = 0; i < a.units.count; i++) {
                struct error e = { 0 };
                if (all[i].asked && stop_one(a.units.items[i], all[i].fd, &all[i].target, &e) < 0)
                        status = target_fail("stop", a.units.items[i], &e);
                (void)fd_close(all[i].fd);
                target_close(&all[i].target);
        }
        free(all);
        strings_clear(&a.units);
        return status;
}
