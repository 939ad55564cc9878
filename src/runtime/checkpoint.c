/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/checkpoint.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/json.h"
#include "os/descriptor.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/path.h"
#include "os/process.h"
#include "runtime/criu.h"

enum { LOG_MAX = 64 << 20, LOG_LEVEL = 4, NOT_THERE = 127, STDIO = 3, IMAGE_DESCRIPTORS_MAX = 1 << 16 };

/* Beside the images, as runc has it: where 0, 1 and 2 led to. */
static const char descriptors[] = "descriptors.json";

/* criu's names for what is outside: as runc has it, so that images can be exchanged. */
static const char outer_network[] = "extRootNetNS";

struct criu {
        struct text options;
        char *images, *work;
        int images_fd, work_fd;
        const char *log; /* a file in work */
        int network_fd;  /* restore: inherited; else negative */
};
#define CRIU_INIT { .images_fd = -EBADF, .work_fd = -EBADF, .network_fd = -EBADF }

static void criu_done(struct criu *c)
{
        text_clear(&c->options);
        free(c->images);
        free(c->work);
        fd_close(c->images_fd);
        fd_close(c->work_fd);
        fd_close(c->network_fd);
}

static void add_external(struct criu *c, char *value)
{
        criu_add_text(&c->options, CRIU_EXTERNAL, value);
        free(value);
}

/* ---- folders ---- */

static int open_folder(const char *path, char **ret_path, int *ret_fd, struct error *e)
{
        *ret_path = realpath(path, NULL);
        *ret_fd = *ret_path ? open(*ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -errno;
        return *ret_fd >= 0 ? 0 : error_errno(e, errno, "checkpoint.image", "opening the folder %s", path);
}

static int find_folders(struct criu *c, const struct checkpoint_options *x, bool make, struct error *e)
{
        const char *images = x->image_path ? x->image_path : "checkpoint", *work = x->work_path ? x->work_path : images;
        int r = make ? file_make_folders(images, 0700, e) : 0;
        if (r == 0)
                r = file_make_folders(work, 0700, e);
        if (r == 0)
                r = open_folder(images, &c->images, &c->images_fd, e);
        return r == 0 ? open_folder(work, &c->work, &c->work_fd, e) : r;
}

/* ---- requests ---- */

/* What becomes of control groups, and its number in criu's protocol. */
static int find_mode(const char *name, uint64_t *ret, struct error *e)
{
        static const char *const names[] = { "ignore", "none", "props", "soft", "full", "strict" };
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (text_equal(names[i], name)) {
                        *ret = i;
                        return 0;
                }
        return error_set(e, EINVAL, "checkpoint.failed", "--manage-cgroups-mode takes soft, full, strict, props, none or ignore, not \"%.40s\"", name);
}

/* Options that the administrator has for criu: of ours, or of the runtime that we stand in for. criu reads its own default.conf itself. */
static void add_configuration(struct criu *c)
{
        static const char *const files[] = { "/etc/criu/bulkhead-oci.conf", "/etc/criu/crun.conf", "/etc/criu/runc.conf" };
        for (size_t i = 0; i < ELEMENTS(files); i++)
                if (access(files[i], F_OK) == 0) {
                        criu_add_text(&c->options, CRIU_CONFIG_FILE, files[i]);
                        return;
                }
}

static int add_common(struct criu *c, const struct checkpoint_options *x, const char *mode, struct error *e)
{
        const struct {
                bool set;
                enum criu_option option;
        } flags[] = { { x->tcp_established, CRIU_TCP_ESTABLISHED }, { x->ext_unix_sk, CRIU_EXT_UNIX_SK }, { x->shell_job, CRIU_SHELL_JOB },
                      { x->file_locks, CRIU_FILE_LOCKS },           { x->auto_dedup, CRIU_AUTO_DEDUP },   { x->lazy_pages, CRIU_LAZY_PAGES },
                      { x->link_remap, CRIU_LINK_REMAP },           { true, CRIU_ORPHAN_PTS_MASTER },     { true, CRIU_NOTIFY_SCRIPTS } };
        uint64_t number = 0;
        int r = find_mode(x->cgroups_mode ? x->cgroups_mode : mode, &number, e);
        if (r < 0)
                return r;
        criu_add_number(&c->options, CRIU_IMAGES_FD, (uint64_t)c->images_fd);
        criu_add_number(&c->options, CRIU_WORK_FD, (uint64_t)c->work_fd);
        criu_add_number(&c->options, CRIU_LOG_LEVEL, LOG_LEVEL);
        criu_add_text(&c->options, CRIU_LOG_FILE, c->log);
        criu_add_number(&c->options, CRIU_CGROUPS_MODE, number);
        add_configuration(c);
        for (size_t i = 0; i < ELEMENTS(flags); i++)
                if (flags[i].set)
                        criu_add_number(&c->options, flags[i].option, true);
        if (x->status_fd >= 0)
                criu_add_number(&c->options, CRIU_STATUS_FD, (uint64_t)x->status_fd);
        if (!x->empty_namespaces)
                return 0;
        if (!text_equal(x->empty_namespaces, "network"))
                return error_set(e, EINVAL, "checkpoint.failed", "--empty-ns takes network, not \"%.40s\"", x->empty_namespaces);
        criu_add_number(&c->options, CRIU_EMPTY_NS, CLONE_NEWNET);
        return 0;
}

/* A masked folder has a file system of its own over it, which is saved as any other; a masked file the null device. */
static bool is_folder(int root_fd, const char *path)
{
        struct stat st;
        CLEAN_FD int fd = path_open_in(root_fd, path, 0);
        return fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The container's groups as a mount of it shows them: on its target, or in a folder for each hierarchy. */
static void add_cgroup_mount(struct criu *c, const struct cgroup *groups, const char *target, bool restore)
{
        for (unsigned i = 0; i < groups->count; i++) {
                const struct cgroup_folder *f = &groups->folders[i];
                CLEAN_FREE char *mount = xstrndup(f->path, f->tail);
                const char *name = strrchr(mount, '/');
                bool alone = groups->count == 1 && !*f->controllers && !text_equal(name, "/unified");
                CLEAN_FREE char *inside = xprintf("%s%s", target, alone ? "" : name);
                add_external(c, xprintf("mnt[%s]:%s", inside, restore ? f->path : inside));
        }
}

/* What is mounted from outside has no place in the images. root_fd is that of the container to be saved; at the restore, negative. */
static void add_mounts(struct criu *c, const struct plan_container *k, const struct cgroup *groups, int root_fd)
{
        bool restore = root_fd < 0;
        for (size_t i = 0; i < k->attach_count; i++) {
                const struct plan_attach *a = &k->attaches[i];
                if (a->is_cgroup)
                        add_cgroup_mount(c, groups, a->target, restore);
                if (!a->bind)
                        continue;
                add_external(c, xprintf("mnt[%s]:%s", a->target, restore ? a->source : a->target));
        }
        for (size_t i = 0; i < k->masked.count; i++) {
                if (!restore && is_folder(root_fd, k->masked.items[i]))
                        continue;
                add_external(c, xprintf("mnt[%s]:%s", k->masked.items[i], restore ? "/dev/null" : k->masked.items[i]));
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
        int r = file_replace(c->images_fd, descriptors, t.data, t.length, 0600);
        return r < 0 ? error_errno(e, r, "checkpoint.image", "writing %s/%s", c->images, descriptors) : 0;
}

static int add_descriptors(struct criu *c, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_STRINGS struct strings paths = { 0 };
        CLEAN_FREE char *path = xprintf("%s/%s", c->images, descriptors);
        int r = file_read(c->images_fd, descriptors, IMAGE_DESCRIPTORS_MAX, &t);
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
                if (text_starts(paths.items[i], "pipe:"))
                        criu_add_inherited(&c->options, paths.items[i], (int)i);
        return 0;
}

static int add_page_server(struct criu *c, const char *server, struct error *e)
{
        const char *colon = server ? strrchr(server, ':') : NULL;
        uint64_t port = 0;
        if (!server)
                return 0;
        if (!colon || colon == server || !colon[1])
                return error_set(e, EINVAL, "checkpoint.failed", "--page-server takes ADDRESS:PORT, not \"%.60s\"", server);
        if (text_parse_uint(colon + 1, UINT16_MAX, &port) < 0)
                return error_set(e, EINVAL, "checkpoint.failed", "--page-server: \"%.40s\" is no port", colon + 1);
        CLEAN_FREE char *address = xstrndup(server, (size_t)(colon - server));
        criu_add_page_server(&c->options, address, (unsigned)port);
        return 0;
}

static int build_dump(struct criu *c, const struct record *r, const struct plan_container *k, const struct checkpoint_options *x, struct error *e)
{
        const struct {
                bool set;
                enum criu_option option;
        } flags[] = { { x->leave_running, CRIU_LEAVE_RUNNING }, { x->tcp_skip_in_flight, CRIU_TCP_SKIP_IN_FLIGHT },
                      { x->pre_dump || x->parent_path, CRIU_TRACK_MEM } };
        struct stat st;
        c->log = "dump.log";
        criu_add_number(&c->options, CRIU_PID, (uint64_t)r->pid);
        int n = add_common(c, x, "soft", e);
        if (n == 0)
                n = add_page_server(c, x->page_server, e);
        if (n < 0)
                return n;
        for (size_t i = 0; i < ELEMENTS(flags); i++)
                if (flags[i].set)
                        criu_add_number(&c->options, flags[i].option, true);
        if (x->parent_path)
                criu_add_text(&c->options, CRIU_PARENT_IMAGES, x->parent_path);
        const struct cgroup_folder *freezer = cgroup_v1_folder_of(&r->cgroup, "freezer");
        if (freezer && !cgroup_is_frozen(&r->cgroup))
                criu_add_text(&c->options, CRIU_FREEZE_CGROUP, freezer->path);
        if (network_path(k) && stat(network_path(k), &st) == 0)
                add_external(c, xprintf("net[%llu]:%s", (unsigned long long)st.st_ino, outer_network));
        CLEAN_FREE char *root = xprintf("/proc/%d/root", r->pid);
        CLEAN_FD int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return error_errno(e, errno, "checkpoint.failed", "opening the root of %s", r->id);
        add_mounts(c, k, &r->cgroup, root_fd);
        return 0;
}

static int build_restore(struct criu *c, const struct creation *made, const struct checkpoint_options *x, struct error *e)
{
        const struct plan_container *k = made->plan.container;
        c->log = "restore.log";
        int n = add_common(c, x, "ignore", e);
        if (n < 0)
                return n;
        criu_add_number(&c->options, CRIU_SIBLING, true);
        if (k->root.path)
                criu_add_text(&c->options, CRIU_ROOT, k->root.path);
        if (x->lsm_profile)
                criu_add_text(&c->options, CRIU_LSM_PROFILE, x->lsm_profile);
        if (x->lsm_mount_context)
                criu_add_text(&c->options, CRIU_LSM_MOUNT_CONTEXT, x->lsm_mount_context);
        if (network_path(k)) {
                c->network_fd = open(network_path(k), O_RDONLY | O_CLOEXEC);
                if (c->network_fd < 0)
                        return error_errno(e, errno, "namespace.path", "opening the network namespace %s", network_path(k));
                criu_add_inherited(&c->options, outer_network, c->network_fd);
        }
        add_mounts(c, k, &made->record.cgroup, -EBADF);
        return add_descriptors(c, e);
}

/* ---- running it ---- */

/* The first line of the log that says what went wrong: those behind it are what came of it. Newer ones say so in their answer. */
static void hint_of_log(const struct criu *c, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *path = xprintf("%s/%s", c->work, c->log);
        bool told = strstr(e->cause, "Error (");
        const char *first = !told && file_read(c->work_fd, c->log, LOG_MAX, &t) == 0 ? strstr(t.data, "Error (") : NULL;
        if (told)
                error_hint(e, "all of its log is in %s", path);
        else if (first)
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

static _Noreturn void become_criu(struct criu *c, const struct cgroup *groups, const char *root, int socket)
{
        const char *program = getenv("CRIU");
        CLEAN_FREE char *number = xprintf("%d", socket);
        sigset_t none;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (groups && cgroup_enter(groups) < 0)
                _exit(NOT_THERE - 2);
        if (root && mount_root(root) < 0)
                _exit(NOT_THERE - 3);
        (void)process_cloexec_from(3);
        const int kept[] = { c->network_fd, socket };
        for (size_t i = 0; i < ELEMENTS(kept); i++)
                if (kept[i] >= 0)
                        (void)fcntl(kept[i], F_SETFD, 0);
        execlp(program && *program ? program : "criu", "criu", "swrk", number, (char *)NULL);
        _exit(errno == ENOENT ? NOT_THERE : NOT_THERE - 1);
}

/* It ended before it was criu: that says more than the silence of its socket. */
static bool explain_status(int status, struct error *e)
{
        static const struct {
                int status, code;
                const char *text;
        } rows[] = { { NOT_THERE - 1, EACCES, "criu cannot be executed" },
                     { NOT_THERE - 2, EPERM, "the control groups could not be entered for criu" },
                     { NOT_THERE - 3, EPERM, "the root could not be mounted for criu" } };
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE) {
                error_set(e, ENOENT, "checkpoint.missing", "criu is not installed");
                error_hint(e, "install the package criu, or name the program in the variable CRIU");
                return true;
        }
        for (size_t i = 0; WIFEXITED(status) && i < ELEMENTS(rows); i++)
                if (rows[i].status == WEXITSTATUS(status)) {
                        error_set(e, rows[i].code, "checkpoint.failed", "%s", rows[i].text);
                        return true;
                }
        return false;
}

static int run(struct criu *c, enum criu_request request, struct cgroup *groups, const char *root, struct criu_answer *ret, struct error *e)
{
        int pidfd = -EBADF, status = 0, ends[2];
        (void)unlinkat(c->work_fd, c->log, 0); /* of another time: it would explain nothing */
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return error_errno(e, errno, "checkpoint.failed", "socketpair");
        CLEAN_FD int ours = ends[0];
        pid_t pid = process_clone(root ? CLONE_NEWNS : 0, groups ? groups->into_fd : -1, &pidfd);
        if (pid == 0)
                become_criu(c, groups, root, ends[1]);
        fd_close(ends[1]);
        if (pid < 0)
                return error_errno(e, pid, "spawn.failed", "clone");
        fd_close(pidfd);
        int r = criu_ask(ours, request, &c->options, ret, e);
        ours = fd_close(ours); /* a worker that waits for more ends */
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (r < 0 && !explain_status(status, e))
                hint_of_log(c, e);
        return r;
}

/* ---- the two ---- */

int checkpoint_dump(struct record *r, const struct checkpoint_options *x, struct error *e)
{
        CLEAN(criu_done) struct criu c = CRIU_INIT;
        struct criu_answer answer = CRIU_ANSWER_INIT;
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
        return k == 0 ? run(&c, x->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP, NULL, NULL, &answer, e) : k;
}

/* The process that criu made a sibling of its own, and so our child. */
static int adopt(struct creation *c, pid_t pid, struct error *e)
{
        c->child.pidfd = process_open(pid);
        if (c->child.pidfd < 0)
                return error_errno(e, c->child.pidfd, "checkpoint.failed", "opening the restored process");
        c->child.pid = c->record.pid = pid;
        c->record.pid_start = record_process_start(pid);
        c->born = true;
        int r = record_save(&c->record, e);
        CLEAN_FREE char *text = xprintf("%d", pid);
        if (r == 0 && c->o->pid_file && (r = file_replace(AT_FDCWD, c->o->pid_file, text, strlen(text), 0644)) < 0)
                return error_errno(e, r, "state.pid-file", "writing %s", c->o->pid_file);
        return r;
}

/* As a new container sends its own. */
static int pass_terminal(struct creation *c, int console, int terminal_fd, struct error *e)
{
        static const char name[] = "/dev/ptmx";
        if (console < 0)
                return 0;
        if (terminal_fd < 0)
                return error_set(e, EPROTO, "terminal.failed", "the configuration has a terminal and the images have none");
        int r = descriptor_send(console, name, sizeof name - 1, &terminal_fd, 1);
        return r < 0 ? error_errno(e, r, "terminal.failed", "sending the restored terminal") : creation_receive_terminal(c, e);
}

int checkpoint_restore(struct creation *c, struct error *e)
{
        CLEAN(criu_done) struct criu criu = CRIU_INIT;
        CLEAN_FD int console = -EBADF;
        struct criu_answer answer = CRIU_ANSWER_INIT;
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
                r = creation_connect_console(c, &console, e);
        if (r == 0)
                r = build_restore(&criu, c, x, e);
        if (r == 0)
                r = run(&criu, CRIU_RESTORE, &c->sandbox.cgroup, k->root.path, &answer, e);
        CLEAN_FD int terminal_fd = answer.terminal_fd;
        if (r == 0)
                r = adopt(c, answer.pid, e);
        return r == 0 ? pass_terminal(c, console, terminal_fd, e) : r;
}
