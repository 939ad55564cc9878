/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/members.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"
#include "os/process.h"

struct process {
        pid_t pid, parent;
        uint64_t start;
        ino_t space; /* its process namespace, or 0 where that is not shown to us */
        bool member;
};

struct processes {
        struct process *items;
        size_t count;
};

static pid_t parent_of(pid_t pid)
{
        CLEAN_FREE char *path = xprintf("/proc/%d/stat", pid);
        CLEAN_TEXT struct text t = { 0 };
        int parent = 0;
        const char *end = file_read(AT_FDCWD, path, 8192, &t) == 0 ? strrchr(t.data, ')') : NULL; /* a name may hold anything */
        return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

static ino_t space_of(pid_t pid)
{
        CLEAN_FREE char *path = xprintf("/proc/%d/ns/pid", pid);
        struct stat st;
        return stat(path, &st) == 0 ? st.st_ino : 0;
}

static int read_all(struct processes *ret, struct error *e)
{
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FD int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = proc < 0 ? -errno : file_list(proc, &names);
        if (r < 0)
                return error_errno(e, r, "state.failed", "reading /proc");
        ret->items = xalloc(names.count + 1, sizeof *ret->items);
        for (size_t i = 0; i < names.count; i++) {
                uint64_t pid;
                if (text_parse_uint(names.items[i], INT32_MAX, &pid) < 0)
                        continue;
                ret->items[ret->count++] = (struct process){ (pid_t)pid, parent_of((pid_t)pid), record_process_start((pid_t)pid), space_of((pid_t)pid), false };
        }
        return 0;
}

static bool has_member(const struct processes *p, pid_t pid)
{
        for (size_t i = 0; i < p->count; i++)
                if (p->items[i].pid == pid)
                        return p->items[i].member;
        return false;
}

/* Until nobody is added: children may stand before their parents. */
static void mark(const struct record *r, struct processes *p)
{
        ino_t own = r->namespaces & CLONE_NEWPID ? space_of(r->pid) : 0;
        bool more = true;
        if (own == space_of(getpid()))
                own = 0;
        for (size_t i = 0; i < p->count; i++)
                p->items[i].member = (p->items[i].pid == r->pid && p->items[i].start == r->pid_start) || (own && p->items[i].space == own);
        while (more) {
                more = false;
                for (size_t i = 0; i < p->count; i++)
                        if (!p->items[i].member && p->items[i].parent > 1 && has_member(p, p->items[i].parent))
                                more = p->items[i].member = true;
        }
}

static int find(const struct record *r, struct processes *ret, struct error *e)
{
        if (r->pid <= 0 || record_process_start(r->pid) != r->pid_start)
                return 0;
        int k = read_all(ret, e);
        if (k == 0)
                mark(r, ret);
        return k;
}

int members_list(const struct record *r, struct cgroup_pids *ret, struct error *e)
{
        struct processes p = { 0 };
        if (r->cgroup.count)
                return cgroup_list(&r->cgroup, ret, e);
        int k = find(r, &p, e);
        ret->items = k < 0 ? NULL : xalloc(p.count + 1, sizeof *ret->items);
        for (size_t i = 0; k == 0 && i < p.count; i++)
                if (p.items[i].member)
                        ret->items[ret->count++] = p.items[i].pid;
        free(p.items);
        return k;
}

int members_signal(const struct record *r, int signal)
{
        struct processes p = { 0 };
        if (r->cgroup.count)
                return cgroup_signal(&r->cgroup, signal);
        int n = find(r, &p, NULL);
        for (size_t i = 0; n >= 0 && i < p.count; i++) {
                CLEAN_FD int fd = p.items[i].member ? process_open(p.items[i].pid) : -EBADF;
                /* The number may be another's by now. */
                if (fd >= 0 && record_process_start(p.items[i].pid) == p.items[i].start && process_signal(fd, signal) == 0)
                        n++;
        }
        free(p.items);
        return n;
}
