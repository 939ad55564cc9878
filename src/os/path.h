/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one resolver: paths become descriptors through openat2, magic links never followed. */
#pragma once

/* O_PATH descriptor of path below root_fd, ".." and links held inside it.  -errno. */
int path_open_in(int root_fd, const char *path, int extra_flags);
/* The absolute path that the descriptor names now, from proc_fd/self/fd; at most size bytes. 0 or -errno. */
int path_of(int proc_fd, int fd, char *ret, unsigned long size);
