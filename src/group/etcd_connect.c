/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections to etcd: of our own, or held by a bulkhead-tls which relays what is said. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "group/etcd_lane.h"
#include "os/process.h"

/* A peer that has vanished is noticed in about ten seconds, also by a stream that only listens. */
static const struct {
        int level, name, value;
} options[] = {
        { SOL_SOCKET, SO_KEEPALIVE, 1 },  { IPPROTO_TCP, TCP_KEEPIDLE, 4 },          { IPPROTO_TCP, TCP_KEEPINTVL, 2 },
        { IPPROTO_TCP, TCP_KEEPCNT, 3 }, { IPPROTO_TCP, TCP_USER_TIMEOUT, 10000 },
};

static int connect_plain(const struct store_endpoint *to, bool *ret_connecting, int *ret_fd, struct error *e)
{
        char port[8];
        (void)snprintf(port, sizeof port, "%u", to->port);
        int fd, r = stream_connect_tcp(to->host, port, ret_connecting, &fd, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(options); i++)
                (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
        *ret_fd = fd;
        return 0;
}

/* ---- with TLS ---- */

struct etcd_relay {
        struct loop_source source; /* its pidfd */
        struct etcd_client *client;
        struct etcd_relay *next;
};

static void forget_relay(struct etcd_relay *r)
{
        struct etcd_relay **at = &r->client->relays;
        while (*at != r)
                at = &(*at)->next;
        *at = r->next;
        loop_forget(r->client->loop, &r->source);
        siginfo_t info;
        (void)waitid(P_PIDFD, (id_t)r->source.fd, &info, WEXITED);
        (void)fd_close(r->source.fd);
        free(r);
}

static void relay_ended(struct loop_source *source, uint32_t events)
{
        (void)events;
        forget_relay(LOOP_OWNER(source, struct etcd_relay, source));
}

void etcd_client_done(struct etcd_client *c)
{
        while (c->relays) {
                (void)process_signal(c->relays->source.fd, SIGKILL);
                forget_relay(c->relays);
        }
}

static _Noreturn void become_relay(const struct etcd_client *c, const struct store_endpoint *to, int fd)
{
        char port[8];
        (void)snprintf(port, sizeof port, "%u", to->port);
        const char *argv[12] = { "bulkhead-tls", to->host, port };
        size_t count = 3;
        const char *const pairs[][2] = { { "--ca", c->ca }, { "--certificate", c->certificate }, { "--key", c->key } };
        for (size_t i = 0; i < ELEMENTS(pairs); i++)
                if (pairs[i][1])
                        argv[count++] = pairs[i][0], argv[count++] = pairs[i][1];
        sigset_t none;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        char *const environment[] = { NULL };
        if (dup2(fd, 0) == 0 && dup2(fd, 1) == 1 && process_cloexec_from(3) >= 0) {
                if (c->tls_program)
                        (void)execve(c->tls_program, (char *const *)argv, environment);
                else
                        process_exec_beside("bulkhead-tls", (char *const *)argv, environment);
        }
        _exit(127);
}

static int connect_tls(struct etcd_client *c, const struct store_endpoint *to, int *ret_fd, struct error *e)
{
        int pair[2], pidfd = -EBADF;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return error_errno(e, errno, "etcd.unreachable", "socketpair");
        CLEAN_FD int ours = pair[0], theirs = pair[1];
        pid_t pid = process_clone(0, -1, &pidfd);
        if (pid == 0)
                become_relay(c, to, theirs);
        if (pid < 0)
                return error_errno(e, pid, "etcd.unreachable", "starting bulkhead-tls");
        struct etcd_relay *r = xalloc(1, sizeof *r);
        *r = (struct etcd_relay){ .source = { .fd = pidfd, .ready = relay_ended }, .client = c, .next = c->relays };
        c->relays = r;
        int watched = loop_watch(c->loop, &r->source, EPOLLIN);
        if (watched < 0)
                return error_errno(e, watched, "etcd.unreachable", "epoll");
        *ret_fd = TAKE_FD(ours);
        return 0;
}

int etcd_connect(struct etcd_client *c, const struct store_endpoint *to, bool *ret_connecting, int *ret_fd, struct error *e)
{
        *ret_connecting = false;
        return c->address->tls ? connect_tls(c, to, ret_fd, e) : connect_plain(to, ret_connecting, ret_fd, e);
}
