/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/exit_status.h"
#include "os/attributes.h"
#include "os/capability.h"
#include "os/file.h"
#include "os/landlock.h"
#include "os/process.h"
#include "os/seccomp.h"
#include "sandbox/child.h"
#include "sandbox/command.h"
#include "sandbox/container.h"
#include "sandbox/credentials.h"
#include "sandbox/denials.h"
#include "sandbox/environment.h"
#include "sandbox/extensions.h"
#include "sandbox/filter_cache.h"
#include "sandbox/folders.h"
#include "sandbox/identity.h"
#include "sandbox/network.h"
#include "sandbox/resources.h"
#include "sandbox/streams.h"
#include "sandbox/unit_root.h"

/* ---- prepare ---- */

/* Stand-ins of mode 0 for InaccessiblePaths=, and the place where a root is attached, shared by all runs of this owner. */
static int make_stand_ins(struct sandbox *s, struct error *e)
{
        static const struct {
                const char *name;
                mode_t type;
        } rows[] = { { "root", S_IFDIR }, { "dir", S_IFDIR }, { "reg", S_IFREG }, { "sock", S_IFSOCK }, { "chr", S_IFCHR }, { "blk", S_IFBLK } };
        s->stand_ins = xprintf("%s/inaccessible", s->host->shared_folder);
        CLEAN_FREE char *last = xprintf("%s/%s", s->stand_ins, rows[0].name);
        if (access(last, F_OK) == 0)
                return 0;
        mode_t mask = umask(0);
        int r = mkdir(s->stand_ins, 0755) < 0 && errno != EEXIST ? -errno : 0;
        for (size_t i = ELEMENTS(rows); r == 0 && i-- > 0;) {
                CLEAN_FREE char *path = xprintf("%s/%s", s->stand_ins, rows[i].name);
                int k = rows[i].type == S_IFDIR ? mkdir(path, 0) : mknod(path, rows[i].type, makedev(0, 0));
                if (k < 0 && errno != EEXIST && errno != EPERM)
                        r = -errno;
        }
        umask(mask);
        return r < 0 ? error_errno(e, r, "mount.stand-in", "making stand-ins in %s", s->stand_ins) : 0;
}

static int make_tmp_folder(struct sandbox *s, int which, struct error *e)
{
        static const char *const bases[] = { "/tmp", "/var/tmp" };
        CLEAN_TEXT struct text boot = { 0 };
        char random[7] = "";
        file_random_hex(random, 6);
        if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot) < 0)
                text_add(&boot, "unknown");
        CLEAN_TEXT struct text id = { 0 };
        for (const char *p = boot.data; *p; p++)
                if (*p != '-' && *p != '\n')
                        text_add_bytes(&id, p, 1);
        CLEAN_FREE char *outer = xprintf("%s/systemd-private-%s-%.190s-%s", bases[which], id.data, s->plan->unit, random);
        char *inner = xprintf("%s/tmp", outer);
        s->tmp_source[which] = inner;
        int r = s->host->note(s->host->context, "tree", outer);
        if (r < 0)
                return error_errno(e, r, "tmp.failed", "noting %s", outer);
        if (mkdir(outer, 0700) < 0 || mkdir(inner, 01777) < 0 || chmod(inner, 01777) < 0)
                return error_errno(e, errno, "tmp.failed", "making %s", inner);
        return 0;
}

static int make_tmp_folders(struct sandbox *s, struct error *e)
{
        int r = s->plan->tmp == PLAN_TMP_HOST_FOLDERS ? make_tmp_folder(s, 0, e) : 0;
        if (r == 0 && s->tmp_source[0] && access("/var/tmp", F_OK) == 0)
                r = make_tmp_folder(s, 1, e);
        return r;
}

static void set_variablef(struct strings *l, const char *name, const char *value)
{
        CLEAN_FREE char *s = xprintf("%s=%s", name, value);
        environment_set(l, s);
}

/* A clean environment, as a service manager gives it; in user mode what a login session has. */
int sandbox_environment(struct sandbox *s, const char *term, struct strings *l, struct error *e)
{
        static const char *const kept[] = { "PATH", "LANG", "HOME", "USER", "LOGNAME", "SHELL", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS" };
        const struct plan *p = s->plan;
        for (size_t i = 0; i < s->folder_variables.count; i++)
                strings_add(l, s->folder_variables.items[i]);
        set_variablef(l, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        set_variablef(l, "LANG", getenv("LANG") ? getenv("LANG") : "C.UTF-8");
        for (size_t i = 0; p->user_mode && i < ELEMENTS(kept); i++)
                if (getenv(kept[i]))
                        set_variablef(l, kept[i], getenv(kept[i]));
        if (p->process.login == PLAN_LOGIN_YES || (p->user && p->process.login != PLAN_LOGIN_NO)) {
                set_variablef(l, "HOME", s->account.home);
                set_variablef(l, "LOGNAME", s->account.name);
                set_variablef(l, "USER", s->account.name);
                set_variablef(l, "SHELL", s->account.shell);
        }
        set_variablef(l, "INVOCATION_ID", s->host->invocation_id);
        if (term)
                set_variablef(l, "TERM", term);
        if (p->credentials.folder)
                set_variablef(l, "CREDENTIALS_DIRECTORY", p->credentials.folder);
        environment_add_search_path(l, &p->process);
        environment_pass(l, &p->process);
        for (size_t i = 0; i < p->environment.count; i++)
                environment_set(l, p->environment.items[i]);
        int r = environment_add_files(l, p, &s->notes, e);
        environment_unset(l, &p->process);
        strings_add(l, ""); /* makes items[count] exist even if nothing was added */
        free(l->items[--l->count]);
        l->items[l->count] = NULL;
        return r;
}

static int add_program(struct sandbox *s, const struct filter *f, struct error *e)
{
        if (s->filter_count == SANDBOX_FILTERS_MAX)
                return error_set(e, E2BIG, "seccomp.limit", "too many system call filters");
        CLEAN_FREE char *cache = xprintf("%s/filters", s->host->shared_folder);
        int r = filter_cache_compile(cache, f, false, &s->filters[s->filter_count], e);
        if (r == 0)
                s->filter_count++;
        return r;
}

static int add_restriction(struct sandbox *s, struct plan_restriction *p, struct error *e)
{
        CLEAN_FREE char *cache = xprintf("%s/filters", s->host->shared_folder);
        struct restriction *r = &p->what;
        const struct plan_attribute *own = &s->plan->process.attributes[PLAN_PERSONALITY];
        s->kernel_keeps_code |= r->kind == RESTRICTION_MEMORY && attributes_can_deny_write_execute();
        if (r->kind == RESTRICTION_PERSONALITY)
                r->mask = own->origin ? (uint64_t)own->value : attributes_personality();
        else if (r->kind == RESTRICTION_MEMORY)
                r->mask = s->kernel_keeps_code;
        bool observed = s->report_fd >= 0 && restriction_calls(r);
        if (!observed && s->filter_count == SANDBOX_FILTERS_MAX)
                return error_set(e, E2BIG, "seccomp.limit", "too many system call filters");
        int k = filter_cache_compile_restriction(cache, r, observed ? &s->reported[r->kind] : &s->filters[s->filter_count], e);
        if (k < 0)
                return error_while(e, "applying %s", p->origin);
        s->filter_count += !observed;
        return 0;
}

/* Where the kernel logs no calls, nobody may believe that it does. */
static int add_log(struct sandbox *s, struct error *e)
{
        CLEAN_TEXT struct text logged = { 0 };
        if (!seccomp_knows_action(SECCOMP_RET_LOG)) {
                if (s->plan->lenient) {
                        strings_take(&s->notes, xprintf("%s: not applied: the kernel cannot log system calls", s->plan->log_origin));
                        return 0;
                }
                error_set(e, ENOTSUP, "seccomp.log", "the kernel cannot log system calls");
                return error_while(e, "applying %s", s->plan->log_origin);
        }
        if (file_read(AT_FDCWD, "/proc/sys/kernel/seccomp/actions_logged", 4096, &logged) == 0 && logged.data && !strstr(logged.data, "log")) {
                CLEAN_FREE char *note = xprintf("%s: the sysctl kernel.seccomp.actions_logged is without \"log\": nothing is logged", s->plan->log_origin);
                if (!strings_has(&s->notes, note))
                        strings_add(&s->notes, note);
        }
        return add_program(s, &s->plan->log_filter, e);
}

static int build_filters(struct sandbox *s, struct error *e)
{
        const struct plan *p = s->plan;
        int r = 0;
        bool observed = s->report_fd >= 0;
        if (p->denial_count && !observed) {
                struct filter f = { .set = true };
                for (size_t i = 0; r == 0 && i < p->denial_count; i++)
                        r = filter_deny_calls(&f, p->denials[i].calls, p->denials[i].error);
                if (r == 0)
                        r = add_program(s, &f, e);
                filter_clear(&f);
        }
        if (r == 0 && p->restrict_suid_sgid && (r = filter_restrict_suid_sgid(&s->filters[s->filter_count], e)) == 0)
                s->filter_count++;
        for (size_t i = 0; r == 0 && i < RESTRICTION_KINDS; i++)
                r = p->restrictions[i].set ? add_restriction(s, &s->plan->restrictions[i], e) : 0;
        if (r == 0 && p->filter.set && !observed)
                r = add_program(s, &p->filter, e);
        if (r == 0 && p->log_filter.set)
                r = add_log(s, e); /* last: of the set-up it sees little */
        if (r == 0 && observed)
                r = denials_build_filter(s, e);
        s->filters_need_privilege = s->filter_count || observed || plan_is_sealed(p);
        if (r < 0) {
                error_status(e, STATUS_SECCOMP);
                error_while(e, "compiling the system call filters");
        }
        return r;
}

void sandbox_rest(struct sandbox *s)
{
        if (!s->filter_count || s->report_fd >= 0)
                return;
        while (s->filter_count)
                filter_program_clear(&s->filters[--s->filter_count]);
        s->rests = true;
}

int sandbox_wake(struct sandbox *s, struct error *e)
{
        if (!s->rests)
                return 0;
        while (s->filter_count) /* of a wake that failed half-way */
                filter_program_clear(&s->filters[--s->filter_count]);
        int r = build_filters(s, e);
        s->rests = r < 0;
        return r;
}

static int note_cgroup(void *context, const char *path)
{
        const struct sandbox_host *host = context;
        return host->note(host->context, "cgroup", path);
}

/* Nobody is protected by numbers: a group that cannot be had for them alone is a note. */
static void leave_out_counts(struct sandbox *s, struct cgroup_resources *r, const struct error *why)
{
        for (size_t i = 0; i < CGROUP_COUNTED; i++)
                if (r->counted[i])
                        strings_take(&s->notes, xprintf("%s: not applied: %s", r->counted[i], why->cause));
        memset(r->counted, 0, sizeof r->counted);
}

static int make_folders(struct sandbox *s, const struct cgroup_wish *wish, struct cgroup_resources *r, struct error *e)
{
        struct error own = { 0 };
        int k = cgroup_make(wish, &s->cgroup, &own);
        if (k < 0 && resources_are_counted(r)) {
                leave_out_counts(s, r, &own);
                return cgroup_make(wish, &s->cgroup, e);
        }
        if (k < 0 && e)
                *e = own;
        return k;
}

/* With the programs that the plan needs; leniently without them. */
static int make_group(struct sandbox *s, const struct cgroup_wish *wish, struct cgroup_resources *resources, bool asked, struct error *e)
{
        struct cgroup_wish with = *wish;
        struct error own = { 0 };
        int r = 0;
        if (s->programs.count) {
                with.v2_origin = s->programs.items[0].origin;
                r = make_folders(s, &with, resources, &own);
                if (r == 0)
                        return network_attach_programs(s, e);
                if (!network_may_leave_out(s)) {
                        if (e)
                                *e = own;
                        return r;
                }
                network_leave_out(s, r);
        }
        return asked ? make_folders(s, wish, resources, e) : 0;
}

/* The group, once it has its limits, is the user's. */
static int delegate(struct sandbox *s, struct error *e)
{
        const struct plan_delegation *d = &s->plan->resources.delegation;
        int r = s->cgroup.count ? cgroup_give(&s->cgroup, s->account.uid, s->account.gid, e)
                                : error_set(e, ENOENT, "cgroup.refused", "no control group could be made that would be the payload's");
        if (r < 0) {
                error_status(e, STATUS_CGROUP);
                return error_while(e, "applying %s", d->origin);
        }
        r = d->subgroup ? cgroup_enter_below(&s->cgroup, d->subgroup, s->account.uid, s->account.gid, e) : 0;
        return r < 0 ? error_while(e, "applying %s", d->subgroup_origin) : 0;
}

static int make_cgroup(struct sandbox *s, struct error *e)
{
        const struct plan *p = s->plan;
        struct cgroup_resources r = { 0 };
        enum cgroup_devices devices = CGROUP_DEVICES_OPEN;
        int k = resources_of(p, s->privileged, &r, &devices, &s->notes, e);
        /* A pid namespace is a better tracker: the kernel ends what is in it. */
        bool track = (s->host->track && !(p->namespaces & CLONE_NEWPID)) || p->namespaces & CLONE_NEWCGROUP;
        /* Another owner of runs, with a state folder of its own, may have a run of the same name. */
        CLEAN_FREE char *path = xprintf("bulkhead/%.200s-%.8s", p->unit, s->host->invocation_id);
        const struct plan_delegation *d = &p->resources.delegation;
        const struct cgroup_wish wish = { .path = path, .track = track || d->origin, .delegated = d->origin ? &d->controllers : NULL, .v2_at_top = geteuid() == 0, .resources = &r, .devices = devices,
                                          .note = note_cgroup, .context = (void *)s->host };
        bool asked = resources_are_asked(&r) || devices != CGROUP_DEVICES_OPEN || track || d->origin;
        if (devices != CGROUP_DEVICES_OPEN)
                extensions_allow(s, &r);
        if (k == 0)
                k = network_make_programs(s, e);
        if (k == 0)
                k = make_group(s, &wish, &r, asked, e);
        if (k == 0 && d->origin)
                k = delegate(s, e);
        cgroup_resources_done(&r);
        return k;
}

static int check_modes(struct sandbox *s, struct error *e)
{
        const struct plan *p = s->plan;
        if (s->users_first && p->users > PLAN_USERS_SELF) {
                error_set(e, EPERM, "namespace.refused", "this map of users needs root");
                error_hint(e, "PrivateUsers=self works without");
                error_status(e, STATUS_USER);
                return error_while(e, "applying %s", p->users_origin);
        }
        return 0;
}

int sandbox_read_privilege(struct sandbox *s, struct error *e)
{
        int r = capability_effective(&s->held);
        s->privileged = r == 0 && geteuid() == 0 && s->held >> CAP_SYS_ADMIN & 1;
        return r < 0 ? error_errno(e, r, "capability.refused", "reading our own capabilities") : 0;
}

int sandbox_prepare(struct sandbox *s, struct plan *p, const struct sandbox_host *host, const char *term, struct error *e)
{
        *s = (struct sandbox)SANDBOX_INIT;
        s->plan = p;
        s->host = host;
        s->report_fd = host->report_fd;
        int read = sandbox_read_privilege(s, e);
        if (read < 0)
                return read;
        bool must_bound = p->bounding != capability_all() && !(s->held >> CAP_SETPCAP & 1);
        s->users_first = !s->privileged && (p->namespaces || p->users != PLAN_USERS_HOST || must_bound);
        static int (*const steps[])(struct sandbox *, struct error *) = { check_modes,  identity_resolve, make_stand_ins, command_open_namespaces, unit_root_prepare, extensions_prepare, credentials_load, make_tmp_folders,
                                                                          folders_prepare, make_cgroup,      build_filters };
        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                int r = steps[i](s, e);
                if (r < 0)
                        return r;
        }
        /*
         * The kernel lets a process map the one id it has, root's if it could set capabilities of files before.  Where the whole tree
         * is read-only, the /proc that it would write to is, too.
         */
        s->maps_itself = s->privileged && !p->root_read_only && p->users == PLAN_USERS_SELF && s->account.uid == 0 && s->account.gid == 0 &&
                         s->held >> CAP_SETFCAP & 1;
        return host->per_command ? 0 : sandbox_environment(s, term, &s->environment, e);
}

/* ---- spawn ---- */

static char *user_map(const struct sandbox *s, bool groups, bool full)
{
        unsigned id = groups ? s->account.gid : s->account.uid;
        if (full || s->plan->users == PLAN_USERS_FULL)
                return xstrdup("0 0 4294967295\n");
        if (s->plan->users == PLAN_USERS_IDENTITY)
                return xstrdup("0 0 65536\n");
        return id ? xprintf("0 0 1\n%u %u 1\n", id, id) : xstrdup("0 0 1\n");
}

static int write_maps(const struct sandbox *s, pid_t pid, bool full)
{
        CLEAN_FREE char *uids = user_map(s, false, full), *gids = user_map(s, true, full);
        CLEAN_FREE char *folder = xprintf("/proc/%d", pid);
        CLEAN_FD int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        bool deny = !full && s->plan->users != PLAN_USERS_FULL;
        int r = fd < 0 ? -errno : deny ? file_write(fd, "setgroups", "deny") : 0;
        if (r == 0)
                r = file_write(fd, "uid_map", uids);
        if (r == 0)
                r = file_write(fd, "gid_map", gids);
        return r;
}

/* 'u' for the plan's maps, 'f' for the seal's, 'p' for the group with programs; the rest are containers' (container.h). */
static int serve_one(const struct sandbox *s, char request, pid_t pid, struct error *e)
{
        if (!s->plan->container && request == 'p')
                return network_enter_last_group(s, pid, e);
        if (!s->plan->container)
                return write_maps(s, pid, request == 'f');
        return request == CONTAINER_MAPS ? container_write_maps(s, pid, e) : s->host->serve(s->host->context, request, pid, e);
}

/* Waits for a byte. The child alone does not end the socket once another goes on in its place: it is watched as well. */
static bool hear(int fd, int pidfd, char *ret)
{
        struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
        while (poll(p, ELEMENTS(p), -1) < 0 && errno == EINTR)
                ;
        return recv(fd, ret, 1, MSG_DONTWAIT) == 1;
}

static int take_birth(const struct sandbox *s, struct sandbox_child *child, int fd, struct error *e)
{
        int r = container_take_birth(fd, &child->pid, &child->pidfd, e);
        return r == 0 && s->host->born ? s->host->born(s->host->context, child->pid, e) : r;
}

/*
 * Answers the child's requests until it closes the socket.  What fails at a unit the child tells; what fails at a
 * container is only known here.
 */
static int serve(const struct sandbox *s, struct sandbox_child *child, int fd, int requests, struct error *e)
{
        char byte;
        while (requests-- > 0 && hear(fd, child->pidfd, &byte)) {
                int r = s->plan->container && byte == CONTAINER_BIRTH ? take_birth(s, child, fd, e) : serve_one(s, byte, child->pid, e);
                byte = r == 0 ? 'm' : 'x';
                (void)send(fd, &byte, 1, MSG_NOSIGNAL);
                if (r < 0 && s->plan->container)
                        return r;
        }
        return 0;
}

/* A child that cannot go on, and its exit, which nobody waits for. */
static void discard_child(pid_t pid, int pidfd)
{
        (void)process_signal(pidfd, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        fd_close(pidfd);
}

static int clone_refused(const struct sandbox *s, int r, uint64_t flags, struct error *e)
{
        const struct plan *p = s->plan;
        error_errno(e, r, "namespace.refused", "making the namespaces that the directives need");
        error_hint(e, s->users_first ? "user namespaces are refused here (container, sysctl or LSM); run as root with CAP_SYS_ADMIN"
                                     : "the kernel or a container refuses namespaces here");
        error_status(e, flags & CLONE_NEWNET && !(flags & CLONE_NEWNS) ? STATUS_NETWORK : STATUS_NAMESPACE);
        if (p->users != PLAN_USERS_HOST && p->users_origin)
                error_while(e, "applying %s", p->users_origin);
        else if (!p->namespaces && p->bounding_origin)
                error_while(e, "applying %s", p->bounding_origin);
        for (uint64_t bit = 1; bit <= flags && bit; bit <<= 1)
                if (flags & bit && p->namespace_origin[plan_namespace_slot(bit)])
                        error_while(e, "applying %s (%s namespace)", p->namespace_origin[plan_namespace_slot(bit)], process_namespace_name(bit));
        return r;
}

/* What shows the payload another tree than the host's is no mere protection: without it the payload would go astray. */
bool sandbox_may_drop_mounts(const struct plan *p)
{
        for (size_t i = 0; i < p->mount_count; i++) {
                const struct plan_mount *m = &p->mounts[i];
                if ((m->kind == PLAN_BIND && !text_equal(m->path, m->source)) ||
                    (m->kind == PLAN_TMPFS && text_starts(m->origin, "TemporaryFileSystem=")))
                        return false;
        }
        return p->lenient && !p->dynamic_user && !p->credentials.folder && !unit_root_is_asked(p) && !p->unit_root.image_count;
}

static void note_dropped(struct sandbox *s, const char *origin, int error)
{
        CLEAN_FREE char *note = origin ? xprintf("%s: not applied: %s", origin, strerror(-error)) : NULL;
        if (note && !strings_has(&s->notes, note))
                strings_add(&s->notes, note);
}

/* With --lenient, as systemd where namespaces are refused: goes on without them and says what that leaves out. */
static bool drop_namespaces(struct sandbox *s, int error)
{
        struct plan *p = s->plan;
        if ((error != -EPERM && error != -ENOSYS && error != -EINVAL && error != -ENOSPC) || !sandbox_may_drop_mounts(p))
                return false;
        for (size_t i = 0; i < p->mount_count; i++)
                note_dropped(s, p->mounts[i].origin, error);
        for (size_t i = 0; i < ELEMENTS(p->namespace_origin); i++)
                note_dropped(s, p->namespace_origin[i], error);
        if (p->users != PLAN_USERS_HOST)
                note_dropped(s, p->users_origin, error);
        if (s->users_first && p->bounding != capability_all() && !(s->held >> CAP_SETPCAP & 1)) {
                note_dropped(s, p->bounding_origin, error);
                p->bounding = capability_all();
        }
        p->namespaces = 0;
        p->users = PLAN_USERS_HOST;
        p->seal = PLAN_SEAL_OFF;
        p->root_read_only = false;
        s->users_first = false;
        return true;
}

static bool seal_needs_maps(const struct sandbox *s)
{
        const struct plan *p = s->plan;
        return plan_is_sealed(p) && (p->seal == PLAN_SEAL_USERNS || (p->seal == PLAN_SEAL_AUTO && landlock_version() == 0));
}

/* What the child begins with. */
struct beginning {
        struct sandbox *s;
        const struct sandbox_io *io;
        int status_in, status_out, ours, theirs, observer;
};

static void live(void *data)
{
        const struct beginning *b = data;
        /* Our copies of the supervisor's ends would hide its death from us. */
        fd_close(b->status_in);
        fd_close(b->ours);
        struct child c = { .s = b->s, .io = b->io, .status_fd = b->status_out, .sync_fd = b->theirs, .observer_fd = b->observer,
                           .proc_fd = -EBADF, .root_fd = -EBADF, .host_fd = -EBADF, .terminal_fd = -EBADF };
        _exit(child_tie(&c) < 0 ? EXIT_FAILURE : child_run(&c));
}

/* The namespaces that are joined instead of made. */
static uint64_t shared_flags(const struct sandbox *s)
{
        return (s->shared_net_fd >= 0 ? CLONE_NEWNET : 0) | (s->shared_ipc_fd >= 0 ? CLONE_NEWIPC : 0);
}

int sandbox_spawn(struct sandbox *s, const struct sandbox_io *io, struct sandbox_child *ret, struct error *e)
{
        const struct plan *p = s->plan;
        uint64_t flags = p->container ? container_clone_flags(s)
                                      : (p->namespaces & ~(uint64_t)CLONE_NEWCGROUP & ~shared_flags(s)) | (s->users_first ? CLONE_NEWUSER : 0);
        int status[2], sync[2] = { -EBADF, -EBADF };
        if (p->container && container_plan_birth(s, e) < 0)
                return e ? e->code : -EIO;
        if (streams_open(p, s->stream_fds, e) < 0)
                return e ? e->code : -EIO;
        int requests = p->container ? container_requests(s)
                       : s->users_first ? 0 : (p->users != PLAN_USERS_HOST && !s->maps_itself) + seal_needs_maps(s);
        requests += !p->container && s->last_group_fd >= 0;

        /* A container's child also hears from us (take_listener). */
        if ((p->container ? socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, status) : pipe2(status, O_CLOEXEC)) < 0)
                return error_errno(e, errno, "spawn.failed", "pipe");
        CLEAN_FD int status_in = status[0], status_out = status[1];
        if (requests && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sync) < 0)
                return error_errno(e, errno, "spawn.failed", "socketpair");
        CLEAN_FD int ours = sync[0], theirs = sync[1];

        CLEAN_FD int observer = -EBADF;
        if (s->report_fd >= 0 && denials_observe(s, &observer, e) < 0)
                return e ? e->code : -EIO;
        int pidfd = -EBADF;
        s->status_out = status_out;
        struct beginning b = { .s = s, .io = io, .status_in = status_in, .status_out = status_out, .ours = ours, .theirs = theirs, .observer = observer };
        const struct container_life life = { live, &b };
        pid_t pid = p->container ? container_clone(s, flags, io, &life, &pidfd, e) : process_clone(flags, s->cgroup.into_fd, &pidfd);
        if (pid == 0)
                live(&b);
        if (pid < 0 && p->container)
                return pid;
        if (pid < 0 && flags && drop_namespaces(s, pid))
                return sandbox_spawn(s, io, ret, e);
        if (pid < 0)
                return flags ? clone_refused(s, pid, flags, e) : error_errno(e, pid, "spawn.failed", "clone");
        theirs = fd_close(theirs);
        streams_close(s->stream_fds);
        int r = p->container && s->host->born ? s->host->born(s->host->context, pid, e) : 0;
        /* It is known to whoever finds us dead: from where it is set up it may live on without us (container_wait). */
        if (r == 0 && p->container && send(status_in, "b", 1, MSG_NOSIGNAL) < 0 && errno != EPIPE)
                r = error_errno(e, errno, "spawn.failed", "telling the child that it is on record");
        struct sandbox_child child = { pid, pidfd, -EBADF };
        if (r == 0)
                r = serve(s, &child, ours, requests, e);
        if (r < 0) {
                discard_child(child.pid, child.pidfd);
                return r;
        }
        *ret = (struct sandbox_child){ child.pid, child.pidfd, TAKE_FD(status_in) };
        return 0;
}

static void show_note(FILE *f, struct status_message *m)
{
        if (!f)
                return;
        fprintf(f, "bulkhead: note: ");
        m->note[sizeof m->note - 1] = 0;
        text_print_safe(f, m->note);
        fputc('\n', f);
}

/* One message, whole; a number alone announces a listener. Its size, 0 at the end or -errno. */
static ssize_t read_message(int fd, struct status_message *m)
{
        size_t have = 0;
        while (have < sizeof *m) {
                ssize_t n = read(fd, (char *)m + have, sizeof *m - have);
                /* A child that ends with our word unread resets the socket, which is told once, before what it wrote last. */
                if (n < 0 && (errno == EINTR || errno == ECONNRESET))
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                have += (size_t)n;
                if (have == sizeof(int32_t))
                        break;
        }
        return (ssize_t)have;
}

static int take_listener(int fd, const struct sandbox_watch *w, int32_t number, struct error *e)
{
        int r = w->listener ? w->listener(w->context, number, e)
                            : error_set(e, ENOTSUP, "seccomp.listener", "nobody takes the listener of the system call profile");
        if (r == 0 && send(fd, "t", 1, MSG_NOSIGNAL) != 1)
                r = error_set(e, EPIPE, "seccomp.listener", "the process is gone");
        return r;
}

int sandbox_wait_exec(int status_fd, const struct sandbox_watch *w, struct error *e)
{
        struct status_message m;
        bool executes = !w->announced;
        for (;;) {
                ssize_t size = read_message(status_fd, &m);
                if (size < 0)
                        return error_errno(e, (int)size, "spawn.failed", "hearing from the child");
                if (size <= 0)
                        return executes ? 0 : error_set(e, ECHILD, "spawn.failed", "the container's process died while it was set up");
                if (size == sizeof(int32_t)) {
                        int32_t number;
                        memcpy(&number, &m, sizeof number);
                        int r = take_listener(status_fd, w, number, e);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (m.kind == STATUS_ERROR) {
                        if (e)
                                *e = m.error;
                        return m.error.code ? m.error.code : -EIO;
                }
                if (m.kind == STATUS_READY)
                        return 1;
                if (m.kind == STATUS_EXECUTING)
                        executes = true;
                else
                        show_note(w->notes, &m);
        }
}

void sandbox_done(struct sandbox *s)
{
        account_done(&s->account);
        free(s->groups);
        free(s->stand_ins);
        free(s->tmp_source[0]);
        free(s->tmp_source[1]);
        credentials_done(&s->credentials);
        fd_close(s->credentials_fd);
        strings_clear(&s->environment);
        strings_clear(&s->folder_variables);
        strings_clear(&s->notes);
        cgroup_done(&s->cgroup);
        cgroup_programs_done(&s->programs);
        fd_close(s->last_group_fd);
        for (size_t i = 0; i < s->filter_count; i++)
                filter_program_clear(&s->filters[i]);
        filter_program_clear(&s->report_filter);
        for (size_t i = 0; i < RESTRICTION_KINDS; i++)
                filter_program_clear(&s->reported[i]);
        profile_program_clear(&s->profile);
        streams_close(s->stream_fds);
        fd_close(s->uid_lock_fd);
        fd_close(s->shared_net_fd);
        fd_close(s->shared_ipc_fd);
        fd_close(s->root_fd);
        fd_close(s->image.fd);
        for (size_t i = 0; s->images && i < s->plan->unit_root.image_count; i++)
                fd_close(s->images[i].fd);
        free(s->images);
        fd_close(s->nodes_fd);
        fd_close(s->start_fd);
        fd_close(s->late_pid_fd);
        fd_close(s->join_pidfd);
        for (size_t i = 0; s->attach_fds && i < s->plan->container->attach_count; i++)
                fd_close(s->attach_fds[i]);
        free(s->attach_fds);
        *s = (struct sandbox)SANDBOX_INIT;
}
