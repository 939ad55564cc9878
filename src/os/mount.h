/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's descriptor-based mount interface.  A mount is made detached, given its attributes, then
 * attached: it is never visible half-made.  All return a descriptor or 0, or -errno; callers add the words.
 */
#pragma once

#include <linux/mount.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A detached copy of what is at dir_fd/path ("" for dir_fd itself), with everything mounted below if recursive. */
int mount_clone_tree(int dir_fd, const char *path, bool recursive);
/* The same of a path of the caller's own view; with no_follow a link at its end is taken as it is. */
int mount_clone_source(const char *path, bool recursive, bool no_follow);
struct mount_option {
        const char *key, *value; /* value NULL: a flag */
};
/*
 * Splits "a=b,c" in place, as mount(8) takes it, and puts the options after the `used` ones that are there, then a NULL key.  A label of
 * SELinux may stand in double quotes, for its categories have commas.  Returns how many there are now, -E2BIG where max does not do,
 * or -EINVAL for a quote that does not end where its option does.
 */
int mount_split_options(char *data, struct mount_option *options, size_t max, size_t used);
/* A new file system, detached.  options end with a NULL key; attributes are MOUNT_ATTR_*. */
int mount_new(const char *type, const struct mount_option *options, uint64_t attributes);
struct mount_request {
        const char *type, *source;           /* source NULL: as the type */
        const struct mount_option *options;  /* end with a NULL key; NULL: none */
        uint64_t attributes;
        int process_namespace;               /* procfs: shows this one (0: the caller's own); Linux 6.17 and later */
        char *message;                       /* takes what the kernel says of a failure, or "" */
        size_t message_size;
};
/* As mount_new, with a source to show and the kernel's own words when it refuses. */
int mount_new_with(const struct mount_request *request);
/* Whether the kernel's procfs can show a process namespace that the caller is not in. */
bool mount_proc_takes(int process_namespace);
/* Changes attributes of the mount that fd is, and with recursive of all below. */
int mount_change(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive);
/* Maps ids of a detached mount as the user namespace users_fd does. */
int mount_map_ids(int fd, int users_fd, bool recursive);
/* Sets attributes (MOUNT_ATTR_*) and, unless 0, propagation (MS_SLAVE...) on the mount at dir_fd/path. */
int mount_set(int dir_fd, const char *path, uint64_t attributes, uint64_t propagation, bool recursive);
/* Attaches mount_fd at dir_fd/path; path "" puts it on the descriptor itself. */
int mount_attach(int mount_fd, int dir_fd, const char *path);
/* Whether fd is the root of a mount. */
bool mount_is_root(int fd);
int mount_detach(const char *path);
/* Makes root_fd, a mount, the root of the namespace and lets go of the old one. */
int mount_pivot(int root_fd);
