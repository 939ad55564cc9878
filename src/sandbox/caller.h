/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process that makes a system call means by its arguments: its memory, and paths as it sees them. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Up to size bytes; fewer where its memory ends. False when there is nothing. */
bool caller_read(pid_t pid, uint64_t address, void *ret, size_t size, size_t *ret_size);
/* A text that is not empty; cut to PATH_MAX - 1 bytes. */
bool caller_read_string(pid_t pid, uint64_t address, char ret[PATH_MAX]);
/*
 * The absolute path that a call means, as the caller's mount namespace has it, whatever the caller's root is. Links are followed, unless
 * last_link and it is the last part; the last part may be missing, but not its folder. folder: a descriptor of the caller's or AT_FDCWD.
 */
bool caller_resolve(pid_t pid, int folder, const char *path, bool last_link, char ret[PATH_MAX]);
