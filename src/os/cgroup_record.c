/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups in later processes: recorded, found again, entered, changed. */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "base/path.h"
#include "os/cgroup.h"
#include "os/cgroup_folder.h"
#include "os/cgroup_write.h"
#include "os/file.h"

/* ---- record ---- */

/* "CONTROLLERS LENGTH PATH", LENGTH of the mount's part of PATH; CONTROLLERS of v2 is "v2". */
void cgroup_save(const struct cgroup *c, struct strings *ret)
{
        for (unsigned i = 0; i < c->count; i++) {
                const struct cgroup_folder *f = &c->folders[i];
                strings_take(ret, xprintf("%s %zu %s", *f->controllers ? f->controllers : "v2", f->tail, f->path));
        }
}

static int load_line(const char *line, struct cgroup_folder *ret)
{
        size_t n = strcspn(line, " ");
        const char *number = line[n] ? line + n + 1 : "";
        size_t k = strcspn(number, " ");
        const char *path = number[k] ? number + k + 1 : "";
        CLEAN_FREE char *digits = xstrndup(number, k), *normal = NULL;
        uint64_t tail;
        if (n == 0 || text_parse_uint(digits, 4095, &tail) < 0 || path_normalize(path, &normal) < 0 || !text_equal(normal, path) ||
            tail + 1 >= strlen(path) || path[tail] != '/')
                return -EINVAL;
        int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        bool v2 = n == 2 && !strncmp(line, "v2", 2);
        if (fd < 0 && errno != ENOENT)
                return -errno;
        /* What is removed and killed by this record must be a control group. */
        if (fd >= 0 && !file_is_on(fd, v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC)) {
                fd_close(fd);
                return -EINVAL;
        }
        *ret = (struct cgroup_folder){ v2 ? xstrdup("") : xstrndup(line, n), TAKE_PTR(normal), (size_t)tail, fd < 0 ? -ENOENT : fd, -EBADF };
        return 0;
}

int cgroup_load(const struct strings *lines, struct cgroup *ret, struct error *e)
{
        struct cgroup c = { .into_fd = -EBADF };
        for (size_t i = 0; i < lines->count; i++) {
                int r = c.count == CGROUP_FOLDERS_MAX ? -E2BIG : load_line(lines->items[i], &c.folders[c.count]);
                if (r < 0) {
                        cgroup_done(&c);
                        return error_errno(e, r, "cgroup.record", "\"%.200s\" is no record of a control group", lines->items[i]);
                }
                c.count++;
        }
        *ret = c;
        return 0;
}

/* ---- entering ---- */

static bool is_below(const char *sub)
{
        return *sub && *sub != '/' && !text_equal(sub, "..") && !text_starts(sub, "../") && !strstr(sub, "/../") && !text_ends(sub, "/..");
}

static int refused(int r, const char *path, const char *sub, struct error *e)
{
        error_errno(e, r, "cgroup.refused", "entering the control group %s%s%s", path, sub ? "/" : "", sub ? sub : "");
        error_hint(e, r == -ENOENT ? "it is not there" : r == -EBUSY ? "it shares out to groups below it, and so takes no process itself"
                                                                     : "needs the rights that made it");
        error_status(e, STATUS_CGROUP);
        return r;
}

static int open_folder(const struct cgroup_folder *f, const char *sub)
{
        if (f->fd < 0)
                return -ENOENT;
        int fd = openat(f->fd, sub ? sub : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* The v2 folder of a process, if that is in the group or below. */
static int open_beside(const struct cgroup_folder *f, pid_t pid)
{
        char file[48];
        CLEAN_TEXT struct text t = { 0 };
        (void)snprintf(file, sizeof file, "/proc/%d/cgroup", pid);
        int r = file_read(AT_FDCWD, file, 1 << 20, &t);
        if (r < 0)
                return r;
        const char *line = text_starts(t.data, "0::") ? t.data : strstr(t.data, "\n0::");
        const char *tail = f->path + f->tail, *at = line ? strstr(line, tail) : NULL;
        if (!at || at > strchrnul(line + 1, '\n') || at[strlen(tail)] != '/')
                return -ENOENT;
        at += strlen(tail) + 1;
        CLEAN_FREE char *sub = xstrndup(at, strcspn(at, "\n"));
        return is_below(sub) ? open_folder(f, sub) : -ENOENT;
}

static bool shares_out(int fd)
{
        CLEAN_TEXT struct text t = { 0 };
        return file_read(fd, "cgroup.subtree_control", 4096, &t) == 0 && t.data[strspn(t.data, " \n")];
}

int cgroup_open_entry(struct cgroup *c, const char *sub, pid_t beside, struct error *e)
{
        if (sub && !is_below(sub))
                return error_set(e, EINVAL, "cgroup.path", "\"%.200s\" names no group below the container's", sub);
        for (unsigned i = 0; i < c->count; i++) {
                struct cgroup_folder *f = &c->folders[i];
                CLEAN_FD int fd = open_folder(f, sub);
                if (fd < 0)
                        return refused(fd, f->path, sub, e);
                if (*f->controllers) {
                        f->procs_fd = fd_close(f->procs_fd);
                        f->procs_fd = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
                        if (f->procs_fd < 0)
                                return refused(-errno, f->path, sub, e);
                        continue;
                }
                int other = !sub && beside > 0 && shares_out(fd) ? open_beside(f, beside) : -ENOENT;
                if (c->into_fd > 0)
                        fd_close(c->into_fd);
                c->into_fd = other >= 0 ? other : TAKE_FD(fd);
        }
        return 0;
}

int cgroup_attach(const struct cgroup *c, pid_t pid, const char *sub, struct error *e)
{
        CLEAN_FREE char *text = xprintf("%d", pid);
        if (sub && !is_below(sub))
                return error_set(e, EINVAL, "cgroup.path", "\"%.200s\" names no group below the container's", sub);
        for (unsigned i = 0; i < c->count; i++) {
                const struct cgroup_folder *f = &c->folders[i];
                CLEAN_FD int fd = open_folder(f, sub);
                int r = fd < 0 ? fd : file_write(fd, "cgroup.procs", text);
                if (r < 0)
                        return refused(r, f->path, sub, e);
        }
        return 0;
}

/* ---- update ---- */

int cgroup_read_number(int folder_fd, const char *file, int64_t *ret)
{
        CLEAN_TEXT struct text t = { 0 };
        uint64_t n;
        int r = folder_fd < 0 ? -ENOENT : file_read(folder_fd, file, 4096, &t);
        if (r < 0)
                return r;
        bool negative = t.data[0] == '-';
        t.data[strcspn(t.data, " \n")] = 0;
        if (text_equal(t.data, "max"))
                n = INT64_MAX;
        else if (text_parse_uint(t.data + negative, INT64_MAX, &n) < 0)
                return -EINVAL;
        *ret = negative ? -(int64_t)n : (int64_t)n;
        return 0;
}

static int64_t read_limit(int fd, const char *file)
{
        int64_t n;
        return cgroup_read_number(fd, file, &n) < 0 || n == INT64_MAX ? -1 : n;
}

static int check_use(const struct cgroup *c, const struct cgroup_resources *r, struct error *e)
{
        const struct cgroup_folder *f = cgroup_folder_of(c, "memory");
        int64_t used, limit = r->values[CGROUP_MEMORY_LIMIT];
        bool asks = cgroup_is_set(r, CGROUP_MEMORY_LIMIT) && cgroup_is_set(r, CGROUP_MEMORY_CHECK_BEFORE_UPDATE);
        if (!asks || limit < 0 || !f || *f->controllers || cgroup_read_number(f->fd, "memory.current", &used) < 0 || used <= limit)
                return 0;
        CLEAN_FREE char *origin = cgroup_origin(r, CGROUP_MEMORY_LIMIT);
        error_set(e, EBUSY, "cgroup.refused", "%s is %lld bytes and %lld are in use in %s", origin, (long long)limit, (long long)used, f->path);
        error_hint(e, "memory/checkBeforeUpdate asks to refuse this; without it the kernel would kill");
        return -EBUSY;
}

int cgroup_update(const struct cgroup *c, const struct cgroup_resources *r, struct error *e)
{
        CLEAN_TEXT struct text v1 = { 0 }, words = { 0 };
        CLEAN_WRITES struct cgroup_writes writes = { 0 };
        const struct cgroup_folder *v2 = cgroup_v2_folder(c);
        text_add(&v1, "");
        for (unsigned i = 0; i < c->count; i++)
                if (*c->folders[i].controllers)
                        text_addf(&v1, "%s%s", v1.length ? "," : "", c->folders[i].controllers);
        if (v2 && v2->fd >= 0)
                (void)file_read(v2->fd, "cgroup.controllers", 4096, &words);
        if (words.data)
                words.data[strcspn(words.data, "\n")] = 0;
        CLEAN_FREE char *offered = xprintf(" %s ", words.data ? words.data : "");
        const struct cgroup_offer offer = { v1.data, offered, v2 };
        const struct cgroup_live live = { v2 ? read_limit(v2->fd, "memory.max") : -1, v2 ? read_limit(v2->fd, "cpu.max") : -1 };
        int k = check_use(c, r, e);
        if (k == 0)
                k = cgroup_writes_plan(r, &offer, &live, &writes, e);
        if (k == 0)
                k = cgroup_writes_apply(&writes, c, e);
        return k == 0 && r->rule_count ? cgroup_apply_devices(c, r, false, e) : k;
}
