/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors over unix sockets. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

enum { DESCRIPTORS_MAX = 250 }; /* the kernel takes 253 */

/* Sends size bytes (at least one) with count descriptors. 0 or -errno. */
int descriptor_send(int socket, const void *data, size_t size, const int *fds, size_t count);
/*
 * Receives up to size bytes and at most max descriptors, close-on-exec; *ret_count of them came.  The number of bytes,
 * 0 at the end, or -errno.
 */
ssize_t descriptor_receive(int socket, void *data, size_t size, int *fds, size_t max, size_t *ret_count);
/*
 * Connects to the unix socket at path, of any length: what does not fit into an address goes through its folder.
 * type: SOCK_STREAM or SOCK_SEQPACKET.  A descriptor or -errno.
 */
int descriptor_connect(const char *path, int type);
/* A listening socket of mode 0600 at name in the folder, whose old one is replaced. A descriptor or -errno. */
int descriptor_listen(int folder, const char *name, int type);
