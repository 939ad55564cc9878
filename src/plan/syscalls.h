/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The named groups of system calls ("@system-service") that SystemCallFilter= understands. */
#pragma once

#include <stddef.h>
#include <string.h>

struct syscall_group {
        const char *name;           /* with its "@" */
        const char *summary;        /* one line for people */
        const char *members; /* names, or other groups with their "@", each with its NUL; an empty one ends them */
};

/* One string in place of pointers: a program that is placed at random would have to write each of these, in each of its processes. */
#define FOR_EACH_MEMBER(m, group) for (const char *m = (group)->members; *m; m += strlen(m) + 1)

/* NULL if there is no such group. */
const struct syscall_group *syscall_group_find(const char *name);
/* The i-th group in the table's order, for listings; NULL after the last. */
const struct syscall_group *syscall_group_at(size_t i);
