/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Health checks: making them, on the event loop. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/http.h"
#include "group/check.h"
#include "group/expand.h"
#include "os/event_loop.h"
#include "os/process.h"

enum { READ_SIZE = 4096 };

/* A connection, or a process; one source and one timer watch either. */
struct check_run {
        struct loop *loop;
        struct loop_source source;
        struct loop_timer timer;
        struct loop_job job; /* tells what was known at once */
        bool queued;
        check_told told;
        void *context;
        struct check check; /* what is still needed of it: kind, statuses, time */
        pid_t pid;          /* of a command; 0: none */
        struct text request;
        size_t sent;
        bool connected;
        struct http_reader reader;
        enum health health;
        struct error why;
};

/* ---- the end ---- */

static void end_command(struct check_run *r)
{
        if (!r->pid)
                return;
        (void)kill(-r->pid, SIGKILL); /* it leads its group, and is not reaped yet: the number is still its own */
        (void)kill(r->pid, SIGKILL);
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        r->pid = 0;
}

static void free_run(struct check_run *r)
{
        if (r->source.watched)
                loop_forget(r->loop, &r->source);
        loop_timer_clear(r->loop, &r->timer);
        end_command(r);
        (void)fd_close(r->source.fd);
        http_reader_done(&r->reader);
        text_clear(&r->request);
        free(r);
}

static void tell(struct check_run *r, enum health health, const struct error *why)
{
        static const struct error nothing;
        const check_told told = r->told;
        void *context = r->context;
        const struct error copy = why ? *why : nothing;
        free_run(r);
        if (told)
                told(context, health, &copy);
}

static void fail(struct check_run *r, int errnum, const char *what)
{
        struct error why = { 0 };
        (void)error_errno(&why, errnum, "check.failed", "%s", what);
        tell(r, HEALTH_BAD, &why);
}

static void time_is_up(struct loop_timer *t)
{
        struct check_run *r = LOOP_OWNER(t, struct check_run, timer);
        struct error why = { 0 };
        (void)error_set(&why, ETIMEDOUT, "check.timeout", "no answer within %llu ms", (unsigned long long)(r->check.timeout_usec / 1000));
        tell(r, HEALTH_BAD, &why);
}

static void tell_queued(struct loop_job *j)
{
        struct check_run *r = LOOP_OWNER(j, struct check_run, job);
        r->queued = false;
        if (!r->told) {
                free_run(r); /* it was cancelled meanwhile */
                return;
        }
        const struct error why = r->why;
        tell(r, r->health, &why);
}

/* Nothing is told before check_begin has returned. */
static void queue(struct check_run *r, enum health health)
{
        r->health = health;
        r->job.run = tell_queued;
        r->queued = true;
        loop_defer(r->loop, &r->job);
}

void check_cancel(struct check_run *r)
{
        r->told = NULL;
        if (!r->queued)
                free_run(r);
}

/* ---- TCP and HTTP ---- */

static void judge_status(struct check_run *r)
{
        struct error why = { 0 };
        if (check_status_good(&r->check, r->reader.status)) {
                tell(r, HEALTH_GOOD, NULL);
                return;
        }
        (void)error_set(&why, EPROTO, "check.status", "the answer has status %d", r->reader.status);
        tell(r, HEALTH_BAD, &why);
}

static void read_answer(struct check_run *r)
{
        char data[READ_SIZE];
        struct error why = { 0 };
        size_t used;
        ssize_t n = recv(r->source.fd, data, sizeof data, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n < 0) {
                fail(r, errno, "reading the answer");
                return;
        }
        int x = n ? http_read(&r->reader, data, (size_t)n, &used, &why) : http_read_end(&r->reader, &why);
        if (x < 0) {
                tell(r, HEALTH_BAD, &why);
                return;
        }
        if (r->reader.state != HTTP_HEAD)
                judge_status(r);
}

static void send_request(struct check_run *r)
{
        while (r->sent < r->request.length) {
                ssize_t n = send(r->source.fd, r->request.data + r->sent, r->request.length - r->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return;
                if (n < 0) {
                        fail(r, errno, "sending the request");
                        return;
                }
                r->sent += (size_t)n;
        }
        if (loop_watch(r->loop, &r->source, EPOLLIN) < 0)
                fail(r, errno, "waiting for the answer");
}

static void connection_ready(struct loop_source *s, uint32_t events)
{
        struct check_run *r = LOOP_OWNER(s, struct check_run, source);
        int errnum = 0;
        socklen_t size = sizeof errnum;
        (void)events;
        if (!r->connected) {
                if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0)
                        errnum = errno;
                if (errnum) {
                        fail(r, errnum, "connecting");
                        return;
                }
                r->connected = true;
                if (r->check.kind == CHECK_TCP) {
                        tell(r, HEALTH_GOOD, NULL);
                        return;
                }
        }
        if (r->sent < r->request.length)
                send_request(r);
        else
                read_answer(r);
}

union address {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
};

static socklen_t make_address(const struct check_target *t, union address *a)
{
        uint64_t port = 0;
        (void)text_parse_uint(t->port, 65535, &port); /* check_aim has looked at both */
        *a = (union address){ .four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) } };
        if (inet_pton(AF_INET, t->address, &a->four.sin_addr) == 1)
                return sizeof a->four;
        *a = (union address){ .six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) } };
        (void)inet_pton(AF_INET6, t->address, &a->six.sin6_addr);
        return sizeof a->six;
}

static int begin_connection(struct check_run *r, const struct check_target *t, struct error *e)
{
        union address a;
        socklen_t size = make_address(t, &a);
        const bool six = a.any.sa_family == AF_INET6;
        r->source.ready = connection_ready;
        r->source.fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (r->source.fd < 0)
                return error_errno(e, errno, "check.start", "a socket for a health check");
        CLEAN_FREE char *host = xprintf("%s%s%s:%s", six ? "[" : "", t->address, six ? "]" : "", t->port);
        if (r->check.kind == CHECK_HTTP)
                http_add_request(&r->request, "GET", t->path, host, NULL, NULL);
        if (connect(r->source.fd, &a.any, size) < 0 && errno != EINPROGRESS) {
                (void)error_errno(&r->why, errno, "check.failed", "connecting");
                queue(r, HEALTH_BAD);
                return 0;
        }
        int x = loop_watch(r->loop, &r->source, EPOLLOUT);
        return x < 0 ? error_errno(e, x, "check.start", "watching a health check") : 0;
}

/* ---- commands ---- */

static void command_ready(struct loop_source *s, uint32_t events)
{
        struct check_run *r = LOOP_OWNER(s, struct check_run, source);
        struct error why = { 0 };
        siginfo_t info = { 0 };
        (void)events;
        if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != r->pid)
                return;
        const bool exited = info.si_code == CLD_EXITED;
        if (exited && info.si_status == 0) {
                tell(r, HEALTH_GOOD, NULL);
                return;
        }
        (void)error_set(&why, ECHILD, "check.failed", exited ? "the command ended with status %d" : "the command was ended by signal %d", info.si_status);
        tell(r, HEALTH_BAD, &why);
}

/* In the child: nothing but system calls, since the parent may have threads. */
static _Noreturn void run_command(char *const *argv, char *const *environment)
{
        sigset_t none;
        (void)setpgid(0, 0);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int i = 0; i < 3; i++)
                if (fd < 0 || dup2(fd, i) < 0)
                        _exit(127);
        process_close_others(NULL, 0, 3);
        (void)execve(argv[0], argv, environment);
        _exit(127);
}

static int begin_command(struct check_run *r, const struct check_target *t, const struct instance *i, struct error *e)
{
        int pidfd = -EBADF;
        CLEAN_STRINGS struct strings environment = { 0 };
        strings_add(&environment, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        strings_take(&environment, xprintf("BULKHEAD_INSTANCE=%s", i->id));
        if (i->logical_id)
                strings_take(&environment, xprintf("BULKHEAD_LOGICAL_ID=%s", i->logical_id));
        pid_t pid = process_clone(0, -1, &pidfd);
        if (pid == 0)
                run_command(t->command.items, environment.items);
        if (pid < 0)
                return error_errno(e, pid, "check.start", "starting %s", t->command.items[0]);
        (void)setpgid(pid, pid); /* whichever of us is first */
        r->pid = pid;
        r->source.ready = command_ready;
        r->source.fd = pidfd;
        int x = loop_watch(r->loop, &r->source, EPOLLIN);
        return x < 0 ? error_errno(e, x, "check.start", "watching a health check") : 0;
}

/* ---- the beginning ---- */

int check_begin(struct loop *loop, const struct check *c, const struct instance *i, check_told told, void *context, struct check_run **ret,
                struct error *e)
{
        CLEAN_CHECK_TARGET struct check_target target = { 0 };
        int x = check_aim(c, i, &target, e);
        if (x < 0)
                return x;
        struct check_run *r = xalloc(1, sizeof *r);
        r->loop = loop;
        r->told = told;
        r->context = context;
        r->source.fd = -EBADF;
        r->timer.elapsed = time_is_up;
        r->check = (struct check){ .kind = c->kind, .timeout_usec = c->timeout_usec, .status_count = c->status_count };
        memcpy(r->check.statuses, c->statuses, sizeof r->check.statuses);
        http_reader_init(&r->reader, HTTP_RESPONSE, SIZE_MAX); /* the head is all that is read; a body may be as long as it likes */
        x = c->kind == CHECK_EXEC ? begin_command(r, &target, i, e) : begin_connection(r, &target, e);
        if (x < 0) {
                free_run(r);
                return x;
        }
        if (!r->queued)
                loop_timer_set(loop, &r->timer, loop_fresh_usec(loop) + c->timeout_usec);
        *ret = r;
        return 0;
}
