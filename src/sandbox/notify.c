/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/notify.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "os/seccomp.h"

int notify_announce(int pipe_fd, int listener)
{
        int32_t number = listener;
        ssize_t n = write(pipe_fd, &number, sizeof number);
        return n == sizeof number ? 0 : n < 0 ? -errno : -EIO;
}

int notify_take(int number, int pidfd, struct error *e)
{
        int fd = seccomp_copy_listener(pidfd, number);
        return fd < 0 ? error_errno(e, fd, "seccomp.listener", "taking the listener of the system call profile") : fd;
}

static void add_member(struct text *t, const char *name, const char *value)
{
        text_addf(t, "\"%s\":", name);
        text_add_json(t, value);
        text_add(t, ",");
}

static void add_annotations(struct text *t, const struct strings *l)
{
        text_add(t, "\"annotations\":{");
        for (size_t i = 0; i + 1 < l->count; i += 2) {
                text_add(t, i ? "," : "");
                text_add_json(t, l->items[i]);
                text_add(t, ":");
                text_add_json(t, l->items[i + 1]);
        }
        text_add(t, "},");
}

void notify_format(const struct notify_state *s, struct text *t)
{
        text_add(t, "{");
        add_member(t, "ociVersion", s->oci_version);
        text_addf(t, "\"fds\":[\"seccompFd\"],\"pid\":%d,", (int)s->pid);
        if (s->metadata && *s->metadata)
                add_member(t, "metadata", s->metadata);
        text_add(t, "\"state\":{");
        add_member(t, "ociVersion", s->oci_version);
        add_member(t, "id", s->id);
        add_member(t, "status", s->status);
        if (s->annotations && s->annotations->count)
                add_annotations(t, s->annotations);
        text_addf(t, "\"pid\":%d,\"bundle\":", (int)(s->container_pid ? s->container_pid : s->pid));
        text_add_json(t, s->bundle);
        text_add(t, "}}");
}

/* With the first part goes the descriptor. */
static ssize_t send_part(int socket_fd, const char *data, size_t size, int fd)
{
        union {
                char room[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        struct iovec part = { (char *)data, size };
        struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
        if (fd >= 0) {
                m.msg_control = control.room;
                m.msg_controllen = sizeof control.room;
                struct cmsghdr *c = CMSG_FIRSTHDR(&m);
                *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(c), &fd, sizeof fd);
        }
        ssize_t n;
        do
                n = sendmsg(socket_fd, &m, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n;
}

int notify_send(int socket_fd, const struct text *t, int listener, struct error *e)
{
        for (size_t sent = 0; sent < t->length;) {
                ssize_t n = send_part(socket_fd, t->data + sent, t->length - sent, sent ? -1 : listener);
                if (n < 0)
                        return error_errno(e, errno, "seccomp.listener", "sending the listener to the agent");
                sent += (size_t)n;
        }
        return 0;
}

/* A path that is too long for an address is reached by its descriptor. */
static int connect_to(int socket_fd, const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (strlen(path) < sizeof address.sun_path) {
                memcpy(address.sun_path, path, strlen(path));
                return connect(socket_fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
        }
        CLEAN_FD int fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", fd);
        return connect(socket_fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
}

int notify_hand_over(const char *path, const struct notify_state *s, int listener, struct error *e)
{
        static const struct timeval patience = { .tv_sec = 10 };
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int r = fd < 0 ? -errno : 0;
        if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
                r = -errno;
        if (r == 0)
                r = connect_to(fd, path);
        if (r < 0) {
                r = error_errno(e, r, "seccomp.listener", "connecting to the agent at %s", path);
                error_hint(e, "listenerPath names the socket of a program that answers system calls; it must be listening");
                return r;
        }
        notify_format(s, &t);
        return notify_send(fd, &t, listener, e);
}
