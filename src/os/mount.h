/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's descriptor-based mount interface.  A mount is made detached, given its attributes, then
 * attached: it is never visible half-made.  All return a descriptor or 0, or -errno; callers add the words.
 */
#pragma once

#include <linux/mount.h>
#include <stdbool.h>
#include <stdint.h>

/* A detached copy of what is at dir_fd/path ("" for dir_fd itself), with everything mounted below if recursive. */
int mount_clone_tree(int dir_fd, const char *path, bool recursive);
struct mount_option {
        const char *key, *value; /* value NULL: a flag */
};
/* A new file system, detached.  options end with a NULL key; attributes are MOUNT_ATTR_*. */
int mount_new(const char *type, const struct mount_option *options, uint64_t attributes);
/* Sets attributes (MOUNT_ATTR_*) and, unless 0, propagation (MS_SLAVE...) on the mount at dir_fd/path. */
int mount_set(int dir_fd, const char *path, uint64_t attributes, uint64_t propagation, bool recursive);
/* Attaches mount_fd at dir_fd/path; path "" puts it on the descriptor itself. */
int mount_attach(int mount_fd, int dir_fd, const char *path);
int mount_detach(const char *path);
/* Makes root_fd, a mount, the root of the namespace and lets go of the old one. */
int mount_pivot(int root_fd);
