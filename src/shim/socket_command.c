/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/socket_command.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "os/process.h"
#include "sandbox/status.h"
#include "shim/undo.h"

/* ---- preparing ---- */

static int open_streams(struct socket_command *c, struct error *e)
{
        c->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (c->null_fd < 0 || pipe2(c->out, O_CLOEXEC) < 0 || pipe2(c->err, O_CLOEXEC) < 0)
                return error_errno(e, errno, "shim.start", "making the pipes of the socket's commands");
        hub_watch(&c->t->hub, SOURCE_COMMAND_OUT, c->out[0]);
        hub_watch(&c->t->hub, SOURCE_COMMAND_ERR, c->err[0]);
        hub_want(&c->t->hub, SOURCE_COMMAND_OUT, EPOLLIN);
        hub_want(&c->t->hub, SOURCE_COMMAND_ERR, EPOLLIN);
        return 0;
}

int socket_command_open(struct socket_command *c, struct trigger *t, const struct socket_unit *u, struct error *e)
{
        struct activation *a = &c->activation;
        c->t = t;
        c->unit = u;
        *a = (struct activation){ .run = &t->run, .root_path = t->root_path, .name = t->run.unit, .user_mode = t->o.user_mode,
                                  .lenient = t->o.lenient, .outlives = u->kill_mode == SOCKET_KILL_NONE, .profile = t->o.profile };
        if (t->o.seal)
                (void)plan_seal_parse(t->o.seal, &a->seal);
        int r = activation_read_section(a, &t->file, "Socket", e);
        if (r < 0 || (!socket_unit_has_commands(u) && !(a->plan.namespaces & CLONE_NEWNET)))
                return r;
        c->open = true;
        t->invocation_id = a->invocation_id;
        r = activation_open(a, NULL, e);
        return r == 0 && socket_unit_has_commands(u) ? open_streams(c, e) : r;
}

/* ---- the sockets' network ---- */

int socket_command_enter_network(struct socket_command *c, int *ret_back, struct error *e)
{
        const struct plan *p = &c->activation.plan;
        *ret_back = -EBADF;
        if (!c->open || !(p->namespaces & CLONE_NEWNET))
                return 0;
        const int there = c->activation.sandbox.shared_net_fd;
        CLEAN_FD int back = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (there < 0 || back < 0 || setns(there, CLONE_NEWNET) < 0) {
                error_errno(e, there < 0 ? EPERM : errno, "namespace.join", "entering the network namespace that the sockets are for");
                return error_while(e, "applying %s", p->namespace_origin[plan_namespace_slot(CLONE_NEWNET)]);
        }
        *ret_back = TAKE_FD(back);
        return 0;
}

int socket_command_leave_network(int back, struct error *e)
{
        int r = back < 0 || setns(back, CLONE_NEWNET) == 0 ? 0 : error_errno(e, errno, "namespace.join", "coming back from the sockets' network namespace");
        fd_close(back);
        return r;
}

/* ---- a command ---- */

int socket_command_spawn(struct socket_command *c, enum socket_commands list, size_t index)
{
        static const struct strings nothing;
        const struct sandbox_io io = { .in = c->null_fd, .out = c->out[1], .err = c->err[1], .console_fd = -EBADF };
        struct sandbox_child child = { .pidfd = -EBADF, .status_fd = -EBADF };
        c->error = (struct error){ 0 };
        int r = activation_spawn(&c->activation, &c->unit->commands[list].items[index], false, &nothing, &io, &child, &c->error);
        if (r < 0) {
                error_while(&c->error, "starting %s=", socket_commands_name(list));
                trigger_log(c->t, &c->error);
                return r;
        }
        hub_unwatch(&c->t->hub, SOURCE_COMMAND_STATUS);
        service_process_set(&c->process, child.pid, child.pidfd, child.status_fd);
        hub_watch(&c->t->hub, SOURCE_COMMAND_STATUS, child.status_fd);
        hub_want(&c->t->hub, SOURCE_COMMAND_STATUS, EPOLLIN);
        return 0;
}

static void hear(struct socket_command *c)
{
        struct status_message m;
        int r;
        while ((r = service_process_hear(&c->process, &m)) > 0) {
                if (m.kind == STATUS_ERROR) {
                        c->error = m.error;
                        trigger_log(c->t, &m.error);
                } else if (m.kind == STATUS_NOTE)
                        hub_say(&c->t->hub, m.note);
        }
        if (r < 0)
                hub_unwatch(&c->t->hub, SOURCE_COMMAND_STATUS);
}

bool socket_command_reaped(struct socket_command *c, pid_t pid)
{
        if (pid != c->process.pid)
                return false;
        hear(c); /* its last words before its exit */
        hub_unwatch(&c->t->hub, SOURCE_COMMAND_STATUS);
        service_process_clear(&c->process);
        return true;
}

void socket_command_event(struct socket_command *c, unsigned source)
{
        if (source == SOURCE_COMMAND_STATUS)
                hear(c);
        else if (!hub_owes(&c->t->hub))
                (void)hub_pump(&c->t->hub, source, source == SOURCE_COMMAND_ERR ? 2 : 1);
}

/* ---- the end ---- */

void socket_command_kill(struct socket_command *c, unsigned whom, int sig, bool also_hup)
{
        const int signals[] = { sig, also_hup ? SIGHUP : 0, sig == SIGKILL ? 0 : SIGCONT /* who stands still hears nothing */ };
        for (size_t i = 0; i < ELEMENTS(signals) && c->open; i++) {
                if (signals[i] && c->process.pidfd >= 0)
                        (void)process_signal(c->process.pidfd, signals[i]);
                if (signals[i] && whom & SOCKET_KILLS_REST)
                        (void)run_signal_cgroups(c->t->run.dir_fd, signals[i], c->process.pid);
        }
}

void socket_command_rest(struct socket_command *c)
{
        if (c->open)
                activation_rest(&c->activation);
}

static void drain(struct socket_command *c)
{
        for (unsigned source = SOURCE_COMMAND_OUT; source <= SOURCE_COMMAND_ERR && c->out[0] >= 0; source++) {
                hub_settle(&c->t->hub);
                while (hub_pump(&c->t->hub, source, source == SOURCE_COMMAND_ERR ? 2 : 1) > 0)
                        hub_settle(&c->t->hub);
        }
}

void socket_command_close(struct socket_command *c)
{
        if (!c->open)
                return;
        c->open = false;
        const bool spares = c->unit->kill_mode == SOCKET_KILL_PROCESS || c->unit->kill_mode == SOCKET_KILL_NONE;
        if (!spares && !c->activation.sandbox.cgroup.count)
                run_kill_invocation(c->activation.invocation_id);
        activation_close(&c->activation, false, spares);
        drain(c);
        service_process_clear(&c->process);
}
