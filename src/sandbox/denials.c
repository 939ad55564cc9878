/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/denials.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/path.h"
#include "os/descriptor.h"
#include "os/file.h"
#include "os/process.h"
#include "os/seccomp.h"
#include "plan/bpf_judge.h"
#include "plan/denial_table.h"
#include "sandbox/caller.h"
#include "sandbox/denials_network.h"

enum { SOCKET_FD = 4, REPORT_FD = 5, TELL_FACTOR = 10, TELL_PATIENCE_MS = 1000 };

enum access_kind { ACCESS_WRITE, ACCESS_FLAGS, ACCESS_HOW, ACCESS_EXEC, ACCESS_SEAL, ACCESS_CONNECT, ACCESS_BIND };

/* Where a call names its path: argument numbers; folder -1 means the working directory. */
static const struct watched {
        const char *name;
        int path, folder, flags;
        enum access_kind kind;
} watched[] = {
        { "open", 0, -1, 1, ACCESS_FLAGS },       { "openat", 1, 0, 2, ACCESS_FLAGS },      { "openat2", 1, 0, 2, ACCESS_HOW },
        { "creat", 0, -1, -1, ACCESS_WRITE },     { "truncate", 0, -1, -1, ACCESS_WRITE },  { "unlink", 0, -1, -1, ACCESS_WRITE },
        { "unlinkat", 1, 0, -1, ACCESS_WRITE },   { "mkdir", 0, -1, -1, ACCESS_WRITE },     { "mkdirat", 1, 0, -1, ACCESS_WRITE },
        { "rmdir", 0, -1, -1, ACCESS_WRITE },     { "rename", 1, -1, -1, ACCESS_WRITE },    { "renameat", 3, 2, -1, ACCESS_WRITE },
        { "renameat2", 3, 2, -1, ACCESS_WRITE },  { "link", 1, -1, -1, ACCESS_WRITE },      { "linkat", 3, 2, -1, ACCESS_WRITE },
        { "symlink", 1, -1, -1, ACCESS_WRITE },   { "symlinkat", 2, 1, -1, ACCESS_WRITE },  { "mknod", 0, -1, -1, ACCESS_WRITE },
        { "mknodat", 1, 0, -1, ACCESS_WRITE },    { "chmod", 0, -1, -1, ACCESS_WRITE },     { "fchmodat", 1, 0, -1, ACCESS_WRITE },
        { "fchmodat2", 1, 0, -1, ACCESS_WRITE },  { "chown", 0, -1, -1, ACCESS_WRITE },     { "lchown", 0, -1, -1, ACCESS_WRITE },
        { "fchownat", 1, 0, -1, ACCESS_WRITE },   { "utimensat", 1, 0, -1, ACCESS_WRITE },  { "setxattr", 0, -1, -1, ACCESS_WRITE },
        { "execve", 0, -1, -1, ACCESS_EXEC },     { "execveat", 1, 0, -1, ACCESS_EXEC },    { "mount", 1, -1, -1, ACCESS_SEAL },
        { "umount2", 0, -1, -1, ACCESS_SEAL },    { "pivot_root", 0, -1, -1, ACCESS_SEAL }, { "connect", 1, -1, 2, ACCESS_CONNECT },
        { "bind", 1, -1, 2, ACCESS_BIND },
        /* The calls that the seal refuses as a whole; while observed, the observer refuses them in its place. */
        { "umount", 0, -1, -1, ACCESS_SEAL },     { "move_mount", 3, 2, -1, ACCESS_SEAL },  { "mount_setattr", 1, 0, -1, ACCESS_SEAL },
        { "fspick", 1, 0, -1, ACCESS_SEAL },      { "fsopen", -1, -1, -1, ACCESS_SEAL },    { "fsmount", -1, -1, -1, ACCESS_SEAL },
        { "open_tree_attr", 1, 0, -1, ACCESS_SEAL }, { "open_by_handle_at", -1, -1, -1, ACCESS_SEAL },
};

struct observer {
        const struct sandbox *s;
        struct filter denials; /* of Private and Protect directives */
        char set_up_program[PATH_MAX];
        bool executed; /* exec was asked for at least once */
        struct denial_table table;
        struct denial *due; /* a row whose number has grown, or NULL */
};

static const struct watched *find_watched(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(watched); i++)
                if (text_equal(watched[i].name, name))
                        return &watched[i];
        return NULL;
}

/* ---- the filter ---- */

static int private_denials(const struct plan *p, struct filter *f)
{
        *f = (struct filter){ .set = p->denial_count > 0 };
        int r = 0;
        for (size_t i = 0; r == 0 && i < p->denial_count; i++)
                r = filter_deny_calls(f, p->denials[i].calls, p->denials[i].error);
        return r;
}

static void watch_restriction(const struct sandbox *s, size_t kind, struct filter *f)
{
        const char *const *calls = s->reported[kind].count ? restriction_calls(&s->plan->restrictions[kind].what) : NULL;
        for (; calls && *calls; calls++)
                filter_watch(f, *calls);
}

int denials_build_filter(struct sandbox *s, struct error *e)
{
        const struct filter *user = &s->plan->filter;
        struct filter both = { .set = true, .allow_list = user->set && user->allow_list, .default_error = user->default_error };
        struct filter private = { 0 };
        int r = private_denials(s->plan, &private);
        both.rules = xgrow(NULL, &both.room, user->count + 1, sizeof *both.rules);
        if (user->count)
                memcpy(both.rules, user->rules, user->count * sizeof *both.rules);
        both.count = user->count;
        for (size_t i = 0; i < ELEMENTS(watched); i++)
                filter_watch(&both, watched[i].name);
        for (size_t i = 0; i < private.count; i++)
                filter_watch_number(&both, private.rules[i].nr);
        for (size_t i = 0; i < RESTRICTION_KINDS; i++)
                watch_restriction(s, i, &both);
        if (r == 0)
                r = filter_compile(&both, true, &s->report_filter, e);
        filter_clear(&both);
        filter_clear(&private);
        return r;
}

/* ---- handing the listener over ---- */

/*
 * The filter may ask the observer about any call from its first moment on, before the observer has the listener.
 * So a courier, cloned before and sharing our descriptors, waits for the number and sends it.
 */
int denials_hand_over(struct sandbox *s, int socket, struct error *e)
{
        int *slot = mmap(NULL, sizeof *slot, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (slot == MAP_FAILED)
                return error_errno(e, errno, "report.failed", "sharing memory");
        pid_t pid = process_clone_files();
        if (pid < 0)
                return error_errno(e, pid, "report.failed", "cloning the courier");
        if (pid == 0) {
                int fd;
                while ((fd = __atomic_load_n(slot, __ATOMIC_ACQUIRE)) == 0)
                        nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
                _exit(fd > 0 && descriptor_send(socket, "l", 1, &fd, 1) == 0 ? 0 : 1);
        }
        int fd = seccomp_install(s->report_filter.code, s->report_filter.count, true), status;
        __atomic_store_n(slot, fd > 0 ? fd : -1, __ATOMIC_RELEASE);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (fd < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
                return error_errno(e, fd < 0 ? fd : EPIPE, "report.failed", "installing the observed filter");
        return 0;
}

/* ---- observing ---- */

static void record(struct observer *o, const char *call, const char *object, const char *origin)
{
        o->due = denial_table_add(&o->table, call, object, origin, 1);
}

/* ---- telling a supervisor as it happens ---- */

/* A pipe takes a message whole or not at all. */
static bool send_message(uint64_t more, bool last, const struct denial *d)
{
        struct denial_message m = { .more = more, .last = last };
        if (d) {
                (void)snprintf(m.call, sizeof m.call, "%s", d->call);
                (void)snprintf(m.object, sizeof m.object, "%s", d->object);
                (void)snprintf(m.origin, sizeof m.origin, "%s", d->origin);
        }
        return write(REPORT_FD, &m, sizeof m) == (ssize_t)sizeof m;
}

/* The first time at once, then each time that the number has grown tenfold: whatever the payload does, few messages. */
static void tell(struct observer *o)
{
        struct denial *d = o->due;
        o->due = NULL;
        if (d && (d->told == 0 || d->times / TELL_FACTOR >= d->told) && send_message(d->times - d->told, false, d))
                d->told = d->times;
}

static void tell_patiently(uint64_t more, const struct denial *d)
{
        struct pollfd p = { .fd = REPORT_FD, .events = POLLOUT };
        if (!send_message(more, true, d) && errno == EAGAIN && poll(&p, 1, TELL_PATIENCE_MS) > 0)
                (void)send_message(more, true, d);
}

static void tell_rest(const struct observer *o)
{
        for (size_t i = 0; i < o->table.count; i++)
                if (o->table.rows[i].told != o->table.rows[i].times)
                        tell_patiently(o->table.rows[i].times - o->table.rows[i].told, &o->table.rows[i]);
        if (o->table.lost)
                tell_patiently(o->table.lost, NULL);
}

/* The rule that decides about a path: the deepest of the plan's that holds it. */
static const struct plan_mount *deciding_mount(const struct plan *p, const char *path)
{
        const struct plan_mount *best = NULL;
        for (size_t i = 0; i < p->mount_count; i++)
                if (path_is_below(path, p->mounts[i].path) && (!best || strlen(p->mounts[i].path) >= strlen(best->path)))
                        best = &p->mounts[i];
        return best;
}

static bool stops(const struct plan_mount *m, bool writes, bool executes)
{
        bool read_only = m->kind == PLAN_READ_ONLY || m->read_only || m->kind == PLAN_FILE;
        return m->kind == PLAN_INACCESSIBLE || (writes && read_only) || (executes && (m->kind == PLAN_NOEXEC || m->no_exec));
}

static bool call_writes(const struct watched *w, const struct seccomp_call *call)
{
        uint64_t flags = w->flags >= 0 ? call->args[w->flags] : 0;
        size_t n;
        if (w->kind == ACCESS_HOW && !caller_read(call->pid, call->args[w->flags], &flags, sizeof flags, &n))
                return false;
        if (w->kind == ACCESS_FLAGS || w->kind == ACCESS_HOW)
                return (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
        return w->kind == ACCESS_WRITE;
}

static void observe_address(struct observer *o, const struct watched *w, const struct seccomp_call *call)
{
        char object[DENIALS_OBJECT_MAX];
        const char *origin = w->kind == ACCESS_BIND ? denials_bind(o->s->plan, call, object) : denials_connect(o->s->plan, call, object);
        if (origin)
                record(o, w->name, object, origin);
}

static void observe_path(struct observer *o, const struct watched *w, const struct seccomp_call *call)
{
        char path[PATH_MAX], real[PATH_MAX];
        if (w->kind == ACCESS_CONNECT || w->kind == ACCESS_BIND) {
                observe_address(o, w, call);
                return;
        }
        int folder = w->folder >= 0 ? (int)call->args[w->folder] : AT_FDCWD;
        if (!caller_read_string(call->pid, call->args[w->path], path) || !caller_resolve(call->pid, folder, path, false, real))
                return;
        const struct plan_mount *m = deciding_mount(o->s->plan, real);
        /* Nodes that are there open for writing; others are missing because of the directive, and cannot be made. */
        if (m && m->kind == PLAN_PRIVATE_DEV) {
                CLEAN_FREE char *there = xprintf("/proc/%d/root%s", call->pid, real);
                if (access(there, F_OK) < 0)
                        record(o, w->name, real, m->origin);
        } else if (m && stops(m, call_writes(w, call), w->kind == ACCESS_EXEC))
                record(o, w->name, real, m->origin);
}

static void record_sealed(struct observer *o, const struct watched *w, const struct seccomp_call *call)
{
        static const char seal[] = "the seal";
        char path[PATH_MAX], real[PATH_MAX];
        int folder = w->folder >= 0 ? (int)call->args[w->folder] : AT_FDCWD;
        bool known = w->path >= 0 && caller_read_string(call->pid, call->args[w->path], path) && caller_resolve(call->pid, folder, path, false, real);
        record(o, w->name, known ? real : "...", seal);
}

/* Until exec has put another program in its place, the caller is our own set-up, which may do all. */
static bool is_set_up(struct observer *o, const struct seccomp_call *call, const char *name)
{
        char link[40], exe[PATH_MAX];
        if (o->executed && o->set_up_program[0] == 0)
                return false;
        (void)snprintf(link, sizeof link, "/proc/%d/exe", call->pid);
        ssize_t n = readlink(link, exe, sizeof exe - 1);
        exe[n > 0 ? n : 0] = 0;
        if (!o->executed) {
                memcpy(o->set_up_program, exe, sizeof exe);
                o->executed = text_equal(name, "execve");
                return true;
        }
        if (text_equal(exe, o->set_up_program))
                return true;
        o->set_up_program[0] = 0;
        return false;
}

static const char *denial_origin(const struct observer *o, const char *name)
{
        const struct plan *p = o->s->plan;
        for (size_t i = 0; i < p->denial_count; i++) {
                struct filter one = { .set = true };
                bool hit = filter_deny_calls(&one, p->denials[i].calls, p->denials[i].error) == 0 && filter_verdict(&one, name);
                filter_clear(&one);
                if (hit)
                        return p->denials[i].origin;
        }
        return p->filter_origin;
}

/* What the filters that look at arguments answer: the strictest errno is the first. */
static int judge_restrictions(const struct observer *o, const struct seccomp_call *call, const char **ret_origin)
{
        struct seccomp_data data = { .nr = call->nr, .arch = call->arch };
        memcpy(data.args, call->args, sizeof data.args);
        for (size_t i = 0; i < RESTRICTION_KINDS; i++) {
                const struct filter_program *f = &o->s->reported[i];
                uint32_t answer = SECCOMP_RET_ALLOW;
                *ret_origin = o->s->plan->restrictions[i].origin;
                if (f->count && !bpf_judge(f->code, f->count, &data, &answer))
                        return EPERM;
                if ((answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
                        return (int)(answer & SECCOMP_RET_DATA);
                if (answer != SECCOMP_RET_ALLOW)
                        return EPERM;
        }
        return 0;
}

/* The errno to answer, or 0 to let the kernel go on. */
static int judge(struct observer *o, const struct seccomp_call *call)
{
        CLEAN_FREE char *name = filter_call_name(call->arch, call->nr);
        if (!name)
                return ENOSYS;
        if (is_set_up(o, call, name))
                return 0;
        int verdict = filter_verdict(&o->denials, name), user = filter_verdict(&o->s->plan->filter, name);
        if (!verdict || user == FILTER_KILL)
                verdict = user;
        const char *origin = NULL;
        int restricted = verdict ? 0 : judge_restrictions(o, call, &origin);
        /* A call that is hidden has an older one to fall back to, which is judged in its place. */
        if (restricted && restricted != ENOSYS)
                record(o, name, "...", origin);
        if (restricted)
                return restricted;
        const struct watched *w = find_watched(name);
        if (!verdict && w && w->kind == ACCESS_SEAL) {
                if (!plan_is_sealed(o->s->plan))
                        return 0;
                record_sealed(o, w, call);
                return EPERM;
        }
        if (!verdict) {
                if (w)
                        observe_path(o, w, call);
                return 0;
        }
        record(o, name, verdict == FILTER_KILL ? "..., killed" : "...", denial_origin(o, name));
        if (verdict != FILTER_KILL)
                return verdict;
        /* What the filter would have done: end the whole process. */
        (void)kill(call->pid, SIGKILL);
        return ENOSYS;
}

static void write_report(const struct observer *o)
{
        CLEAN_TEXT struct text t = { 0 };
        denial_table_text(&o->table, DENIAL_ROWS_MAX, &t);
        (void)file_write_all(REPORT_FD, t.data, t.length);
}

static _Noreturn void observe(const struct sandbox *s, int socket)
{
        static struct observer o;
        o = (struct observer){ .s = s };
        (void)prctl(PR_SET_NAME, "bulkhead-observe");
        (void)setsid();
        (void)signal(SIGPIPE, SIG_IGN);
        /* Nothing of the supervisor's, above all not the run's lock, may stay open here. */
        int from[] = { socket, s->report_fd };
        for (int i = 0; i < 2; i++)
                from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 64);
        if (dup2(from[0], SOCKET_FD) < 0 || dup2(from[1], REPORT_FD) < 0 || close_range(REPORT_FD + 1, ~0U, 0) < 0)
                _exit(1);
        (void)private_denials(s->plan, &o.denials);
        int listener = -EBADF;
        char byte;
        size_t count;
        (void)descriptor_receive(SOCKET_FD, &byte, 1, &listener, 1, &count);
        fd_close(SOCKET_FD);
        for (struct seccomp_call call; listener >= 0;) {
                int r = seccomp_receive(listener, &call);
                if (r == -ENOENT || r == -EINTR)
                        continue; /* the caller died while it waited */
                if (r < 0)
                        break;
                (void)seccomp_answer(listener, call.id, judge(&o, &call));
                if (s->host->report_live)
                        tell(&o);
        }
        (s->host->report_live ? tell_rest : write_report)(&o);
        _exit(0);
}

static pid_t fork_observer(void)
{
        pid_t pid = fork();
        return pid < 0 ? -errno : pid;
}

int denials_observe(struct sandbox *s, int *ret_socket, struct error *e)
{
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return error_errno(e, errno, "report.failed", "socketpair");
        int pidfd = -EBADF;
        pid_t pid = s->host->report_live ? process_clone_sibling(0, -EBADF, &pidfd) : fork_observer();
        if (pid == 0) {
                fd_close(ends[0]);
                observe(s, ends[1]);
        }
        fd_close(ends[1]);
        fd_close(pidfd);
        if (pid < 0) {
                fd_close(ends[0]);
                return error_errno(e, pid, "report.failed", "fork");
        }
        s->observer_pid = s->host->report_live ? 0 : pid;
        *ret_socket = ends[0];
        return 0;
}
