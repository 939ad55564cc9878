/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/root.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/mutant.h"
#include "base/path.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/path.h"
#include "os/users.h"
#include "sandbox/labels.h"

enum { OPTIONS_MAX = 64, MODE_TEXT = 8 };

static int failed(struct error *e, const char *origin, int r, const char *what, const char *object)
{
        error_errno(e, r, r == -ENOENT ? "mount.missing" : r == -EPERM || r == -EACCES ? "mount.refused" : "mount.failed", "%s %s", what, object);
        if (origin)
                error_while(e, "applying %s", origin);
        return r;
}

/* ---- making one mount ---- */

static size_t super_options(uint64_t super, struct mount_option options[OPTIONS_MAX])
{
        static const struct {
                uint64_t flag;
                const char *key;
        } rows[] = { { MS_SYNCHRONOUS, "sync" }, { MS_DIRSYNC, "dirsync" }, { MS_LAZYTIME, "lazytime" }, { MS_MANDLOCK, "mand" } };
        size_t n = 0;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (super & rows[i].flag)
                        options[n++] = (struct mount_option){ rows[i].key, NULL };
        return n;
}

/* In a user namespace the kernel may refuse a new sysfs, for its network or for mounts on the host's: show that, which is there anyway. */
static int sysfs_of_host(const struct plan_attach *a)
{
        int fd = mount_clone_tree(AT_FDCWD, "/sys", true);
        int r = fd < 0 ? fd : mount_change(fd, a->set, 0, MS_SLAVE, true);
        if (r < 0) {
                fd_close(fd);
                return r;
        }
        return fd;
}

bool root_is_in_users(const struct root *b)
{
        return b->k->new_users || !b->c->s->privileged || users_ordinary();
}

static bool is_type(const struct plan_attach *a, const char *type)
{
        return a->type && text_equal(a->type, type);
}

/* /proc and /sys are what masks and labels rely on: a link there would lead these astray. */
static enum path_trust trust_of(const struct plan_attach *a)
{
        return is_type(a, "proc") || is_type(a, "sysfs") ? PATH_NO_LINKS : a->target_no_follow ? PATH_LAST_LINK : PATH_LINKS;
}

/* A tmpfs without a mode looks like the folder that it covers, if there is one: images say so how open their /tmp and /run are. */
static void mode_of_target(const struct root *b, const struct plan_attach *a, char ret[MODE_TEXT])
{
        struct stat st;
        *ret = 0;
        if (!is_type(a, "tmpfs") || (a->data && strstr(a->data, "mode=")))
                return;
        CLEAN_FD int there = path_open_as(b->fd, a->target, O_PATH, 0, trust_of(a));
        if (there >= 0 && fstat(there, &st) == 0 && S_ISDIR(st.st_mode))
                (void)snprintf(ret, MODE_TEXT, "%o", st.st_mode & 07777);
}

static bool is_late(const struct plan_attach *a)
{
        return is_type(a, "tmpfs") && a->set & MOUNT_ATTR_RDONLY;
}

/* The message queues of an IPC namespace are one file system, mounted or not: it takes a label as a folder, not as a mount. */
static int label_queues(const struct root *b, const struct plan_attach *a, int fd, struct error *e)
{
        int r = b->k->mount_label && is_type(a, "mqueue") ? labels_set_root(fd, b->k->mount_label) : 0;
        if (r == 0)
                return fd;
        fd_close(fd);
        return failed(e, a->origin, r, "labelling", a->target);
}

static int new_file_system(const struct root *b, const struct plan_attach *a, struct error *e)
{
        CLEAN_FREE char *data = a->data ? xstrdup(a->data) : NULL;
        struct mount_option options[OPTIONS_MAX];
        char message[256], mode[MODE_TEXT];
        size_t used = super_options(a->super, options);
        mode_of_target(b, a, mode);
        if (*mode)
                options[used++] = (struct mount_option){ "mode", mode };
        options[used] = labels_of_mount(b->k, a->type, a->data);
        used += options[used].key != NULL;
        int r = mount_split_options(data, options, ELEMENTS(options), used);
        if (r < 0) {
                failed(e, NULL, r, "splitting the options of", a->target);
                error_hint(e, r == -EINVAL ? "a label's quotes stand around all of it" : "there are too many");
                return error_while(e, "applying %s", a->origin);
        }
        const struct mount_request request = { .type = a->type, .source = a->source, .options = options,
                                               .process_namespace = text_equal(a->type, "proc") && b->c->s->late_pid_fd > 0 ? b->c->s->late_pid_fd : 0,
                                               .attributes = is_late(a) ? a->set & ~(uint64_t)MOUNT_ATTR_RDONLY : a->set,
                                               .message = message, .message_size = sizeof message };
        int fd = mount_new_with(&request);
        if (fd == -EPERM && is_type(a, "sysfs") && root_is_in_users(b))
                fd = sysfs_of_host(a);
        if (fd >= 0)
                return label_queues(b, a, fd, e);
        if (fd == -ENODEV)
                error_set(e, ENODEV, "mount.type", "this kernel has no file system of type %s", a->type);
        else
                error_errno(e, fd, "mount.failed", "making a %s for %s%s%s", a->type, a->target, *message ? ": " : "", message);
        error_while(e, "applying %s", a->origin);
        return fd;
}

/* Binds start with what their source allows; our options add, and take away where the kernel lets us. */
static int set_bind_attributes(const struct plan_attach *a, int fd)
{
        int r = 0;
        if (a->set || a->clear)
                r = mount_change(fd, a->set, a->clear, 0, false);
        if (r == -EPERM && a->clear && a->set)
                r = mount_change(fd, a->set, 0, 0, false); /* flags that an outer user namespace locked stay */
        return r == -EPERM && a->clear && !a->set ? 0 : r;
}

static int clone_bind(struct root *b, const struct plan_attach *a, struct error *e)
{
        size_t i = (size_t)(a - b->k->attaches);
        const struct sandbox *s = b->c->s;
        CLEAN_FD int fd = s->attach_fds && s->attach_fds[i] >= 0 ? TAKE_FD(s->attach_fds[i])
                                                                 : mount_clone_source(a->source, a->recursive, a->source_no_follow);
        if (fd < 0) {
                failed(e, NULL, fd, "opening the source", a->source);
                if (fd == -ENOENT)
                        error_hint(e, "a bind mount needs a source that is there on the host");
                error_while(e, "applying %s", a->origin);
                return fd;
        }
        int r = set_bind_attributes(a, fd);
        if (r < 0)
                return failed(e, a->origin, r, "setting the options of", a->target);
        return TAKE_FD(fd);
}

/*
 * The host's /sys bound with all that is below it, for a user namespace that shares the host's control groups: read-only
 * means these as well (CVE-2023-25809).
 */
static bool holds_host_cgroups(const struct root *b, const struct plan_attach *a)
{
        CLEAN_FREE char *source = NULL;
        return a->bind && a->recursive && a->set & MOUNT_ATTR_RDONLY && root_is_in_users(b) && !(b->c->s->plan->namespaces & CLONE_NEWCGROUP) &&
               path_normalize(a->source, &source) == 0 && (path_is_below(source, "/sys") || text_equal(source, "/"));
}

static int make_detached(struct root *b, const struct plan_attach *a, struct error *e)
{
        CLEAN_FD int fd = a->bind ? clone_bind(b, a, e) : new_file_system(b, a, e);
        if (fd < 0)
                return fd;
        uint64_t below = a->set_below | (holds_host_cgroups(b, a) ? MOUNT_ATTR_RDONLY : 0);
        if (below || a->clear_below) {
                int r = mount_change(fd, below, a->clear_below, 0, true);
                if (r < 0)
                        return failed(e, a->origin, r, "setting the options below", a->target);
        }
        return TAKE_FD(fd);
}

/* ---- targets ---- */

static int open_target(struct root *b, const struct plan_attach *a, int mount, struct error *e)
{
        struct stat st = { .st_mode = S_IFDIR };
        if (a->bind && fstat(mount, &st) < 0)
                return failed(e, a->origin, -errno, "looking at", a->source);
        if (MUTANT("dots-climb") && strstr(a->target, "/..")) {
                CLEAN_FREE char *joined = xprintf("%s%s", b->k->root.path, a->target);
                return file_make_folders(joined, 0755, e) < 0 ? -EIO : open(joined, O_PATH | O_CLOEXEC);
        }
        int fd = path_make_in(b->fd, a->target, S_ISDIR(st.st_mode), trust_of(a));
        if (MUTANT("mount-by-path"))
                fd_close(fd), fd = openat(b->fd, a->target + 1, O_PATH | O_CLOEXEC);
        if (fd >= 0)
                return fd;
        failed(e, NULL, fd, "making the mount point", a->target);
        if (fd == -ELOOP)
                error_hint(e, "%s in the root file system must be a folder, not a symbolic link", a->target);
        error_while(e, "applying %s", a->origin);
        return fd;
}

/* Only procfs itself may stand on /proc, and on files in it only what replaces harmless ones, as lxcfs does. */
static int check_proc(struct root *b, const struct plan_attach *a, int mount, struct error *e)
{
        static const char *const harmless[] = { "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
                                                "/proc/loadavg", "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid",
                                                "/proc/sys/crypto/fips_enabled" };
        CLEAN_FREE char *absolute = xprintf("/%s", a->target), *path = NULL;
        (void)b;
        if (MUTANT("any-proc") || path_normalize(absolute, &path) < 0 || !path_is_below(path, "/proc"))
                return 0;
        if (text_equal(path, "/proc") && (is_type(a, "proc") || (a->bind && file_is_on(mount, PROC_SUPER_MAGIC))))
                return 0;
        for (size_t i = 0; i < ELEMENTS(harmless); i++)
                if (text_equal(path, harmless[i]))
                        return 0;
        error_set(e, EPERM, "mount.proc", "%s cannot be covered by this mount", path);
        error_hint(e, "what stands on /proc decides about labels and limits; only files such as /proc/meminfo may be replaced");
        error_while(e, "applying %s", a->origin);
        return -EPERM;
}

/* ---- attaching ---- */

static void keep_special(struct root *b, const struct plan_attach *a, int fd)
{
        static const struct {
                const char *path;
                size_t offset;
        } places[] = { { "/proc", offsetof(struct root, proc_fd) }, { "/sys", offsetof(struct root, sys_fd) },
                       { "/dev", offsetof(struct root, dev_fd) },   { "/dev/pts", offsetof(struct root, pts_fd) } };
        CLEAN_FREE char *absolute = xprintf("/%s", a->target), *path = NULL;
        if (path_normalize(absolute, &path) < 0)
                return;
        for (size_t i = 0; i < ELEMENTS(places); i++)
                if (text_equal(path, places[i].path)) {
                        int *place = (int *)((char *)b + places[i].offset);
                        fd_close(*place);
                        *place = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                }
}

static int copy_symlink(struct root *b, const struct plan_attach *a, struct error *e)
{
        char link[PATH_MAX];
        ssize_t n = readlink(a->source, link, sizeof link - 1);
        if (n < 0)
                return 0; /* no link: mounted as any other */
        link[n] = 0;
        CLEAN_FREE char *parent = xprintf("/%s", a->target);
        char *slash = strrchr(parent, '/');
        CLEAN_FREE char *name = xstrdup(slash + 1);
        slash[slash == parent] = 0;
        CLEAN_FD int fd = path_make_in(b->fd, parent, true, PATH_LINKS);
        if (fd < 0)
                return failed(e, a->origin, fd, "making the folder of", a->target);
        if (symlinkat(link, fd, name) == 0)
                return 1;
        char there[PATH_MAX];
        ssize_t k = readlinkat(fd, name, there, sizeof there);
        return k == n && !memcmp(there, link, (size_t)n) ? 1 : failed(e, a->origin, -EEXIST, "making the link", a->target);
}

/* A mount on the root itself becomes the root. */
static bool is_root(struct root *b, int target)
{
        struct stat x, y;
        return fstat(target, &x) == 0 && fstat(b->fd, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int finish(struct root *b, const struct plan_attach *a, int mount, struct error *e)
{
        int r = 0;
        if (a->propagation)
                r = mount_change(mount, 0, 0, a->propagation & ~(uint64_t)MS_REC, a->propagation & MS_REC);
        if (r < 0)
                return failed(e, a->origin, r, "setting the propagation of", a->target);
        if (is_late(a))
                b->late[b->late_count++] = fcntl(mount, F_DUPFD_CLOEXEC, 3);
        keep_special(b, a, mount);
        return 0;
}

/* Changes the mount that is at the target already. */
static int remount(struct root *b, const struct plan_attach *a, struct error *e)
{
        CLEAN_FD int target = path_open_as(b->fd, a->target, O_PATH, 0, trust_of(a));
        int r = target < 0 ? target : mount_change(target, a->set, a->clear, 0, false);
        if (r == 0 && (a->set_below || a->clear_below))
                r = mount_change(target, a->set_below, a->clear_below, 0, true);
        return r < 0 ? failed(e, a->origin, r, "remounting", a->target) : 0;
}

static int attach(struct root *b, const struct plan_attach *a, struct error *e)
{
        if (a->super & MS_REMOUNT)
                return remount(b, a, e);
        if (a->copy_symlink) {
                int r = copy_symlink(b, a, e);
                if (r)
                        return r < 0 ? r : 0;
        }
        if (a->is_cgroup) {
                CLEAN_FD int target = path_make_in(b->fd, a->target, true, PATH_LINKS);
                return target < 0 ? failed(e, a->origin, target, "making the mount point", a->target) : root_attach_cgroup(b, a, target, e);
        }
        CLEAN_FD int mount = make_detached(b, a, e);
        if (mount < 0)
                return mount;
        int r = check_proc(b, a, mount, e);
        if (r < 0)
                return r;
        CLEAN_FD int target = open_target(b, a, mount, e);
        if (target < 0)
                return target;
        if (a->copy_up && (r = root_copy_up(target, mount)) < 0)
                return failed(e, a->origin, r, "copying what is at", a->target);
        bool becomes_root = is_root(b, target);
        r = mount_attach(mount, target, "");
        if (r < 0)
                return failed(e, a->origin, r, "mounting on", a->target);
        r = finish(b, a, mount, e);
        if (r == 0 && becomes_root) {
                fd_close(b->fd);
                b->fd = TAKE_FD(mount);
        }
        return r;
}

/* ---- masks ---- */

static int new_blank(const struct root *b)
{
        const struct mount_option options[] = { { "mode", "0755" }, { "size", "4k" }, { "nr_inodes", "4" }, labels_of_mount(b->k, "tmpfs", NULL), { 0 } };
        return mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

static int make_blank(struct root *b)
{
        CLEAN_FD int fd = new_blank(b);
        if (fd < 0)
                return fd;
        if (mkdirat(fd, "folder", 0755) < 0 || mknodat(fd, "file", S_IFREG | 0444, 0) < 0)
                return -errno;
        b->blank_fd = TAKE_FD(fd);
        return 0;
}

/* A path on /proc or /sys is looked up in the mount that we put there ourselves. */
static int open_known(const struct root *b, const char *path)
{
        const struct {
                const char *prefix;
                int fd;
        } bases[] = { { "/proc/", b->proc_fd }, { "/sys/", b->sys_fd } };
        for (size_t i = 0; i < ELEMENTS(bases); i++)
                if (bases[i].fd >= 0 && text_starts(path, bases[i].prefix))
                        return path_open_in(bases[i].fd, path + strlen(bases[i].prefix), 0);
        return path_open_in(b->fd, path, 0);
}

static bool is_absent(int r)
{
        return r == -ENOENT || r == -ENOTDIR;
}

/* Before Linux 6.15 a detached mount cannot be cloned: a tmpfs of its own for each mask. */
static int clone_blank(struct root *b, bool folder)
{
        if (MUTANT("trust-dev-null") && !folder)
                return mount_clone_tree(b->dev_fd, "null", false);
        int fd = mount_clone_tree(b->blank_fd, folder ? "folder" : "file", false);
        if (fd == -EINVAL && folder)
                fd = new_blank(b);
        else if (fd == -EINVAL)
                fd = mount_clone_tree(AT_FDCWD, "/dev/null", false);
        return fd;
}

static int mask(struct root *b, const char *path, struct error *e)
{
        CLEAN_FD int target = open_known(b, path);
        struct stat st;
        if (is_absent(target))
                return 0;
        if (target < 0 || fstat(target, &st) < 0)
                return failed(e, "/linux/maskedPaths", target < 0 ? target : -errno, "finding", path);
        CLEAN_FD int blank = clone_blank(b, S_ISDIR(st.st_mode));
        int r = blank < 0 ? blank : mount_change(blank, MOUNT_ATTR_RDONLY, 0, 0, false);
        if (r == 0)
                r = mount_attach(blank, target, "");
        return r < 0 ? failed(e, "/linux/maskedPaths", r, "masking", path) : 0;
}

static int make_read_only(struct root *b, const char *path, struct error *e)
{
        CLEAN_FD int target = open_known(b, path);
        if (is_absent(target))
                return 0;
        CLEAN_FD int tree = target < 0 ? target : mount_clone_tree(target, "", true);
        int r = tree < 0 ? tree : mount_change(tree, MOUNT_ATTR_RDONLY, 0, 0, true);
        if (r == 0)
                r = mount_attach(tree, target, "");
        return r < 0 ? failed(e, "/linux/readonlyPaths", r, "making read-only", path) : 0;
}

static int hide_paths(struct root *b, struct error *e)
{
        const struct plan_container *k = b->k;
        int r = 0;
        for (size_t i = 0; r == 0 && i < k->read_only_paths.count && !MUTANT("no-readonly"); i++)
                r = make_read_only(b, k->read_only_paths.items[i], e);
        if (r == 0 && k->masked.count && (r = make_blank(b)) < 0)
                return failed(e, "/linux/maskedPaths", r, "making", "an empty mount");
        for (size_t i = 0; r == 0 && i < k->masked.count && !MUTANT("no-mask"); i++)
                r = mask(b, k->masked.items[i], e);
        return r;
}

/* ---- the whole ---- */

/* Changes of the host's mounts come no further than the configuration lets them, ours never reach the host. */
static uint64_t propagation_of_host(uint64_t wanted)
{
        switch (wanted & ~(uint64_t)MS_REC) {
        case MS_SLAVE: return MS_SLAVE;
        case MS_SHARED: return 0; /* asked for: as the host has it */
        default: return MS_PRIVATE;
        }
}

static bool has_early_hooks(const struct plan_container *k)
{
        return k->hook_count[PLAN_HOOK_PRESTART] || k->hook_count[PLAN_HOOK_CREATE_RUNTIME] || k->hook_count[PLAN_HOOK_CREATE_CONTAINER];
}

static int open_root(struct root *b, struct error *e)
{
        const struct plan_root *root = &b->k->root;
        uint64_t propagation = propagation_of_host(root->propagation);
        const struct sandbox *s = b->c->s;
        int r = propagation ? mount_set(AT_FDCWD, "/", 0, propagation, true) : mount_set(AT_FDCWD, "/", 0, MS_PRIVATE, false);
        if (r < 0)
                return failed(e, NULL, r, "cutting off the mounts of", "the host");
        b->fd = s->root_fd >= 0 ? fcntl(s->root_fd, F_DUPFD_CLOEXEC, 3) : mount_clone_source(root->path, true, false);
        if (b->fd < 0)
                return failed(e, "/root/path", b->fd, "opening the root", root->path);
        /* A copy of a mount that is shared is shared as well, and such a root cannot be changed to. */
        if (!propagation && (r = mount_change(b->fd, 0, 0, MS_PRIVATE, false)) < 0)
                return failed(e, "/root/path", r, "cutting off the root", root->path);
        /*
         * On top of the host's root, where no path has to be walked; root_enter takes the host's away.  But hooks that run
         * before look for the mounts at the root's own path.
         */
        r = has_early_hooks(b->k) ? mount_attach(b->fd, AT_FDCWD, root->path) : -EACCES;
        if (r == -EACCES)
                r = mount_attach(b->fd, AT_FDCWD, "/");
        return r < 0 ? failed(e, "/root/path", r, "attaching the root", root->path) : 0;
}

static int make_late_read_only(struct root *b, struct error *e)
{
        for (size_t i = 0; i < b->late_count; i++) {
                int r = mount_change(b->late[i], MOUNT_ATTR_RDONLY, 0, 0, false);
                if (r < 0)
                        return failed(e, NULL, r, "making read-only", "a tmpfs");
        }
        if (b->k->root.read_only) {
                int r = mount_change(b->fd, MOUNT_ATTR_RDONLY, 0, 0, false);
                if (r < 0)
                        return failed(e, "/root/readonly", r, "making read-only", b->k->root.path);
        }
        return 0;
}

/* Images name working directories that they do not hold. What cannot be made shows when it is entered. */
static void make_working_directory(struct root *b)
{
        const struct plan *p = b->c->s->plan;
        if (p->working_directory)
                fd_close(path_make_in(b->fd, p->working_directory, true, PATH_LINKS));
}

static int build(struct root *b, struct error *e)
{
        int r = open_root(b, e);
        for (size_t i = 0; r == 0 && i < b->k->attach_count; i++)
                r = attach(b, &b->k->attaches[i], e);
        if (r == 0)
                r = root_make_devices(b, e);
        if (r == 0)
                make_working_directory(b);
        if (r == 0)
                r = hide_paths(b, e);
        return r == 0 ? make_late_read_only(b, e) : r;
}

int root_build(struct child *c, struct error *e)
{
        const struct plan_container *k = c->s->plan->container;
        CLEAN_FREE int *late = xalloc(k->attach_count + 1, sizeof *late);
        struct root b = { .c = c, .k = k, .fd = -EBADF, .proc_fd = -EBADF, .sys_fd = -EBADF, .dev_fd = -EBADF, .pts_fd = -EBADF,
                          .blank_fd = -EBADF, .late = late };
        mode_t mask = umask(0);
        int r = build(&b, e);
        umask(mask);
        const int spent[] = { b.proc_fd, b.sys_fd, b.dev_fd, b.pts_fd, b.blank_fd };
        for (size_t i = 0; i < ELEMENTS(spent); i++)
                fd_close(spent[i]);
        for (size_t i = 0; i < b.late_count; i++)
                fd_close(late[i]);
        fd_close(c->root_fd);
        c->root_fd = b.fd;
        return r;
}

/* chroot leaves the host's tree mounted below: only for roots that cannot be pivoted away from. */
static int enter_without_pivot(int root_fd)
{
        if (fchdir(root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
                return -errno;
        return 0;
}

int root_enter(struct child *c, struct error *e)
{
        const struct plan_root *root = &c->s->plan->container->root;
        int r = root->no_pivot ? enter_without_pivot(c->root_fd) : mount_pivot(c->root_fd);
        if (r < 0) {
                failed(e, "/root/path", r, "changing the root to", root->path);
                if (r == -EINVAL && !root->no_pivot)
                        error_hint(e, "on the initial ramfs the root cannot be changed; --no-pivot uses chroot");
                return r;
        }
        uint64_t wanted = root->propagation & ~(uint64_t)MS_REC;
        if (wanted && wanted != MS_PRIVATE)
                r = mount_set(AT_FDCWD, "/", 0, wanted, root->propagation & MS_REC);
        return r < 0 ? failed(e, "/linux/rootfsPropagation", r, "setting the propagation of", "the root") : 0;
}
