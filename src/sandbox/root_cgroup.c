/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mount of type cgroup: the v2 tree where the host has only that; else a tmpfs with a folder for each hierarchy, as
 * hosts arrange them.  In a control group namespace the mounts show the container's own group as their root; without
 * one the container's groups are bound.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mutant.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/path.h"
#include "sandbox/labels.h"
#include "sandbox/root.h"

enum { HIERARCHIES_MAX = 32, NAME_SIZE = 128 };

/* A line "N:CONTROLLERS:PATH" of /proc/self/cgroup. */
struct hierarchy {
        const char *controllers; /* "" for v2 */
        const char *path;
};

static size_t read_hierarchies(char *text, struct hierarchy ret[HIERARCHIES_MAX])
{
        size_t n = 0;
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n")) && n < HIERARCHIES_MAX;) {
                char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
                if (!path)
                        continue;
                *path++ = 0;
                ret[n++] = (struct hierarchy){ controllers + 1, path };
        }
        return n;
}

static const char *folder_name(const struct hierarchy *h)
{
        if (!*h->controllers)
                return "unified";
        return text_starts(h->controllers, "name=") ? h->controllers + strlen("name=") : h->controllers;
}

/* The mount of one hierarchy as seen in our control group namespace. */
static int mount_hierarchy(const struct hierarchy *h)
{
        struct mount_option options[16];
        CLEAN_FREE char *copy = xstrdup(h->controllers);
        char *rest = copy;
        size_t n = 0;
        if (!*h->controllers)
                return mount_new("cgroup2", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (text_starts(copy, "name="))
                options[n++] = (struct mount_option){ "none", NULL };
        for (char *word; (word = strsep(&rest, ",")) && n + 1 < ELEMENTS(options);) {
                char *value = strchr(word, '=');
                if (value)
                        *value++ = 0;
                options[n++] = (struct mount_option){ word, value };
        }
        options[n] = (struct mount_option){ 0 };
        return mount_new("cgroup", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

static int bind_hierarchy(const struct hierarchy *h)
{
        CLEAN_FREE char *path = xprintf("/sys/fs/cgroup/%s%s", folder_name(h), text_equal(h->path, "/") ? "" : h->path);
        CLEAN_FD int fd = mount_clone_source(path, true, false);
        if (fd < 0)
                return fd;
        int r = mount_change(fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0, 0, true);
        return r < 0 ? r : TAKE_FD(fd);
}

/* Where the kernel refuses a new mount to a user namespace, the host's is shown. */
static bool may_bind(const struct root *b, int refused, bool own)
{
        return (refused == -EPERM || refused == -EBUSY) && (!own || root_is_in_users(b));
}

static int open_hierarchy(const struct root *b, const struct hierarchy *h)
{
        bool own = b->c->s->plan->namespaces & CLONE_NEWCGROUP;
        int fd = own ? mount_hierarchy(h) : -EPERM;
        return may_bind(b, fd, own) ? bind_hierarchy(h) : fd;
}

static int attach_hierarchy(const struct root *b, int tmpfs, const struct hierarchy *h, bool read_only)
{
        const char *name = folder_name(h);
        CLEAN_FD int fd = open_hierarchy(b, h);
        if (fd == -ENOENT || fd == -EINVAL)
                return 0; /* known to the kernel and not mounted on this host */
        int r = fd < 0 ? fd : read_only ? mount_change(fd, MOUNT_ATTR_RDONLY, 0, 0, true) : 0;
        if (r == 0 && mkdirat(tmpfs, name, 0755) < 0)
                r = -errno;
        CLEAN_FD int target = r < 0 ? r : openat(tmpfs, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (r == 0)
                r = target < 0 ? -errno : mount_attach(fd, target, "");
        /* "cpu,cpuacct" answers to each of its names. */
        CLEAN_FREE char *copy = xstrdup(name);
        char *rest = copy;
        for (char *word; r == 0 && strchr(name, ',') && (word = strsep(&rest, ","));)
                if (symlinkat(name, tmpfs, word) < 0 && errno != EEXIST)
                        r = -errno;
        return r;
}

static int attach_v2(const struct root *b, const struct plan_attach *a, const struct hierarchy *h, int target)
{
        bool own = b->c->s->plan->namespaces & CLONE_NEWCGROUP;
        CLEAN_FD int fd = own ? mount_hierarchy(h) : -EPERM;
        if (may_bind(b, fd, own)) {
                CLEAN_FREE char *path = xprintf("/sys/fs/cgroup%s", own ? "" : h->path);
                fd = mount_clone_source(path, true, false);
        }
        int r = fd < 0 ? fd : a->set && !MUTANT("cgroup-rw") ? mount_change(fd, a->set, 0, 0, true) : 0;
        return r < 0 ? r : mount_attach(fd, target, "");
}

static int attach_v1(const struct root *b, const struct plan_attach *a, const struct hierarchy *all, size_t count, int target)
{
        const struct mount_option options[] = { { "mode", "0755" }, labels_of_mount(b->k, "tmpfs", NULL), { 0 } };
        bool read_only = a->set & MOUNT_ATTR_RDONLY && !MUTANT("cgroup-rw");
        CLEAN_FD int tmpfs = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        int r = tmpfs < 0 ? tmpfs : mount_attach(tmpfs, target, "");
        for (size_t i = 0; r == 0 && i < count; i++)
                r = attach_hierarchy(b, tmpfs, &all[i], read_only);
        return r == 0 && read_only ? mount_change(tmpfs, MOUNT_ATTR_RDONLY, 0, 0, false) : r;
}

int root_attach_cgroup(struct root *b, const struct plan_attach *a, int target, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        struct hierarchy all[HIERARCHIES_MAX];
        int r = file_read(b->c->proc_fd, "self/cgroup", 65536, &t);
        size_t count = r < 0 ? 0 : read_hierarchies(t.data, all);
        if (r == 0)
                r = count == 1 && !*all[0].controllers ? attach_v2(b, a, &all[0], target) : attach_v1(b, a, all, count, target);
        if (r < 0) {
                error_errno(e, r, "mount.failed", "mounting the control groups on %s", a->target);
                error_while(e, "applying %s", a->origin);
        }
        return r;
}
