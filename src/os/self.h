/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our own program file, kept out of a container's reach.
 *
 * A process that works inside a container's namespaces shows there what it was started from: /proc/PID/exe and
 * map_files lead to the host's file, through a mount that can be written (CVE-2019-5736 and kin).  So before that, such a
 * process exchanges its mappings of the file and its "exe" for those of a read-only copy of the mount.  Nothing is
 * executed again and no byte is copied but the data that has changed.
 */
#pragma once

#include <stdbool.h>

/* Opens our program file through a mount of its own that is read-only, or a sealed copy. A descriptor or -errno. */
int self_open_read_only(void);
/* A sealed copy in memory, which runs where no file of the host can be seen or executed. A descriptor or -errno. */
int self_copy_sealed(void);
/* Whether our program file stands on a mount that is read-only already. */
bool self_is_read_only(void);
/* Whether the kernel can exchange the file of a running process (PR_SET_MM_MAP, CONFIG_CHECKPOINT_RESTORE). */
bool self_can_exchange(void);
/* Reads what self_exchange needs of procfs, so that a child that this process clones need not. 0 or -errno. */
int self_prepare(void);
/*
 * Makes fd, of self_open_read_only, the file of this process.  Needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in the user
 * namespace, and a single thread.  0 or -errno; after a failure the process goes on as it was.
 */
int self_exchange(int fd);
/* Where the above cannot be had: executes the program again from fd, with the same arguments. Returns only on failure. */
int self_execute(int fd, char **argv);
