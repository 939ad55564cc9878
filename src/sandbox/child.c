/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stages between clone and execve, in systemd's order.  Each has a name and the exit status that stands for
 * its failure; none can be reached again once it is left.
 */
#include "sandbox/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/exit_status.h"
#include "base/mutant.h"
#include "os/attributes.h"
#include "os/capability.h"
#include "os/file.h"
#include "os/keyring.h"
#include "os/landlock.h"
#include "os/network.h"
#include "os/process.h"
#include "os/seccomp.h"
#include "sandbox/command.h"
#include "sandbox/container.h"
#include "sandbox/denials.h"
#include "sandbox/hooks.h"
#include "sandbox/labels.h"
#include "sandbox/observe.h"
#include "sandbox/root.h"
#include "sandbox/streams.h"
#include "sandbox/terminal.h"

void child_note(struct child *c, const char *format, ...)
{
        struct status_message m = { .kind = STATUS_NOTE };
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(m.note, sizeof m.note, format, ap);
        va_end(ap);
        (void)file_write_all(c->status_fd, &m, sizeof m);
}

static bool is_container(const struct child *c)
{
        return c->s->plan->container;
}

int child_tie(struct child *c)
{
        struct pollfd p = { .fd = c->status_fd };
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;
        return poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP) ? -ESRCH : 0;
}

/* First of all: what we read is loaded once, and from then on nobody finds the runtime's own file through us. */
static int stage_hide(struct child *c, struct error *e)
{
        return is_container(c) && !c->s->joined ? container_begin(c, e) : 0;
}

static int keyring_failed(const struct child *c, int r, const char *what, struct error *e)
{
        error_errno(e, r, "session.keyring", "%s", what);
        if (!c->s->plan->keyring_origin)
                return r;
        error_status(e, STATUS_KEYRING);
        return error_while(e, "applying %s", c->s->plan->keyring_origin);
}

/* Where nobody asked for it, a kernel or container without keyrings is no reason to stop. */
static int make_keyring(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        bool kept = p->keyring == PLAN_KEYRING_INHERIT || (p->keyring == PLAN_KEYRING_DEFAULT && p->user_mode) || c->s->keep_keyring ||
                    (c->s->joined ? MUTANT("exec-keyring") : MUTANT("session-keyring"));
        int r = kept ? 0 : keyring_new_session();
        bool excused = p->keyring == PLAN_KEYRING_DEFAULT && (r == -ENOSYS || r == -EPERM);
        return r < 0 && !excused ? keyring_failed(c, r, "making a session keyring", e) : 0;
}

static int stage_session(struct child *c, struct error *e)
{
        process_forget_signals();
        const struct plan_attribute *ignore = &c->s->plan->process.attributes[PLAN_IGNORE_SIGPIPE];
        if (!is_container(c) && (!ignore->origin || ignore->value)) /* yes is systemd's default */
                (void)signal(SIGPIPE, SIG_IGN);
        if (!MUTANT("no-setsid") && setsid() < 0)
                return error_errno(e, errno, "session.refused", "starting a session");
        if (c->io->terminal && ioctl(c->io->in, TIOCSCTTY, 0) < 0)
                return error_errno(e, errno, "session.terminal", "taking the terminal");
        if (!is_container(c) && c->s->plan->process.streams[0].kind == PLAN_STREAM_TTY && c->s->stream_fds[0] >= 0 &&
            terminal_take(c->s->plan, c->s->stream_fds[0], e) < 0)
                return e->code;
        return is_container(c) ? 0 : make_keyring(c, e);
}

static int stage_stdio(struct child *c, struct error *e)
{
        int from[3] = { c->io->in, c->io->out, c->io->err };
        streams_place(c->s->plan, c->s->stream_fds, from);
        for (int i = 0; i < 3; i++) {
                /* Lift them over 2 first: one may stand in the other's place. */
                from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 10);
                if (from[i] < 0)
                        return error_errno(e, errno, "stdio.failed", "duplicating standard descriptor %d", i);
        }
        for (int i = 0; i < 3; i++)
                if (dup2(from[i], i) < 0)
                        return error_errno(e, errno, "stdio.failed", "setting standard descriptor %d", i);
        for (unsigned i = 0; c->io->pass_fds && i < c->io->keep_fds; i++)
                if (dup2(c->io->pass_fds[i], 3 + (int)i) < 0)
                        return error_errno(e, errno, "stdio.failed", "passing descriptor %u", 3 + i);
        return process_cloexec_from(3 + c->io->keep_fds) < 0 ? error_errno(e, errno, "stdio.failed", "closing descriptors") : 0;
}

/* A mount of groups outside of a namespace of their own would show all of the host's. */
static void drop_group_mounts(struct plan *p)
{
        for (size_t i = 0; i < p->mount_count; i++)
                if (p->mounts[i].kind == PLAN_CGROUP)
                        p->mounts[i].kind = p->mounts[i].read_only ? PLAN_READ_ONLY : PLAN_MOUNT_KINDS;
}

static int stage_cgroup(struct child *c, struct error *e)
{
        if (c->s->joined)
                return 0; /* born there */
        int r = cgroup_enter(&c->s->cgroup);
        if (r < 0)
                return error_errno(e, r, "cgroup.refused", "entering the control group");
        /* It begins at the group that we are in, so it could not be made by clone. */
        if (is_container(c) || !(c->s->plan->namespaces & CLONE_NEWCGROUP) || unshare(CLONE_NEWCGROUP) == 0)
                return 0;
        r = -errno;
        const char *origin = c->s->plan->namespace_origin[plan_namespace_slot(CLONE_NEWCGROUP)];
        if (sandbox_may_drop_mounts(c->s->plan)) {
                child_note(c, "%s: not applied: %s", origin, strerror(-r));
                drop_group_mounts(c->s->plan);
                return 0;
        }
        error_errno(e, r, "namespace.refused", "making a namespace of control groups");
        error_status(e, STATUS_NAMESPACE);
        return error_while(e, "applying %s", origin);
}

/* In the child: a descriptor of the parent's would name the parent's mounts. */
static int stage_handles(struct child *c, struct error *e)
{
        if (c->s->joined)
                return container_handles(c, e);
        const char *proc = MUTANT("trust-proc") ? xprintf("%s/proc", c->s->plan->container->root.path) : "/proc";
        c->proc_fd = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
        c->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (c->proc_fd < 0 || c->root_fd < 0)
                return error_errno(e, errno, "handle.failed", "opening / and /proc");
        if (!MUTANT("trust-proc") && !file_is_on(c->proc_fd, PROC_SUPER_MAGIC))
                return error_set(e, EINVAL, "handle.proc", "/proc is not procfs");
        return 0;
}

/* Without privilege, the user namespace that clone made: map ourselves onto ourselves. */
static int map_own_user(struct child *c, struct error *e)
{
        CLEAN_FREE char *users = xprintf("%u %u 1", c->s->account.uid, c->s->account.uid);
        CLEAN_FREE char *groups = xprintf("%u %u 1", c->s->account.gid, c->s->account.gid);
        int r = file_write(c->proc_fd, "self/setgroups", "deny");
        if (r == 0 || r == -ENOENT)
                r = file_write(c->proc_fd, "self/uid_map", users);
        if (r == 0)
                r = file_write(c->proc_fd, "self/gid_map", groups);
        return r < 0 ? error_errno(e, r, "namespace.map", "mapping the user into its namespace") : 0;
}

static int stage_own_users(struct child *c, struct error *e)
{
        return c->s->users_first ? map_own_user(c, e) : 0;
}

static int stage_mounts(struct child *c, struct error *e)
{
        if (!is_container(c))
                return child_mounts(c, e);
        if (c->s->joined)
                return root_join_terminal(c, e);
        return c->s->plan->container->root.path ? root_build(c, e) : 0;
}

static int stage_labels(struct child *c, struct error *e)
{
        if (!is_container(c))
                return labels_apply(c, e);
        int r = container_labels(c, e);
        return r < 0 ? r : make_keyring(c, e); /* not before: it has a label, too */
}

static int stage_join(struct child *c, struct error *e)
{
        return is_container(c) ? container_join(c, e) : command_join(c, e);
}

static int stage_become_root(struct child *c, struct error *e)
{
        return is_container(c) ? container_become_root(c, e) : 0;
}

static int stage_names(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        if (is_container(c))
                return container_names(c, e);
        if (!p->hostname || !(p->namespaces & CLONE_NEWUTS) || sethostname(p->hostname, strlen(p->hostname)) == 0)
                return 0;
        error_errno(e, errno, "hostname.refused", "setting the host name %s", p->hostname);
        return error_while(e, "applying %s", p->hostname_origin);
}

static int run_hooks(struct child *c, enum plan_hook_kind kind, const char *status, struct error *e)
{
        CLEAN_TEXT struct text state = { 0 };
        if (!is_container(c) || !c->s->plan->container->hook_count[kind] || c->s->joined)
                return 0;
        c->s->host->describe(c->s->host->context, getpid(), status, &state);
        return hooks_run(c->s->plan->container, kind, state.data, e);
}

static int stage_hooks(struct child *c, struct error *e)
{
        const struct plan_container *k = c->s->plan->container;
        if (!k || c->s->joined)
                return 0;
        if (k->hook_count[PLAN_HOOK_PRESTART] || k->hook_count[PLAN_HOOK_CREATE_RUNTIME]) {
                int r = container_ask(c, CONTAINER_HOOKS, e);
                if (r < 0)
                        return r;
        }
        return run_hooks(c, PLAN_HOOK_CREATE_CONTAINER, "creating", e);
}

static int stage_root(struct child *c, struct error *e)
{
        return is_container(c) && c->s->plan->container->root.path ? root_enter(c, e) : 0;
}

static int stage_attributes(struct child *c, struct error *e)
{
        int r = is_container(c) && c->s->late_pid_fd < 0 ? container_terminal(c, e) : 0;
        return r == 0 && is_container(c) ? container_attributes(c, e) : r;
}

static int stage_credentials(struct child *c, struct error *e)
{
        return is_container(c) ? container_credentials(c, e) : 0;
}

static int stage_birth(struct child *c, struct error *e)
{
        return is_container(c) && c->s->late_pid_fd >= 0 ? container_be_born(c, e) : 0;
}

static int stage_wait(struct child *c, struct error *e)
{
        int r = is_container(c) ? container_wait(c, e) : 0;
        if (c->s->host->outlives && prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0)
                return error_errno(e, errno, "spawn.failed", "giving up the death signal");
        if (r == 0 && is_container(c) && !c->s->plan->argv.count)
                r = error_set(e, EINVAL, "config.process", "config.json: /process: is missing: there is nothing to start");
        return r == 0 ? run_hooks(c, PLAN_HOOK_START_CONTAINER, "created", e) : r;
}

static int stage_network(struct child *c, struct error *e)
{
        /* One that was there before us is set up as its maker wants it. */
        int r = c->s->plan->namespaces & CLONE_NEWNET && !c->s->plan->network_path ? network_loopback_up() : 0;
        if (r < 0)
                return error_errno(e, r, "network.loopback", "bringing loopback up");
        return is_container(c) && c->s->plan->container->net_device_count ? container_ask(c, CONTAINER_DEVICES, e) : 0;
}

static int stage_groups(struct child *c, struct error *e)
{
        const struct sandbox *s = c->s;
        if (!s->change_user || is_container(c))
                return 0;
        int r = 0;
        if (s->set_groups && setgroups(s->group_count, s->groups) < 0)
                r = error_errno(e, errno, "identity.groups", "setting %zu groups", s->group_count);
        else if (setresgid(s->account.gid, s->account.gid, s->account.gid) < 0)
                r = error_errno(e, errno, "identity.group", "becoming group %u", s->account.gid);
        if (r < 0 && s->plan->identity_origin)
                error_while(e, "applying %s", s->plan->identity_origin);
        return r;
}

/* The supervisor writes the maps: that takes privilege outside. One byte there, one byte back. */
static int stage_users(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        char byte = 'u';
        if (p->users == PLAN_USERS_HOST || c->s->users_first)
                return 0;
        if (unshare(CLONE_NEWUSER) < 0) {
                error_errno(e, errno, "namespace.refused", "making a user namespace");
                return error_while(e, "applying %s", p->users_origin);
        }
        if (c->s->maps_itself)
                return map_own_user(c, e) < 0 ? error_while(e, "applying %s", p->users_origin) : 0;
        if (file_write_all(c->sync_fd, &byte, 1) < 0 || read(c->sync_fd, &byte, 1) != 1 || byte != 'm') {
                error_set(e, EPERM, "namespace.map", "the id maps were refused");
                return error_while(e, "applying %s", p->users_origin);
        }
        return 0;
}

static bool has_seal(const struct child *c)
{
        return plan_is_sealed(c->s->plan);
}

/* The seal where Landlock is missing or not wanted: a copy of the mounts, locked by a less privileged namespace. */
static int stage_user_seal(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        bool wanted = p->seal == PLAN_SEAL_USERNS || (p->seal == PLAN_SEAL_AUTO && landlock_version() == 0);
        if (!has_seal(c) || !wanted)
                return 0;
        char byte = 'f';
        if (unshare(CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0)
                return error_errno(e, errno, "seal.refused", "sealing with a user namespace");
        if (c->s->users_first)
                return stage_own_users(c, e);
        if (file_write_all(c->sync_fd, &byte, 1) < 0 || read(c->sync_fd, &byte, 1) != 1 || byte != 'm')
                return error_set(e, EPERM, "seal.refused", "sealing with a user namespace: the id maps were refused");
        return 0;
}

static int stage_bounding(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        if (p->bounding == capability_all() || is_container(c))
                return 0;
        int r = capability_bound(p->bounding);
        if (r < 0) {
                error_errno(e, r, "capability.refused", "dropping from the capability bounding set");
                error_hint(e, "needs CAP_SETPCAP: run as root, or add PrivateUsers=yes");
                return error_while(e, "applying %s", p->bounding_origin ? p->bounding_origin : "the bounding set");
        }
        return 0;
}

/* What must be ambient must be held, and be in the bounding set. */
static int check_ambient(const struct child *c, uint64_t had, struct error *e)
{
        const struct plan *p = c->s->plan;
        uint64_t lacking = p->ambient & ~(had & p->bounding);
        if (!lacking)
                return 0;
        unsigned n = (unsigned)__builtin_ctzll(lacking);
        error_set(e, EPERM, "capability.refused", "%s is not %s", capability_name(n) ? capability_name(n) : "a capability",
                  p->bounding >> n & 1 ? "held by us" : "in the bounding set");
        error_status(e, STATUS_CAPABILITIES);
        return error_while(e, "applying %s", p->ambient_origin);
}

/* Inheritable first: what is ambient must be. */
static int raise_ambient(const struct child *c, uint64_t kept, struct error *e)
{
        const struct plan *p = c->s->plan;
        int r = capability_set(kept, kept, p->ambient);
        if (r == 0)
                r = capability_set_ambient(p->ambient);
        if (r == 0 || !p->ambient)
                return 0;
        error_errno(e, r, "capability.refused", "setting the ambient capabilities");
        error_status(e, STATUS_CAPABILITIES);
        return error_while(e, "applying %s", p->ambient_origin);
}

static int stage_user(struct child *c, struct error *e)
{
        const struct sandbox *s = c->s;
        if (is_container(c))
                return 0;
        /* What the stages to come need until execve; execve takes it from all but root. */
        const uint64_t needed = UINT64_C(1) << CAP_SYS_ADMIN | (s->plan->secure_bits_origin ? UINT64_C(1) << CAP_SETPCAP : 0);
        uint64_t had;
        int r = capability_effective(&had);
        if (r < 0)
                return error_errno(e, r, "capability.refused", "reading the capabilities of the set-up");
        r = check_ambient(c, had, e);
        if (r < 0)
                return r;
        if (s->change_user) {
                if (s->account.uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                        return error_errno(e, errno, "identity.user", "keeping capabilities for the set-up");
                if (setresuid(s->account.uid, s->account.uid, s->account.uid) < 0)
                        return error_errno(e, errno, "identity.user", "becoming user %u", s->account.uid);
        }
        r = raise_ambient(c, s->change_user && s->account.uid != 0 ? had & (needed | s->plan->ambient) : had, e);
        if (r < 0)
                return r;
        r = child_tie(c); /* the change of user untied us */
        if (r < 0)
                return error_errno(e, r, "identity.user", "asking for the death signal");
        r = s->plan->keyring == PLAN_KEYRING_SHARED ? keyring_link_user() : 0;
        return r < 0 ? keyring_failed(c, r, "linking the user's keyring", e) : 0;
}

static int stage_directory(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        if (is_container(c))
                return container_directory(c, e);
        const char *path = p->working_directory ? p->working_directory : p->user_mode ? "~" : "/";
        bool optional = p->working_directory_optional || !p->working_directory;
        umask(p->umask);
        if (text_equal(path, "~"))
                path = c->s->account.home;
        if (chdir(path) == 0)
                return 0;
        if (optional && chdir("/") == 0)
                return 0;
        error_errno(e, errno, "directory.refused", "entering the working directory %s", path);
        return error_while(e, "applying WorkingDirectory=%s", path);
}

/* Reading needs no right, writing does. */
static int stage_secure_bits(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        if (!p->secure_bits_origin || prctl(PR_GET_SECUREBITS) == (int)p->secure_bits || prctl(PR_SET_SECUREBITS, (unsigned long)p->secure_bits) == 0)
                return 0;
        error_errno(e, errno, "privileges.refused", "setting the secure bits");
        error_hint(e, "needs CAP_SETPCAP, and a kernel that knows them");
        return error_while(e, "applying %s", p->secure_bits_origin);
}

static int stage_privileges(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        uint64_t had = 0;
        bool able = !c->s->filters_need_privilege || (capability_effective(&had) == 0 && had >> CAP_SYS_ADMIN & 1);
        bool needed = p->no_new_privileges || !able;
        if (needed && !(MUTANT("exec-no-nnp") && c->s->joined) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_errno(e, errno, "privileges.refused", "setting no_new_privs");
        return 0;
}

static int stage_program(struct child *c, struct error *e)
{
        return is_container(c) && !c->s->plan->argv.count ? 0 : child_find_program(c, e); /* stage_wait refuses it */
}

static int stage_observer(struct child *c, struct error *e)
{
        return c->s->host && c->s->host->observe_fd > 0 && !c->s->unobserved ? observe_meet(c->s->host->observe_fd, e) : 0;
}

static int stage_seal(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        bool userns = p->seal == PLAN_SEAL_USERNS || (p->seal == PLAN_SEAL_AUTO && landlock_version() == 0);
        if (!has_seal(c))
                return 0;
        int r = userns ? 0 : landlock_enter(p->root_read_only && c->writable_count ? c->writable : NULL, c->writable_count);
        if (r == 0)
                r = seccomp_install_seal(c->observer_fd >= 0);
        if (r < 0) {
                error_errno(e, r, "seal.refused", "sealing the sandbox");
                error_hint(e, "--seal=off starts it without; the payload can then undo its mounts if it holds CAP_SYS_ADMIN");
        }
        return r;
}

/* Which files may be opened is decided by a program that the set-up must not meet: its group is entered last, by the hand of our maker. */
static int stage_last_group(struct child *c, struct error *e)
{
        char byte = 'p';
        if (is_container(c) || c->s->last_group_fd < 0)
                return 0;
        if (file_write_all(c->sync_fd, &byte, 1) == 0 && read(c->sync_fd, &byte, 1) == 1 && byte == 'm')
                return 0;
        error_set(e, EPERM, "cgroup.refused", "entering the control group below the run's was refused");
        return error_while(e, "applying %s", c->s->plan->file_systems.origin);
}

static int stage_filters(struct child *c, struct error *e)
{
        /* The last word before exec; whoever gave the word to start may be gone, which is no reason to stay. */
        const struct status_message executing = { .kind = STATUS_EXECUTING };
        if (is_container(c))
                (void)send(c->status_fd, &executing, sizeof executing, MSG_NOSIGNAL);
        if (MUTANT("no-seccomp") || (MUTANT("exec-no-seccomp") && c->s->joined))
                return 0;
        int denied = c->s->kernel_keeps_code ? attributes_deny_write_execute() : 0;
        if (denied < 0) {
                error_errno(e, denied, "seccomp.refused", "denying memory that is writable and executable");
                return error_while(e, "applying %s", c->s->plan->restrictions[RESTRICTION_MEMORY].origin);
        }
        for (size_t i = 0; i < c->s->filter_count; i++) {
                int r = seccomp_install(c->s->filters[i].code, c->s->filters[i].count, false);
                if (r < 0)
                        return error_errno(e, r, "seccomp.refused", "installing a system call filter");
        }
        if (c->s->profile.filter.count)
                return container_filter(c, e);
        return c->observer_fd >= 0 ? denials_hand_over(c->s, c->observer_fd, e) : 0;
}

static int stage_exec(struct child *c, struct error *e)
{
        const char *restricted = c->s->plan->file_systems.origin;
        if (c->s->listen_pid) /* in the process namespace that the payload is in */
                (void)sprintf(c->s->listen_pid, "LISTEN_PID=%d", (int)getpid());
        execve(c->program, c->s->plan->argv.items, c->s->environment.items);
        if (c->s->program_fd > 0) /* without a /proc */
                (void)fexecve(c->s->program_fd, c->s->plan->argv.items, c->s->environment.items);
        int error = errno, r = program_explain(c->program, error, e);
        return error == EPERM && restricted && !is_container(c) ? error_while(e, "with %s in force", restricted) : r;
}

static const struct stage {
        const char *name;
        int exit_status;
        int (*apply)(struct child *c, struct error *e);
} stages[] = {
        { "hiding the runtime's own file", STATUS_NAMESPACE, stage_hide },
        { "starting the session", STATUS_SETSID, stage_session },
        { "setting up standard input and output", STATUS_STDIN, stage_stdio },
        { "entering the control group", STATUS_CGROUP, stage_cgroup },
        { "opening handles", STATUS_NAMESPACE, stage_handles },
        { "setting labels", STATUS_OOM_ADJUST, stage_labels },
        { "setting scheduling and other attributes", STATUS_LIMITS, child_attributes },
        { "entering namespaces", STATUS_NAMESPACE, stage_join },
        { "mapping users", STATUS_NAMESPACE, stage_own_users },
        { "entering the user namespace", STATUS_USER, stage_become_root },
        { "setting up the network", STATUS_NETWORK, stage_network },
        { "setting names and kernel settings", STATUS_NAMESPACE, stage_names },
        { "setting up mounts", STATUS_NAMESPACE, stage_mounts },
        { "running hooks", STATUS_NAMESPACE, stage_hooks },
        { "changing the root", STATUS_CHROOT, stage_root },
        { "setting attributes", STATUS_LIMITS, stage_attributes },
        { "setting groups", STATUS_GROUP, stage_groups },
        { "making the user namespace", STATUS_USER, stage_users },
        { "sealing", STATUS_NAMESPACE, stage_user_seal },
        { "raising limits", STATUS_LIMITS, child_raise_limits },
        { "dropping capabilities", STATUS_CAPABILITIES, stage_bounding },
        { "changing the user", STATUS_USER, stage_user },
        { "setting credentials", STATUS_USER, stage_credentials },
        { "entering the process namespace", STATUS_NAMESPACE, stage_birth },
        { "entering the working directory", STATUS_CHDIR, stage_directory },
        { "setting secure bits", STATUS_SECUREBITS, stage_secure_bits },
        { "giving up privileges", STATUS_NO_NEW_PRIVILEGES, stage_privileges },
        { "finding the program", STATUS_EXEC, stage_program },
        { "waiting for the start", STATUS_EXEC, stage_wait },
        { "waiting for the observer", STATUS_EXEC, stage_observer },
        { "sealing", STATUS_NAMESPACE, stage_seal },
        { "setting limits", STATUS_LIMITS, child_set_limits },
        { "entering the last control group", STATUS_CGROUP, stage_last_group },
        { "filtering system calls", STATUS_SECCOMP, stage_filters },
        { "executing the program", STATUS_EXEC, stage_exec },
};

int child_run(struct child *c)
{
        struct status_message m = { .kind = STATUS_ERROR };
        for (size_t i = 0; i < c->s->notes.count; i++)
                child_note(c, "%s", c->s->notes.items[i]);
        for (size_t i = 0; i < ELEMENTS(stages); i++) {
                if (stages[i].apply(c, &m.error) == 0)
                        continue;
                error_status(&m.error, stages[i].exit_status);
                error_while(&m.error, "%s", stages[i].name);
                (void)file_write_all(c->status_fd, &m, sizeof m);
                return m.error.exit_status;
        }
        return STATUS_EXEC;
}
