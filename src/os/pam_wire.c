/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/pam_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void pam_wire_add(struct text *message, const char *s)
{
        text_add_bytes(message, s, strlen(s) + 1);
}

static int send_all(int fd, const void *data, size_t size)
{
        const char *p = data;
        while (size) {
                ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

int pam_wire_send(int fd, const struct text *message)
{
        uint32_t size = (uint32_t)message->length;
        if (message->length > PAM_MESSAGE_MAX)
                return -E2BIG;
        int r = send_all(fd, &size, sizeof size);
        return r < 0 ? r : send_all(fd, message->data, message->length);
}

static int receive_all(int fd, void *data, size_t size)
{
        char *p = data;
        while (size) {
                ssize_t n = recv(fd, p, size, 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? errno == EAGAIN ? -ETIMEDOUT : -errno : -ENODATA;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

int pam_wire_receive(int fd, struct strings *ret)
{
        uint32_t size;
        int r = receive_all(fd, &size, sizeof size);
        if (r < 0)
                return r;
        if (size == 0 || size > PAM_MESSAGE_MAX)
                return -EBADMSG;
        CLEAN_FREE char *data = xalloc(size, 1);
        r = receive_all(fd, data, size);
        if (r < 0)
                return r;
        if (data[size - 1])
                return -EBADMSG;
        for (const char *p = data; p < data + size; p += strlen(p) + 1)
                strings_add(ret, p);
        return 0;
}
