/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Freezing, ending and removing a group. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "os/cgroup.h"
#include "os/cgroup_folder.h"
#include "os/file.h"
#include "os/process.h"

enum { DEPTH_MAX = 64, PROCS_SIZE_MAX = 64 << 20, FREEZE_TIMEOUT_MS = 10000 };

static uint64_t now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Short waits first: most groups are empty at once. */
static void pause_round(unsigned round)
{
        nanosleep(&(struct timespec){ .tv_nsec = round < 10 ? 200000 : round < 50 ? 1000000 : 5000000 }, NULL);
}

const struct cgroup_folder *cgroup_tracker(const struct cgroup *c)
{
        const struct cgroup_folder *preferred[] = { cgroup_v2_folder(c), cgroup_v1_folder_of(c, "freezer") };
        for (size_t i = 0; i < ELEMENTS(preferred); i++)
                if (preferred[i] && preferred[i]->fd >= 0)
                        return preferred[i];
        for (unsigned i = 0; i < c->count; i++)
                if (c->folders[i].fd >= 0)
                        return &c->folders[i];
        return NULL;
}

/* ---- walking ---- */

/* Calls act for each folder below and then for this one. The sum of what it gives, or the first error. */
static int walk(int parent_fd, const char *name, int depth, int (*act)(int parent_fd, const char *name, int fd, void *context), void *context)
{
        CLEAN_FD int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3), result = 0;
        DIR *dir = copy < 0 ? NULL : fdopendir(copy);
        if (!dir) {
                fd_close(copy);
                return -errno;
        }
        for (struct dirent *d; depth < DEPTH_MAX && (d = readdir(dir));) {
                if (d->d_type != DT_DIR || text_equal(d->d_name, ".") || text_equal(d->d_name, ".."))
                        continue;
                int r = walk(fd, d->d_name, depth + 1, act, context);
                result = result < 0 ? result : r < 0 ? r : result + r;
        }
        closedir(dir);
        int r = act(parent_fd, name, fd, context);
        return result < 0 ? result : r < 0 ? r : result + r;
}

static int walk_folder(const struct cgroup_folder *f, int (*act)(int, const char *, int, void *), void *context)
{
        return f->fd < 0 ? 0 : walk(f->fd, ".", 0, act, context);
}

static int add_pids(int parent_fd, const char *name, int fd, void *context)
{
        struct cgroup_pids *p = context;
        CLEAN_TEXT struct text t = { 0 };
        (void)parent_fd, (void)name;
        int r = file_read(fd, "cgroup.procs", PROCS_SIZE_MAX, &t);
        if (r < 0) /* -EOPNOTSUPP: of a threaded group, whose processes the domain above lists */
                return r == -ENODEV || r == -ENOENT || r == -EOPNOTSUPP ? 0 : r;
        char *rest = t.data;
        for (char *line; (line = strsep(&rest, "\n"));) {
                uint64_t pid;
                if (text_parse_uint(line, INT32_MAX, &pid) < 0 || pid == 0)
                        continue;
                p->items = xgrow(p->items, &p->room, p->count + 1, sizeof *p->items);
                p->items[p->count++] = (pid_t)pid;
        }
        return 0;
}

static int by_number(const void *a, const void *b)
{
        pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
        return (x > y) - (x < y);
}

static bool says(int fd, const char *file, const char *words)
{
        CLEAN_TEXT struct text t = { 0 };
        return file_read_value(fd, file, &t) == 0 && strstr(t.data, words);
}

static int list(const struct cgroup *c, struct cgroup_pids *ret)
{
        struct cgroup_pids p = { 0 };
        const struct cgroup_folder *f = cgroup_tracker(c);
        int r = f ? walk_folder(f, add_pids, &p) : 0;
        if (r < 0) {
                cgroup_pids_done(&p);
                return r;
        }
        if (p.count)
                qsort(p.items, p.count, sizeof *p.items, by_number);
        size_t kept = 0;
        for (size_t i = 0; i < p.count; i++)
                if (!kept || p.items[kept - 1] != p.items[i])
                        p.items[kept++] = p.items[i];
        p.count = kept;
        *ret = p;
        return 0;
}

int cgroup_list(const struct cgroup *c, struct cgroup_pids *ret, struct error *e)
{
        int r = list(c, ret);
        return r < 0 ? error_errno(e, r, "cgroup.refused", "reading the processes of %s", cgroup_tracker(c)->path) : 0;
}

void cgroup_pids_done(struct cgroup_pids *p)
{
        free(p->items);
        *p = (struct cgroup_pids){ 0 };
}

/* ---- signals ---- */

/* A number may have gone to a stranger since it was read: with the descriptor held, the process is asked where it is. */
static bool is_member(pid_t pid, const char *tail)
{
        char path[48];
        CLEAN_TEXT struct text t = { 0 };
        size_t n = strlen(tail);
        (void)snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
        if (file_read(AT_FDCWD, path, 1 << 20, &t) < 0)
                return false;
        for (const char *at = t.data; (at = strstr(at, tail)); at++)
                if (at[n] == '\n' || at[n] == '/')
                        return true;
        return false;
}

int cgroup_signal(const struct cgroup *c, int signal)
{
        struct cgroup_pids p = { 0 };
        const struct cgroup_folder *f = cgroup_tracker(c);
        int r = list(c, &p), count = 0;
        for (size_t i = 0; i < p.count; i++) {
                CLEAN_FD int fd = process_open(p.items[i]);
                if (fd < 0 || p.items[i] == getpid() || !is_member(p.items[i], f->path + f->tail))
                        continue;
                int k = process_signal(fd, signal);
                if (k == 0)
                        count++;
                else if (k != -ESRCH)
                        r = k;
        }
        cgroup_pids_done(&p);
        return r < 0 ? r : count;
}

/*
 * v2 tells it in a word, of all groups below too. Not where hierarchies of v1 are beside it: a process that is about to be gone counts there
 * for longer, and one that was moved in one of them is still in the others.
 */
static bool is_empty(const struct cgroup *c)
{
        const struct cgroup_folder *v2 = cgroup_v2_folder(c);
        struct cgroup_pids p = { 0 };
        if (v2 && v2->fd >= 0 && c->count == 1 && says(v2->fd, "cgroup.events", "populated 0"))
                return true;
        int r = list(c, &p);
        bool empty = r == 0 && p.count == 0;
        cgroup_pids_done(&p);
        return empty;
}

int cgroup_kill(const struct cgroup *c, unsigned timeout_ms, struct error *e)
{
        const struct cgroup_folder *v2 = cgroup_v2_folder(c), *pids = cgroup_v1_folder_of(c, "pids");
        uint64_t end = now_ms() + timeout_ms;
        int r = 0;
        for (unsigned round = 0; !is_empty(c); round++) {
                /* One write reaches all, those being forked and frozen ones too. */
                if (round < 2 && v2 && v2->fd >= 0)
                        (void)file_write(v2->fd, "cgroup.kill", "1");
                /* Whoever forks faster than we read is kept from forking; freezing could leave it standing for good. */
                if (round == 2 && pids && pids->fd >= 0)
                        (void)file_write(pids->fd, "pids.max", "0");
                r = cgroup_signal(c, SIGKILL);
                if (cgroup_is_frozen(c))
                        (void)cgroup_thaw(c, NULL);
                if (now_ms() >= end) {
                        const struct cgroup_folder *f = cgroup_tracker(c);
                        error_set(e, ETIMEDOUT, "cgroup.kill", "after %u ms there are still processes in %s", timeout_ms, f->path);
                        error_hint(e, r == -EPERM ? "signalling them is not permitted" : "they may be waiting for a device or a file server: see cgroup.procs there");
                        return -ETIMEDOUT;
                }
                pause_round(round);
        }
        return 0;
}

/* ---- removing ---- */

static int remove_folder(int parent_fd, const char *name, int fd, void *context)
{
        int *busy = context;
        (void)fd;
        if (!text_equal(name, ".") && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                *busy = -errno;
        return 0;
}

static int remove_one(const struct cgroup_folder *f, uint64_t end)
{
        for (unsigned round = 0;; round++) {
                int busy = 0;
                if (rmdir(f->path) == 0 || errno == ENOENT)
                        return 0;
                if (errno != EBUSY && errno != ENOTEMPTY)
                        return -errno;
                (void)walk_folder(f, remove_folder, &busy);
                if (rmdir(f->path) == 0 || errno == ENOENT)
                        return 0;
                if (now_ms() >= end)
                        return -EBUSY;
                pause_round(round); /* the kernel empties it a little after the last exit */
        }
}

int cgroup_remove(const struct cgroup *c, unsigned timeout_ms, struct error *e)
{
        uint64_t end = now_ms() + timeout_ms;
        int result = 0;
        for (unsigned i = 0; i < c->count; i++) {
                const struct cgroup_folder *f = &c->folders[i];
                int r = remove_one(f, end);
                if (r < 0 && result == 0) {
                        result = error_errno(e, r, "cgroup.remove", "removing the control group %s", f->path);
                        error_hint(e, r == -EBUSY ? "processes are still in it or in a group below it" : "needs the rights that made it");
                }
        }
        return result;
}

/* ---- freezing ---- */

bool cgroup_is_frozen(const struct cgroup *c)
{
        const struct cgroup_folder *v1 = cgroup_v1_folder_of(c, "freezer"), *v2 = cgroup_v2_folder(c);
        return (v2 && v2->fd >= 0 && says(v2->fd, "cgroup.freeze", "1")) ||
               (v1 && v1->fd >= 0 && says(v1->fd, "freezer.state", "FR")); /* FROZEN or FREEZING */
}

static int freeze_v2(int fd)
{
        CLEAN_FD int events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        uint64_t end = now_ms() + FREEZE_TIMEOUT_MS;
        int r = events < 0 ? -errno : file_write(fd, "cgroup.freeze", "1");
        while (r == 0) {
                char text[256];
                ssize_t n = pread(events, text, sizeof text - 1, 0);
                uint64_t now = now_ms();
                text[n > 0 ? n : 0] = 0;
                if (n < 0)
                        return -errno;
                if (strstr(text, "frozen 1"))
                        return 0;
                if (now >= end)
                        return -ETIMEDOUT;
                (void)poll(&(struct pollfd){ .fd = events, .events = POLLPRI }, 1, (int)(end - now));
        }
        return r;
}

/* A process in the midst of a fork can hold the v1 freezer up; letting go for a moment and trying again helps. */
static int freeze_v1(int fd)
{
        uint64_t end = now_ms() + FREEZE_TIMEOUT_MS;
        for (unsigned round = 0;; round++) {
                int r = file_write(fd, "freezer.state", "FROZEN");
                if (r < 0)
                        return r;
                if (says(fd, "freezer.state", "FROZEN"))
                        return 0;
                if (now_ms() >= end)
                        return -ETIMEDOUT;
                if (round % 50 == 49)
                        (void)file_write(fd, "freezer.state", "THAWED");
                pause_round(round);
        }
}

int cgroup_freeze(const struct cgroup *c, struct error *e)
{
        const struct cgroup_folder *v1 = cgroup_v1_folder_of(c, "freezer"), *v2 = cgroup_v2_folder(c);
        const struct cgroup_folder *f = v2 ? v2 : v1;
        int r = v2 && v2->fd >= 0 ? freeze_v2(v2->fd) : -ENOENT;
        if (r == -ENOENT && v1 && v1->fd >= 0) { /* before Linux 5.2, v2 could not */
                r = freeze_v1(v1->fd);
                f = v1;
        }
        if (r == 0)
                return 0;
        if (!f)
                return error_set(e, ENOENT, "cgroup.freeze", "this container has no control group that can be frozen");
        (void)cgroup_thaw(c, NULL);
        error_errno(e, r, "cgroup.freeze", "freezing %s", f->path);
        error_hint(e, r == -ETIMEDOUT ? "a process in it does not stand still; it runs on" : "see freezer.state or cgroup.freeze there");
        return r;
}

int cgroup_thaw(const struct cgroup *c, struct error *e)
{
        const struct cgroup_folder *v1 = cgroup_v1_folder_of(c, "freezer"), *v2 = cgroup_v2_folder(c);
        int r2 = v2 && v2->fd >= 0 ? file_write(v2->fd, "cgroup.freeze", "0") : -ENOENT;
        int r1 = v1 && v1->fd >= 0 ? file_write(v1->fd, "freezer.state", "THAWED") : -ENOENT;
        if ((r1 == 0 || r1 == -ENOENT) && (r2 == 0 || r2 == -ENOENT) && (r1 == 0 || r2 == 0))
                return 0;
        int r = r1 < 0 && r1 != -ENOENT ? r1 : r2;
        return error_errno(e, r, "cgroup.freeze", "thawing %s", c->count ? c->folders[0].path : "a container without a control group");
}
