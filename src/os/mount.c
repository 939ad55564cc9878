/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/mount.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/text.h"

static int result(long r)
{
        return r < 0 ? -errno : (int)r;
}

int mount_clone_tree(int dir_fd, const char *path, bool recursive)
{
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) | (*path ? 0 : AT_EMPTY_PATH);
        return result(syscall(SYS_open_tree, dir_fd, path, flags));
}

int mount_clone_source(const char *path, bool recursive, bool no_follow)
{
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) | (no_follow ? AT_SYMLINK_NOFOLLOW : 0);
        return result(syscall(SYS_open_tree, AT_FDCWD, path, flags));
}

/* The newest line of the file system's log, without its "e " in front. */
static void read_message(int fs, const struct mount_request *r)
{
        if (!r->message_size)
                return;
        ssize_t n = read(fs, r->message, r->message_size - 1);
        r->message[n > 0 ? n : 0] = 0;
        if (n > 2)
                memmove(r->message, r->message + 2, (size_t)n - 1);
        r->message[strcspn(r->message, "\n")] = 0;
}

static int configure(int fs, const struct mount_request *r)
{
        if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", r->source ? r->source : r->type, 0) < 0)
                return -errno;
        for (const struct mount_option *o = r->options; o && o->key; o++) {
                unsigned command = o->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
                if (syscall(SYS_fsconfig, fs, command, o->key, o->value, 0) < 0)
                        return -errno;
        }
        if (r->process_namespace > 0 && syscall(SYS_fsconfig, fs, FSCONFIG_SET_FD, "pidns", NULL, r->process_namespace) < 0)
                return -errno;
        return syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

bool mount_proc_takes(int process_namespace)
{
        CLEAN_FD int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
        return fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_SET_FD, "pidns", NULL, process_namespace) == 0;
}

int mount_new_with(const struct mount_request *r)
{
        if (r->message_size)
                *r->message = 0;
        CLEAN_FD int fs = (int)syscall(SYS_fsopen, r->type, FSOPEN_CLOEXEC);
        if (fs < 0)
                return -errno;
        int k = configure(fs, r);
        if (k == 0)
                k = result(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, r->attributes));
        if (k < 0)
                read_message(fs, r);
        return k;
}

static bool is_label(const char *key)
{
        static const char *const labels[] = { "context", "fscontext", "defcontext", "rootcontext" };
        for (size_t i = 0; i < ELEMENTS(labels); i++)
                if (text_equal(key, labels[i]))
                        return true;
        return false;
}

/* The first of "a=b,c"; *rest is what comes after it. */
static int take_option(char **rest, struct mount_option *ret)
{
        char *word = *rest, *end = word + strcspn(word, ","), *value = word + strcspn(word, "=,"), *next = end;
        bool has_value = *value == '=';
        if (has_value)
                *value++ = 0;
        if (has_value && *value == '"' && is_label(word)) {
                value++;
                end = value + strcspn(value, "\"");
                next = end + 1;
                if (!*end || (*next && *next != ','))
                        return -EINVAL;
        }
        *rest = *next ? next + 1 : next;
        *end = 0;
        *ret = (struct mount_option){ word, has_value ? value : NULL };
        return 0;
}

int mount_split_options(char *data, struct mount_option *options, size_t max, size_t used)
{
        while (data && *data) {
                if (used + 1 >= max)
                        return -E2BIG;
                int r = take_option(&data, &options[used]);
                if (r < 0)
                        return r;
                used += *options[used].key != 0;
        }
        options[used] = (struct mount_option){ 0 };
        return (int)used;
}

int mount_change(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive)
{
        struct mount_attr attr = { .attr_set = set, .attr_clr = clear, .propagation = propagation };
        return result(syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr));
}

int mount_map_ids(int fd, int users_fd, bool recursive)
{
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)users_fd };
        return result(syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr));
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

bool mount_is_root(int fd)
{
        struct statx st;
        return statx(fd, "", AT_EMPTY_PATH, 0, &st) == 0 && st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT && st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
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
