/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/create.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "os/account.h"
#include "os/capability.h"
#include "os/descriptor.h"
#include "os/file.h"
#include "os/process.h"
#include "os/netlink.h"
#include "runtime/activation.h"
#include "runtime/checkpoint.h"
#include "runtime/filters.h"
#include "runtime/members.h"
#include "runtime/resources.h"
#include "sandbox/hooks.h"

/* ---- reading ---- */

static int read_config(struct creation *c, struct text *t, struct error *e)
{
        CLEAN_FREE char *own = c->o->config ? NULL : xprintf("%s/config.json", c->record.bundle);
        const char *path = c->o->config ? c->o->config : own;
        int r = file_read(AT_FDCWD, path, OCI_CONFIG_MAX, t);
        if (r < 0)
                return error_errno(e, r, "config.unreadable", "reading %s", path);
        return json_parse("config.json", t->data, t->length, &c->config, e);
}

static int compile(const struct record *r, const struct json_document *config, struct plan *p, struct error *e)
{
        const struct oci_facts facts = { .id = r->id, .bundle = r->bundle, .capabilities_all = capability_all(), .rootless = geteuid() != 0 };
        return oci_compile(config, &facts, p, e);
}

int container_plan(const struct record *r, struct json_document *ret_config, struct plan *p, struct error *e)
{
        int k = record_config(r, ret_config, e);
        return k < 0 ? k : compile(r, ret_config, p, e);
}

static uint64_t namespaces_of(const struct plan *p)
{
        uint64_t flags = p->namespaces | (p->container->new_users ? CLONE_NEWUSER : 0);
        for (size_t i = 0; i < p->container->join_count; i++)
                flags |= p->container->joins[i].flag;
        return flags;
}

static const char *oci_version(const struct json_document *config)
{
        static const struct json_field fields[] = { { "ociVersion", json_string, 0, 0 }, { 0 } };
        static char *version;
        const struct json_place top = json_top(config, "config.json");
        (void)json_object(&top, fields, &version, NULL);
        return version ? version : "1.0.0";
}

/* ---- what the executor asks of us ---- */

static void describe(void *context, pid_t pid, const char *status, struct text *t)
{
        const struct creation *c = context;
        record_state(&c->record, pid, status, &c->plan.container->annotations, t);
}

/*
 * prestart is what runtime-spec 1.0 calls once the container is created and its start was asked for; later versions moved the
 * moment and left the name, and the specification's own tests ask for the status of then.
 */
static int run_host_hooks(struct creation *c, pid_t pid, struct error *e)
{
        static const struct {
                enum plan_hook_kind kind;
                const char *status;
        } rows[] = { { PLAN_HOOK_PRESTART, "created" }, { PLAN_HOOK_CREATE_RUNTIME, "creating" } };
        int r = 0;
        for (size_t i = 0; r == 0 && i < ELEMENTS(rows); i++) {
                CLEAN_TEXT struct text state = { 0 };
                describe(c, pid, rows[i].status, &state);
                r = hooks_run(c->plan.container, rows[i].kind, state.data, e);
        }
        return r;
}

/* Gives the devices that were moved back, the last first. */
static void take_back(struct creation *c, size_t count)
{
        const struct plan_container *k = c->plan.container;
        while (count-- > 0) {
                const struct plan_net_device *d = &k->net_devices[count];
                char name[NETLINK_NAME_MAX];
                (void)netlink_move_device(c->network_fd, -1, d->inside ? d->inside : d->name, d->name, name, NULL);
        }
        c->network_fd = fd_close(c->network_fd);
}

static int give_devices(struct creation *c, pid_t pid, struct error *e)
{
        struct plan_container *k = c->plan.container;
        CLEAN_FREE char *path = xprintf("/proc/%d/ns/net", pid);
        c->network_fd = open(path, O_RDONLY | O_CLOEXEC);
        if (c->network_fd < 0)
                return error_errno(e, errno, "network.device", "opening the container's network namespace");
        for (size_t i = 0; i < k->net_device_count; i++) {
                struct plan_net_device *d = &k->net_devices[i];
                char name[NETLINK_NAME_MAX];
                int r = netlink_move_device(-1, c->network_fd, d->name, d->inside, name, e);
                if (r < 0) {
                        error_while(e, "applying %s", d->origin);
                        take_back(c, i);
                        return r;
                }
                free(d->inside);
                d->inside = xstrdup(name);
        }
        return 0;
}

static int serve(void *context, char request, pid_t pid, struct error *e)
{
        struct creation *c = context;
        if (request == CONTAINER_HOOKS)
                return run_host_hooks(c, pid, e);
        if (request == CONTAINER_DEVICES)
                return give_devices(c, pid, e);
        return error_set(e, ENOTSUP, "spawn.failed", "an unknown request of the set-up process");
}

static bool has_ended(pid_t child)
{
        siginfo_t i = { 0 };
        return waitid(P_PID, (id_t)child, &i, WEXITED | WNOHANG | WNOWAIT) == 0 && i.si_pid == child;
}

/* From here on whoever finds us dead knows the process; until it waits or runs it dies with us. */
static int on_born(void *context, pid_t pid, struct error *e)
{
        struct creation *c = context;
        c->record.pid = pid;
        c->record.pid_start = record_process_start(pid);
        c->born = true;
        if (!c->record.pid_start && has_ended(pid)) { /* while it was set up: it has left word of why, and needs no record */
                c->record.pid = 0;
                return 0;
        }
        if (!c->record.pid_start) /* without it nobody would know the process again */
                return error_set(e, ESRCH, "spawn.failed", "the container's process is not to be found in /proc");
        int r = resources_add(&c->record, pid, e);
        return r == 0 ? record_save(&c->record, e) : r;
}

/* ---- making ---- */

/* Before state.json, which makes a container of the folder: so nobody reads half of it. */
static int save_intent(struct creation *c, const struct text *config, struct error *e)
{
        int r = file_create(c->record.dir_fd, "config.json", config->data, config->length, 0600);
        return r < 0 ? error_errno(e, r, "state.failed", "keeping the configuration of %s", c->record.id) : 0;
}

/* The executor enters what the record keeps; it is the record's to close. */
static void lend_cgroup(struct creation *c)
{
        c->sandbox.cgroup = c->record.cgroup;
}

/* Of the caller's terminal, which the payload's stands for: its program may ask before we come to tell it of changes. */
static void take_size(struct plan_container *k)
{
        struct winsize size;
        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || (!size.ws_row && !size.ws_col))
                return;
        k->rows = size.ws_row;
        k->columns = size.ws_col;
}

int creation_connect_console(struct creation *c, int *ret, struct error *e)
{
        int ends[2];
        if (!c->plan.container->terminal) {
                if (c->o->console_socket)
                        return error_set(e, EINVAL, "terminal.unasked", "a console socket was given, but /process/terminal is not true");
                return 0;
        }
        if (c->o->console_socket) {
                *ret = descriptor_connect(c->o->console_socket, SOCK_STREAM);
                return *ret < 0 ? error_errno(e, *ret, "terminal.socket", "connecting to the console socket %s", c->o->console_socket) : 0;
        }
        if (c->o->detaches) {
                error_set(e, EINVAL, "terminal.socket", "a terminal without a console socket: nobody would hold it");
                error_hint(e, "use --console-socket, or set /process/terminal to false");
                return -EINVAL;
        }
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return error_errno(e, errno, "terminal.failed", "socketpair");
        *ret = ends[0];
        c->terminal_fd = ends[1];
        take_size(c->plan.container);
        return 0;
}

int creation_receive_terminal(struct creation *c, struct error *e)
{
        char name[64];
        int fd = -EBADF;
        size_t count = 0;
        if (c->terminal_fd < 0)
                return 0;
        if (descriptor_receive(c->terminal_fd, name, sizeof name, &fd, 1, &count) <= 0 || count != 1)
                return error_set(e, EPIPE, "terminal.failed", "the container sent no terminal");
        fd_close(c->terminal_fd);
        c->terminal_fd = fd;
        return 0;
}

static int write_pid_file(const char *path, pid_t pid, struct error *e)
{
        CLEAN_FREE char *text = xprintf("%d", pid);
        int r = path ? file_replace(AT_FDCWD, path, text, strlen(text), 0644) : 0;
        return r < 0 ? error_errno(e, r, "state.pid-file", "writing %s", path) : 0;
}

static int send_pidfd(const char *path, int pidfd, struct error *e)
{
        if (!path)
                return 0;
        CLEAN_FD int fd = descriptor_connect(path, SOCK_STREAM);
        int r = fd < 0 ? fd : descriptor_send(fd, "p", 1, &pidfd, 1);
        return r < 0 ? error_errno(e, r, "state.pidfd-socket", "sending the pidfd to %s", path) : 0;
}

static int give_listener(const struct record *r, const struct plan *p, pid_t pid, int pidfd, const char *status, int number, struct error *e)
{
        const struct profile *profile = p->container->profile;
        const struct notify_state state = { .oci_version = r->oci_version ? r->oci_version : "1.0.0", .id = r->id, .status = status, .bundle = r->bundle,
                                            .pid = pid, .container_pid = r->pid, .annotations = &p->container->annotations, .metadata = profile->listener_metadata };
        return filters_hand_over(profile, &state, number, pidfd, e);
}

static int on_listener(void *context, int number, struct error *e)
{
        struct creation *c = context;
        return give_listener(&c->record, &c->plan, c->child.pid, c->child.pidfd, c->o->waits ? "creating" : "running", number, e);
}

int creation_spawn(struct creation *c, struct error *e)
{
        struct sandbox_io io = c->o->io;
        CLEAN_FD int console = -EBADF;
        int r = creation_connect_console(c, &console, e);
        if (r < 0)
                return r;
        io.console_fd = console;
        io.keep_fds = c->o->preserve_fds + (c->container ? 0 : activation_listen_count());
        if (c->o->waits) {
                c->sandbox.start_fd = descriptor_listen(c->record.dir_fd, "start", SOCK_SEQPACKET);
                if (c->sandbox.start_fd < 0)
                        return error_errno(e, c->sandbox.start_fd, "state.failed", "making the start socket");
        }
        r = sandbox_spawn(&c->sandbox, &io, &c->child, e);
        if (r < 0)
                return r;
        /* Ours would make a container that died while it waited look as if it still did. */
        c->sandbox.start_fd = fd_close(c->sandbox.start_fd);
        r = sandbox_wait_exec(c->child.status_fd, &(struct sandbox_watch){ stderr, on_listener, c, true }, e);
        if (r < 0)
                return r;
        if (c->o->waits && r == 0)
                return error_set(e, ECHILD, "spawn.failed", "the container's process died while it was set up");
        r = creation_receive_terminal(c, e);
        if (r == 0)
                r = send_pidfd(c->o->pidfd_socket, c->child.pidfd, e);
        return r == 0 ? write_pid_file(c->o->pid_file, c->child.pid, e) : r;
}

static int prepare(struct creation *c, struct error *e)
{
        c->host = (struct sandbox_host){ .run_folder = "", .shared_folder = "", .invocation_id = "", .report_fd = -EBADF, .serve = serve,
                                         .born = on_born, .describe = describe, .context = c };
        int r = activation_plan(c, e);
        if (r == 0)
                r = container_prepare(&c->sandbox, &c->plan, &c->host, e);
        activation_environment(c);
        c->sandbox.keep_keyring = c->o->no_new_keyring;
        c->plan.container->root.no_pivot |= c->o->no_pivot;
        return r == 0 ? filters_build(&c->sandbox, e) : r;
}

static char *absolute_path(const char *path, struct error *e)
{
        char *real = realpath(path, NULL);
        if (!real)
                error_errno(e, errno, "config.bundle", "finding the bundle %s", path);
        return real;
}

static int make(struct creation *c, int root_fd, struct error *e)
{
        CLEAN_TEXT struct text text = { 0 };
        char *bundle = absolute_path(c->o->bundle, e);
        if (!bundle)
                return e ? e->code : -ENOENT;
        c->record.bundle = bundle;
        int r = read_config(c, &text, e);
        if (r < 0)
                return r;
        c->record.id = xstrdup(c->o->id);
        r = compile(&c->record, &c->config, &c->plan, e);
        free(c->record.id);
        c->record.id = NULL;
        c->record.bundle = NULL;
        for (size_t i = 0; r == 0 && i < c->plan.notes.count; i++)
                error_note(stderr, "bulkhead-oci", c->plan.notes.items[i]);
        if (r == 0 && !c->plan.argv.count && !c->o->waits) /* a container that is only made needs none: start says so */
                r = error_set(e, EINVAL, "config.process", "config.json: /process: is missing: there is nothing to start");
        if (r == 0)
                r = record_make(root_fd, c->o->id, &c->record, e);
        c->record.bundle = bundle;
        if (r < 0)
                return r;
        c->made = true;
        const struct plan_container *k = c->plan.container;
        c->record.rootfs = k->root.path ? xstrdup(k->root.path) : NULL;
        c->record.oci_version = xstrdup(oci_version(&c->config));
        c->record.namespaces = namespaces_of(&c->plan);
        c->record.terminal = k->terminal;
        int (*const steps[])(struct creation *, struct error *) = { resources_make, prepare };
        r = save_intent(c, &text, e);
        for (size_t i = 0; r == 0 && i < ELEMENTS(steps); i++)
                r = steps[i](c, e);
        if (r < 0)
                return r;
        lend_cgroup(c);
        if (!c->o->waits) {
                c->notify_fd = activation_listen(&c->record, e);
                if (c->notify_fd < 0 && c->notify_fd != -ENOENT)
                        return c->notify_fd;
        }
        r = c->o->restore ? checkpoint_restore(c, e) : creation_spawn(c, e);
        resources_entered(c);
        return r;
}

static void run_poststop(const struct record *r, const struct plan *p)
{
        CLEAN_TEXT struct text state = { 0 };
        struct error ignored = { 0 };
        if (!p->container || !p->container->hook_count[PLAN_HOOK_POSTSTOP])
                return;
        record_state(r, 0, "stopped", &p->container->annotations, &state);
        /* The specification has it logged and gone on. */
        if (hooks_run_all(p->container, PLAN_HOOK_POSTSTOP, state.data, &ignored) < 0)
                error_print(stderr, "bulkhead-oci", "a poststop hook failed", &ignored);
}

static void unmake(struct creation *c)
{
        resources_entered(c);
        if (c->network_fd >= 0)
                take_back(c, c->plan.container->net_device_count);
        if (c->child.pidfd >= 0) {
                (void)process_signal(c->child.pidfd, SIGKILL);
                while (waitpid(c->child.pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        if (!c->made)
                return;
        (void)cgroup_kill(&c->record.cgroup, 10000, NULL);
        (void)resources_remove(&c->record, 10000, NULL);
        if (c->born)
                run_poststop(&c->record, &c->plan);
        (void)record_remove(&c->record);
}

int creation_make(int root_fd, const struct creation_options *o, struct creation *c, struct error *e)
{
        *c = (struct creation)CREATION_INIT;
        c->o = o;
        int r = make(c, root_fd, e);
        if (r < 0)
                unmake(c);
        else
                record_unlock(&c->record); /* the child has the lock too, and may be slow to close it */
        return r;
}

void creation_done(struct creation *c)
{
        c->sandbox.cgroup = (struct cgroup){ .into_fd = -EBADF }; /* was lent */
        if (c->sandbox.plan)
                sandbox_done(&c->sandbox);
        fd_close(c->child.pidfd);
        fd_close(c->child.status_fd);
        fd_close(c->terminal_fd);
        fd_close(c->network_fd);
        fd_close(c->notify_fd);
        record_done(&c->record);
        plan_done(&c->plan);
        json_done(&c->config);
        *c = (struct creation)CREATION_INIT;
}

/* ---- later ---- */

static int wrong_status(const struct record *r, const char *what, struct error *e)
{
        return error_set(e, EBUSY, "container.status", "cannot %s container \"%s\": it is %s", what, r->id, record_status_name(record_status(r)));
}

struct starting {
        struct record *r;
        const struct plan *p;
};

static int on_start_listener(void *context, int number, struct error *e)
{
        const struct starting *s = context;
        CLEAN_FD int pidfd = record_pidfd(s->r);
        return pidfd < 0 ? error_set(e, ESRCH, "seccomp.listener", "the process is gone")
                         : give_listener(s->r, s->p, s->r->pid, pidfd, "created", number, e);
}

int container_start(struct record *r, const struct plan *p, struct error *e)
{
        struct starting s = { r, p };
        CLEAN_FREE char *path = xprintf("/proc/self/fd/%d/start", r->dir_fd);
        enum record_status status = record_status(r);
        if (status != RECORD_CREATED)
                return wrong_status(r, "start", e);
        CLEAN_FD int fd = descriptor_connect(path, SOCK_SEQPACKET);
        if (fd < 0)
                return wrong_status(r, "start", e);
        if (send(fd, "g", 1, MSG_NOSIGNAL) != 1)
                return error_errno(e, errno, "container.start", "giving the word to start");
        int k = sandbox_wait_exec(fd, &(struct sandbox_watch){ stderr, on_start_listener, &s, true }, e);
        if (k < 0)
                return k;
        (void)unlinkat(r->dir_fd, "start", 0);
        return 0;
}

int container_poststart(struct record *r, const struct plan *p, struct error *e)
{
        CLEAN_TEXT struct text state = { 0 };
        if (!p->container->hook_count[PLAN_HOOK_POSTSTART])
                return 0;
        record_state(r, r->pid, "running", &p->container->annotations, &state);
        return hooks_run(p->container, PLAN_HOOK_POSTSTART, state.data, e);
}

int container_kill(struct record *r, int signal, bool all, struct error *e)
{
        if (all) {
                int n = members_signal(r, signal);
                if (n > 0)
                        return 0;
        }
        CLEAN_FD int pidfd = record_pidfd(r);
        if (pidfd < 0) {
                if (all)
                        return 0;
                return error_set(e, ESRCH, "container.status", "container not running: \"%s\" is %s", r->id, record_status_name(record_status(r)));
        }
        int k = process_signal(pidfd, signal);
        if (k == 0 && signal == SIGKILL && cgroup_is_frozen(&r->cgroup))
                (void)cgroup_thaw(&r->cgroup, NULL); /* v1: a frozen process does not even die */
        return k < 0 ? error_errno(e, k, "container.kill", "sending signal %d to %s", signal, r->id) : 0;
}

static void end_process(struct record *r)
{
        CLEAN_FD int pidfd = record_pidfd(r);
        if (!r->cgroup.count)
                (void)members_signal(r, SIGKILL);
        if (pidfd >= 0)
                (void)process_signal(pidfd, SIGKILL);
        (void)cgroup_kill(&r->cgroup, 10000, NULL);
        /* A process whose group is not ours to empty: its end is waited for here. */
        for (int i = 0; i < 2000 && record_process_start(r->pid) == r->pid_start && r->pid > 0; i++)
                usleep(1000);
}

int container_delete(struct record *r, bool force, struct error *e)
{
        enum record_status status = record_status(r);
        CLEAN_JSON struct json_document config = { 0 };
        CLEAN_PLAN struct plan p = { 0 };
        if (status == RECORD_CREATING && !force)
                return wrong_status(r, "delete", e);
        if ((status == RECORD_RUNNING || status == RECORD_PAUSED) && !force) {
                wrong_status(r, "delete", e);
                error_hint(e, "kill it first, or give --force");
                return -EBUSY;
        }
        if (status != RECORD_STOPPED)
                end_process(r);
        else
                (void)cgroup_kill(&r->cgroup, 10000, NULL);
        int k = resources_remove(r, 10000, e);
        if (k < 0)
                return k; /* on record until it is gone */
        if (container_plan(r, &config, &p, NULL) == 0)
                run_poststop(r, &p);
        k = record_remove(r);
        return k < 0 ? error_errno(e, k, "state.failed", "removing the state of %s", r->id) : 0;
}
