/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/mount.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

static int result(long r)
{
        return r < 0 ? -errno : (int)r;
}

int mount_clone_tree(int dir_fd, const char *path, bool recursive)
{
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) | (*path ? 0 : AT_EMPTY_PATH);
        return result(syscall(SYS_open_tree, dir_fd, path, flags));
}

int mount_new(const char *type, const struct mount_option *options, uint64_t attributes)
{
        CLEAN_FD int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
        if (fs < 0)
                return -errno;
        for (; options && options->key; options++) {
                unsigned command = options->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
                if (syscall(SYS_fsconfig, fs, command, options->key, options->value, 0) < 0)
                        return -errno;
        }
        if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        return result(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
}

int mount_set(int dir_fd, const char *path, uint64_t attributes, uint64_t propagation, bool recursive)
{
        struct mount_attr attr = { .attr_set = attributes, .propagation = propagation };
        unsigned flags = (recursive ? AT_RECURSIVE : 0) | (*path ? 0 : AT_EMPTY_PATH);
        return result(syscall(SYS_mount_setattr, dir_fd, path, flags, &attr, sizeof attr));
}

int mount_attach(int mount_fd, int dir_fd, const char *path)
{
        unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0 : MOVE_MOUNT_T_EMPTY_PATH);
        return result(syscall(SYS_move_mount, mount_fd, "", dir_fd, path, flags));
}

int mount_detach(const char *path)
{
        return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

int mount_pivot(int root_fd)
{
        if (fchdir(root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return -errno;
        return 0;
}
