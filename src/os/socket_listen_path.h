/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways of os/socket_listen.c: folders, and options of sockets. */
#pragma once

#include "os/socket_listen.h"

enum { LISTEN_LINKS_MAX = 40 };
#define LISTEN_MAKE_NO_FOLDER ((mode_t)-1)

/*
 * O_PATH descriptor of the folder of an absolute path, and the last component. Missing folders are made with that mode. Links are followed
 * only if root or the caller owns them. -errno.
 */
int listen_folder(const char *path, mode_t mode, char **ret_name, struct error *e);
/* The options that only hold before an address is bound. */
int listen_prepare(int fd, const struct listen_address *a, const struct listen_options *o, struct error *e);
