/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File systems by name, as RestrictFileSystems= has them, and the numbers by which a kernel knows them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { FILE_SYSTEM_MAGICS = 3 };

struct file_system {
        char name[20];
        uint32_t magics[FILE_SYSTEM_MAGICS]; /* 0: no more.  Some names share one: then they stand or fall together. */
};
/* NULL if the name is not known. */
const struct file_system *file_system_find(const char *name);
/* The names of a group such as "@network" are added. False if there is no such group. */
bool file_system_group(const char *name, struct strings *ret);

/* The part of a plan. */
struct plan_file_systems {
        struct strings names;
        bool allowed; /* nothing but these may be opened, rather than all but these */
        const char *origin; /* NULL: all may be opened */
};
