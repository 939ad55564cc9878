/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <linux/magic.h>
#include <time.h>

#include "base/exit_status.h"
#include "os/file.h"

static const char *const mount_points[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

static const char *v2_mount(void)
{
        for (size_t i = 0; i < ELEMENTS(mount_points); i++) {
                struct statfs st;
                if (statfs(mount_points[i], &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC)
                        return mount_points[i];
        }
        return NULL;
}

/* Our own folder in a hierarchy: the line "N:CONTROLLER:PATH" of /proc/self/cgroup; controller "" is v2. */
static char *own_path(const char *controller)
{
        CLEAN_TEXT struct text t = { 0 };
        if (file_read(AT_FDCWD, "/proc/self/cgroup", 65536, &t) < 0)
                return NULL;
        size_t k = strlen(controller);
        for (char *line = t.data; *line;) {
                char *end = strchrnul(line, '\n'), *name = memchr(line, ':', (size_t)(end - line));
                char *path = name ? memchr(name + 1, ':', (size_t)(end - name - 1)) : NULL;
                if (path && (size_t)(path - name - 1) == k && !strncmp(name + 1, controller, k))
                        return xstrndup(path + 1, (size_t)(end - path - 1));
                line = *end ? end + 1 : end;
        }
        return NULL;
}

static bool v2_has(const char *mount, const char *controller)
{
        CLEAN_FREE char *file = xprintf("%s/cgroup.controllers", mount);
        CLEAN_TEXT struct text t = { 0 };
        if (file_read(AT_FDCWD, file, 4096, &t) < 0)
                return false;
        CLEAN_STRINGS struct strings words = { 0 };
        text_split_words(t.data, &words);
        return strings_has(&words, controller);
}

struct maker {
        const char *unit;
        int (*note)(void *, const char *);
        void *context;
        struct cgroup *c;
};

static int make_folder(const struct maker *m, const char *base, char **ret)
{
        CLEAN_FREE char *parent = xprintf("%s/bulkhead", base), *path = xprintf("%s/%s", parent, m->unit);
        if (m->c->count == CGROUP_FOLDERS_MAX)
                return -E2BIG;
        if (mkdir(parent, 0755) < 0 && errno != EEXIST)
                return -errno;
        int r = m->note(m->context, path);
        if (r < 0)
                return r;
        if (mkdir(path, 0755) < 0) {
                /* A stale folder of an ended run may be there, empty. */
                if (errno != EEXIST || (rmdir(path) < 0 && errno != ENOENT) || mkdir(path, 0755) < 0)
                        return -errno;
        }
        m->c->paths[m->c->count++] = xstrdup(path);
        *ret = TAKE_PTR(path);
        return 0;
}

/* A cpuset group takes nobody before it has cpus; other v1 groups need nothing. */
static int make_v1(const struct maker *m, const char *controller, const char *mount_name, char **ret)
{
        CLEAN_FREE char *own = own_path(controller);
        if (!own)
                return -ENOENT;
        CLEAN_FREE char *base = xprintf("/sys/fs/cgroup/%s%s", mount_name, text_equal(own, "/") ? "" : own);
        CLEAN_FREE char *path = NULL;
        int r = make_folder(m, base, &path);
        if (r < 0)
                return r;
        CLEAN_FREE char *procs = xprintf("%s/cgroup.procs", path);
        int fd = open(procs, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        m->c->procs_fd[m->c->procs_count++] = fd;
        *ret = TAKE_PTR(path);
        return 0;
}

static int set_value(const char *path, const char *file, const char *value)
{
        CLEAN_FREE char *name = xprintf("%s/%s", path, file);
        return file_write(AT_FDCWD, name, value);
}

/* Where v2 folders go: below the root of our view as root, else below our own (delegated) folder. */
static char *v2_base(const char *mount)
{
        if (geteuid() == 0)
                return xstrdup(mount);
        CLEAN_FREE char *own = own_path("");
        return own ? xprintf("%s%s", mount, text_equal(own, "/") ? "" : own) : xstrdup(mount);
}

static int make_v2(const struct maker *m, const char *mount, char **ret)
{
        CLEAN_FREE char *base = v2_base(mount);
        CLEAN_FREE char *path = NULL;
        int r = make_folder(m, base, &path);
        if (r < 0)
                return r;
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        m->c->into_fd = fd;
        *ret = TAKE_PTR(path);
        return 0;
}

static int enable_v2(const char *path, const char *controller)
{
        CLEAN_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
        CLEAN_FREE char *word = xprintf("+%s", controller);
        char *slash = strrchr(parent, '/');
        CLEAN_FREE char *top = xstrndup(parent, (size_t)(slash - parent));
        int r = set_value(top, "cgroup.subtree_control", word);
        return r < 0 ? r : set_value(parent, "cgroup.subtree_control", word);
}

static void make_devices_closed(const char *path, int *r)
{
        static const char *const allow[] = { "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm",
                                             "c 5:2 rwm", "c 136:* rwm" };
        *r = set_value(path, "devices.deny", "a");
        for (size_t i = 0; *r == 0 && i < ELEMENTS(allow); i++)
                *r = set_value(path, "devices.allow", allow[i]);
}

struct limit {
        const char *controller, *directive, *v1_file, *v2_file;
        char *v1, *v2;
};

static int apply_limit(const struct maker *m, const char *v2, char **v2_path, const struct limit *l, struct error *e)
{
        CLEAN_FREE char *path = NULL;
        int r;
        if (v2 && v2_has(v2, l->controller)) {
                r = *v2_path ? 0 : make_v2(m, v2, v2_path);
                if (r == 0)
                        r = enable_v2(*v2_path, l->controller);
                if (r == 0)
                        r = set_value(*v2_path, l->v2_file, l->v2);
        } else {
                r = make_v1(m, l->controller, l->controller, &path);
                if (r == 0 && text_equal(l->controller, "cpu"))
                        (void)set_value(path, "cpu.cfs_period_us", "100000");
                if (r == 0)
                        r = set_value(path, l->v1_file, l->v1);
        }
        if (r < 0) {
                error_errno(e, r, "cgroup.refused", "setting %s in the %s control group", l->directive, l->controller);
                error_hint(e, "needs root, or a delegated cgroup v2 folder with the %s controller", l->controller);
                error_status(e, STATUS_CGROUP);
        }
        return r;
}

static int apply_limits(const struct maker *m, const char *v2, char **v2_path, const struct cgroup_limits *want, struct error *e)
{
        CLEAN_FREE char *memory = xprintf("%llu", (unsigned long long)want->memory_max_bytes);
        CLEAN_FREE char *tasks = xprintf("%llu", (unsigned long long)want->tasks_max);
        CLEAN_FREE char *quota = xprintf("%llu", (unsigned long long)want->cpu_quota_permille * 100);
        CLEAN_FREE char *quota_v2 = xprintf("%s 100000", quota);
        const struct {
                uint64_t value;
                struct limit limit;
        } rows[] = {
                { want->memory_max_bytes, { "memory", "MemoryMax=", "memory.limit_in_bytes", "memory.max", memory, memory } },
                { want->tasks_max, { "pids", "TasksMax=", "pids.max", "pids.max", tasks, tasks } },
                { want->cpu_quota_permille, { "cpu", "CPUQuota=", "cpu.cfs_quota_us", "cpu.max", quota, quota_v2 } },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].value != UINT64_MAX) {
                        int r = apply_limit(m, v2, v2_path, &rows[i].limit, e);
                        if (r < 0)
                                return r;
                }
        return 0;
}

int cgroup_make(const char *unit, const struct cgroup_limits *limits, bool track, int (*note)(void *, const char *),
                void *context, struct cgroup *ret, struct error *e)
{
        *ret = (struct cgroup){ .into_fd = -EBADF };
        const struct maker m = { unit, note, context, ret };
        const char *v2 = v2_mount();
        CLEAN_FREE char *v2_path = NULL;
        int r = apply_limits(&m, v2, &v2_path, limits, e);
        if (r < 0)
                return r;
        if (limits->devices_closed) {
                CLEAN_FREE char *path = NULL;
                /* A second wall behind the private /dev; where there is no v1 devices controller, that one stands alone. */
                if (make_v1(&m, "devices", "devices", &path) == 0)
                        make_devices_closed(path, &r);
                r = 0;
        }
        if (track && !ret->count && (!v2 || make_v2(&m, v2, &v2_path) < 0)) {
                CLEAN_FREE char *path = NULL;
                if (make_v1(&m, "name=systemd", "systemd", &path) < 0)
                        (void)make_v1(&m, "pids", "pids", &path);
        }
        return 0;
}

int cgroup_enter(const struct cgroup *c)
{
        for (unsigned i = 0; i < c->procs_count; i++) {
                int r = file_write_all(c->procs_fd[i], "0", 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

void cgroup_done(struct cgroup *c)
{
        fd_close(c->into_fd);
        for (unsigned i = 0; i < c->procs_count; i++)
                fd_close(c->procs_fd[i]);
        for (unsigned i = 0; i < c->count; i++)
                free(c->paths[i]);
        *c = (struct cgroup){ .into_fd = -EBADF };
}

static void kill_all(const char *path)
{
        if (set_value(path, "cgroup.kill", "1") == 0)
                return;
        CLEAN_FREE char *procs = xprintf("%s/cgroup.procs", path);
        CLEAN_TEXT struct text t = { 0 };
        if (file_read(AT_FDCWD, procs, 1 << 20, &t) < 0)
                return;
        /* The group pins its members, so that a pid read here is one of them or gone. */
        for (char *line = t.data; *line; line = *line ? line + 1 : line) {
                char *end = strchrnul(line, '\n');
                uint64_t pid;
                char held = *end;
                *end = 0;
                if (text_parse_uint(line, INT32_MAX, &pid) == 0 && pid > 1)
                        (void)kill((pid_t)pid, SIGKILL);
                *end = held;
                line = end;
        }
}

int cgroup_remove(const char *path)
{
        for (int tries = 0;; tries++) {
                if (rmdir(path) == 0 || errno == ENOENT)
                        return 0;
                if (errno != EBUSY || tries > 500)
                        return -errno;
                kill_all(path);
                nanosleep(&(struct timespec){ .tv_nsec = tries < 20 ? 200000 : 2000000 }, NULL);
        }
}
