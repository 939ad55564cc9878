/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* create, run and start: they share their options and their way of making a container. */
#include "cli/oci.h"

#include <poll.h>
#include <string.h>

#include "runtime/activation.h"
#include "runtime/supervise.h"

enum { KEY_CONSOLE = 256, KEY_PID_FILE, KEY_PIDFD_SOCKET, KEY_NO_PIVOT, KEY_NO_KEYRING, KEY_PRESERVE, KEY_CONFIG, KEY_KEEP, KEY_NO_SUBREAPER,
       KEY_NO_NEW_KEYRING };

#define SHARED_OPTIONS                                                                                       \
        { "bundle", 'b', "DIR", 0, "The bundle (default: this folder)", 0 },                                 \
        { "config", 'f', "FILE", 0, "Another file than config.json of the bundle", 0 },                      \
        { "console-socket", KEY_CONSOLE, "PATH", 0, "Send the terminal to the unix socket PATH", 0 },        \
        { "pid-file", KEY_PID_FILE, "FILE", 0, "Write the process id to FILE", 0 },                          \
        { "pidfd-socket", KEY_PIDFD_SOCKET, "PATH", 0, "Send a pidfd of the process to PATH", 0 },           \
        { "no-pivot", KEY_NO_PIVOT, NULL, 0, "Use chroot: for a root on the initial ramfs", 0 },             \
        { "no-new-keyring", KEY_NO_KEYRING, NULL, 0, "Keep the caller's session keyring", 0 },               \
        { "preserve-fds", KEY_PRESERVE, "N", 0, "Pass N more descriptors from 3 on", 0 }

static const struct argp_option create_options[] = { SHARED_OPTIONS, { 0 } };
static const struct argp_option run_options[] = {
        SHARED_OPTIONS,
        { "detach", 'd', NULL, 0, "Do not wait for the end", 1 },
        { "keep", KEY_KEEP, NULL, 0, "Do not remove the container at its end", 1 },
        { "no-subreaper", KEY_NO_SUBREAPER, NULL, 0, "Do not adopt orphans of the container", 1 },
        { 0 },
};

struct making {
        struct creation_options o;
        bool detach, keep, no_subreaper;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
        struct making *m = state->input;
        switch (key) {
        case 'b': m->o.bundle = arg; return 0;
        case 'f': m->o.config = arg; return 0;
        case 'd': m->detach = true; return 0;
        case KEY_KEEP: m->keep = true; return 0;
        case KEY_NO_SUBREAPER: m->no_subreaper = true; return 0;
        case KEY_CONSOLE: m->o.console_socket = arg; return 0;
        case KEY_PID_FILE: m->o.pid_file = arg; return 0;
        case KEY_PIDFD_SOCKET: m->o.pidfd_socket = arg; return 0;
        case KEY_NO_PIVOT: m->o.no_pivot = true; return 0;
        case KEY_NO_KEYRING: m->o.no_new_keyring = true; return 0;
        case KEY_PRESERVE:
                if (oci_parse_preserve_fds(arg, &m->o.preserve_fds) < 0)
                        argp_error(state, "--preserve-fds takes how many descriptors from 3 on are open, up to 4096");
                return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

static int begin(const struct oci_globals *g, struct making *m, const struct argp_option *options, const char *doc, int argc, char **argv)
{
        struct oci_arguments a = { .options = options, .parse = parse, .input = m, .doc = doc };
        m->o = (struct creation_options){ .bundle = ".", .manager = g->manager, .io = { .in = 0, .out = 1, .err = 2 } };
        int status = oci_parse(&a, argc, argv);
        m->o.id = a.id;
        return status;
}

static int make(const struct oci_globals *g, const struct creation_options *o, struct creation *c, struct error *e)
{
        int root_fd = oci_open_root(g, true, e); /* borrowed by the record; the program is short-lived */
        return root_fd < 0 ? root_fd : creation_make(root_fd, o, c, e);
}

int oci_cmd_create(const struct oci_globals *g, int argc, char **argv)
{
        struct making m = { 0 };
        CLEAN_CREATION struct creation c = CREATION_INIT;
        struct error e = { 0 };
        int status = begin(g, &m, create_options, "Make a container, up to the point where its program would start", argc, argv);
        if (status)
                return status;
        m.o.waits = m.o.detaches = true;
        return make(g, &m.o, &c, &e) < 0 ? oci_say_failed(g, "cannot create the container", &e) : 0;
}

static void wait_ready(int notify_fd, const struct record *r)
{
        CLEAN_FD int pidfd = notify_fd < 0 ? -EBADF : record_pidfd(r);
        if (pidfd >= 0)
                activation_until_ready(notify_fd, r, pidfd);
}

int oci_cmd_run(const struct oci_globals *g, int argc, char **argv)
{
        struct making m = { 0 };
        CLEAN_CREATION struct creation c = CREATION_INIT;
        struct error e = { 0 };
        int status = begin(g, &m, run_options, "Create and start a container", argc, argv);
        if (status)
                return status;
        m.o.detaches = m.detach;
        if (!m.detach)
                supervise_prepare(!m.no_subreaper);
        if (make(g, &m.o, &c, &e) < 0) {
                (void)oci_say_failed(g, "cannot run the container", &e);
                return oci_exec_status(&e, 1);
        }
        CLEAN_FD int notify = TAKE_FD(c.notify_fd);
        if (!m.detach && notify >= 0 && activation_forward(notify, &e) < 0) {
                (void)container_delete(&c.record, true, NULL);
                return oci_say_failed(g, "cannot run the container", &e);
        }
        if (container_poststart(&c.record, &c.plan, &e) < 0) {
                (void)container_delete(&c.record, true, NULL);
                return oci_say_failed(g, "cannot run the container", &e);
        }
        if (m.detach) {
                record_unlock(&c.record);
                wait_ready(notify, &c.record);
                return 0;
        }
        record_unlock(&c.record);
        const struct supervision s = { .pid = c.record.pid, .pidfd = c.child.pidfd, .terminal_fd = c.terminal_fd };
        status = supervise(&s);
        if (!m.keep && container_delete(&c.record, true, &e) < 0)
                (void)oci_say_failed(g, "cannot remove the container", &e);
        return status;
}

/* Whoever sees a container by its state may start it while its create is still at work: that will be over soon. */
static int open_created(const struct oci_globals *g, const char *id, struct record *ret, struct error *e)
{
        enum { WAIT_MS = 30000, STEP_MS = 5 };
        for (int waited_ms = 0;; waited_ms += STEP_MS) {
                CLEAN_RECORD struct record r = RECORD_INIT;
                int k = oci_open(g, id, &r, e);
                if (k < 0)
                        return k;
                if (record_status(&r) != RECORD_CREATING || waited_ms >= WAIT_MS) {
                        *ret = r;
                        r = (struct record)RECORD_INIT;
                        return 0;
                }
                (void)poll(NULL, 0, STEP_MS);
        }
}

int oci_cmd_start(const struct oci_globals *g, int argc, char **argv)
{
        struct oci_arguments a = { .doc = "Start the program of a container that was created" };
        CLEAN_RECORD struct record r = RECORD_INIT;
        CLEAN_JSON struct json_document config = { 0 };
        CLEAN_PLAN struct plan p = { 0 };
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        int k = open_created(g, a.id, &r, &e);
        if (k == 0)
                k = container_plan(&r, &config, &p, &e);
        /* Before the program runs: it may tell that it is ready at once. */
        CLEAN_FD int notify = k == 0 && record_status(&r) == RECORD_CREATED ? activation_listen(&r, &e) : -EBADF;
        if (k == 0 && e.code)
                k = e.code;
        if (k == 0)
                k = container_start(&r, &p, &e);
        if (k == 0)
                k = container_poststart(&r, &p, &e);
        if (k < 0) {
                /* A hook's failure ends the container; poststop hooks run with its removal. */
                if (text_equal(e.id, "hook.failed"))
                        (void)container_delete(&r, true, NULL);
                return oci_say_failed(g, "cannot start the container", &e);
        }
        wait_ready(notify, &r);
        return 0;
}
