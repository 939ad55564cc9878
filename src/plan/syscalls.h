/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The named groups of system calls ("@system-service") that SystemCallFilter= understands. */
#pragma once

#include <stddef.h>

struct syscall_group {
        const char *name;           /* with its "@" */
        const char *summary;        /* one line for people */
        const char *const *members; /* names, or other groups with their "@"; ends with NULL */
};

/* NULL if there is no such group. */
const struct syscall_group *syscall_group_find(const char *name);
/* The i-th group in the table's order, for listings; NULL after the last. */
const struct syscall_group *syscall_group_at(size_t i);
