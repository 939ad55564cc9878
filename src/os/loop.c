/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "os/mount.h"

enum { LOOP_MAJOR = 7, TRIES = 64 };

/* A node of our own, on a file system that nobody else sees: where devices have no nodes of themselves. */
static int open_own_node(int number, int flags)
{
        CLEAN_FD int fs = mount_new("ramfs", NULL, 0);
        if (fs < 0)
                return fs;
        if (mknodat(fs, "loop", S_IFBLK | 0600, makedev(LOOP_MAJOR, (unsigned)number)) < 0)
                return -errno;
        int fd = openat(fs, "loop", flags);
        return fd < 0 ? -errno : fd;
}

static int open_device(int number, bool read_only)
{
        CLEAN_FREE char *path = xprintf("/dev/loop%d", number);
        int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY;
        int fd = open(path, flags);
        struct stat st;
        if (fd < 0)
                return errno == ENOENT ? open_own_node(number, flags) : -errno;
        if (fstat(fd, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == makedev(LOOP_MAJOR, (unsigned)number))
                return fd;
        fd_close(fd);
        return -ENXIO;
}

int loop_attach(int fd, bool read_only)
{
        struct loop_config config = { .fd = (uint32_t)fd, .info = { .lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0) } };
        CLEAN_FD int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (control < 0)
                return -errno;
        /* Between asking and taking, another may take it. */
        for (int i = 0; i < TRIES; i++) {
                int number = ioctl(control, LOOP_CTL_GET_FREE);
                int device = number < 0 ? -errno : open_device(number, read_only);
                if (device < 0)
                        return device;
                if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
                        return device;
                int error = errno;
                fd_close(device);
                if (error != EBUSY)
                        return -error;
        }
        return -EBUSY;
}
