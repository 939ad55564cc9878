/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Applies the mounts of a plan inside the child's own mount namespace.
 *
 * Two passes, as systemd does it.  First whatever replaces content (binds, tmpfs, a private /dev...), parents
 * first.  Then access: every path with a rule of its own is cloned, while the tree still has its original
 * flags; each clone gets its flags while detached and is attached parents first.  So a writable path below a
 * read-only one keeps the flags that it had on the host, and no flag is ever taken away.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/exit_status.h"
#include "base/path.h"
#include "os/mount.h"
#include "os/path.h"
#include "sandbox/child.h"
#include "sandbox/credentials.h"
#include "sandbox/extensions.h"
#include "sandbox/unit_root.h"

static bool is_content(enum plan_mount_kind k)
{
        return k >= PLAN_BIND && k <= PLAN_TMPFS;
}

static int failed(struct error *e, const struct plan_mount *m, int r, const char *what)
{
        if (r == -ENOENT && text_equal(what, "finding")) {
                error_set(e, ENOENT, "mount.missing", "%s does not exist", m->path);
                error_hint(e, "create it, or write -%s to ignore it where it is missing", m->path);
        } else {
                error_errno(e, r, r == -EPERM || r == -EACCES ? "mount.refused" : "mount.failed", "%s %s", what, m->path);
                if (r == -EPERM && m->kind == PLAN_PROC)
                        error_hint(e, "add PrivatePIDs=yes: /proc can be mounted by who owns its process namespace");
                else if (r == -EPERM)
                        error_hint(e, "this process may not change mounts here; run as root outside of a restricted container");
        }
        if (m->kind == PLAN_CREDENTIALS)
                error_status(e, STATUS_CREDENTIALS);
        error_while(e, "applying %s", m->origin);
        return r;
}

/* ---- content ---- */

static int clone_source(struct child *c, const struct plan_mount *m, const char *source, bool recursive, bool *ret_folder)
{
        (void)m;
        CLEAN_FD int fd = path_open_in(c->host_fd, source, 0);
        if (fd < 0)
                return fd;
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        *ret_folder = S_ISDIR(st.st_mode);
        return mount_clone_tree(fd, "", recursive);
}

struct node {
        const char *name;
        unsigned major, minor;
};

static const struct node nodes[] = { { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 }, { "random", 1, 8 },
                                     { "urandom", 1, 9 }, { "tty", 5, 0 },    { "ptmx", 5, 2 } };
static const char *const carried[] = { "pts", "shm", "mqueue", "hugepages" };
static const char *const links[][2] = { { "/proc/self/fd", "fd" }, { "/proc/self/fd/0", "stdin" },
                                        { "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
                                        { "/proc/kcore", "core" } };

struct devices {
        int carried[ELEMENTS(carried)];
        int bound[ELEMENTS(nodes)];
        bool bind;
};

/* The new /dev, detached: nodes made here, never taken from what lies there, unless mknod is refused. */
static int build_dev(struct devices *d)
{
        static const struct mount_option options[] = { { "mode", "0755" }, { "size", "4m" }, { 0 } };
        CLEAN_FD int fd = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        if (fd < 0)
                return fd;
        for (size_t i = 0; i < ELEMENTS(carried); i++) {
                CLEAN_FREE char *path = xprintf("/dev/%s", carried[i]);
                d->carried[i] = mount_clone_tree(AT_FDCWD, path, true);
                if (d->carried[i] >= 0 && mkdirat(fd, carried[i], 0755) < 0)
                        return -errno;
        }
        for (size_t i = 0; i < ELEMENTS(nodes); i++) {
                d->bound[i] = -EBADF;
                if (!d->bind && mknodat(fd, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) == 0)
                        continue;
                if (!d->bind && errno != EPERM)
                        return -errno;
                d->bind = true;
                CLEAN_FREE char *path = xprintf("/dev/%s", nodes[i].name);
                if (mknodat(fd, nodes[i].name, S_IFREG | 0666, 0) < 0)
                        return -errno;
                d->bound[i] = mount_clone_tree(AT_FDCWD, path, false);
                if (d->bound[i] < 0)
                        return d->bound[i];
        }
        for (size_t i = 0; i < ELEMENTS(links); i++)
                if (symlinkat(links[i][0], fd, links[i][1]) < 0)
                        return -errno;
        return TAKE_FD(fd);
}

struct content {
        int fd; /* detached, ready to attach; PRIVATE_DEV is built at its turn */
        bool folder;
};

/* Whether mounts[of] is the nearest content above mounts[i]. */
static bool is_content_above(const struct plan *p, size_t of, size_t i)
{
        for (size_t k = i; k-- > of;)
                if (is_content(p->mounts[k].kind) && path_is_below(p->mounts[i].path, p->mounts[k].path))
                        return k == of;
        return false;
}

/* Makes what mounts[of] lacks for later mounts upon it, while it is still detached and writable.  What fails shows when they are attached. */
static void make_targets(const struct plan *p, const struct content *contents, size_t of, int fd)
{
        size_t skip = strlen(p->mounts[of].path);
        for (size_t i = of + 1; i < p->mount_count; i++) {
                if (!is_content(p->mounts[i].kind) || !is_content_above(p, of, i))
                        continue;
                const char *path = p->mounts[i].path + skip;
                fd_close(path_make_in(fd, path, contents[i].folder, PATH_LINKS));
        }
}

static int attach_dev(const struct plan *p, const struct content *contents, size_t of, int target, struct error *e)
{
        const struct plan_mount *m = &p->mounts[of];
        struct devices d = { .bind = false };
        for (size_t i = 0; i < ELEMENTS(carried); i++)
                d.carried[i] = -EBADF;
        int fd = build_dev(&d), r = fd < 0 ? fd : 0;
        if (r == 0)
                make_targets(p, contents, of, fd);
        /* Nodes on a file system of a user namespace do not open: bind the host's instead from there on. */
        if (r == 0)
                r = mount_set(fd, "", MOUNT_ATTR_RDONLY, 0, false);
        if (r == 0)
                r = mount_attach(fd, target, "");
        for (size_t i = 0; i < ELEMENTS(carried); i++) {
                if (r == 0 && d.carried[i] >= 0)
                        r = mount_attach(d.carried[i], fd, carried[i]);
                fd_close(d.carried[i]);
        }
        for (size_t i = 0; i < ELEMENTS(nodes); i++) {
                if (r == 0 && d.bound[i] >= 0)
                        r = mount_attach(d.bound[i], fd, nodes[i].name);
                if (d.bind || d.bound[i] >= 0)
                        fd_close(d.bound[i]);
        }
        fd_close(fd);
        return r < 0 ? failed(e, m, r, "building") : 0;
}

/* Words that are the mount's own, as mount(8) has them; all others are the file system's. The last of two that exclude each other holds. */
static const struct flag_word {
        const char *word;
        uint64_t set, clear;
} flag_words[] = {
        { "ro", MOUNT_ATTR_RDONLY, 0 },
        { "rw", 0, MOUNT_ATTR_RDONLY },
        { "nosuid", MOUNT_ATTR_NOSUID, 0 },
        { "suid", 0, MOUNT_ATTR_NOSUID },
        { "nodev", MOUNT_ATTR_NODEV, 0 },
        { "dev", 0, MOUNT_ATTR_NODEV },
        { "noexec", MOUNT_ATTR_NOEXEC, 0 },
        { "exec", 0, MOUNT_ATTR_NOEXEC },
        { "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0 },
        { "symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW },
        { "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
        { "diratime", 0, MOUNT_ATTR_NODIRATIME },
        /* How times of access are kept is one choice of three. */
        { "strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
        { "noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
        { "relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
        { "nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
        { "atime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
        { "norelatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
        { "defaults", 0, 0 },
};

static const struct flag_word *find_flag(const char *word)
{
        for (size_t i = 0; i < ELEMENTS(flag_words); i++)
                if (text_equal(word, flag_words[i].word))
                        return &flag_words[i];
        return NULL;
}

static int split_options(const char *text, struct strings *words, struct mount_option *options, size_t max, uint64_t *attributes)
{
        size_t n = 0;
        for (const char *p = text; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',')) {
                strings_take(words, xstrndup(p, strcspn(p, ",")));
                char *word = words->items[words->count - 1], *eq = strchr(word, '=');
                const struct flag_word *flag = find_flag(word);
                if (flag)
                        *attributes = (*attributes & ~flag->clear) | flag->set;
                if (flag || !*word)
                        continue;
                if (n + 1 >= max)
                        return -E2BIG;
                if (eq)
                        *eq++ = 0;
                options[n++] = (struct mount_option){ word, eq };
        }
        options[n] = (struct mount_option){ 0 };
        return 0;
}

static int new_tmpfs(struct plan_mount *m)
{
        CLEAN_STRINGS struct strings words = { 0 };
        struct mount_option options[24];
        uint64_t attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_STRICTATIME;
        CLEAN_FREE char *text = xprintf("mode=0755,size=10%%,nr_inodes=400k,%s", m->source ? m->source : "");
        int r = split_options(text, &words, options, ELEMENTS(options), &attributes);
        if (r < 0)
                return r;
        /* The access pass makes it read-only, once what is mounted below it has its place. */
        m->read_only |= attributes & MOUNT_ATTR_RDONLY;
        return mount_new("tmpfs", options, attributes & ~(uint64_t)MOUNT_ATTR_RDONLY);
}

/* One tmpfs whose two folders become /tmp and /var/tmp. */
static int make_tmp(int ret[2])
{
        static const struct mount_option options[] = { { "mode", "0700" }, { "size", "10%" }, { "nr_inodes", "400k" }, { 0 } };
        static const char *const names[] = { "tmp", "var-tmp" };
        CLEAN_FD int fd = mount_new("tmpfs", options, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
        if (fd < 0)
                return fd;
        for (int i = 0; i < 2; i++)
                if (mkdirat(fd, names[i], 01777) < 0 || fchmodat(fd, names[i], 01777, 0) < 0)
                        return -errno;
        for (int i = 0; i < 2; i++)
                ret[i] = mount_clone_tree(fd, names[i], true);
        if (ret[0] >= 0 && ret[1] >= 0)
                return 0;
        /* Before Linux 6.15 a detached mount cannot be cloned: attach it for a moment. */
        int r = mount_attach(fd, AT_FDCWD, "/tmp");
        for (int i = 0; r >= 0 && i < 2; i++) {
                ret[i] = mount_clone_tree(fd, names[i], true);
                r = ret[i] < 0 ? ret[i] : 0;
        }
        (void)mount_detach("/tmp");
        return r;
}

static int new_proc(const struct plan *p)
{
        static const char *const access[] = { [PLAN_PROC_NO_ACCESS] = "noaccess", [PLAN_PROC_INVISIBLE] = "invisible",
                                              [PLAN_PROC_PTRACEABLE] = "ptraceable" };
        struct mount_option options[3] = { 0 };
        size_t n = 0;
        if (p->proc_access)
                options[n++] = (struct mount_option){ "hidepid", access[p->proc_access] };
        if (p->proc_processes_only)
                options[n++] = (struct mount_option){ "subset", "pid" };
        return mount_new("proc", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

static int open_content(struct child *c, struct plan_mount *m, int tmp[2], struct content *ret)
{
        const struct sandbox *s = c->s;
        bool var = m->source && text_equal(m->source, "var-tmp");
        *ret = (struct content){ -EBADF, true };
        switch (m->kind) {
        case PLAN_BIND:
                ret->fd = clone_source(c, m, m->source, m->recursive, &ret->folder);
                break;
        case PLAN_FILE:
                ret->fd = clone_source(c, m, m->source, false, &ret->folder);
                break;
        case PLAN_CREDENTIALS:
                ret->fd = credentials_mount(s);
                break;
        case PLAN_PRIVATE_TMP:
                if (s->plan->tmp == PLAN_TMP_HOST_FOLDERS)
                        ret->fd = clone_source(c, m, s->tmp_source[var], true, &ret->folder);
                else {
                        int r = tmp[0] < 0 && tmp[1] < 0 ? make_tmp(tmp) : 0;
                        if (r < 0)
                                return r;
                        ret->fd = TAKE_FD(tmp[var]);
                }
                break;
        case PLAN_PROC:
                ret->fd = new_proc(s->plan);
                break;
        case PLAN_CGROUP:
                ret->fd = mount_new("cgroup2", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
                break;
        case PLAN_MQUEUE:
                ret->fd = mount_new("mqueue", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
                break;
        case PLAN_SYSFS:
                ret->fd = mount_new("sysfs", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
                if (ret->fd == -EPERM || ret->fd == -EBUSY)
                        child_note(c, "%s: /sys keeps showing the host's network interfaces: %s", m->origin, strerror(-ret->fd));
                break;
        case PLAN_TMPFS:
                ret->fd = new_tmpfs(m);
                break;
        case PLAN_PRIVATE_DEV:
                return 0;
        default:
                return -EINVAL;
        }
        return ret->fd < 0 ? ret->fd : 0;
}

/* A new sysfs comes without the control groups that are mounted on the old one. */
static void carry_cgroups(int sysfs, int cgroups)
{
        if (cgroups >= 0)
                (void)mount_attach(cgroups, sysfs, "fs/cgroup");
}

static int attach_content(struct child *c, struct content *contents, size_t i, struct error *e)
{
        const struct plan *p = c->s->plan;
        const struct plan_mount *m = &p->mounts[i];
        struct content *content = &contents[i];
        CLEAN_FD int target = path_open_in(c->root_fd, m->path, 0);
        /* Where a bind's target is missing, it is made, as systemd does; in the sandbox's own view. */
        if (target == -ENOENT && (m->kind == PLAN_BIND || m->kind == PLAN_TMPFS || m->kind == PLAN_CREDENTIALS ||
                                  m->kind == PLAN_IMAGE || m->kind == PLAN_OVERLAY))
                target = path_make_in(c->root_fd, m->path, content->folder, PATH_LINKS);
        if (target < 0)
                return target == -ENOENT && m->optional ? 0 : failed(e, m, target, "finding");
        if (m->unless_mounted && mount_is_root(target))
                return 0;
        if (m->kind == PLAN_PRIVATE_DEV)
                return attach_dev(p, contents, i, target, e);
        int r = 0;
        /* Of the others the access pass does it, once what is to stay writable below them is cloned. */
        if (m->kind == PLAN_FILE)
                r = mount_set(content->fd, "", MOUNT_ATTR_RDONLY, 0, true);
        CLEAN_FD int cgroups = m->kind == PLAN_SYSFS ? mount_clone_tree(AT_FDCWD, "/sys/fs/cgroup", true) : -EBADF;
        if (r == 0)
                r = mount_attach(content->fd, target, "");
        if (r < 0)
                return failed(e, m, r, "mounting on");
        if (m->kind == PLAN_SYSFS)
                carry_cgroups(content->fd, cgroups);
        return 0;
}

/* Only who owns its process namespace may mount procfs: leniently, as systemd does, the host's stays. */
static bool may_keep_proc(const struct child *c, const struct plan_mount *m, int r)
{
        const struct plan *p = c->s->plan;
        return m->kind == PLAN_PROC && r == -EPERM && p->lenient && !(p->namespaces & CLONE_NEWPID);
}

static bool may_leave_out(struct child *c, const struct plan_mount *m, int r)
{
        if (may_keep_proc(c, m, r)) {
                child_note(c, "%s: not applied: %s", m->origin, strerror(-r));
                return true;
        }
        return m->optional && (r == -ENOENT || (m->kind == PLAN_BIND && r == -EACCES) ||
                               (m->kind == PLAN_SYSFS && (r == -EPERM || r == -EBUSY)));
}

/* What is not put there may have won over rules on the same path, which then hold by themselves. */
static void leave_out(struct plan_mount *m)
{
        m->kind = m->made_read_only ? PLAN_READ_ONLY : m->no_exec ? PLAN_NOEXEC : PLAN_MOUNT_KINDS;
        m->read_only = m->made_read_only;
        m->optional = true;
}

static int apply_content(struct child *c, struct error *e)
{
        struct plan *p = c->s->plan;
        CLEAN_FREE struct content *contents = xalloc(p->mount_count, sizeof *contents);
        int tmp[2] = { -EBADF, -EBADF }, result = 0;
        /* All sources are the host's: take them before the first target is covered. */
        for (size_t i = 0; i < p->mount_count; i++) {
                struct plan_mount *m = &p->mounts[i];
                contents[i].fd = -EBADF;
                if (!is_content(m->kind) || result < 0)
                        continue;
                if (extensions_are(m)) {
                        contents[i].folder = true;
                        contents[i].fd = extensions_open(c, m, e);
                        if (contents[i].fd == EXTENSIONS_NOTHING)
                                leave_out(m);
                        else if (contents[i].fd < 0)
                                result = contents[i].fd;
                        continue;
                }
                int r = open_content(c, m, tmp, &contents[i]);
                if (r < 0 && may_leave_out(c, m, r))
                        leave_out(m);
                else if (r == -ENOENT && m->kind == PLAN_BIND) {
                        result = r;
                        error_set(e, ENOENT, "mount.missing", "bind source %s does not exist", m->source);
                        error_hint(e, "create it, or write -%s to ignore it where it is missing", m->source);
                        error_while(e, "applying %s", m->origin);
                } else if (r < 0)
                        result = failed(e, m, r, "preparing");
        }
        for (size_t i = 0; result == 0 && i < p->mount_count; i++)
                if (is_content(p->mounts[i].kind))
                        result = attach_content(c, contents, i, e);
        for (size_t i = 0; i < p->mount_count; i++)
                if (contents[i].fd > 0)
                        fd_close(contents[i].fd);
        fd_close(tmp[0]);
        fd_close(tmp[1]);
        return result;
}

/* ---- access ---- */

/* What was without effect as written is looked at again once links are known; what is missing has still none. */
static void restore_redundant(struct child *c)
{
        struct plan *p = c->s->plan;
        size_t count = p->redundant_count;
        p->redundant_count = 0;
        for (size_t i = 0; i < count; i++) {
                struct plan_mount *m = &p->redundant[i];
                CLEAN_FD int fd = path_open_in(c->root_fd, m->path, 0);
                if (fd < 0) {
                        free(m->path);
                        free(m->source);
                        continue;
                }
                p->mounts = xgrow(p->mounts, &p->mount_room, p->mount_count + 1, sizeof *p->mounts);
                p->mounts[p->mount_count++] = *m;
        }
}

/* The path of fd inside the payload's tree. */
static int path_inside(const struct child *c, int fd, char *ret, unsigned long size)
{
        char root[PATH_MAX];
        int r = path_of(c->proc_fd, fd, ret, size);
        if (r < 0 || c->root_fd == c->host_fd)
                return r;
        r = path_of(c->proc_fd, c->root_fd, root, sizeof root);
        if (r < 0 || !path_is_below(ret, root))
                return r < 0 ? r : -EXDEV;
        size_t n = strlen(root);
        memmove(ret, ret[n] ? ret + n : "/", strlen(ret[n] ? ret + n : "/") + 1);
        return 0;
}

/* Replaces each path by what it resolves to, drops what may be missing, and sorts anew. */
static int resolve_paths(struct child *c, struct error *e)
{
        struct plan *p = c->s->plan;
        size_t kept = 0;
        restore_redundant(c);
        for (size_t i = 0; i < p->mount_count; i++) {
                struct plan_mount m = p->mounts[i];
                char real[PATH_MAX];
                CLEAN_FD int fd = m.kind == PLAN_MOUNT_KINDS ? -ENOENT : path_open_in(c->root_fd, m.path, 0);
                if (fd == -ENOENT && (m.optional || m.kind == PLAN_MOUNT_KINDS)) {
                        free(m.path);
                        free(m.source);
                        continue;
                }
                int r = fd < 0 ? failed(e, &m, fd, "finding") : path_inside(c, fd, real, sizeof real);
                if (r < 0) {
                        /* Keep the rest of the list whole for its owner. */
                        memmove(&p->mounts[kept], &p->mounts[i], (p->mount_count - i) * sizeof m);
                        p->mount_count -= i - kept;
                        return r;
                }
                if (!text_equal(real, m.path)) {
                        free(m.path);
                        m.path = xstrdup(real);
                }
                p->mounts[kept++] = m;
        }
        p->mount_count = kept;
        plan_normalize_mounts(p);
        return 0;
}

/* The stand-in for what is at fd: same type, mode 0, empty. Device nodes cannot be made by all: a file serves too. */
static int clone_stand_in(struct child *c, int fd)
{
        static const struct {
                mode_t type;
                const char *names[2];
        } rows[] = {
                { S_IFDIR, { "dir", "dir" } }, { S_IFREG, { "reg", "reg" } },
                { S_IFSOCK, { "sock", "reg" } }, { S_IFCHR, { "chr", "reg" } }, { S_IFBLK, { "blk", "reg" } },
        };
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        /* A pipe passes data even on a read-only mount: each run has its own, or two runs could talk through it. */
        if (S_ISFIFO(st.st_mode)) {
                if (mknodat(c->run_fd, "fifo", S_IFIFO, 0) < 0 && errno != EEXIST)
                        return -errno;
                return mount_clone_tree(c->run_fd, "fifo", false);
        }
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                for (size_t k = 0; (st.st_mode & S_IFMT) == rows[i].type && k < 2; k++) {
                        int mount = mount_clone_tree(c->stand_ins_fd, rows[i].names[k], false);
                        if (mount != -ENOENT)
                                return mount;
                }
        return -ENOENT;
}

static uint64_t access_attributes(const struct plan_mount *m)
{
        return (m->kind == PLAN_READ_ONLY || m->read_only || m->read_only_above ? MOUNT_ATTR_RDONLY : 0) |
               (m->kind == PLAN_NOEXEC || m->no_exec || m->no_exec_above ? MOUNT_ATTR_NOEXEC : 0);
}

/* Content needs no second mount unless an access rule above would change it. */
static bool needs_clone(const struct plan *p, size_t i)
{
        const struct plan_mount *m = &p->mounts[i];
        if (!is_content(m->kind))
                return !text_equal(m->path, "/");
        for (size_t k = 0; k < i; k++) {
                const char *above = p->mounts[k].path;
                size_t n = strlen(above);
                if (access_attributes(&p->mounts[k]) &&
                    (n == 1 || (!strncmp(m->path, above, n) && m->path[n] == '/')))
                        return true;
        }
        return false;
}

static int clone_access(struct child *c, const struct plan_mount *m)
{
        CLEAN_FD int fd = path_open_in(c->root_fd, m->path, 0);
        if (fd < 0)
                return fd;
        CLEAN_FD int tree = m->kind == PLAN_INACCESSIBLE ? clone_stand_in(c, fd) : mount_clone_tree(fd, "", true);
        if (tree < 0)
                return tree;
        uint64_t attributes = m->kind == PLAN_INACCESSIBLE
                                      ? MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
                                      : access_attributes(m);
        int r = attributes ? mount_set(tree, "", attributes, 0, true) : 0;
        return r < 0 ? r : TAKE_FD(tree);
}

static int attach_access(struct child *c, const struct plan_mount *m, int tree)
{
        uint64_t attributes = tree < 0 ? access_attributes(m) : 0;
        if (tree < 0 && !attributes)
                return 0;
        CLEAN_FD int target = path_open_in(c->root_fd, m->path, 0);
        if (target < 0)
                return target;
        return tree < 0 ? mount_set(target, "", attributes, 0, true) : mount_attach(tree, target, "");
}

static int apply_access(struct child *c, struct error *e)
{
        struct plan *p = c->s->plan;
        CLEAN_FREE int *trees = xalloc(p->mount_count, sizeof *trees);
        int result = 0;
        for (size_t i = 0; i < p->mount_count; i++) {
                trees[i] = -EBADF;
                if (result < 0 || !needs_clone(p, i))
                        continue;
                trees[i] = clone_access(c, &p->mounts[i]);
                if (trees[i] < 0)
                        result = failed(e, &p->mounts[i], trees[i], "preparing");
        }
        for (size_t i = 0; result == 0 && i < p->mount_count; i++) {
                int r = attach_access(c, &p->mounts[i], trees[i]);
                if (r < 0)
                        result = failed(e, &p->mounts[i], r, "mounting on");
        }
        for (size_t i = 0; i < p->mount_count; i++)
                if (trees[i] > 0)
                        fd_close(trees[i]);
        return result;
}

/* Where the root is read-only, the writable places are an allow list that Landlock can hold as well. */
static int collect_writable(struct child *c)
{
        const struct plan *p = c->s->plan;
        for (size_t i = 0; i < p->mount_count; i++) {
                const struct plan_mount *m = &p->mounts[i];
                bool writable = m->kind == PLAN_READ_WRITE || m->kind == PLAN_READ_WRITE_IMPLICIT ||
                                (is_content(m->kind) && m->kind != PLAN_FILE && !m->read_only);
                if (!writable)
                        continue;
                if (c->writable_count == SANDBOX_WRITABLE_MAX)
                        return -E2BIG;
                int fd = path_open_in(c->root_fd, m->path, 0);
                if (fd < 0)
                        return fd;
                c->writable[c->writable_count++] = fd;
        }
        return 0;
}

/* With --lenient: names once each directive whose mounts are left out. */
static int drop_mounts(struct child *c, int error)
{
        struct plan *p = c->s->plan;
        if (!p->mount_count)
                child_note(c, "%s: not applied: %s", p->namespace_origin[plan_namespace_slot(CLONE_NEWNS)], strerror(-error));
        for (size_t i = 0; i < p->mount_count; i++) {
                bool told = false;
                for (size_t k = 0; k < i; k++)
                        told |= text_equal(p->mounts[k].origin, p->mounts[i].origin);
                if (!told)
                        child_note(c, "%s: not applied: %s", p->mounts[i].origin, strerror(-error));
        }
        p->root_read_only = false;
        return 0;
}

int child_mounts(struct child *c, struct error *e)
{
        struct plan *p = c->s->plan;
        if (!plan_has_mounts(p))
                return 0;
        mode_t mask = umask(0);
        /* Before a private /tmp or another mount covers them. */
        c->stand_ins_fd = open(c->s->stand_ins, O_PATH | O_DIRECTORY | O_CLOEXEC);
        c->run_fd = open(c->s->host->run_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r = mount_set(AT_FDCWD, "/", 0, MS_SLAVE, true);
        if ((r == -EPERM || r == -EACCES || r == -ENOSYS) && sandbox_may_drop_mounts(p)) {
                umask(mask);
                return drop_mounts(c, r);
        }
        if (r < 0) {
                r = error_errno(e, r, "mount.refused", "making the mounts private");
                error_hint(e, "a container refuses mounts here; --lenient starts without them, where none rearranges what is seen");
                error_while(e, "applying %s", p->namespace_origin[plan_namespace_slot(CLONE_NEWNS)]);
        }
        c->host_fd = c->root_fd;
        bool own_root = unit_root_is_asked(p);
        if (r == 0 && own_root)
                r = unit_root_open(c, e);
        if (r == 0)
                r = apply_content(c, e);
        if (r == 0)
                r = resolve_paths(c, e);
        if (r == 0)
                r = apply_access(c, e);
        if (r == 0 && own_root)
                r = unit_root_enter(c, e);
        if (r == 0 && p->root_read_only) {
                r = collect_writable(c);
                if (r == -E2BIG)
                        c->writable_count = 0, r = 0; /* too many for a rule each: mounts and seal stand alone */
                else if (r < 0)
                        error_errno(e, r, "mount.failed", "opening the writable places");
        }
        if (r == 0 && p->no_new_privileges)
                (void)mount_set(AT_FDCWD, "/", MOUNT_ATTR_NOSUID, 0, true);
        /* Mounts of the payload's own children spread among them, not to the host. */
        uint64_t propagation = p->unit_root.propagation ? p->unit_root.propagation : MS_SHARED;
        if (r == 0)
                (void)mount_set(AT_FDCWD, "/", 0, propagation, true);
        umask(mask);
        return r;
}
