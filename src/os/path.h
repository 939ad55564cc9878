/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one resolver: paths become descriptors through openat2, magic links never followed. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* How far a path below a root is trusted. In all cases ".." and links stay inside and magic links are refused. */
enum path_trust {
        PATH_LINKS,       /* links are followed, inside the root */
        PATH_NO_LINKS,    /* a link anywhere on the way is -ELOOP */
        PATH_LAST_LINK,   /* as PATH_LINKS, but a link as the last component is itself what is meant */
};

/* O_PATH descriptor of path below root_fd, ".." and links held inside it.  -errno. */
int path_open_in(int root_fd, const char *path, int extra_flags);
/* The absolute path that the descriptor names now, from proc_fd/self/fd; at most size bytes. 0 or -errno. */
int path_of(int proc_fd, int fd, char *ret, unsigned long size);
/* As openat2 below root_fd with flags (O_CLOEXEC is added) and mode. -errno. */
int path_open_as(int root_fd, const char *path, int flags, mode_t mode, enum path_trust trust);
/*
 * O_PATH descriptor of path below root_fd, which is made where it is missing: a folder or an empty regular file, and the
 * folders above it, one component at a time. With PATH_LINKS a link to what is missing has that made, inside the root.  -errno.
 */
int path_make_in(int root_fd, const char *path, bool folder, enum path_trust trust);
