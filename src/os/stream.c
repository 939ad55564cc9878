/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "os/stream.h"

enum { READ_SIZE = 256 * 1024, TURNS = 16 };

/* A pause is mostly over before anything comes: only input that does come during one is no longer waited for. */
static void want(struct stream *s)
{
        uint32_t in = s->paused ? s->source.events & EPOLLIN : EPOLLIN;
        (void)loop_watch(s->loop, &s->source, in | (s->connecting || stream_backlog(s) ? EPOLLOUT : 0));
}

static bool end(struct stream *s, int errnum)
{
        s->over = true;
        loop_forget(s->loop, &s->source);
        return s->ended(s, errnum);
}

/* Writes what there is. 0 or -errno. */
static int flush(struct stream *s)
{
        while (stream_backlog(s)) {
                ssize_t n = send(s->source.fd, s->out.data + s->sent, stream_backlog(s), MSG_NOSIGNAL);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                s->sent += (size_t)n;
        }
        if (s->out.room > READ_SIZE)
                text_clear(&s->out);
        s->out.length = s->sent = 0;
        return 0;
}

/* Whether the stream is still there. */
static bool take_input(struct stream *s)
{
        static char buffer[READ_SIZE]; /* one loop per process reads */
        for (int i = 0; i < TURNS && !s->paused; i++) {
                ssize_t n = recv(s->source.fd, buffer, sizeof buffer, 0);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR || end(s, errno);
                if (n == 0)
                        return end(s, 0);
                if (!s->input(s, buffer, (size_t)n))
                        return false;
                if ((size_t)n < sizeof buffer)
                        break;
        }
        return true;
}

static int connected(struct stream *s)
{
        int errnum = 0;
        socklen_t size = sizeof errnum;
        s->connecting = false;
        return getsockopt(s->source.fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0 ? errno : errnum;
}

static bool take_output(struct stream *s)
{
        int r = s->connecting ? -connected(s) : 0;
        if (r == 0)
                r = flush(s);
        if (r < 0)
                return end(s, -r);
        want(s);
        if (stream_backlog(s) || !s->drained)
                return true;
        s->drained(s);
        return false; /* it may be gone */
}

static void ready(struct loop_source *source, uint32_t events)
{
        struct stream *s = LOOP_OWNER(source, struct stream, source);
        if (events & EPOLLIN && !s->paused && !take_input(s))
                return;
        if (s->over)
                return;
        if (events & EPOLLOUT && !take_output(s))
                return;
        if (events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLIN && !s->paused)) {
                end(s, events & EPOLLERR ? connected(s) : 0);
                return;
        }
        if (events & EPOLLIN && s->paused)
                (void)loop_watch(s->loop, &s->source, s->source.events & ~(uint32_t)EPOLLIN);
        else
                want(s);
}

int stream_open(struct stream *s, struct loop *l, int fd, bool connecting)
{
        s->loop = l;
        s->source = (struct loop_source){ .ready = ready, .fd = fd };
        s->connecting = connecting;
        s->paused = s->over = false;
        int flags = fcntl(fd, F_GETFL);
        int r = flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : loop_watch(l, &s->source, EPOLLIN | (connecting ? EPOLLOUT : 0));
        if (r < 0)
                s->source.fd = fd_close(fd);
        return r;
}

void stream_close(struct stream *s)
{
        if (!s->loop)
                return;
        s->over = true;
        loop_forget(s->loop, &s->source);
        s->source.fd = fd_close(s->source.fd);
        text_clear(&s->out);
        s->sent = 0;
}

void stream_send(struct stream *s, const void *data, size_t size)
{
        if (s->over)
                return;
        if (!stream_backlog(s) && !s->connecting) {
                ssize_t n = send(s->source.fd, data, size, MSG_NOSIGNAL);
                size_t done = n < 0 ? 0 : (size_t)n;
                if (done == size)
                        return;
                data = (const char *)data + done;
                size -= done;
        }
        text_add_bytes(&s->out, data, size);
        want(s);
}

void stream_pause(struct stream *s, bool pause)
{
        s->paused = pause;
        if (!pause && !s->over)
                want(s);
}

/* ---- connecting ---- */

static int connect_to(int family, const void *address, socklen_t size, const char *words, bool *ret_connecting, int *ret_fd, struct error *e)
{
        CLEAN_FD int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_errno(e, errno, "socket.connect", "%s", words);
        *ret_connecting = false;
        if (connect(fd, address, size) < 0) {
                /* A full queue of a unix socket is EAGAIN: the other side is there, and behind. */
                if (errno != EINPROGRESS)
                        return error_errno(e, errno, "socket.connect", "%s", words);
                *ret_connecting = true;
        }
        if (family != AF_UNIX)
                (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int stream_connect_path(const char *path, bool *ret_connecting, int *ret_fd, struct error *e)
{
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof a.sun_path)
                return error_set(e, ENAMETOOLONG, "socket.connect", "%s: a socket's path has at most %zu bytes", path, sizeof a.sun_path - 1);
        memcpy(a.sun_path, path, strlen(path) + 1);
        return connect_to(AF_UNIX, &a, sizeof a, path, ret_connecting, ret_fd, e);
}

int stream_connect_tcp(const char *address, const char *port, bool *ret_connecting, int *ret_fd, struct error *e)
{
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
        CLEAN_FREE char *words = xprintf("%s:%s", address, port);
        uint64_t number;
        if (text_parse_uint(port, 65535, &number) < 0)
                return error_set(e, EINVAL, "socket.connect", "%s: the port is no number", words);
        v4.sin_port = v6.sin6_port = htons((uint16_t)number);
        if (text_equal(address, "localhost"))
                address = "127.0.0.1";
        if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
                return connect_to(AF_INET, &v4, sizeof v4, words, ret_connecting, ret_fd, e);
        if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1)
                return connect_to(AF_INET6, &v6, sizeof v6, words, ret_connecting, ret_fd, e);
        error_set(e, EINVAL, "socket.connect", "%s is no address", address);
        error_hint(e, "write it as a number: names are not looked up");
        return -EINVAL;
}
