/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

int path_open_in(int root_fd, const char *path, int extra_flags)
{
        struct open_how how = { .flags = (uint64_t)(O_PATH | O_CLOEXEC | extra_flags),
                                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
        long fd;
        do
                fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
        while (fd < 0 && (errno == EAGAIN || errno == EINTR));
        return fd < 0 ? -errno : (int)fd;
}

int path_of(int proc_fd, int fd, char *ret, unsigned long size)
{
        char link[48];
        (void)snprintf(link, sizeof link, "self/fd/%d", fd);
        ssize_t n = readlinkat(proc_fd, link, ret, size - 1);
        if (n < 0)
                return -errno;
        if ((unsigned long)n == size - 1)
                return -ENAMETOOLONG;
        ret[n] = 0;
        return 0;
}
