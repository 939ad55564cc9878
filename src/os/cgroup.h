/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Control groups of all three layouts: v1, hybrid and v2.  A run gets one folder in a hierarchy that tracks its
 * processes, and one in each hierarchy that a limit needs, all named "<ours>/bulkhead/<unit>".
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

enum { CGROUP_FOLDERS_MAX = 6 };

struct cgroup_limits {
        uint64_t memory_max_bytes, tasks_max, cpu_quota_permille; /* UINT64_MAX: none */
        bool devices_closed; /* only null, zero, full, random, urandom, tty, ptmx and pts */
};

struct cgroup {
        int into_fd;                        /* v2 folder for clone3, or -EBADF */
        int procs_fd[CGROUP_FOLDERS_MAX];   /* v1 cgroup.procs: the child writes "0" */
        char *paths[CGROUP_FOLDERS_MAX];
        unsigned count, procs_count;
};

/*
 * Makes the folders and sets the limits.  note is called with each path before it is made.  Tracking that is
 * refused is no error (count 0); a limit that is refused is, with exit status 219.
 */
int cgroup_make(const char *unit, const struct cgroup_limits *limits, bool track, int (*note)(void *, const char *path),
                void *context, struct cgroup *ret, struct error *e);
/* Puts the calling process into the v1 folders. */
int cgroup_enter(const struct cgroup *c);
void cgroup_done(struct cgroup *c); /* forgets; what was made stays */
/* Kills all in the folder and removes it; waits up to a second. Missing is success. */
int cgroup_remove(const char *path);
