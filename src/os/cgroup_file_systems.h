/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which kinds of file systems a group's processes may open files of: a program at the kernel's hook for opening (BPF LSM). */
#pragma once

#include "os/cgroup_network.h"

enum { CGROUP_MAGICS_MAX = 512 };

/* Where the structures of this kernel have what the program looks at, and the number of the hook. */
struct cgroup_open_hook {
        uint32_t function, file_inode, inode_super, super_magic;
};
/* Nothing but file systems with these magic numbers, or all but these. */
void cgroup_open_program_of(const struct cgroup_open_hook *h, const uint32_t *magics, size_t count, bool allow, struct bpf_program *ret);
/*
 * Loads the program.  "bpf.lsm" where this kernel has no such hooks for groups, does not describe its structures, or does not ask the
 * programs at them.
 */
int cgroup_programs_add_open(struct cgroup_programs *l, const uint32_t *magics, size_t count, bool allow, const char *origin, struct error *e);
