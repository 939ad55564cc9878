/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SysV and POSIX objects of inter-process communication, which outlive the processes of their owner. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Whether this user id owns any. */
bool ipc_owned_by(uid_t uid);
/* Removes all that it owns. 0 or the first -errno. */
int ipc_remove_of(uid_t uid);
