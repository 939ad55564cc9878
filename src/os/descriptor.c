/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/descriptor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/text.h"

union control {
        struct cmsghdr header;
        char room[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

int descriptor_send(int socket, const void *data, size_t size, const int *fds, size_t count)
{
        union control control = { .room = { 0 } };
        struct iovec io = { (void *)data, size };
        struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = count ? &control : NULL,
                            .msg_controllen = count ? CMSG_SPACE(count * sizeof *fds) : 0 };
        if (count > DESCRIPTORS_MAX)
                return -E2BIG;
        if (count) {
                struct cmsghdr *c = CMSG_FIRSTHDR(&m);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(count * sizeof *fds);
                memcpy(CMSG_DATA(c), fds, count * sizeof *fds);
        }
        ssize_t n;
        do
                n = sendmsg(socket, &m, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : (size_t)n == size ? 0 : -EIO;
}

ssize_t descriptor_receive(int socket, void *data, size_t size, int *fds, size_t max, size_t *ret_count)
{
        union control control = { .room = { 0 } };
        struct iovec io = { data, size };
        struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        ssize_t n;
        *ret_count = 0;
        do
                n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count; i++) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
                        if (*ret_count < max)
                                fds[(*ret_count)++] = fd;
                        else
                                fd_close(fd);
                }
        }
        return n;
}

/* A path that is too long for an address is written as /proc/self/fd/N/NAME. */
static int fill_address(struct sockaddr_un *address, const char *path, int *ret_folder)
{
        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        *ret_folder = -EBADF;
        if (strlen(path) < sizeof address->sun_path) {
                strcpy(address->sun_path, path);
                return 0;
        }
        const char *slash = strrchr(path, '/');
        CLEAN_FREE char *above = xstrndup(path, slash ? (size_t)(slash - path) : 0);
        *ret_folder = open(*above ? above : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (*ret_folder < 0)
                return -errno;
        int n = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", *ret_folder, slash ? slash + 1 : path);
        return n < (int)sizeof address->sun_path ? 0 : -ENAMETOOLONG;
}

int descriptor_connect(const char *path, int type)
{
        struct sockaddr_un address;
        CLEAN_FD int folder = -EBADF;
        int r = fill_address(&address, path, &folder);
        if (r < 0)
                return r;
        CLEAN_FD int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        while (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
                if (errno != EINTR)
                        return -errno;
        return TAKE_FD(fd);
}

int descriptor_listen(int folder, const char *name, int type)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CLEAN_FD int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%.60s", folder, name);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
                if (errno != EADDRINUSE || unlinkat(folder, name, 0) < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
                        return -errno;
        }
        return listen(fd, 16) < 0 ? -errno : TAKE_FD(fd);
}
