/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "os/cgroup.h"
#include "os/cgroup_folder.h"
#include "os/file.h"

/* "oom_kill N" of memory.events or memory.oom_control. */
static int read_count(int folder_fd, const char *file, uint64_t *ret)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(folder_fd, file, 4096, &t);
        const char *at = r < 0 ? NULL : strstr(t.data, "oom_kill ");
        if (!at)
                return r < 0 ? r : -ENODATA;
        at += strlen("oom_kill ");
        CLEAN_FREE char *digits = xstrndup(at, strcspn(at, "\n"));
        return text_parse_uint(digits, UINT64_MAX, ret);
}

/* v1 adds to an eventfd each time; the descriptors are told in a line. */
static int open_v1(int folder_fd, struct cgroup_oom *o)
{
        CLEAN_FD int control = openat(folder_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
        CLEAN_FD int events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (control < 0 || events < 0)
                return -errno;
        CLEAN_FREE char *line = xprintf("%d %d", events, control);
        int r = file_write(folder_fd, "cgroup.event_control", line);
        if (r == 0)
                o->fd = TAKE_FD(events);
        return r;
}

static int open_v2(const struct cgroup_folder *f, struct cgroup_oom *o)
{
        CLEAN_FREE char *path = xprintf("%s/memory.events", f->path);
        CLEAN_FD int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY | IN_DELETE_SELF) < 0)
                return -errno;
        o->folder_fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
        if (o->folder_fd < 0)
                return -errno;
        int r = read_count(o->folder_fd, "memory.events", &o->seen);
        if (r == 0)
                o->fd = TAKE_FD(fd);
        return r;
}

int cgroup_oom_open(const struct cgroup *c, struct cgroup_oom *ret, struct error *e)
{
        const struct cgroup_folder *f = cgroup_folder_of(c, "memory");
        struct cgroup_oom o = { -EBADF, -EBADF, 0 };
        if (!f || f->fd < 0)
                return error_set(e, ENOENT, "cgroup.controller", "this container has no group of the memory controller");
        int r = *f->controllers ? open_v1(f->fd, &o) : open_v2(f, &o);
        if (r == 0 && *f->controllers) {
                o.folder_fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
                r = o.folder_fd < 0 ? -errno : 0;
        }
        if (r < 0) {
                cgroup_oom_close(&o);
                return error_errno(e, r, "cgroup.refused", "watching %s for lack of memory", f->path);
        }
        *ret = o;
        return 0;
}

int cgroup_oom_read(struct cgroup_oom *o)
{
        char chunk[4096];
        uint64_t count;
        ssize_t n = read(o->fd, chunk, sizeof chunk);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        /* Both kinds of watch also wake up when the group is removed. */
        if (faccessat(o->folder_fd, "cgroup.procs", F_OK, 0) < 0)
                return -ENODEV;
        if (n == 8 && read_count(o->folder_fd, "memory.events", &count) == -ENOENT) {
                memcpy(&count, chunk, sizeof count); /* of v1 */
                return count > INT32_MAX ? INT32_MAX : (int)count;
        }
        int r = read_count(o->folder_fd, "memory.events", &count);
        if (r < 0)
                return r == -ENOENT ? -ENODEV : r;
        int more = count > o->seen ? (int)(count - o->seen) : 0;
        o->seen = count;
        return more;
}

void cgroup_oom_close(struct cgroup_oom *o)
{
        fd_close(o->fd);
        fd_close(o->folder_fd);
        *o = (struct cgroup_oom){ -EBADF, -EBADF, 0 };
}
