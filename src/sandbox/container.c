/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/container.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/exit_status.h"
#include "base/mutant.h"
#include "os/account.h"
#include "os/attributes.h"
#include "os/capability.h"
#include "os/descriptor.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/network.h"
#include "os/path.h"
#include "os/process.h"
#include "os/seccomp.h"
#include "os/self.h"
#include "sandbox/hooks.h"
#include "sandbox/id_maps.h"
#include "sandbox/notify.h"
#include "sandbox/root.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* These are about children: whoever clones sets them. */
static const uint64_t of_children = CLONE_NEWPID | CLONE_NEWTIME;

enum { PASSWD_MAX = 1 << 20, PROC_ROOT_INODE = 1 };

/* ---- the supervisor's side ---- */

static uint64_t joined_flags(const struct plan_container *k)
{
        uint64_t flags = 0;
        for (size_t i = 0; i < k->join_count; i++)
                flags |= k->joins[i].flag;
        return flags;
}

uint64_t container_clone_flags(const struct sandbox *s)
{
        const struct plan *p = s->plan;
        /* The control group namespace shows the group that its maker is in: made once we are in ours.  Clocks: container_clone. */
        return (p->namespaces & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME)) | (p->container->new_users ? CLONE_NEWUSER : 0);
}

int container_requests(const struct sandbox *s)
{
        const struct plan_container *k = s->plan->container;
        return (k->new_users ? 1 : 0) + (k->net_device_count ? 1 : 0) +
               (k->hook_count[PLAN_HOOK_PRESTART] || k->hook_count[PLAN_HOOK_CREATE_RUNTIME] ? 1 : 0) + (s->late_pid_fd >= 0 ? 1 : 0);
}

int container_write_maps(const struct sandbox *s, pid_t pid, struct error *e)
{
        return id_maps_write(pid, &s->plan->container->maps, e);
}

/* Sources that the child, in a user namespace, may have no way to; and those whose ids are to be mapped. */
static int open_sources(struct sandbox *s, struct error *e)
{
        const struct plan_container *k = s->plan->container;
        bool foreign = s->privileged && (k->new_users || joined_flags(k) & CLONE_NEWUSER);
        bool any = foreign;
        for (size_t i = 0; i < k->attach_count; i++)
                any |= k->attaches[i].id_mapped;
        if (!any)
                return 0;
        s->attach_fds = xalloc(k->attach_count + 1, sizeof *s->attach_fds);
        for (size_t i = 0; i < k->attach_count; i++)
                s->attach_fds[i] = -EBADF;
        for (size_t i = 0; i < k->attach_count; i++) {
                const struct plan_attach *a = &k->attaches[i];
                if (!a->bind || (!foreign && !a->id_mapped))
                        continue;
                int fd = s->attach_fds[i] = mount_clone_source(a->source, a->recursive, a->source_no_follow);
                int r = fd < 0 ? fd : mount_change(fd, 0, 0, MS_PRIVATE, true);
                if (r == 0 && a->id_mapped)
                        r = id_maps_apply(fd, a->maps.uid_count ? &a->maps : &k->maps, a->id_mapped_below, e);
                if (r < 0) {
                        if (!e->id[0])
                                error_errno(e, r, r == -ENOENT ? "mount.missing" : "mount.refused", "opening the source %s", a->source);
                        return error_while(e, "applying %s", a->origin);
                }
        }
        if (!foreign)
                return 0;
        s->root_fd = mount_clone_source(k->root.path, true, false);
        int r = s->root_fd < 0 ? s->root_fd : mount_change(s->root_fd, 0, 0, MS_PRIVATE, true);
        if (r < 0)
                return error_errno(e, r, "mount.failed", "opening the root %s", k->root.path);
        if (!k->new_users || !s->privileged)
                return 0;
        r = s->nodes_fd = root_make_nodes(k, e);
        return r < 0 ? r : 0;
}

static int check_labels(struct sandbox *s, struct error *e)
{
        const struct plan_container *k = s->plan->container;
        if (MUTANT("ignore-lsm"))
                return 0;
        if ((k->process_label || k->mount_label) && access("/sys/fs/selinux/enforce", F_OK) < 0) {
                error_set(e, EOPNOTSUPP, "label.selinux", "SELinux is not enabled on this host");
                error_hint(e, "leave selinuxLabel and mountLabel out, or enable SELinux");
                return -EOPNOTSUPP;
        }
        if (k->apparmor && access("/sys/kernel/security/apparmor", F_OK) < 0 && access("/sys/module/apparmor", F_OK) < 0) {
                error_set(e, EOPNOTSUPP, "label.apparmor", "AppArmor is not enabled on this host");
                error_hint(e, "leave apparmorProfile out, or enable AppArmor");
                return -EOPNOTSUPP;
        }
        return 0;
}

static int check_root(struct sandbox *s, struct error *e)
{
        const struct plan *p = s->plan;
        uint64_t joins = joined_flags(p->container);
        if (p->container->root.path && !(p->namespaces & CLONE_NEWNS) && !(joins & CLONE_NEWNS)) {
                error_set(e, EINVAL, "config.mount-namespace", "a root file system needs a mount namespace");
                error_hint(e, "add { \"type\": \"mount\" } to /linux/namespaces: its mounts would be the host's own");
                return -EINVAL;
        }
        return 0;
}

static void add_home(struct sandbox *s);

int container_prepare(struct sandbox *s, struct plan *p, const struct sandbox_host *host, struct error *e)
{
        const struct plan_container *k = p->container;
        *s = (struct sandbox)SANDBOX_INIT;
        s->plan = p;
        s->host = host;
        s->report_fd = -EBADF;
        int read = sandbox_read_privilege(s, e);
        if (read < 0)
                return read;
        s->account.uid = k->identity.uid;
        s->account.gid = k->identity.gid;
        s->change_user = true;
        for (size_t i = 0; i < p->environment.count; i++)
                strings_add(&s->environment, p->environment.items[i]);
        for (char **v = environ; MUTANT("keep-env") && *v; v++)
                strings_add(&s->environment, *v);
        if (MUTANT("host-passwd") && k->root.path)
                add_home(s);
        int r = check_root(s, e);
        if (r == 0)
                r = check_labels(s, e);
        return r == 0 ? open_sources(s, e) : r;
}

/* ---- cloning ---- */

static int open_join(const struct plan_join *j, struct error *e)
{
        int fd = open(j->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                error_errno(e, errno, "namespace.path", "opening the %s namespace %s", process_namespace_name(j->flag), j->path);
                return error_while(e, "applying %s", j->origin);
        }
        return fd;
}

/* A path may lead to a namespace of the host: what is set there would be the host's own. */
static int refuse_host(const struct plan_container *k, const struct plan_join *j, int fd, struct error *e)
{
        static const struct {
                uint64_t flag;
                const char *own;
        } rows[] = { { CLONE_NEWNET, "/proc/self/ns/net" }, { CLONE_NEWIPC, "/proc/self/ns/ipc" }, { CLONE_NEWUTS, "/proc/self/ns/uts" } };
        bool names = j->flag == CLONE_NEWUTS && (k->hostname || k->domainname);
        for (size_t i = 0; (k->sysctl_count || names) && i < ELEMENTS(rows) && !MUTANT("host-sysctl"); i++) {
                struct stat theirs, own;
                if (rows[i].flag != j->flag || fstat(fd, &theirs) < 0 || stat(rows[i].own, &own) < 0 || theirs.st_ino != own.st_ino)
                        continue;
                error_set(e, EPERM, "namespace.host", "%s is the host's own %s namespace", j->path, process_namespace_name(j->flag));
                error_hint(e, "kernel settings and names can be set in namespaces of the container's own only");
                return error_while(e, "applying %s", j->origin);
        }
        return 0;
}

static int join_one(const struct plan_container *k, const struct plan_join *j, struct error *e)
{
        CLEAN_FD int fd = open_join(j, e);
        int r = fd < 0 ? fd : refuse_host(k, j, fd, e);
        if (r < 0)
                return r;
        if (setns(fd, (int)j->flag) < 0) {
                error_errno(e, errno, "namespace.join", "entering the %s namespace %s", process_namespace_name(j->flag), j->path);
                return error_while(e, "applying %s", j->origin);
        }
        return 0;
}

static int join_flags(const struct plan_container *k, uint64_t flags, struct error *e)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < k->join_count; i++)
                if (k->joins[i].flag & flags)
                        r = join_one(k, &k->joins[i], e);
        return r;
}

static int new_clocks(const struct plan_container *k, struct error *e)
{
        const struct {
                const char *clock;
                const struct plan_time_offset *offset;
        } rows[] = { { "monotonic", &k->monotonic }, { "boottime", &k->boottime } };
        if (unshare(CLONE_NEWTIME) < 0)
                return error_errno(e, errno, "namespace.refused", "making a time namespace");
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                if (!rows[i].offset->set)
                        continue;
                CLEAN_FREE char *line = xprintf("%s %lld %u\n", rows[i].clock, (long long)rows[i].offset->seconds, rows[i].offset->nanoseconds);
                int r = file_write(AT_FDCWD, "/proc/self/timens_offsets", line);
                if (r < 0) {
                        error_errno(e, r, "namespace.clock", "setting the %s clock", rows[i].clock);
                        return error_while(e, "applying /linux/timeOffsets/%s", rows[i].clock);
                }
        }
        return 0;
}

/*
 * Who is in another container's process namespace can be reached from there by whoever may trace: so the set-up stays
 * outside, and only the process that is left of it, without privilege and on its own root, is born inside.  That takes a
 * procfs that shows a namespace from outside; and a user namespace, whose child has no privilege over the other, is
 * entered first.
 */
int container_plan_birth(struct sandbox *s, struct error *e)
{
        const struct plan_container *k = s->plan->container;
        if (MUTANT("start-early"))
                return 0;
        for (size_t i = 0; i < k->join_count && !s->joined && !k->new_users && !(joined_flags(k) & CLONE_NEWUSER); i++) {
                if (k->joins[i].flag != CLONE_NEWPID)
                        continue;
                CLEAN_FD int fd = open_join(&k->joins[i], e);
                if (fd < 0)
                        return fd;
                if (mount_proc_takes(fd))
                        s->late_pid_fd = TAKE_FD(fd);
        }
        return 0;
}

/* What our next child is born into. */
static int set_for_children(const struct sandbox *s, struct error *e)
{
        const struct plan_container *k = s->plan->container;
        int r = join_flags(k, s->late_pid_fd < 0 ? of_children : CLONE_NEWTIME, e);
        return r == 0 && s->plan->namespaces & CLONE_NEWTIME ? new_clocks(k, e) : r;
}

/* Hooks that run later are children as well, and belong to the host. */
static void restore_for_children(int pid_fd, int time_fd)
{
        if (pid_fd >= 0)
                (void)setns(pid_fd, CLONE_NEWPID);
        if (time_fd >= 0)
                (void)setns(time_fd, CLONE_NEWTIME);
}

/*
 * Before the container can see us: what we were started from must not be writable through us (os/self.h).  Once is
 * enough, for the processes that we clone as well.
 */
static struct {
        bool done;
        int fd; /* the view that a child shall take; or 0 */
} hiding;

/* What takes lookups in procfs: cheaper here than in the child. */
static int prepare_to_hide(struct error *e)
{
        if (hiding.done || hiding.fd || MUTANT("writable-exe"))
                return 0;
        if (self_is_read_only()) {
                hiding.done = true;
                return 0;
        }
        int fd = self_open_read_only(), r = fd < 0 ? fd : self_prepare();
        if (r < 0) {
                fd_close(fd);
                return error_errno(e, r, "self.refused", "keeping the runtime's own file from the container");
        }
        hiding.fd = fd;
        return 0;
}

static int hide_program(struct error *e)
{
        if (prepare_to_hide(e) < 0)
                return e->code;
        if (hiding.done || !hiding.fd)
                return 0;
        int r = self_exchange(hiding.fd);
        hiding.done = r == 0;
        fd_close(hiding.fd);
        hiding.fd = 0;
        return r < 0 ? error_errno(e, r, "self.refused", "keeping the runtime's own file from the container") : 0;
}

int container_begin(struct child *c, struct error *e)
{
        (void)c;
        return hide_program(e);
}

/*
 * An ordinary user can neither make mounts nor exchange a file but in a user namespace: the container's, with a copy of the mounts
 * there.  Its process namespace, in which we would be seen, is entered later.
 */
static int enter_users(int pidfd, struct error *e)
{
        if (setns(pidfd, CLONE_NEWUSER) < 0)
                return error_errno(e, errno, "namespace.join", "entering the container's user namespace");
        return unshare(CLONE_NEWNS) < 0 ? error_errno(e, errno, "namespace.refused", "making a mount namespace") : 0;
}

/*
 * The child of exec is seen by the container from its first moment on, and must hold nothing of the host then: so
 * control groups and namespaces are entered, and descriptors closed, before it is born.
 */
static int enter_container(struct sandbox *s, int answer_fd, const struct sandbox_io *io, struct error *e)
{
        const int kept[] = { 0, 1, 2, io->in, io->out, io->err, s->status_out, io->console_fd, answer_fd, s->join_pidfd };
        int r = s->plan->container->cpus_initial ? attributes_set_cpus(s->plan->container->cpus_initial) : 0;
        if (r < 0)
                return error_errno(e, r, "attribute.refused", "setting the processors");
        r = MUTANT("exec-no-cgroup") ? 0 : cgroup_enter(&s->cgroup);
        if (r < 0)
                return error_errno(e, r, "cgroup.refused", "entering the container's control groups");
        uint64_t flags = s->join_flags;
        if (!s->privileged && flags & CLONE_NEWUSER && !MUTANT("join-early")) {
                r = enter_users(s->join_pidfd, e);
                flags &= ~(uint64_t)CLONE_NEWUSER;
        }
        if (r == 0)
                r = hide_program(e);
        if (r < 0)
                return r;
        if (!MUTANT("join-with-fd") && !MUTANT("dumpable") && !MUTANT("exec-keep-cwd") && !MUTANT("keep-fds"))
                process_close_others(kept, ELEMENTS(kept), 3 + io->keep_fds);
        r = container_enter(s->join_pidfd, MUTANT("join-early") ? CLONE_NEWPID : flags, e);
        s->join_pidfd = MUTANT("join-early") ? s->join_pidfd : fd_close(s->join_pidfd);
        s->cgroup = (struct cgroup){ .into_fd = -EBADF };
        return r;
}

/*
 * Whoever enters the namespaces of a container does not come back, and so is a launcher, whose child becomes ours.  It
 * borrows our memory, and tells there what came of it.
 */
struct launch {
        struct sandbox *s;
        const struct sandbox_io *io;
        const struct container_life *life;
        uint64_t flags;
        pid_t pid;
        struct error error;
};

static void launch(void *data)
{
        struct launch *l = data;
        int pidfd = -EBADF;
        if (enter_container(l->s, -EBADF, l->io, &l->error) < 0)
                _exit(0);
        pid_t pid = process_clone_sibling(l->flags, -1, &pidfd);
        if (pid == 0)
                l->life->live(l->life->data);
        l->pid = pid;
        if (pid < 0)
                error_errno(&l->error, pid, "namespace.refused", "making a process in the container");
        _exit(0);
}

static int wait_launcher(pid_t launcher)
{
        int r;
        while ((r = waitpid(launcher, NULL, 0)) < 0 && errno == EINTR)
                ;
        return r;
}

static pid_t clone_borrowing(struct sandbox *s, uint64_t flags, const struct sandbox_io *io, const struct container_life *life, int *ret_pidfd,
                             struct error *e)
{
        struct launch l = { .s = s, .io = io, .life = life, .flags = flags };
        /* It closes and forgets these, which are still open here. */
        const int join_pidfd = s->join_pidfd;
        const struct cgroup groups = s->cgroup;
        pid_t launcher = process_clone_borrowing(s->cgroup.into_fd, launch, &l);
        s->join_pidfd = join_pidfd;
        s->cgroup = groups;
        if (launcher == -ENOSYS)
                return launcher;
        if (launcher < 0)
                return error_errno(e, launcher, "spawn.failed", "clone");
        (void)wait_launcher(launcher);
        if (l.pid <= 0) {
                if (l.error.code && e)
                        *e = l.error;
                return l.error.code ? l.error.code : error_set(e, EPIPE, "spawn.failed", "the launcher died");
        }
        *ret_pidfd = process_open(l.pid); /* nobody but us waits for it, so the pid is still its own */
        if (*ret_pidfd < 0) {
                (void)kill(l.pid, SIGKILL);
                (void)wait_launcher(l.pid);
                return error_errno(e, *ret_pidfd, "spawn.failed", "pidfd_open");
        }
        return l.pid;
}

/*
 * As before, with a launcher that has memory of its own: whoever enters a user namespace is no longer shown its own
 * files of procfs, and that goes with the memory; a time namespace is entered by nobody who shares it.
 */
static pid_t clone_through_launcher(struct sandbox *s, uint64_t flags, const struct sandbox_io *io, int *ret_pidfd, struct error *e)
{
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return error_errno(e, errno, "spawn.failed", "socketpair");
        CLEAN_FD int ours = ends[0], theirs = ends[1];
        int unused = -EBADF;
        pid_t launcher = process_clone(0, s->joined ? s->cgroup.into_fd : -1, &unused);
        if (launcher < 0)
                return error_errno(e, launcher, "spawn.failed", "clone");
        if (launcher == 0) {
                struct {
                        pid_t pid;
                        struct error error;
                } answer = { 0 };
                ours = fd_close(ours);
                int pidfd = -EBADF;
                int r = s->joined ? enter_container(s, theirs, io, &answer.error) : join_flags(s->plan->container, CLONE_NEWUSER, &answer.error);
                if (r == 0) {
                        answer.pid = process_clone_sibling(flags, s->cgroup.into_fd, &pidfd);
                        if (answer.pid == 0)
                                return 0;
                        if (answer.pid < 0)
                                error_errno(&answer.error, answer.pid, "namespace.refused", "making namespaces in the joined user namespace");
                }
                (void)descriptor_send(theirs, &answer, sizeof answer, &pidfd, pidfd >= 0);
                _exit(0);
        }
        fd_close(unused);
        theirs = fd_close(theirs);
        struct {
                pid_t pid;
                struct error error;
        } answer = { 0 };
        size_t count = 0;
        ssize_t n = descriptor_receive(ours, &answer, sizeof answer, ret_pidfd, 1, &count);
        (void)wait_launcher(launcher);
        if (n == (ssize_t)sizeof answer && count == 1)
                return answer.pid;
        if (n == (ssize_t)sizeof answer && answer.error.code && e) {
                *e = answer.error;
                return e->code;
        }
        return error_set(e, EPIPE, "spawn.failed", "the launcher died");
}

static pid_t clone_child(struct sandbox *s, uint64_t flags, const struct sandbox_io *io, const struct container_life *life, int *ret_pidfd,
                         struct error *e)
{
        uint64_t joined = s->joined ? s->join_flags : joined_flags(s->plan->container);
        bool lends = s->joined && !(joined & (CLONE_NEWUSER | CLONE_NEWTIME));
        pid_t pid = -ENOSYS;
        /*
         * Where others may see the child from its birth, it must be born hidden; alone in a process namespace, it does that
         * first.  Then our own mappings stay, and we need not load each page of them again.
         */
        bool alone = !s->joined && flags & CLONE_NEWPID;
        if (s->privileged && (alone ? prepare_to_hide(e) : hide_program(e)) < 0)
                return e->code;
        if (lends)
                pid = clone_borrowing(s, flags, io, life, ret_pidfd, e);
        if (pid != -ENOSYS)
                return pid;
        if (s->joined || joined & CLONE_NEWUSER)
                return clone_through_launcher(s, flags, io, ret_pidfd, e);
        pid = process_clone(flags, s->cgroup.into_fd, ret_pidfd);
        return pid < 0 ? error_errno(e, pid, "namespace.refused", "making the container's namespaces") : pid;
}

pid_t container_clone(struct sandbox *s, uint64_t flags, const struct sandbox_io *io, const struct container_life *life, int *ret_pidfd,
                      struct error *e)
{
        const struct plan *p = s->plan;
        bool changes = (joined_flags(p->container) & of_children || p->namespaces & CLONE_NEWTIME) && !s->joined;
        if (!changes)
                return clone_child(s, flags, io, life, ret_pidfd, e);
        CLEAN_FD int pid_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC), time_fd = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
        int r = set_for_children(s, e);
        pid_t pid = r < 0 ? r : clone_child(s, flags, io, life, ret_pidfd, e);
        if (pid != 0)
                restore_for_children(pid_fd, time_fd);
        return pid;
}

int container_enter(int pidfd, uint64_t flags, struct error *e)
{
        if (setns(pidfd, (int)flags) == 0)
                return 0;
        return error_errno(e, errno, "namespace.join", "entering the container's namespaces");
}

/* ---- stages of the child ---- */

/* What is mounted on the container's /proc is its own matter: what we need of procfs comes from a mount that nobody sees. */
int container_handles(struct child *c, struct error *e)
{
        const struct plan_container *k = c->s->plan->container;
        static const struct mount_option options[] = { { "subset", "pid" }, { 0 } };
        if (MUTANT("join-early") && container_enter(c->s->join_pidfd, c->s->join_flags & ~(uint64_t)CLONE_NEWPID, e) < 0)
                return e->code;
        c->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (c->root_fd < 0)
                return error_errno(e, errno, "handle.failed", "opening /");
        if (!k->oom_score_set && !k->process_label && !k->apparmor)
                return 0;
        c->proc_fd = MUTANT("exec-trust-proc") ? open("/proc", O_PATH | O_CLOEXEC)
                                               : mount_new("proc", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (c->proc_fd >= 0)
                return 0;
        struct stat st;
        c->proc_fd = path_open_as(c->root_fd, "proc", O_PATH | O_DIRECTORY, 0, PATH_NO_LINKS);
        if (c->proc_fd < 0 || !file_is_on(c->proc_fd, PROC_SUPER_MAGIC) || fstat(c->proc_fd, &st) < 0 || st.st_ino != PROC_ROOT_INODE)
                return error_set(e, EINVAL, "handle.proc", "/proc of the container is not procfs");
        return 0;
}

int container_ask(struct child *c, enum container_request request, struct error *e)
{
        char byte = (char)request;
        if (file_write_all(c->sync_fd, &byte, 1) < 0 || read(c->sync_fd, &byte, 1) != 1)
                return error_set(e, EPIPE, "spawn.failed", "the supervisor is gone");
        /* It knows more than we do, and tells that instead. */
        return byte == 'm' ? 0 : error_set(e, EPERM, "spawn.failed", "the supervisor refused");
}

int container_join(struct child *c, struct error *e)
{
        const struct plan_container *k = c->s->plan->container;
        if (c->s->joined)
                return 0; /* born there */
        int r = join_flags(k, ~(of_children | CLONE_NEWUSER | CLONE_NEWCGROUP), e);
        if (r == 0)
                r = join_flags(k, CLONE_NEWCGROUP, e);
        if (r == 0 && c->s->plan->namespaces & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
                r = error_errno(e, errno, "namespace.refused", "making a control group namespace");
        return r;
}

/* Of a new user namespace, once its maps are written; of a joined one. */
int container_become_root(struct child *c, struct error *e)
{
        const struct plan_container *k = c->s->plan->container;
        int r = k->new_users ? container_ask(c, CONTAINER_MAPS, e) : 0;
        uint64_t entered = c->s->joined ? c->s->join_flags : joined_flags(k);
        if (r < 0 || (!k->new_users && !(entered & CLONE_NEWUSER)))
                return r;
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return error_errno(e, errno, "namespace.map", "becoming root of the user namespace");
        (void)setgroups(0, NULL); /* denied where an ordinary user made the maps: the groups then stay unmapped */
        r = child_tie(c);
        return r < 0 ? error_errno(e, r, "spawn.failed", "asking for the death signal") : 0;
}

static int set_sysctl(struct child *c, const struct plan_sysctl *s, struct error *e)
{
        CLEAN_FREE char *path = xprintf("sys/%s", s->key);
        /* In a key dots separate and a slash stands for a dot. */
        for (char *p = path + strlen("sys/"); *p; p++)
                *p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
        CLEAN_FD int fd = MUTANT("trust-proc") ? openat(c->proc_fd, path, O_WRONLY | O_CLOEXEC)
                                               : path_open_as(c->proc_fd, path, O_WRONLY | O_NOCTTY, 0, PATH_NO_LINKS);
        int r = fd < 0 ? fd : file_write_all(fd, s->value, strlen(s->value));
        if (r < 0) {
                error_errno(e, r, "sysctl.refused", "setting %s to %s", s->key, s->value);
                return error_while(e, "applying %s", s->origin);
        }
        return 0;
}

int container_names(struct child *c, struct error *e)
{
        const struct plan_container *k = c->s->plan->container;
        int r = 0;
        if (k->hostname && sethostname(k->hostname, strlen(k->hostname)) < 0)
                return error_errno(e, errno, "hostname.refused", "setting the host name %s", k->hostname);
        if (k->domainname && setdomainname(k->domainname, strlen(k->domainname)) < 0)
                return error_errno(e, errno, "hostname.refused", "setting the domain name %s", k->domainname);
        for (size_t i = 0; r == 0 && i < k->sysctl_count; i++)
                r = set_sysctl(c, &k->sysctls[i], e);
        return r;
}

static int refuse(struct error *e, int r, const char *what, const char *origin)
{
        error_errno(e, r, "attribute.refused", "setting %s", what);
        return error_while(e, "applying %s", origin);
}

/* Where there is no final list the kernel decides what the change of the control group makes of the first one. */
static int set_final_cpus(const struct child *c, struct error *e)
{
        const struct plan_container *k = c->s->plan->container;
        if (!c->s->joined || !k->cpus_final)
                return 0;
        int r = attributes_set_cpus(k->cpus_final);
        return r < 0 ? refuse(e, r, "the processors", "/process/execCPUAffinity/final") : 0;
}

static int set_rlimits(const struct plan_container *k, struct error *e)
{
        for (size_t i = 0; i < k->rlimit_count; i++) {
                const struct rlimit limit = { k->rlimits[i].soft, k->rlimits[i].hard };
                if (setrlimit((__rlimit_resource_t)k->rlimits[i].resource, &limit) < 0) {
                        if (errno == EPERM)
                                error_hint(e, "raising a hard limit needs CAP_SYS_RESOURCE");
                        return refuse(e, -errno, "a resource limit", k->rlimits[i].origin);
                }
        }
        return 0;
}

int container_attributes(struct child *c, struct error *e)
{
        const struct plan_container *k = c->s->plan->container;
        int r = set_final_cpus(c, e);
        if (r < 0)
                return r;
        if (k->scheduler.set) {
                const struct plan_scheduler *p = &k->scheduler;
                const struct attributes_scheduler a = { p->policy, p->flags, p->nice, p->priority, p->runtime_ns, p->deadline_ns, p->period_ns };
                if ((r = attributes_set_scheduler(&a)) < 0)
                        return refuse(e, r, "the scheduler", "/process/scheduler");
        }
        if (k->io_priority.set && (r = attributes_set_io_priority(k->io_priority.value)) < 0)
                return refuse(e, r, "the I/O priority", "/process/ioPriority");
        if (k->memory_policy.set && (r = attributes_set_memory_policy(k->memory_policy.mode, k->memory_policy.nodes)) < 0)
                return refuse(e, r, "the memory policy", "/linux/memoryPolicy");
        if (k->personality_set && (r = attributes_set_personality(k->personality)) < 0)
                return refuse(e, r, "the personality", "/linux/personality");
        return set_rlimits(k, e);
}

/* While /proc is the host's and we are who we were born as: a change of user makes these files another's. */
int container_labels(struct child *c, struct error *e)
{
        const struct plan_container *k = c->s->plan->container;
        if (k->oom_score_set) {
                CLEAN_FREE char *text = xprintf("%d", k->oom_score);
                int r = file_write(c->proc_fd, "self/oom_score_adj", text);
                if (r < 0)
                        return refuse(e, r, "the OOM score", "/process/oomScoreAdj");
        }
        if (k->process_label) {
                int r = file_write(c->proc_fd, "thread-self/attr/exec", k->process_label);
                if (r < 0)
                        return refuse(e, r, "the SELinux label", "/process/selinuxLabel");
                r = file_write(c->proc_fd, "thread-self/attr/keycreate", k->process_label);
                if (r < 0)
                        return refuse(e, r, "the SELinux label of its keyring", "/process/selinuxLabel");
        }
        if (k->apparmor) {
                CLEAN_FREE char *text = xprintf("exec %s", k->apparmor);
                int r = file_write(c->proc_fd, "thread-self/attr/apparmor/exec", text);
                if (r == -ENOENT)
                        r = file_write(c->proc_fd, "thread-self/attr/exec", text);
                if (r == -ENOENT && !MUTANT("ignore-lsm")) {
                        error_set(e, ENOENT, "attribute.refused", "apply apparmor profile `%s`: profile not loaded", k->apparmor);
                        error_hint(e, "apparmor_parser loads it");
                        return error_while(e, "applying /process/apparmorProfile");
                }
                if (r < 0 && !MUTANT("ignore-lsm"))
                        return refuse(e, r, "the AppArmor profile", "/process/apparmorProfile");
        }
        return 0;
}

int container_terminal(struct child *c, struct error *e)
{
        if (c->terminal_fd < 0)
                return 0;
        if (ioctl(c->terminal_fd, TIOCSCTTY, 0) < 0)
                return error_errno(e, errno, "terminal.failed", "taking the terminal");
        for (int i = 0; i < 3; i++)
                if (dup2(c->terminal_fd, i) < 0)
                        return error_errno(e, errno, "stdio.failed", "setting standard descriptor %d", i);
        c->terminal_fd = fd_close(c->terminal_fd);
        return 0;
}

/* So that a user who is not root can open /dev/stdout: pipes and sockets that were made for us, never files or devices. */
static void own_stdio(uid_t uid)
{
        for (int i = 0; i < 3; i++) {
                struct stat st, null;
                if (MUTANT("reopen-stdio") && fstat(i, &st) == 0 && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev)
                        (void)dup2(open("/dev/null", O_RDWR | O_CLOEXEC), i);
                if (fstat(i, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || MUTANT("chown-stdio")) && st.st_uid != uid)
                        (void)!fchown(i, uid, (gid_t)-1); /* in a user namespace it may be another's */
        }
}

/* What we have not, nobody gets from us; the specification has that said and the container made without it. */
static void leave_out_capabilities(struct child *c, uint64_t had)
{
        struct plan_capabilities *p = &c->s->plan->container->capabilities;
        uint64_t lacking = (p->bounding | p->effective | p->permitted | p->inheritable | p->ambient) & ~had;
        for (unsigned n = 0; n <= CAPABILITY_MAX && lacking >> n; n++)
                if (lacking >> n & 1)
                        child_note(c, "the capability %s cannot be granted: the runtime has it not", capability_name(n));
        uint64_t *const sets[] = { &p->bounding, &p->effective, &p->permitted, &p->inheritable, &p->ambient };
        for (size_t i = 0; lacking && i < ELEMENTS(sets); i++)
                *sets[i] &= ~lacking;
}

static int set_capabilities(struct child *c, uint64_t had, struct error *e)
{
        const struct plan_capabilities *p = &c->s->plan->container->capabilities;
        const uint64_t admin = UINT64_C(1) << CAP_SYS_ADMIN;
        /* What the filters need until execve, which takes it away unless the bounding set and root give it. */
        uint64_t extra = c->s->profile.filter.count && !c->s->plan->no_new_privileges ? had & admin : 0;
        uint64_t inheritable = MUTANT("keep-caps") ? p->permitted : p->inheritable;
        int r = capability_set(p->effective | extra, p->permitted | extra, inheritable);
        if (r < 0)
                return error_errno(e, r, "capability.refused", "setting the capabilities");
        r = capability_set_ambient(p->ambient);
        return r < 0 ? error_errno(e, r, "capability.refused", "setting the ambient capabilities") : 0;
}

int container_credentials(struct child *c, struct error *e)
{
        const struct plan_container *k = c->s->plan->container;
        const struct plan_identity *i = &k->identity;
        struct account named = { 0 };
        if (MUTANT("user-by-name") && account_find(xprintf("%u", i->uid), &named) == 0)
                c->s->plan->container->identity.uid = named.uid;
        own_stdio(i->uid);
        uint64_t had; /* the change of user takes it, and leaves it permitted */
        int r = capability_effective(&had);
        if (r < 0)
                return error_errno(e, r, "capability.refused", "reading the capabilities of the set-up");
        leave_out_capabilities(c, had);
        r = MUTANT("exec-all-caps") && c->s->joined ? 0 : capability_bound(k->capabilities.bounding);
        if (r < 0)
                return error_errno(e, r, "capability.refused", "dropping from the capability bounding set");
        if (!MUTANT("keep-groups") && setgroups(i->group_count, i->groups) < 0 && (i->group_count || errno != EPERM)) {
                bool denied = errno == EPERM;
                error_errno(e, errno, "identity.groups", "setting %zu groups", i->group_count);
                if (denied)
                        error_hint(e, "where an ordinary user maps one id alone, the kernel denies further groups; a range takes newgidmap");
                return error_while(e, "applying /process/user/additionalGids");
        }
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return error_errno(e, errno, "identity.user", "keeping capabilities for the set-up");
        if (setresgid(i->gid, i->gid, i->gid) < 0 || setresuid(i->uid, i->uid, i->uid) < 0) {
                error_errno(e, errno, "identity.user", "becoming user %u and group %u", i->uid, i->gid);
                error_hint(e, "in a user namespace the id must be in its map");
                return error_while(e, "applying /process/user");
        }
        (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
        /* Until exec we are another program's memory in the container's sight. */
        if (!MUTANT("dumpable"))
                (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        r = child_tie(c);
        if (r < 0)
                return error_errno(e, r, "spawn.failed", "asking for the death signal");
        /* From here on our children are born there; none was before, hooks least of all. */
        if (c->s->late_pid_fd >= 0 && setns(c->s->late_pid_fd, CLONE_NEWPID) < 0)
                return error_errno(e, errno, "namespace.join", "entering the pid namespace");
        return set_capabilities(c, had, e);
}

int container_be_born(struct child *c, struct error *e)
{
        const int kept[] = { c->s->start_fd, c->status_fd, c->sync_fd, c->terminal_fd };
        int pidfd = -EBADF;
        char byte;
        /* Our end is soon, and who makes the record must have found us before; the word is left for container_wait. */
        if (recv(c->status_fd, &byte, 1, MSG_PEEK) != 1)
                return error_set(e, EPIPE, "spawn.failed", "the supervisor is gone");
        byte = CONTAINER_BIRTH;
        process_close_others(kept, ELEMENTS(kept), 3 + c->io->keep_fds);
        c->proc_fd = c->root_fd = c->s->late_pid_fd = -EBADF;
        pid_t pid = process_clone_sibling(0, -1, &pidfd);
        if (pid < 0)
                return error_errno(e, pid, "spawn.failed", "clone");
        if (pid > 0) {
                bool sent = file_write_all(c->sync_fd, &byte, 1) == 0 && descriptor_send(c->sync_fd, &pid, sizeof pid, &pidfd, 1) == 0;
                if (!sent)
                        (void)process_signal(pidfd, SIGKILL);
                _exit(sent ? 0 : EXIT_FAILURE);
        }
        int r = child_tie(c);
        if (r < 0)
                return error_errno(e, r, "spawn.failed", "asking for the death signal");
        if (read(c->sync_fd, &byte, 1) != 1 || byte != 'm')
                return error_set(e, EPIPE, "spawn.failed", "the supervisor is gone");
        /* The session was our maker's, and with it the terminal would have been. */
        if (setsid() < 0)
                return error_errno(e, errno, "session.refused", "starting a session");
        return container_terminal(c, e);
}

int container_take_birth(int sync_fd, pid_t *pid, int *pidfd, struct error *e)
{
        pid_t born = 0;
        size_t count = 0;
        CLEAN_FD int fd = -EBADF;
        /* The new process holds the socket as well: the end of the old one alone would not end the wait. */
        struct pollfd p[] = { { .fd = sync_fd, .events = POLLIN }, { .fd = *pidfd, .events = POLLIN } };
        while (poll(p, ELEMENTS(p), -1) < 0 && errno == EINTR)
                ;
        ssize_t n = p[0].revents & POLLIN ? descriptor_receive(sync_fd, &born, sizeof born, &fd, 1, &count) : -1;
        if (n != (ssize_t)sizeof born || count != 1)
                return error_set(e, EPIPE, "spawn.failed", "the set-up process died");
        while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
                ;
        fd_close(*pidfd);
        *pid = born;
        *pidfd = TAKE_FD(fd);
        return 0;
}

/* The image's passwd is text of a stranger: a regular file within bounds, or nothing. */
static char *home_of(const char *root_path, uid_t uid)
{
        CLEAN_FD int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        const int flags = O_RDONLY | (MUTANT("unbounded-passwd") ? 0 : O_NONBLOCK) | O_NOCTTY | O_CLOEXEC;
        CLEAN_FD int fd = root < 0              ? -1
                          : MUTANT("host-passwd") ? openat(root, "etc/passwd", flags)
                                                  : path_open_as(root, "etc/passwd", flags, 0, PATH_LINKS);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PASSWD_MAX)
                return NULL;
        CLEAN_FREE char *text = xalloc((size_t)st.st_size + 1, 1);
        if (pread(fd, text, (size_t)st.st_size, 0) < 0)
                return NULL;
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));) {
                char *field[7] = { 0 };
                uint64_t id;
                for (int i = 0; i < 7 && line; i++)
                        field[i] = strsep(&line, ":");
                if (field[6] && text_parse_uint(field[2], UINT32_MAX, &id) == 0 && id == uid && field[5][0] == '/')
                        return xstrdup(field[5]);
        }
        return NULL;
}

static void add_home(struct sandbox *s)
{
        for (size_t i = 0; i < s->environment.count; i++)
                if (text_starts(s->environment.items[i], "HOME="))
                        return;
        CLEAN_FREE char *home = home_of(MUTANT("host-passwd") ? s->plan->container->root.path : "/", s->account.uid);
        strings_take(&s->environment, xprintf("HOME=%s", home ? home : "/"));
}

int container_directory(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        const char *path = p->working_directory ? p->working_directory : "/";
        char here[PATH_MAX];
        add_home(c->s);
        /* Not the caller's, which may be an engine's 0. */
        umask(p->container->identity.umask_set ? p->container->identity.umask : 0022);
        if (chdir(path) < 0) {
                error_errno(e, errno, "directory.refused", "entering the working directory %s", path);
                return error_while(e, "applying /process/cwd");
        }
        /* A folder of the host, reached through a descriptor that somebody left open, has no path from our root. */
        if (!MUTANT("keep-cwd") && !MUTANT("exec-keep-cwd") && (!getcwd(here, sizeof here) || here[0] != '/')) {
                error_set(e, EPERM, "directory.outside", "the working directory %s is outside of the container's root", path);
                return error_while(e, "applying /process/cwd");
        }
        return 0;
}

/* Says that all is ready, and sleeps until somebody connects and gives the word; errors then go to them. */
int container_wait(struct child *c, struct error *e)
{
        const struct status_message ready = { .kind = STATUS_READY };
        int listener = c->s->start_fd;
        char byte = 0;
        ssize_t n;
        if (listener >= 0) {
                /* While we wait we can be looked at: nothing of the host stays open, nor any lock of our maker. */
                const int kept[] = { listener, c->status_fd };
                process_close_others(kept, ELEMENTS(kept), 3 + c->io->keep_fds);
                c->proc_fd = c->root_fd = c->sync_fd = -EBADF;
        }
        /* Not before we are on record. */
        do
                n = recv(c->status_fd, &byte, 1, 0);
        while (n < 0 && errno == EINTR);
        if (n != 1)
                return error_set(e, EPIPE, "spawn.failed", "the supervisor is gone");
        if (prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0) /* from here on nobody supervises */
                return error_errno(e, errno, "spawn.failed", "giving up the death signal");
        if (listener < 0)
                return 0;
        if (file_write_all(c->status_fd, &ready, sizeof ready) < 0)
                return error_set(e, EPIPE, "spawn.failed", "the supervisor is gone");
        c->status_fd = fd_close(c->status_fd);
        for (;;) {
                CLEAN_FD int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
                        return error_errno(e, errno, "spawn.failed", "waiting for the start");
                if (fd >= 0 && recv(fd, &byte, 1, 0) == 1 && byte == 'g') {
                        c->status_fd = TAKE_FD(fd);
                        break;
                }
        }
        fd_close(listener);
        c->s->start_fd = -EBADF;
        return 0;
}

/* From its first moment on the filter may ask an agent about our own calls, but about write never (oci_seccomp.c). */
int container_filter(struct child *c, struct error *e)
{
        const struct profile_program *p = &c->s->profile;
        char byte;
        int fd = seccomp_install_flags(p->filter.code, p->filter.count, p->flags);
        if (fd < 0)
                return error_errno(e, fd, "seccomp.refused", "installing the system call profile");
        if (!(p->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER))
                return 0;
        if (notify_announce(c->status_fd, fd) < 0 || read(c->status_fd, &byte, 1) != 1)
                return error_set(e, EPIPE, "seccomp.listener", "nobody took the listener of the system call profile");
        return 0;
}
