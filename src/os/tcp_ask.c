/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/tcp_ask.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"

union address {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
};

static uint64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_BOOTTIME, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int make_address(const struct tcp_question *q, union address *a, socklen_t *ret_size, struct error *e)
{
        uint64_t port;
        if (text_parse_uint(q->port, UINT16_MAX, &port) < 0 || !port)
                return error_set(e, EINVAL, "tcp.address", "\"%.40s\" is no port", q->port);
        *a = (union address){ .four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) } };
        *ret_size = sizeof a->four;
        if (inet_pton(AF_INET, q->address, &a->four.sin_addr) == 1)
                return 0;
        *a = (union address){ .six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) } };
        *ret_size = sizeof a->six;
        if (inet_pton(AF_INET6, q->address, &a->six.sin6_addr) == 1)
                return 0;
        return error_set(e, EINVAL, "tcp.address", "\"%.100s\" is no IP address", q->address);
}

static int await(const struct tcp_question *q, int fd, short events, uint64_t until_ms, struct error *e)
{
        struct pollfd p = { .fd = fd, .events = events };
        for (;;) {
                uint64_t now = now_ms();
                int n = poll(&p, 1, now < until_ms ? (int)(until_ms - now) : 0);
                if (n > 0)
                        return 0;
                if (n == 0)
                        return error_set(e, ETIMEDOUT, "tcp.timeout", "%s port %s: no answer within %d ms", q->address, q->port, q->timeout_ms);
                if (errno != EINTR)
                        return error_errno(e, errno, "tcp.lost", "%s port %s", q->address, q->port);
        }
}

static int open_connection(const struct tcp_question *q, uint64_t until_ms, struct error *e)
{
        union address a;
        socklen_t size, length = sizeof(int);
        int errnum = 0;
        int r = make_address(q, &a, &size, e);
        if (r < 0)
                return r;
        CLEAN_FD int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_errno(e, errno, "tcp.connect", "a socket");
        if (connect(fd, &a.any, size) < 0 && errno != EINPROGRESS)
                return error_errno(e, errno, "tcp.connect", "%s port %s", q->address, q->port);
        r = await(q, fd, POLLOUT, until_ms, e);
        if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &length) == 0 && errnum)
                r = error_errno(e, errnum, "tcp.connect", "%s port %s", q->address, q->port);
        return r < 0 ? r : TAKE_FD(fd);
}

static int send_all(const struct tcp_question *q, int fd, uint64_t until_ms, struct error *e)
{
        for (size_t sent = 0; sent < q->size;) {
                ssize_t n = send(fd, q->data + sent, q->size - sent, MSG_NOSIGNAL);
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return error_errno(e, errno, "tcp.lost", "%s port %s", q->address, q->port);
                sent += n > 0 ? (size_t)n : 0;
                int r = n < 0 ? await(q, fd, POLLOUT, until_ms, e) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int receive_all(const struct tcp_question *q, int fd, uint64_t until_ms, struct text *ret, struct error *e)
{
        char data[4096];
        for (int r = 0; r == 0;) {
                r = await(q, fd, POLLIN, until_ms, e);
                if (r < 0)
                        return r;
                ssize_t n = recv(fd, data, sizeof data, 0);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        continue;
                if (n < 0)
                        return error_errno(e, errno, "tcp.lost", "%s port %s", q->address, q->port);
                if (n == 0)
                        return q->take ? error_set(e, ECONNRESET, "tcp.lost", "%s port %s: the answer was cut short", q->address, q->port) : 0;
                if (ret->length + (size_t)n > q->max)
                        return error_set(e, EMSGSIZE, "tcp.size", "%s port %s: an answer of more than %zu bytes", q->address, q->port, q->max);
                text_add_bytes(ret, data, (size_t)n);
                r = q->take ? q->take(q->context, data, (size_t)n, e) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

int tcp_ask(const struct tcp_question *q, struct text *ret, struct error *e)
{
        const uint64_t until_ms = now_ms() + (uint64_t)q->timeout_ms;
        CLEAN_FD int fd = open_connection(q, until_ms, e);
        int r = fd < 0 ? fd : send_all(q, fd, until_ms, e);
        return r < 0 ? r : receive_all(q, fd, until_ms, ret, e);
}
