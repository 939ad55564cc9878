/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/observe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "os/descriptor.h"
#include "os/file.h"
#include "sandbox/observe_internal.h"

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#define PR_SET_PTRACER_ANY ((unsigned long)-1)
#endif

enum { PID_LIMIT = 1 << 22, TICK_USEC = 50000, THREADS_MAX = 65536 };

/* ---- the meeting ---- */

/* The answer comes on a socket of our own: others may be waiting for theirs. */
int observe_meet(int socket, struct error *e)
{
        char byte = 'o';
        int pair[2];
        /* A change of user has made us undumpable, which an observer without privileges could not pass. exec sets it anew. */
        (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return error_errno(e, errno, "learn.observer", "socketpair");
        CLEAN_FD int ours = pair[0], theirs = pair[1];
        int r = descriptor_send(socket, &byte, 1, &theirs, 1);
        theirs = fd_close(theirs);
        errno = 0;
        if (r < 0 || recv(ours, &byte, 1, 0) != 1)
                return error_errno(e, r < 0 ? r : errno ? errno : EPIPE, "learn.observer", "waiting for the observer");
        if (byte != 'g')
                return error_set(e, EPERM, "learn.observer", "the observer may not watch the payload");
        return 0;
}

int observe_open(int ret_ends[2], struct error *e)
{
        int on = 1;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0)
                return error_errno(e, errno, "learn.observer", "socketpair");
        /* Before anything is sent: what is sent earlier comes without its sender. */
        (void)setsockopt(ret_ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
        return 0;
}

/* The kernel says who has sent the byte, in our own process namespace. 1, 0 at the end of file, or -errno. */
static int receive_pid(int socket, pid_t *ret, int *ret_answer)
{
        char byte, control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
        struct iovec data = { &byte, 1 };
        struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
        struct ucred who = { 0 };
        CLEAN_FD int answer = -EBADF;
        ssize_t n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
                        memcpy(&who, CMSG_DATA(c), sizeof who);
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                        memcpy(&answer, CMSG_DATA(c), sizeof answer);
        }
        if (who.pid <= 0 || answer < 0)
                return -ESRCH;
        *ret = who.pid;
        *ret_answer = TAKE_FD(answer);
        return 1;
}

static struct thread *find_thread(struct observer_context *c, pid_t pid);

/* Somebody waits for us: 1 when it is watched from now on, 0 when nobody is left who could, or -errno. */
static int meet_one(struct observer_context *c)
{
        pid_t pid = 0;
        int answer = -EBADF;
        int r = receive_pid(c->socket, &pid, &answer);
        CLEAN_FD int fd = answer;
        if (r <= 0)
                return r;
        r = trace_begin(pid);
        (void)send(fd, r < 0 ? "x" : "g", 1, MSG_NOSIGNAL);
        if (r < 0)
                return r;
        c->state.payload = pid;
        find_thread(c, pid)->sets_up = true;
        return 1;
}

/* 1 when the first is watched, 0 when the supervisor has ended before, with its status. */
static int meet(struct observer_context *c, int *ret_status, struct error *e)
{
        for (;;) {
                struct pollfd p = { .fd = c->socket, .events = POLLIN };
                if (waitpid(c->supervisor, ret_status, WNOHANG) == c->supervisor)
                        return 0;
                if (poll(&p, 1, 100) > 0 && p.revents & (POLLIN | POLLHUP))
                        break;
                c->watch->tick(c->watch->context, &c->state);
        }
        int r = meet_one(c);
        if (r > 0)
                return 1;
        (void)shutdown(c->socket, SHUT_RDWR); /* a supervisor of services ends when we are gone */
        while (waitpid(c->supervisor, ret_status, 0) < 0 && errno == EINTR)
                continue;
        if (r == 0) /* nobody is left who would meet us */
                return 0;
        error_errno(e, r, "learn.observer", "watching the payload");
        error_hint(e, "another program may be tracing it, or the host allows tracing to root only (kernel.yama.ptrace_scope)");
        return r;
}

/* Further commands of a service. */
static void meet_more(struct observer_context *c)
{
        struct pollfd p = { .fd = c->socket, .events = POLLIN };
        while (c->socket >= 0 && poll(&p, 1, 0) > 0)
                if (meet_one(c) == 0 || !(p.revents & POLLIN))
                        c->socket = -EBADF;
}

/* ---- threads ---- */

static size_t slot_of(const struct observer_context *c, pid_t pid)
{
        size_t mask = c->thread_slots - 1, at = (size_t)pid * 2654435761U & mask;
        while (c->threads[at].pid && c->threads[at].pid != pid)
                at = (at + 1) & mask;
        return at;
}

static void grow(struct observer_context *c)
{
        struct thread *old = c->threads;
        size_t slots = c->thread_slots;
        c->thread_slots = slots ? slots * 2 : 64;
        c->threads = xalloc(c->thread_slots, sizeof *c->threads);
        for (size_t i = 0; i < slots; i++)
                if (old[i].pid)
                        c->threads[slot_of(c, old[i].pid)] = old[i];
        free(old);
}

static struct thread *find_thread(struct observer_context *c, pid_t pid)
{
        size_t at = slot_of(c, pid);
        if (c->threads[at].pid)
                return &c->threads[at];
        if ((c->thread_count + 1) * 2 > c->thread_slots) {
                grow(c);
                at = slot_of(c, pid);
        }
        c->threads[at] = (struct thread){ .pid = pid };
        if (++c->thread_count > c->o->tasks && c->state.started)
                c->o->tasks = c->thread_count;
        if (pid < PID_LIMIT)
                c->own_pids[pid / 64] |= 1ULL << pid % 64;
        return &c->threads[at];
}

static void forget_thread(struct observer_context *c, pid_t pid)
{
        size_t mask = c->thread_slots - 1, at = slot_of(c, pid);
        if (!c->threads[at].pid)
                return;
        free(c->threads[at].before);
        c->threads[at] = (struct thread){ 0 };
        c->thread_count--;
        /* What was put behind it for want of a free slot moves up. */
        for (size_t next = (at + 1) & mask; c->threads[next].pid; next = (next + 1) & mask) {
                struct thread t = c->threads[next];
                c->threads[next].pid = 0;
                c->threads[slot_of(c, t.pid)] = t;
        }
}

bool observe_is_own(const struct observer_context *c, unsigned long pid)
{
        return pid < PID_LIMIT && c->own_pids[pid / 64] >> pid % 64 & 1;
}

/* ---- stops ---- */

static uint64_t now_usec(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void read_memory_peak(struct observer_context *c, pid_t pid)
{
        char path[40];
        CLEAN_TEXT struct text t = { 0 };
        (void)snprintf(path, sizeof path, "/proc/%d/status", pid);
        const char *at = file_read(AT_FDCWD, path, 65536, &t) == 0 && t.data ? strstr(t.data, "VmHWM:") : NULL;
        uint64_t bytes = at ? strtoull(at + 6, NULL, 10) * 1024 : 0;
        c->o->memory_bytes = bytes > c->o->memory_bytes ? bytes : c->o->memory_bytes;
}

static void executed(struct observer_context *c, pid_t pid)
{
        unsigned long before = 0;
        if (trace_read_message(pid, &before) == 0 && (pid_t)before != pid)
                forget_thread(c, (pid_t)before);
        struct thread *t = find_thread(c, pid);
        c->state.started = true;
        t->sets_up = false;
        if (!c->o->tasks)
                c->o->tasks = 1;
        t->who.known = false;
        observe_executed(c, t);
}

/* True when the thread goes on without us. */
static bool called(struct observer_context *c, pid_t pid)
{
        struct trace_call call;
        struct thread *t = find_thread(c, pid);
        if (trace_read_call(pid, &call) < 0)
                return false;
        if (t->sets_up || !c->state.started) {
                if (!call.ended)
                        observe_set_up_call(t, &call);
                return false;
        }
        c->state.quiet_usec = 0;
        c->last_usec = 0;
        if (call.ended) {
                if (t->in_call)
                        observe_call_ended(c, t, &call);
                t->in_call = false;
                return false;
        }
        t->in_call = true;
        t->arch = call.arch;
        t->nr = call.nr;
        memcpy(t->args, call.args, sizeof t->args);
        t->needs = 0;
        observe_call_begins(c, t);
        return t->release;
}

static void stopped(struct observer_context *c, pid_t pid, int status)
{
        int signal = 0;
        switch (trace_read_stop(status, &signal)) {
        case TRACE_CALL:
                if (called(c, pid)) {
                        (void)trace_end(pid, 0);
                        forget_thread(c, pid);
                        return;
                }
                break;
        case TRACE_EXEC:
                executed(c, pid);
                break;
        case TRACE_GROUP:
                (void)trace_stay(pid);
                return;
        case TRACE_FRESH:
        case TRACE_BIRTH:
        case TRACE_SIGNAL:
        case TRACE_OTHER:
                (void)find_thread(c, pid);
                break;
        }
        (void)trace_go_on(pid, signal);
}

static void tick(struct observer_context *c)
{
        uint64_t now = now_usec();
        meet_more(c);
        if (!c->last_usec)
                c->last_usec = now;
        c->state.quiet_usec = now - c->last_usec;
        if (c->state.started && !c->state.ended)
                read_memory_peak(c, c->state.payload);
        c->watch->tick(c->watch->context, &c->state);
}

static void alarm_rings(int signal)
{
        (void)signal;
}

static void set_clock(bool on)
{
        const struct itimerval times = { { 0, on ? TICK_USEC : 0 }, { 0, on ? TICK_USEC : 0 } };
        const struct sigaction ring = { .sa_handler = on ? alarm_rings : SIG_IGN };
        if (on)
                (void)sigaction(SIGALRM, &ring, NULL);
        (void)setitimer(ITIMER_REAL, &times, NULL);
        if (!on)
                (void)sigaction(SIGALRM, &ring, NULL);
}

/* A child has changed its state: it is a thread that we watch, the supervisor, or another of the caller's. */
static bool changed(struct observer_context *c, pid_t pid, int status, int *ret_status)
{
        if (WIFSTOPPED(status)) {
                stopped(c, pid, status);
                return false;
        }
        if (pid == c->supervisor) {
                *ret_status = status;
                return true;
        }
        c->state.ended |= pid == c->state.payload;
        if (c->threads[slot_of(c, pid)].pid)
                forget_thread(c, pid);
        else if (c->watch->reaped)
                c->watch->reaped(c->watch->context, pid, status);
        return false;
}

static void watch(struct observer_context *c, int *ret_status)
{
        uint64_t last = now_usec();
        set_clock(true);
        for (bool over = false; !over;) {
                int status;
                pid_t pid = waitpid(-1, &status, __WALL);
                if (pid < 0 && errno != EINTR)
                        break;
                if (pid > 0)
                        over = changed(c, pid, status, ret_status);
                /* A busy payload lets no wait be interrupted. */
                if (pid < 0 || (++c->turns % 256 == 0 && now_usec() - last > TICK_USEC)) {
                        tick(c);
                        last = now_usec();
                }
        }
        set_clock(false);
}

static unsigned read_port_start(void)
{
        CLEAN_TEXT struct text t = { 0 };
        bool read = file_read(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", 64, &t) == 0 && t.data;
        return read ? (unsigned)strtoul(t.data, NULL, 10) : 1024;
}

static void context_done(struct observer_context *c)
{
        for (size_t i = 0; i < c->thread_slots; i++)
                free(c->threads[i].before);
        free(c->threads);
        free(c->own_pids);
        free(c->checked);
}

int observe_run(pid_t supervisor, int socket, const struct observe_watch *w, struct observations *o, int *ret_status, struct error *e)
{
        CLEAN_FREE struct observer_context *c = xalloc(1, sizeof *c);
        *c = (struct observer_context){ .o = o, .watch = w, .supervisor = supervisor, .socket = socket, .port_start = read_port_start() };
        c->own_pids = xalloc(PID_LIMIT / 64, sizeof *c->own_pids);
        grow(c);
        c->own_pids[getpid() / 64] |= 1ULL << getpid() % 64; /* links such as /dev/fd lead us to ourselves */
        int r = meet(c, ret_status, e);
        if (r > 0)
                watch(c, ret_status);
        context_done(c);
        return r < 0 ? r : 0;
}
