/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/command.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/exit_status.h"
#include "os/capability.h"
#include "os/network.h"
#include "os/process.h"
#include "sandbox/child.h"
#include "sandbox/credentials.h"
#include "sandbox/environment.h"

/* ---- prefixes ---- */

/* "!": the sandbox holds, but for who it is. */
static void keep_user(struct plan *p, struct sandbox *s)
{
        p->ambient = 0;
        p->ambient_origin = NULL;
        p->pam_name = NULL; /* a session is of who it becomes */
        s->change_user = s->set_groups = false;
}

/* "+": nothing of the sandbox. Control group, environment, limits and streams stay. */
static void leave_sandbox(struct plan *p, struct sandbox *s)
{
        keep_user(p, s);
        p->namespaces = 0;
        p->users = PLAN_USERS_HOST;
        p->mount_count = p->redundant_count = 0;
        p->root_read_only = false;
        p->seal = PLAN_SEAL_OFF;
        p->bounding = capability_all();
        p->secure_bits_origin = NULL;
        p->no_new_privileges = p->restrict_suid_sgid = false;
        p->filter.set = p->log_filter.set = false;
        p->denial_count = 0;
        memset(p->restrictions, 0, sizeof p->restrictions);
        p->hostname = NULL;
        s->filter_count = 0;
        s->unobserved = true;
        s->filters_need_privilege = s->kernel_keeps_code = s->maps_itself = s->users_first = false;
        s->shared_net_fd = s->shared_ipc_fd = s->last_group_fd = s->report_fd = -EBADF;
}

static void apply_prefixes(const struct exec_line *line, struct command *c)
{
        if (line->flags & EXEC_PRIVILEGED)
                leave_sandbox(&c->plan, &c->sandbox);
        else if (line->flags & EXEC_KEEP_USER)
                keep_user(&c->plan, &c->sandbox);
        /* "!!" means nothing where the kernel has ambient capabilities, as all have by now. */
}

/* ---- credentials of commands that see the host's tree ---- */

static void replace_all(struct strings *l, const char *from, const char *to)
{
        for (size_t i = 0; i < l->count; i++) {
                CLEAN_TEXT struct text t = { 0 };
                const char *rest = l->items[i], *hit;
                if (!strstr(rest, from))
                        continue;
                for (; (hit = strstr(rest, from)); rest = hit + strlen(from)) {
                        text_add_bytes(&t, rest, (size_t)(hit - rest));
                        text_add(&t, to);
                }
                text_add(&t, rest);
                free(l->items[i]);
                l->items[i] = TAKE_PTR(t.data);
        }
}

/*
 * No tree has them, so "+" finds them through a descriptor that we hold: what names their folder names that.  An ordinary user may make no such
 * mount: there they are not seen, and nothing says that they were.
 */
static int show_credentials(struct sandbox *s, struct command *c, struct error *e)
{
        const char *folder = s->plan->credentials.folder;
        if (!folder)
                return 0;
        if (!s->privileged) {
                environment_remove(&c->environment, "CREDENTIALS_DIRECTORY");
                return 0;
        }
        if (s->credentials_fd < 0)
                s->credentials_fd = credentials_mount(&c->sandbox);
        if (s->credentials_fd < 0) {
                error_errno(e, s->credentials_fd, "mount.failed", "making the folder of credentials");
                error_status(e, STATUS_CREDENTIALS);
                return error_while(e, "applying %s", s->plan->credentials.origin);
        }
        CLEAN_FREE char *path = xprintf("/proc/%d/fd/%d", (int)getpid(), s->credentials_fd);
        replace_all(&c->environment, folder, path);
        replace_all(&c->argv, folder, path);
        return 0;
}

/* ---- what is executed ---- */

/* "|": the user's shell reads the line. */
static int by_shell(const struct exec_line *line, struct command *c)
{
        const char *shell = c->sandbox.account.shell && *c->sandbox.account.shell && c->sandbox.change_user ? c->sandbox.account.shell : "/bin/sh";
        const char *name = strrchr(shell, '/') ? strrchr(shell, '/') + 1 : shell;
        CLEAN_TEXT struct text text = { 0 };
        for (size_t i = 0; i < c->argv.count; i++)
                text_addf(&text, "%s%s", i ? " " : "", c->argv.items[i]);
        strings_clear(&c->argv);
        strings_take(&c->argv, xprintf("%s%s", line->flags & EXEC_OWN_NAME ? "-" : "", name));
        if (text.length) {
                strings_add(&c->argv, "-c");
                strings_add(&c->argv, text.data);
        }
        c->program = xstrdup(shell);
        return 0;
}

static void add_listen_pid(struct command *c)
{
        environment_set(&c->environment, "LISTEN_PID=00000000000");
        for (size_t i = 0; i < c->environment.count; i++)
                if (text_starts(c->environment.items[i], "LISTEN_PID="))
                        c->sandbox.listen_pid = c->environment.items[i];
}

/* Who sees the host's tree in the place of the root has the mounts that were compiled for it. */
static void leave_root(struct plan *p, const struct plan *beside)
{
        p->unit_root = beside->unit_root;
        p->mounts = beside->mounts;
        p->mount_count = beside->mount_count;
        p->redundant = beside->redundant;
        p->redundant_count = beside->redundant_count;
        p->root_read_only = beside->root_read_only;
}

int command_prepare(struct sandbox *s, const struct exec_line *line, const struct strings *variables, bool listen, bool start, struct command *ret,
                    struct error *e)
{
        CLEAN_COMMAND struct command c = { .plan = *s->plan, .sandbox = *s };
        if (!start && s->host->beside)
                leave_root(&c.plan, s->host->beside);
        apply_prefixes(line, &c);
        int r = sandbox_environment(s, NULL, &c.environment, e);
        for (size_t i = 0; r == 0 && i < variables->count; i++)
                environment_set(&c.environment, variables->items[i]);
        if (r == 0 && listen)
                add_listen_pid(&c);
        if (r == 0)
                r = exec_line_expand(line, (const char *const *)c.environment.items, &c.argv, NULL, e);
        if (r == 0 && line->flags & EXEC_PRIVILEGED)
                r = show_credentials(s, &c, e);
        if (r == 0 && line->flags & EXEC_SHELL)
                r = by_shell(line, &c);
        else if (r == 0)
                c.program = xstrdup(line->program);
        if (r < 0)
                return r;
        *ret = c;
        c = (struct command){ 0 };
        ret->plan.argv = ret->argv;
        ret->plan.program = ret->program;
        ret->sandbox.environment = ret->environment;
        ret->sandbox.plan = &ret->plan;
        return 0;
}

/* The copies own nothing. */
void command_done(struct command *c)
{
        strings_clear(&c->environment);
        strings_clear(&c->argv);
        free(c->program);
        *c = (struct command){ 0 };
}

/* ---- shared namespaces ---- */

static int open_namespace(pid_t pid, const char *name)
{
        CLEAN_FREE char *path = xprintf("/proc/%d/ns/%s", (int)pid, name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* In the process that holds the namespaces until they are opened: sets them up, and waits for its end. */
static _Noreturn void hold_namespaces(uint64_t flags, int fd)
{
        char byte = 0;
        if (flags & CLONE_NEWNET && network_loopback_up() < 0)
                _exit(1);
        if (send(fd, &byte, 1, MSG_NOSIGNAL) == 1)
                (void)recv(fd, &byte, 1, 0);
        _exit(0);
}

static int open_namespaces(struct sandbox *s, uint64_t flags, pid_t pid)
{
        if (flags & CLONE_NEWNET && (s->shared_net_fd = open_namespace(pid, "net")) < 0)
                return s->shared_net_fd;
        return flags & CLONE_NEWIPC && (s->shared_ipc_fd = open_namespace(pid, "ipc")) < 0 ? s->shared_ipc_fd : 0;
}

int command_share_namespaces(struct sandbox *s, struct error *e)
{
        const uint64_t flags = s->plan->namespaces & ((s->shared_net_fd < 0 ? CLONE_NEWNET : 0) | (s->shared_ipc_fd < 0 ? CLONE_NEWIPC : 0));
        int pair[2], pidfd = -EBADF;
        char byte;
        if (!flags || !s->privileged || s->users_first)
                return 0;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return error_errno(e, errno, "spawn.failed", "socketpair");
        pid_t pid = process_clone(flags, -EBADF, &pidfd);
        if (pid == 0) {
                fd_close(pair[0]);
                hold_namespaces(flags, pair[1]);
        }
        fd_close(pair[1]);
        int r = pid < 0 ? pid : recv(pair[0], &byte, 1, 0) == 1 ? open_namespaces(s, flags, pid) : -EIO;
        fd_close(pair[0]);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        fd_close(pidfd);
        if (r == 0)
                return 0;
        if (flags & CLONE_NEWNET)
                s->shared_net_fd = fd_close(s->shared_net_fd);
        if (flags & CLONE_NEWIPC)
                s->shared_ipc_fd = fd_close(s->shared_ipc_fd);
        if (s->plan->lenient)
                return 0; /* each command's own start says what is left out */
        error_errno(e, r, "namespace.refused", "making the namespaces that the service's commands share");
        error_status(e, flags & CLONE_NEWNET ? STATUS_NETWORK : STATUS_NAMESPACE);
        return r;
}

static int refused(const struct sandbox *s, int error, uint64_t flag, const char *what, struct error *e)
{
        const char *origin = s->plan->namespace_origin[plan_namespace_slot(flag)];
        error_errno(e, error, "namespace.join", "%s the %s namespace", what, process_namespace_name(flag));
        error_status(e, flag == CLONE_NEWNET ? STATUS_NETWORK : STATUS_NAMESPACE);
        return error_while(e, "applying %s", origin);
}

int command_open_namespaces(struct sandbox *s, struct error *e)
{
        const struct {
                const char *path;
                int *fd;
                uint64_t flag;
        } rows[] = { { s->plan->network_path, &s->shared_net_fd, CLONE_NEWNET }, { s->plan->ipc_path, &s->shared_ipc_fd, CLONE_NEWIPC } };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].path && (*rows[i].fd = open(rows[i].path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) < 0)
                        return refused(s, errno, rows[i].flag, "opening", e);
        return 0;
}

int command_join(struct child *c, struct error *e)
{
        const int fds[] = { c->s->shared_net_fd, c->s->shared_ipc_fd };
        static const int flags[] = { CLONE_NEWNET, CLONE_NEWIPC };
        for (size_t i = 0; i < ELEMENTS(fds); i++)
                if (fds[i] >= 0 && setns(fds[i], flags[i]) < 0)
                        return refused(c->s, errno, (uint64_t)flags[i], "entering", e);
        return 0;
}
