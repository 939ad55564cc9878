/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/checkpoint.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/json.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/path.h"
#include "os/process.h"

enum { LOG_MAX = 64 << 20, NOT_THERE = 127, STDIO = 3, DESCRIPTORS_MAX = 1 << 16 };

/* Beside the images, as runc has it: where 0, 1 and 2 led to. */
static const char descriptors[] = "descriptors.json";

/* criu's names for what is outside: as runc has it, so that images can be exchanged. */
static const char outer_network[] = "extRootNetNS";

struct criu {
        struct strings argv;
        char *images, *work;
        const char *log; /* a file in work */
        int network_fd;  /* restore: inherited; else negative */
};

static void criu_done(struct criu *c)
{
        strings_clear(&c->argv);
        free(c->images);
        free(c->work);
        fd_close(c->network_fd);
}

static void add(struct criu *c, const char *option, const char *value)
{
        strings_add(&c->argv, option);
        if (value)
                strings_add(&c->argv, value);
}

/* ---- folders ---- */

static int find_folders(struct criu *c, const struct checkpoint_options *x, bool make, struct error *e)
{
        const char *images = x->image_path ? x->image_path : "checkpoint", *work = x->work_path ? x->work_path : images;
        int r = make ? file_make_folders(images, 0700, e) : 0;
        if (r == 0)
                r = file_make_folders(work, 0700, e);
        if (r < 0)
                return r;
        c->images = realpath(images, NULL);
        c->work = realpath(work, NULL);
        if (!c->images || !c->work)
                return error_errno(e, errno, "checkpoint.image", "opening the images in %s", images);
        return 0;
}

/* ---- command lines ---- */

static int add_common(struct criu *c, const struct checkpoint_options *x, const char *mode, struct error *e)
{
        const struct {
                bool set;
                const char *option;
        } rows[] = { { x->tcp_established, "--tcp-established" }, { x->ext_unix_sk, "--ext-unix-sk" }, { x->shell_job, "--shell-job" },
                     { x->file_locks, "--file-locks" },           { x->auto_dedup, "--auto-dedup" },   { x->lazy_pages, "--lazy-pages" },
                     { x->link_remap, "--link-remap" } };
        add(c, "--images-dir", c->images);
        add(c, "--work-dir", c->work);
        add(c, "--log-file", c->log);
        add(c, "-v4", NULL);
        strings_take(&c->argv, xprintf("--manage-cgroups=%s", x->cgroups_mode ? x->cgroups_mode : mode));
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].set)
                        add(c, rows[i].option, NULL);
        if (x->status_fd >= 0) {
                CLEAN_FREE char *number = xprintf("%d", x->status_fd);
                add(c, "--status-fd", number);
        }
        if (!x->empty_namespaces)
                return 0;
        if (!text_equal(x->empty_namespaces, "network"))
                return error_set(e, EINVAL, "checkpoint.failed", "--empty-ns takes network, not \"%.40s\"", x->empty_namespaces);
        add(c, "--empty-ns", "net");
        return 0;
}

/* A masked folder has a file system of its own over it, which is saved as any other; a masked file the null device. */
static bool is_folder(int root_fd, const char *path)
{
        struct stat st;
        CLEAN_FD int fd = path_open_in(root_fd, path, 0);
        return fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What is mounted from outside has no place in the images. root_fd is that of the container to be saved; at the restore, negative. */
static void add_mounts(struct criu *c, const struct plan_container *k, int root_fd)
{
        bool restore = root_fd < 0;
        for (size_t i = 0; i < k->attach_count; i++) {
                const struct plan_attach *a = &k->attaches[i];
                if (!a->bind)
                        continue;
                CLEAN_FREE char *value = xprintf("mnt[%s]:%s", a->target, restore ? a->source : a->target);
                add(c, "--external", value);
        }
        for (size_t i = 0; i < k->masked.count; i++) {
                if (!restore && is_folder(root_fd, k->masked.items[i]))
                        continue;
                CLEAN_FREE char *value = xprintf("mnt[%s]:%s", k->masked.items[i], restore ? "/dev/null" : k->masked.items[i]);
                add(c, "--external", value);
        }
}

static const char *network_path(const struct plan_container *k)
{
        for (size_t i = 0; i < k->join_count; i++)
                if (k->joins[i].flag == CLONE_NEWNET)
                        return k->joins[i].path;
        return NULL;
}

/* Pipes lead outside, to whoever reads the output: at the restore ours take their place. */
static int save_descriptors(const struct criu *c, pid_t pid, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        for (int i = 0; i < STDIO; i++) {
                char link[48], path[PATH_MAX];
                (void)snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, i);
                ssize_t n = readlink(link, path, sizeof path - 1);
                path[n > 0 ? n : 0] = 0;
                text_add(&t, i ? "," : "[");
                text_add_json(&t, path);
        }
        text_add(&t, "]\n");
        CLEAN_FD int folder = open(c->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = folder < 0 ? -errno : file_replace(folder, descriptors, t.data, t.length, 0600);
        return r < 0 ? error_errno(e, r, "checkpoint.image", "writing %s/%s", c->images, descriptors) : 0;
}

static int add_descriptors(struct criu *c, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_STRINGS struct strings paths = { 0 };
        CLEAN_FREE char *path = xprintf("%s/%s", c->images, descriptors);
        int r = file_read(AT_FDCWD, path, DESCRIPTORS_MAX, &t);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return error_errno(e, r, "checkpoint.image", "reading %s", path);
        if (json_parse(path, t.data, t.length, &d, e) < 0)
                return -EINVAL;
        const struct json_place top = json_top(&d, path);
        if (json_strings(&top, &paths, e) < 0)
                return -EINVAL;
        for (size_t i = 0; i < paths.count && i < STDIO; i++)
                if (text_starts(paths.items[i], "pipe:")) {
                        CLEAN_FREE char *value = xprintf("fd[%zu]:%s", i, paths.items[i]);
                        add(c, "--inherit-fd", value);
                }
        return 0;
}

static int add_page_server(struct criu *c, const char *server, struct error *e)
{
        const char *colon = server ? strrchr(server, ':') : NULL;
        if (!server)
                return 0;
        if (!colon || colon == server || !colon[1])
                return error_set(e, EINVAL, "checkpoint.failed", "--page-server takes ADDRESS:PORT, not \"%.60s\"", server);
        CLEAN_FREE char *address = xstrndup(server, (size_t)(colon - server));
        add(c, "--page-server", NULL);
        add(c, "--address", address);
        add(c, "--port", colon + 1);
        return 0;
}

static int build_dump(struct criu *c, const struct record *r, const struct plan_container *k, const struct checkpoint_options *x, struct error *e)
{
        CLEAN_FREE char *pid = xprintf("%d", r->pid);
        struct stat st;
        c->log = "dump.log";
        add(c, "criu", x->pre_dump ? "pre-dump" : "dump");
        add(c, "--tree", pid);
        int n = add_common(c, x, "soft", e);
        if (n == 0)
                n = add_page_server(c, x->page_server, e);
        if (n < 0)
                return n;
        if (x->leave_running)
                add(c, "--leave-running", NULL);
        if (x->tcp_skip_in_flight)
                add(c, "--skip-in-flight", NULL);
        if (x->pre_dump || x->parent_path)
                add(c, "--track-mem", NULL);
        if (x->parent_path)
                add(c, "--prev-images-dir", x->parent_path);
        const struct cgroup_folder *freezer = cgroup_v1_folder_of(&r->cgroup, "freezer");
        if (freezer && !cgroup_is_frozen(&r->cgroup))
                add(c, "--freeze-cgroup", freezer->path);
        if (network_path(k) && stat(network_path(k), &st) == 0) {
                CLEAN_FREE char *value = xprintf("net[%llu]:%s", (unsigned long long)st.st_ino, outer_network);
                add(c, "--external", value);
        }
        CLEAN_FREE char *root = xprintf("/proc/%d/root", r->pid);
        CLEAN_FD int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return error_errno(e, errno, "checkpoint.failed", "opening the root of %s", r->id);
        add_mounts(c, k, root_fd);
        return 0;
}

static int build_restore(struct criu *c, const struct creation *made, const struct checkpoint_options *x, struct error *e)
{
        const struct plan_container *k = made->plan.container;
        c->log = "restore.log";
        add(c, "criu", "restore");
        int n = add_common(c, x, "ignore", e);
        if (n < 0)
                return n;
        add(c, "--restore-detached", NULL);
        add(c, "--restore-sibling", NULL);
        add(c, "--pidfile", "bulkhead.pid");
        if (k->root.path)
                add(c, "--root", k->root.path);
        if (x->lsm_profile)
                add(c, "--lsm-profile", x->lsm_profile);
        if (x->lsm_mount_context)
                add(c, "--lsm-mount-context", x->lsm_mount_context);
        if (network_path(k)) {
                c->network_fd = open(network_path(k), O_RDONLY | O_CLOEXEC);
                if (c->network_fd < 0)
                        return error_errno(e, errno, "namespace.path", "opening the network namespace %s", network_path(k));
                CLEAN_FREE char *value = xprintf("fd[%d]:%s", c->network_fd, outer_network);
                add(c, "--inherit-fd", value);
        }
        add_mounts(c, k, -EBADF);
        return add_descriptors(c, e);
}

/* ---- running it ---- */

/* The first line of the log that says what went wrong: those behind it are what came of it. */
static void hint_of_log(const struct criu *c, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *path = xprintf("%s/%s", c->work, c->log);
        const char *first = file_read(AT_FDCWD, path, LOG_MAX, &t) == 0 ? strstr(t.data, "Error (") : NULL;
        if (first)
                error_hint(e, "criu says: %.*s; all of it is in %s", (int)strcspn(first, "\n"), first, path);
        else
                error_hint(e, "its log, if it wrote any, is %s", path);
}

/* criu wants the new root to be a mount; that one is nobody else's. */
static int mount_root(const char *path)
{
        CLEAN_FD int fd = mount_clone_source(path, true, false);
        int r = fd < 0 ? fd : mount_set(AT_FDCWD, "/", 0, MS_SLAVE, true);
        return r < 0 ? r : mount_attach(fd, AT_FDCWD, path);
}

static _Noreturn void become_criu(struct criu *c, const struct cgroup *groups, const char *root, int status_fd)
{
        const char *program = getenv("CRIU");
        sigset_t none;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (groups && cgroup_enter(groups) < 0)
                _exit(NOT_THERE - 2);
        if (root && mount_root(root) < 0)
                _exit(NOT_THERE - 3);
        (void)process_cloexec_from(3);
        const int kept[] = { c->network_fd, status_fd };
        for (size_t i = 0; i < ELEMENTS(kept); i++)
                if (kept[i] >= 0)
                        (void)fcntl(kept[i], F_SETFD, 0);
        execvp(program && *program ? program : "criu", c->argv.items);
        _exit(errno == ENOENT ? NOT_THERE : NOT_THERE - 1);
}

static int explain(const struct criu *c, int status, struct error *e)
{
        const char *command = c->argv.items[1];
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE) {
                error_set(e, ENOENT, "checkpoint.missing", "criu is not installed");
                error_hint(e, "install the package criu, or name the program in the variable CRIU");
                return -ENOENT;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE - 3)
                return error_set(e, EPERM, "checkpoint.failed", "the root could not be mounted for criu");
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE - 2)
                return error_set(e, EPERM, "checkpoint.failed", "the control groups could not be entered for criu");
        error_set(e, EIO, "checkpoint.failed", "criu %s ended with %s %d", command, WIFSIGNALED(status) ? "signal" : "status",
                  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        hint_of_log(c, e);
        return -EIO;
}

static int run(struct criu *c, struct cgroup *groups, const char *root, int status_fd, struct error *e)
{
        int pidfd = -EBADF, status = 0;
        CLEAN_FREE char *log = xprintf("%s/%s", c->work, c->log);
        (void)unlink(log); /* of another time: it would explain nothing */
        pid_t pid = process_clone(root ? CLONE_NEWNS : 0, groups ? groups->into_fd : -1, &pidfd);
        if (pid < 0)
                return error_errno(e, pid, "spawn.failed", "clone");
        if (pid == 0)
                become_criu(c, groups, root, status_fd);
        fd_close(pidfd);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : explain(c, status, e);
}

/* ---- the two ---- */

int checkpoint_dump(struct record *r, const struct checkpoint_options *x, struct error *e)
{
        CLEAN(criu_done) struct criu c = { .network_fd = -EBADF };
        CLEAN_JSON struct json_document config = { 0 };
        CLEAN_PLAN struct plan p = { 0 };
        enum record_status status = record_status(r);
        if (status != RECORD_RUNNING && status != RECORD_PAUSED)
                return error_set(e, EBUSY, "container.status", "cannot save container \"%s\": it is %s", r->id, record_status_name(status));
        int k = container_plan(r, &config, &p, e);
        if (k == 0)
                k = find_folders(&c, x, true, e);
        if (k == 0)
                k = build_dump(&c, r, p.container, x, e);
        if (k == 0)
                k = save_descriptors(&c, r->pid, e);
        return k == 0 ? run(&c, NULL, NULL, x->status_fd, e) : k;
}

/* The process that criu made a sibling of its own, and so our child. */
static int adopt(struct creation *c, const struct criu *criu, struct error *e)
{
        CLEAN_FREE char *path = xprintf("%s/bulkhead.pid", criu->work);
        CLEAN_TEXT struct text t = { 0 };
        uint64_t pid = 0;
        int r = file_read(AT_FDCWD, path, 64, &t);
        (void)unlink(path);
        if (r == 0)
                t.data[strcspn(t.data, "\n")] = 0;
        if (r < 0 || text_parse_uint(t.data, INT32_MAX, &pid) < 0 || pid < 2)
                return error_set(e, EPROTO, "checkpoint.failed", "criu did not tell which process it restored");
        c->child.pidfd = process_open((pid_t)pid);
        if (c->child.pidfd < 0)
                return error_errno(e, c->child.pidfd, "checkpoint.failed", "opening the restored process");
        c->child.pid = c->record.pid = (pid_t)pid;
        c->record.pid_start = record_process_start((pid_t)pid);
        c->born = true;
        r = record_save(&c->record, e);
        CLEAN_FREE char *text = xprintf("%d", c->record.pid);
        if (r == 0 && c->o->pid_file && (r = file_replace(AT_FDCWD, c->o->pid_file, text, strlen(text), 0644)) < 0)
                return error_errno(e, r, "state.pid-file", "writing %s", c->o->pid_file);
        return r;
}

int checkpoint_restore(struct creation *c, struct error *e)
{
        CLEAN(criu_done) struct criu criu = { .network_fd = -EBADF };
        const struct checkpoint_options *x = c->o->restore;
        const struct plan_container *k = c->plan.container;
        CLEAN_FREE char *mark = xprintf("%s/inventory.img", x->image_path ? x->image_path : "checkpoint");
        if (access(mark, F_OK) < 0)
                return error_errno(e, errno, "checkpoint.image", "opening the images in %s", x->image_path ? x->image_path : "checkpoint");
        /* They would have to run while criu works. */
        if (k->hook_count[PLAN_HOOK_PRESTART] || k->hook_count[PLAN_HOOK_CREATE_RUNTIME] || k->net_device_count)
                return error_set(e, ENOTSUP, "checkpoint.failed", "a container with hooks before its start, or network devices, cannot be restored");
        int r = find_folders(&criu, x, false, e);
        if (r == 0)
                r = build_restore(&criu, c, x, e);
        if (r == 0)
                r = run(&criu, &c->sandbox.cgroup, k->root.path, x->status_fd, e);
        return r == 0 ? adopt(c, &criu, e) : r;
}
