/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Landlock: a domain that a process can enter and never leave.  Any domain that handles file access makes the
 * kernel refuse mount(2), umount, remount and pivot_root, and every look into processes outside it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The Landlock version of this kernel, 0 without. */
int landlock_version(void);
/*
 * Enters a domain.  writable == NULL: all access stays allowed, only the seal remains.  Else writing is allowed
 * below the count descriptors in writable alone; reading and executing everywhere.  0 or -errno.
 */
int landlock_enter(const int *writable, size_t count);
