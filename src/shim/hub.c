/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/hub.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "shim/state.h"

enum { STALL_MS = 10000 };

/* Large buffers stand apart in zero pages, which cost nothing until they are used. */
static struct {
        unsigned char type, stream;
        char data[WIRE_OUTPUT_MAX];
} chunk;
static unsigned char message[1 + WIRE_PAYLOAD_MAX];

uint64_t hub_now_ms(void)
{
        return state_boot_usec() / 1000;
}

/* ---- sources ---- */

static void set_nonblocking(int fd)
{
        int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
        if (flags >= 0)
                (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void hub_watch(struct hub *h, unsigned id, int fd)
{
        h->sources[id] = (struct hub_source){ .fd = fd };
        set_nonblocking(fd);
}

void hub_unwatch(struct hub *h, unsigned id)
{
        struct hub_source *src = &h->sources[id];
        if (src->added)
                (void)epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, src->fd, NULL);
        *src = (struct hub_source){ .fd = -EBADF };
}

/* Tells the kernel what is wanted now. A paused stream leaves the set, since a hang-up cannot be masked. */
static void source_update(struct hub *h, unsigned id)
{
        struct hub_source *src = &h->sources[id];
        if (src->fd < 0)
                return;
        bool stays = src->want || id >= HUB_CLIENT;
        if (stays && src->added && src->have == src->want)
                return;
        struct epoll_event ev = { .events = src->want, .data.u32 = id };
        if (stays)
                (void)epoll_ctl(h->epoll_fd, src->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, src->fd, &ev);
        else if (src->added)
                (void)epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, src->fd, NULL);
        src->added = stays;
        src->have = src->want;
}

/* ---- clients ---- */

void hub_drop(struct hub *h, unsigned i)
{
        int fd = h->sources[HUB_CLIENT + i].fd;
        hub_unwatch(h, HUB_CLIENT + i);
        (void)fd_close(fd);
        h->clients[i] = (struct hub_client){ 0 };
}

static int client_send_raw(struct hub *h, unsigned i, const void *data, size_t size)
{
        ssize_t n = send(h->sources[HUB_CLIENT + i].fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        return n < 0 ? -errno : 0;
}

void hub_send(struct hub *h, unsigned i, enum wire_type type, const void *payload, size_t size)
{
        unsigned char m[1 + sizeof(struct error)];
        m[0] = (unsigned char)type;
        if (size)
                memcpy(m + 1, payload, size);
        int r = client_send_raw(h, i, m, size + 1);
        if (r == -EAGAIN) {
                struct pollfd p = { .fd = h->sources[HUB_CLIENT + i].fd, .events = POLLOUT };
                (void)poll(&p, 1, 500);
                r = client_send_raw(h, i, m, size + 1);
        }
        if (r < 0)
                hub_drop(h, i);
}

void hub_send_all(struct hub *h, enum wire_type type, const void *payload, size_t size)
{
        for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++)
                if (h->clients[i].used)
                        hub_send(h, i, type, payload, size);
}

static void on_client_readable(struct hub *h, unsigned i);

static bool has_hung_up(const struct hub *h, unsigned i)
{
        struct pollfd p = { .fd = h->sources[HUB_CLIENT + i].fd };
        return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

/* Where there seems to be none: who has gone, which we had no time to hear, takes no room from who comes. Whose input has to wait still waits. */
static void make_room(struct hub *h)
{
        for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++)
                if (!h->clients[i].used)
                        return;
        for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++)
                for (int k = 0; k < 4 && h->clients[i].used && (h->sources[HUB_CLIENT + i].want & EPOLLIN) && has_hung_up(h, i); k++)
                        on_client_readable(h, i); /* its last words, and then its end */
}

static void accept_client(struct hub *h)
{
        struct ucred peer;
        socklen_t size = sizeof peer;
        CLEAN_FD int fd = accept4(h->sock_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
            (peer.uid != 0 && peer.uid != geteuid()))
                return;
        make_room(h);
        for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++)
                if (!h->clients[i].used) {
                        h->clients[i] = (struct hub_client){ .used = true, .serial = ++h->serials };
                        hub_watch(h, HUB_CLIENT + i, TAKE_FD(fd));
                        hub_want(h, HUB_CLIENT + i, EPOLLIN);
                        return;
                }
        struct {
                unsigned char type;
                struct error error;
        } __attribute__((packed)) m = { .type = WIRE_FAILED };
        struct error e = { 0 };
        (void)error_set(&e, EBUSY, "shim.busy", "%d clients are connected already", HUB_CLIENTS_MAX);
        memcpy(&m.error, &e, sizeof e);
        (void)send(fd, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void hub_hello(struct hub *h, unsigned i, const struct wire_hello *hello)
{
        struct hub_client *c = &h->clients[i];
        c->output = hello->flags & WIRE_HELLO_OUTPUT;
        c->input = hello->flags & WIRE_HELLO_INPUT;
        c->patient = hello->flags & WIRE_HELLO_PATIENT;
}

/* ---- output ---- */

bool hub_owes(const struct hub *h)
{
        for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++)
                if (h->clients[i].owed)
                        return true;
        return false;
}

static void chunk_deliver(struct hub *h, unsigned i)
{
        struct hub_client *c = &h->clients[i];
        int r = client_send_raw(h, i, &chunk, 2 + h->chunk_size);
        if (r == 0)
                c->owed = false;
        else if (r != -EAGAIN && r != -ENOBUFS)
                hub_drop(h, i);
        else if (!c->owed) {
                c->owed = true;
                c->stalled_ms = hub_now_ms();
        }
}

ssize_t hub_pump(struct hub *h, unsigned id, int stream)
{
        ssize_t n = read(h->sources[id].fd, chunk.data, sizeof chunk.data);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        chunk.type = WIRE_OUTPUT;
        chunk.stream = (unsigned char)stream;
        h->chunk_size = (size_t)n;
        log_write(&h->log, chunk.stream, chunk.data, (size_t)n);
        for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++)
                if (h->clients[i].output)
                        chunk_deliver(h, i);
        return n;
}

void hub_pump_now(struct hub *h, unsigned id, int stream)
{
        enum { PIECES_MAX = 1024 }; /* more than any pipe holds */
        for (unsigned i = 0; i < PIECES_MAX && h->sources[id].fd >= 0 && !hub_owes(h) && hub_pump(h, id, stream) > 0; i++)
                ;
}

void hub_log(struct hub *h, const char *line)
{
        CLEAN_FREE char *text = xprintf("bulkhead: %s\n", line);
        log_write(&h->log, 2, text, strlen(text));
}

void hub_say(struct hub *h, const char *line)
{
        hub_log(h, line);
        hub_send_all(h, WIRE_NOTE, line, strnlen(line, sizeof(struct error)));
}

void hub_settle(struct hub *h)
{
        while (hub_owes(h)) {
                for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++) {
                        struct hub_client *c = &h->clients[i];
                        struct pollfd p = { .fd = h->sources[HUB_CLIENT + i].fd, .events = POLLOUT };
                        if (!c->owed)
                                continue;
                        (void)poll(&p, 1, 100);
                        chunk_deliver(h, i);
                        if (c->owed && !c->patient && hub_now_ms() - c->stalled_ms > STALL_MS)
                                hub_drop(h, i);
                }
        }
}

/* ---- messages ---- */

static void on_client_readable(struct hub *h, unsigned i)
{
        ssize_t n = recv(h->sources[HUB_CLIENT + i].fd, message, sizeof message, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0 || (size_t)n > sizeof message)
                hub_drop(h, i);
        else
                h->message(h->context, i, message, (size_t)n);
}

void hub_hear_late(struct hub *h)
{
        struct pollfd p = { .fd = h->sock_fd, .events = POLLIN };
        for (int k = 0; k < HUB_CLIENTS_MAX && poll(&p, 1, 0) > 0; k++)
                accept_client(h);
        for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++)
                for (int k = 0; k < 4 && h->clients[i].used; k++) {
                        struct pollfd q = { .fd = h->sources[HUB_CLIENT + i].fd, .events = POLLIN };
                        if (poll(&q, 1, 0) <= 0)
                                break;
                        on_client_readable(h, i);
                }
}

static void on_client(struct hub *h, unsigned i, uint32_t events)
{
        if (!h->clients[i].used)
                return;
        if ((events & EPOLLOUT) && h->clients[i].owed)
                chunk_deliver(h, i);
        if ((events & EPOLLIN) && h->clients[i].used)
                on_client_readable(h, i);
        else if ((events & (EPOLLHUP | EPOLLERR)) && h->clients[i].used && has_hung_up(h, i)) /* the event may be one of who was there before */
                hub_drop(h, i);
}

static void on_signal(struct hub *h)
{
        struct signalfd_siginfo info;
        while (read(h->sources[HUB_SIGNAL].fd, &info, sizeof info) == (ssize_t)sizeof info)
                h->signal(h->context, (int)info.ssi_signo, (pid_t)info.ssi_pid);
}

static void on_source(struct hub *h, unsigned id, uint32_t events)
{
        if (id >= HUB_CLIENT)
                on_client(h, id - HUB_CLIENT, events);
        else if (id >= HUB_OWN)
                h->source(h->context, id, events);
        else if (id == HUB_LISTEN)
                accept_client(h);
        else
                on_signal(h);
}

/* ---- the loop ---- */

static int time_left(const struct hub *h, int timeout_ms)
{
        uint64_t now = hub_now_ms();
        for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++) {
                const struct hub_client *c = &h->clients[i];
                if (!c->owed || c->patient)
                        continue;
                int left = c->stalled_ms + STALL_MS <= now ? 0 : (int)(c->stalled_ms + STALL_MS - now) + 1;
                if (timeout_ms < 0 || left < timeout_ms)
                        timeout_ms = left;
        }
        return timeout_ms;
}

static void drop_stalled(struct hub *h)
{
        uint64_t now = hub_now_ms();
        for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++)
                if (h->clients[i].owed && !h->clients[i].patient && now >= h->clients[i].stalled_ms + STALL_MS)
                        hub_drop(h, i);
}

void hub_turn(struct hub *h, int timeout_ms)
{
        struct epoll_event events[8];
        h->sources[HUB_SIGNAL].want = h->sources[HUB_LISTEN].want = EPOLLIN;
        for (unsigned id = 0; id < HUB_SOURCES; id++) {
                if (id >= HUB_CLIENT && h->clients[id - HUB_CLIENT].owed)
                        h->sources[id].want |= EPOLLOUT;
                else if (id >= HUB_CLIENT)
                        h->sources[id].want &= ~(uint32_t)EPOLLOUT;
                source_update(h, id);
        }
        int n = epoll_wait(h->epoll_fd, events, ELEMENTS(events), time_left(h, timeout_ms));
        for (int i = 0; i < n; i++)
                if (h->sources[events[i].data.u32].fd >= 0)
                        on_source(h, events[i].data.u32, events[i].events);
        drop_stalled(h);
}

/* ---- the start ---- */

/* A caller that made no socket gets one here. */
static int make_socket(int dir_fd)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void)unlinkat(dir_fd, "sock", 0);
        (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/sock", dir_fd);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || fchmodat(dir_fd, "sock", 0600, 0) < 0 ||
            listen(fd, 64) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int catch_signals(const int *signals, size_t count)
{
        sigset_t set;
        (void)sigemptyset(&set);
        for (size_t i = 0; i < count; i++)
                (void)sigaddset(&set, signals[i]);
        (void)sigprocmask(SIG_SETMASK, &set, NULL);
        (void)signal(SIGHUP, SIG_IGN);
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGCHLD, SIG_DFL); /* an inherited SIG_IGN would lose the exit */
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int hub_open(struct hub *h, int dir_fd, int sock_fd, const int *signals, size_t signal_count, struct error *e)
{
        for (unsigned i = 0; i < HUB_SOURCES; i++)
                h->sources[i].fd = -EBADF;
        h->sock_fd = sock_fd < 0 ? make_socket(dir_fd) : sock_fd;
        int signal_fd = catch_signals(signals, signal_count);
        h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (h->sock_fd < 0 || signal_fd < 0 || h->epoll_fd < 0)
                return error_errno(e, h->sock_fd < 0 ? -h->sock_fd : errno, "shim.start", "open the event loop");
        hub_watch(h, HUB_SIGNAL, signal_fd);
        hub_watch(h, HUB_LISTEN, h->sock_fd);
        return 0;
}
