/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups that others may divide further. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/exit_status.h"
#include "os/cgroup.h"
#include "os/file.h"

/* A tree that its owner makes is also one that we take away again: v2 holds him to what we walk. */
#define DEPTH_MAX "24"

static int refused(int r, const char *path, unsigned user, struct error *e)
{
        error_errno(e, r, "cgroup.refused", "giving %s to user %u", path, user);
        error_status(e, STATUS_CGROUP);
        return r;
}

/* The files that the kernel means to be given away; limits of the group itself are not among them. */
static void list_files(bool v2, struct strings *ret)
{
        CLEAN_TEXT struct text t = { 0 };
        if (!v2) {
                strings_add(ret, "cgroup.procs");
                strings_add(ret, "tasks");
                return;
        }
        if (file_read(AT_FDCWD, "/sys/kernel/cgroup/delegate", 65536, &t) == 0 && text_split_words(t.data, ret) == 0)
                return;
        strings_clear(ret);
        (void)text_split_words("cgroup.procs cgroup.subtree_control cgroup.threads", ret);
}

static int give_folder(int fd, bool v2, uid_t uid, gid_t gid)
{
        CLEAN_STRINGS struct strings files = { 0 };
        list_files(v2, &files);
        if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
                return -errno;
        for (size_t i = 0; i < files.count; i++)
                if (!strchr(files.items[i], '/') && fchownat(fd, files.items[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
                        return -errno;
        return 0;
}

int cgroup_delegate(const struct cgroup *c, uid_t uid, struct error *e)
{
        const struct cgroup_folder *f = cgroup_v2_folder(c);
        if (!f || f->fd < 0)
                return error_set(e, ENOENT, "cgroup.controller", "there is no v2 group to give to user %u", uid);
        int r = give_folder(f->fd, true, uid, (gid_t)-1);
        return r < 0 ? refused(r, f->path, uid, e) : 0;
}

int cgroup_give(const struct cgroup *c, uid_t uid, gid_t gid, struct error *e)
{
        for (unsigned i = 0; i < c->count; i++) {
                const struct cgroup_folder *f = &c->folders[i];
                bool v2 = !*f->controllers;
                int r = give_folder(f->fd, v2, uid, gid);
                if (r == 0 && v2)
                        (void)file_write(f->fd, "cgroup.max.depth", DEPTH_MAX);
                if (r < 0)
                        return refused(r, f->path, uid, e);
        }
        return 0;
}

/* A new cpuset of v1 takes nobody before it has what the one above has. */
static int copy_cpuset(const struct cgroup_folder *f, int below)
{
        static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
        for (size_t i = 0; i < ELEMENTS(files); i++) {
                CLEAN_TEXT struct text t = { 0 };
                int r = file_read(f->fd, files[i], 65536, &t);
                if (r == -ENOENT)
                        continue;
                if (r == 0)
                        r = file_write(below, files[i], t.data);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int enter_below(struct cgroup *c, struct cgroup_folder *f, const char *name, uid_t uid, gid_t gid)
{
        bool v2 = !*f->controllers;
        if (mkdirat(f->fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        CLEAN_FD int below = openat(f->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r = below < 0 ? -errno : give_folder(below, v2, uid, gid);
        if (r < 0)
                return r;
        if (v2) {
                fd_close(c->into_fd);
                c->into_fd = TAKE_FD(below);
                return 0;
        }
        r = copy_cpuset(f, below);
        int procs = r < 0 ? r : openat(below, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (procs < 0)
                return r < 0 ? r : -errno;
        fd_close(f->procs_fd);
        f->procs_fd = procs;
        return 0;
}

int cgroup_enter_below(struct cgroup *c, const char *name, uid_t uid, gid_t gid, struct error *e)
{
        for (unsigned i = 0; i < c->count; i++) {
                struct cgroup_folder *f = &c->folders[i];
                int r = enter_below(c, f, name, uid, gid);
                if (r < 0) {
                        error_errno(e, r, "cgroup.refused", "making the control group %s/%s", f->path, name);
                        error_status(e, STATUS_CGROUP);
                        return r;
                }
        }
        return 0;
}
