/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/service_notify.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

/* ---- what is passed ---- */

static void name_sockets(struct service_notify *n, const char *names)
{
        CLEAN_FREE char *copy = xstrdup(names ? names : "");
        char *rest = copy;
        for (unsigned i = 0; i < n->listen_count; i++) {
                const char *name = rest ? strsep(&rest, ":") : NULL;
                n->names[i] = xstrdup(name && notify_fd_name_valid(name) ? name : "unknown");
        }
}

/* Where the command finds what is passed, nothing of ours may lie: its child puts it there. */
static int keep_clear(unsigned from, unsigned to)
{
        for (unsigned i = from; i < to; i++) {
                int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
                if (fd == 3 + (int)i)
                        continue;
                if (fd >= 0)
                        close(fd);
                return fd < 0 ? -errno : -EBUSY;
        }
        return 0;
}

int service_notify_init(struct service_notify *n, unsigned listen_count, unsigned room, const char *names, struct error *e)
{
        n->fd = -EBADF;
        if (room > NOTIFY_FDS_MAX || listen_count > room)
                return error_set(e, E2BIG, "service.sockets", "more than %d sockets and stored descriptors", NOTIFY_FDS_MAX);
        n->listen_count = n->count = listen_count;
        n->room = room;
        int r = keep_clear(listen_count, room);
        for (unsigned i = 0; r == 0 && i < listen_count; i++) {
                n->fds[i] = fcntl(3 + (int)i, F_DUPFD_CLOEXEC, 3 + (int)room);
                if (n->fds[i] < 0 || fcntl(3 + (int)i, F_SETFD, FD_CLOEXEC) < 0)
                        r = -errno;
        }
        name_sockets(n, names);
        return r < 0 ? error_errno(e, r, "service.sockets", "taking over the service's descriptors") : 0;
}

unsigned service_notify_passed(const struct service_notify *n)
{
        return n->count;
}

const int *service_notify_fds(const struct service_notify *n)
{
        return n->fds;
}

char *service_notify_names(const struct service_notify *n)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "LISTEN_FDNAMES=");
        for (unsigned i = 0; i < n->count; i++)
                text_addf(&t, "%s%s", i ? ":" : "", n->names[i]);
        return TAKE_PTR(t.data);
}

static void forget(struct service_notify *n, unsigned i)
{
        fd_close(n->fds[i]);
        free(n->names[i]);
        memmove(&n->fds[i], &n->fds[i + 1], (n->count - i - 1) * sizeof n->fds[0]);
        memmove(&n->names[i], &n->names[i + 1], (n->count - i - 1) * sizeof n->names[0]);
        n->count--;
}

static void store(struct service_notify *n, int fd, const char *name, unsigned max)
{
        if (n->count >= n->room || n->count - n->listen_count >= max)
                return;
        int high = fcntl(fd, F_DUPFD_CLOEXEC, 3 + (int)n->room);
        if (high < 0)
                return;
        n->fds[n->count] = high;
        n->names[n->count++] = xstrdup(name ? name : "stored");
}

/* ---- the socket ---- */

int service_notify_open(struct service_notify *n, const char *path, struct error *e)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        static const int on = 1;
        if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int)sizeof address.sun_path)
                return error_set(e, ENAMETOOLONG, "service.notify", "%s is too long for a socket", path);
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
            chmod(path, 0666) < 0)
                return error_errno(e, errno, "service.notify", "making the socket %s", path);
        n->fd = TAKE_FD(fd);
        return 0;
}

void service_notify_close(struct service_notify *n, bool restarts)
{
        n->fd = fd_close(n->fd);
        while (!restarts && n->count > n->listen_count)
                forget(n, n->count - 1);
}

/* Of the ancillary data: who sent it, and its descriptors. */
static pid_t take_control(struct service_notify *n, struct msghdr *m)
{
        pid_t from = -1;
        n->received_count = 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                if (c->cmsg_level != SOL_SOCKET)
                        continue;
                if (c->cmsg_type == SCM_CREDENTIALS) {
                        struct ucred u;
                        memcpy(&u, CMSG_DATA(c), sizeof u);
                        from = u.pid > 0 ? u.pid : -1;
                } else if (c->cmsg_type == SCM_RIGHTS) {
                        n->received_count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
                        memcpy(n->received, CMSG_DATA(c), n->received_count * sizeof(int));
                }
        }
        return from;
}

pid_t service_notify_receive(struct service_notify *n)
{
        union {
                struct cmsghdr align;
                char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * NOTIFY_MESSAGE_FDS_MAX)];
        } control;
        struct iovec data = { .iov_base = n->data, .iov_len = NOTIFY_MESSAGE_MAX + 1 };
        struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        if (n->fd < 0)
                return 0;
        ssize_t size = recvmsg(n->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (size < 0)
                return errno == EINTR ? -1 : 0;
        n->size = (size_t)size;
        return take_control(n, &m);
}

static void remove_named(struct service_notify *n, const char *name)
{
        for (unsigned i = n->count; i-- > n->listen_count;)
                if (text_equal(n->names[i], name))
                        forget(n, i);
}

void service_notify_take(struct service_notify *n, bool may, unsigned stored_max, struct notify_message *ret)
{
        *ret = (struct notify_message){ 0 };
        if (may)
                notify_message_parse(n->data, n->size, ret);
        for (unsigned i = 0; i < n->received_count; i++) {
                if (ret->store_fds)
                        store(n, n->received[i], ret->fd_name, stored_max);
                fd_close(n->received[i]); /* of a barrier, too: that is its answer */
        }
        n->received_count = 0;
        if (ret->remove_fds && ret->fd_name)
                remove_named(n, ret->fd_name);
}
