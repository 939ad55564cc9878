/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sources are opened and made ready here, in the host's mounts.  A process of ours then enters the container's mount namespace, and that
 * alone: the root is a descriptor, targets are resolved below it, and mounts are attached to what was found.  Nothing of the container is
 * executed, and no path of it is trusted.
 */
#include "runtime/live_mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "os/file.h"
#include "os/mount.h"
#include "os/path.h"
#include "os/process.h"
#include "plan/plan.h"
#include "runtime/create.h"
#include "sandbox/id_maps.h"
#include "sandbox/labels.h"

enum { MOUNTS_MAX = 64, LIST_MAX = 65536 };

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U
#endif

struct work {
        const struct record *r;
        const struct plan_attach *items; /* the new ones */
        size_t count;
        int fds[MOUNTS_MAX]; /* detached, ready */
        int root_fd, pidfd;
        struct text added; /* lines "ID TARGET" of mounts that are there now */
};

/* What the process in the container's namespace tells: an error, or the ids of the mounts. */
struct outcome {
        struct error error;
        uint64_t ids[MOUNTS_MAX];
};

static int failed(struct error *e, int r, const char *what, const char *object, const char *origin)
{
        error_errno(e, r, r == -ENOENT ? "mount.missing" : r == -EPERM || r == -EACCES ? "mount.refused" : "mount.failed", "%s %s", what, object);
        return error_while(e, "applying %s", origin);
}

/* ---- on the host's side ---- */

static int make_tmpfs(const struct plan_attach *a, const struct plan_container *k)
{
        CLEAN_FREE char *data = xstrdup(a->data ? a->data : "");
        struct mount_option options[32] = { labels_of_mount(k, a->type, a->data) };
        int r = mount_split_options(data, options, ELEMENTS(options), options[0].key != NULL);
        return r < 0 ? r : mount_new_with(&(struct mount_request){ .type = "tmpfs", .source = a->source, .options = options, .attributes = a->set });
}

static int make_ready(const struct plan_attach *a, const struct plan_container *k, struct error *e)
{
        bool tmpfs = a->type && text_equal(a->type, "tmpfs");
        if ((!a->bind && !tmpfs) || a->copy_up || a->copy_symlink) {
                error_set(e, EOPNOTSUPP, "mount.live", "only bind mounts and tmpfs can be added to a container that runs");
                return error_while(e, "applying %s", a->origin);
        }
        CLEAN_FD int fd = tmpfs ? make_tmpfs(a, k) : mount_clone_source(a->source, a->recursive, a->source_no_follow);
        if (fd < 0)
                return failed(e, fd, tmpfs ? "making a tmpfs for" : "opening the source", tmpfs ? a->target : a->source, a->origin);
        int r = mount_change(fd, tmpfs ? 0 : a->set, tmpfs ? 0 : a->clear, MS_PRIVATE, false);
        if (r == 0 && a->bind && a->recursive)
                r = mount_change(fd, 0, 0, MS_PRIVATE, true);
        if (r == 0 && (a->set_below || a->clear_below))
                r = mount_change(fd, a->set_below, a->clear_below, 0, true);
        if (r == 0 && a->propagation)
                r = mount_change(fd, 0, 0, a->propagation & ~(uint64_t)MS_REC, a->propagation & MS_REC);
        if (r < 0)
                return failed(e, r, "setting the options of", a->target, a->origin);
        if (a->id_mapped && id_maps_apply(fd, a->maps.uid_count ? &a->maps : &k->maps, a->id_mapped_below, e) < 0)
                return error_while(e, "applying %s", a->origin);
        return TAKE_FD(fd);
}

/* ---- in the container's mounts ---- */

static uint64_t mount_id(int fd)
{
        struct statx x;
        return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) == 0 && x.stx_mask & STATX_MNT_ID ? x.stx_mnt_id : 0;
}

static int check_target(const struct work *w, const struct plan_attach *a, int target, struct error *e)
{
        struct stat x, y;
        bool top = fstat(target, &x) == 0 && fstat(w->root_fd, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
        if (!top && !file_is_on(target, PROC_SUPER_MAGIC))
                return 0;
        error_set(e, EPERM, "mount.proc", "%s cannot be covered by this mount", top ? "the root" : a->target);
        return error_while(e, "applying %s", a->origin);
}

static int attach_one(const struct work *w, size_t i, uint64_t *ret_id, struct error *e)
{
        const struct plan_attach *a = &w->items[i];
        struct stat st = { .st_mode = S_IFDIR };
        if (fstat(w->fds[i], &st) < 0)
                return failed(e, -errno, "looking at", a->target, a->origin);
        CLEAN_FD int target = path_make_in(w->root_fd, a->target, S_ISDIR(st.st_mode), a->target_no_follow ? PATH_NO_LINKS : PATH_LINKS);
        if (target < 0)
                return failed(e, target, "making the mount point", a->target, a->origin);
        int r = check_target(w, a, target, e);
        if (r < 0)
                return r;
        r = mount_attach(w->fds[i], target, "");
        if (r < 0)
                return failed(e, r, "mounting on", a->target, a->origin);
        *ret_id = mount_id(w->fds[i]);
        return 0;
}

/* The name in its folder, which is ours to stand in: umount takes no descriptor. */
static int unmount(const struct work *w, const char *path)
{
        CLEAN_FREE char *copy = xprintf("/%s", path);
        size_t n = strlen(copy);
        while (n > 1 && copy[n - 1] == '/')
                copy[--n] = 0;
        char *name = strrchr(copy, '/');
        *name++ = 0;
        if (!*name || text_equal(name, "..") || text_equal(name, "."))
                return -EINVAL;
        CLEAN_FD int folder = path_open_as(w->root_fd, *copy ? copy : "/", O_PATH | O_DIRECTORY, 0, PATH_LINKS);
        CLEAN_FD int here = folder < 0 ? -1 : path_open_as(folder, name, O_PATH | O_NOFOLLOW, 0, PATH_NO_LINKS);
        if (folder < 0 || here < 0)
                return folder < 0 ? folder : here;
        CLEAN_FREE char *line = xprintf("%llu ", (unsigned long long)mount_id(here));
        bool ours = false;
        for (const char *p = w->added.data; p && *p; p += strcspn(p, "\n"), p += *p == '\n')
                ours |= text_starts(p, line);
        if (!ours)
                return -EUSERS;
        here = fd_close(here);
        return fchdir(folder) < 0 || umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

static int detach_one(const struct work *w, size_t i, struct error *e)
{
        const struct plan_attach *a = &w->items[i];
        int r = unmount(w, a->target);
        if (r != -EUSERS)
                return r < 0 ? failed(e, r, "unmounting", a->target, a->origin) : 0;
        error_set(e, EPERM, "mount.live", "what is at %s was not added to the container while it ran", a->target);
        error_hint(e, "only such mounts can be taken away");
        return error_while(e, "applying %s", a->origin);
}

static void act(const struct work *w, bool add, struct outcome *o)
{
        int r = setns(w->pidfd, CLONE_NEWNS) < 0 ? error_errno(&o->error, errno, "namespace.join", "entering the container's mounts") : 0;
        umask(0);
        size_t done = 0;
        for (; r == 0 && done < w->count; done++)
                r = add ? attach_one(w, done, &o->ids[done], &o->error) : detach_one(w, w->count - 1 - done, &o->error);
        /* All or none: what was attached before the failure goes again. */
        for (size_t i = done; add && r < 0 && i-- > 0;)
                if (o->ids[i]) {
                        struct work undo = *w;
                        CLEAN_TEXT struct text known = { 0 };
                        text_addf(&known, "%llu \n", (unsigned long long)o->ids[i]);
                        undo.added = known;
                        (void)unmount(&undo, w->items[i].target);
                }
        if (r < 0 && !o->error.code)
                o->error.code = r;
}

static int act_inside(const struct work *w, bool add, struct outcome *ret, struct error *e)
{
        int ends[2], pidfd = -EBADF;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return error_errno(e, errno, "spawn.failed", "pipe");
        CLEAN_FD int in = ends[0], out = ends[1];
        pid_t pid = process_clone(0, -1, &pidfd);
        if (pid < 0)
                return error_errno(e, pid, "spawn.failed", "clone");
        if (pid == 0) {
                act(w, add, ret);
                _exit(file_write_all(out, ret, sizeof *ret) < 0);
        }
        fd_close(pidfd);
        out = fd_close(out);
        size_t have = 0;
        for (ssize_t n; have < sizeof *ret && (n = read(in, (char *)ret + have, sizeof *ret - have)) > 0;)
                have += (size_t)n;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        if (have < sizeof *ret)
                return error_set(e, EPIPE, "spawn.failed", "the process that changes the mounts died");
        if (ret->error.code && e)
                *e = ret->error;
        return ret->error.code;
}

/* ---- the whole ---- */

static int save(const struct work *w, struct error *e)
{
        int r = file_replace(w->r->dir_fd, "mounts", w->added.data ? w->added.data : "", w->added.length, 0600);
        return r < 0 ? error_errno(e, r, "state.failed", "keeping the list of mounts") : 0;
}

static int open_container(struct work *w, struct error *e)
{
        CLEAN_FREE char *path = xprintf("/proc/%d/root", w->r->pid);
        w->pidfd = record_pidfd(w->r);
        if (w->pidfd < 0)
                return error_set(e, ESRCH, "container.status", "container \"%s\" is stopped", w->r->id);
        w->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        /* Still the same process: then so was the root that was opened in between. */
        if (w->root_fd < 0 || process_signal(w->pidfd, 0) < 0)
                return error_set(e, ESRCH, "container.status", "container \"%s\" has ended", w->r->id);
        (void)file_read(w->r->dir_fd, "mounts", LIST_MAX, &w->added);
        return 0;
}

static int add_all(struct work *w, const struct plan_container *k, struct error *e)
{
        struct outcome o = { 0 };
        for (size_t i = 0; i < w->count; i++) {
                w->fds[i] = make_ready(&w->items[i], k, e);
                if (w->fds[i] < 0)
                        return w->fds[i];
        }
        int r = act_inside(w, true, &o, e);
        for (size_t i = 0; r == 0 && i < w->count; i++)
                text_addf(&w->added, "%llu %s\n", (unsigned long long)o.ids[i], w->items[i].target);
        return r == 0 ? save(w, e) : r;
}

static int change(const struct record *r, const struct json_document *mounts, bool add, struct error *e)
{
        CLEAN_JSON struct json_document config = { 0 };
        CLEAN_PLAN struct plan p = { 0 };
        const struct json_place top = json_top(mounts, "mounts");
        struct work w = { .r = r, .root_fd = -EBADF, .pidfd = -EBADF };
        struct outcome o = { 0 };
        for (size_t i = 0; i < MOUNTS_MAX; i++)
                w.fds[i] = -EBADF;
        int k = container_plan(r, &config, &p, e);
        if (k < 0)
                return k;
        size_t before = p.container->attach_count;
        const struct oci_facts facts = { .id = r->id, .bundle = r->bundle, .rootless = geteuid() != 0 };
        k = oci_compile_mounts(&top, &p, &facts, e);
        w.items = p.container->attaches + before;
        w.count = p.container->attach_count - before;
        if (k == 0 && w.count > MOUNTS_MAX)
                k = error_set(e, E2BIG, "mount.live", "at most %d mounts at once", MOUNTS_MAX);
        if (k == 0)
                k = open_container(&w, e);
        if (k == 0)
                k = add ? add_all(&w, p.container, e) : act_inside(&w, false, &o, e);
        for (size_t i = 0; i < MOUNTS_MAX; i++)
                fd_close(w.fds[i]);
        fd_close(w.root_fd);
        fd_close(w.pidfd);
        text_clear(&w.added);
        return k;
}

int live_mounts_add(const struct record *r, const struct json_document *mounts, struct error *e)
{
        return change(r, mounts, true, e);
}

int live_mounts_remove(const struct record *r, const struct json_document *mounts, struct error *e)
{
        return change(r, mounts, false, e);
}
