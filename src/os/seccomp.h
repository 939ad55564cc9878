/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Installing system call filters on the calling thread. */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Adds a filter to those in force.  Needs CAP_SYS_ADMIN in the user namespace or no_new_privs.  Returns 0, or
 * with listener the descriptor (close-on-exec) that answers SECCOMP_RET_USER_NOTIF, or -errno.  There can be
 * only one listener in a process and its ancestors' filters: -EBUSY.
 */
int seccomp_install(const struct sock_filter *code, unsigned short count, bool listener);

/*
 * As above, with flags of the kernel (SECCOMP_FILTER_FLAG_*).  With SECCOMP_FILTER_FLAG_NEW_LISTENER it returns the
 * descriptor.  -EINVAL where the kernel lacks a flag; -EBUSY where SECCOMP_FILTER_FLAG_TSYNC meets a thread with filters
 * of its own.
 */
int seccomp_install_flags(const struct sock_filter *code, unsigned short count, unsigned long flags);
/* What this kernel can do, found out by trying; nothing is installed. */
bool seccomp_knows_flag(unsigned long flag);
bool seccomp_knows_action(uint32_t action); /* SECCOMP_RET_* */

/* A copy of the listener that a process has at descriptor number. Needs the right to trace it. -errno on failure. */
int seccomp_copy_listener(int pidfd, int number);

/* A call that waits for the listener's answer. */
struct seccomp_call {
        uint64_t id;
        pid_t pid; /* the thread, as seen from the listener's pid namespace */
        uint32_t arch;
        int nr;
        uint64_t args[6];
};

/* Blocks for the next call: 0, or -errno; -ESHUTDOWN when the last filtered thread is gone, -ENOENT when this one was. */
int seccomp_receive(int listener, struct seccomp_call *ret);
/* error 0 lets the kernel carry the call out; else it returns -1 and error (positive). 0 or -errno. */
int seccomp_answer(int listener, uint64_t id, int error);

/*
 * Closes what a Landlock domain leaves open to a payload with CAP_SYS_ADMIN: Landlock refuses mount(2) and
 * umount, but not the descriptor-based mount calls, which make read-only mounts writable and show what is
 * under a mount; nor file handles and input faked on a terminal.  With observed, the calls that are refused
 * whatever their arguments are left to a listener, which refuses them (sandbox/denials.h).  Returns 0 or -errno.
 */
int seccomp_install_seal(bool observed);
/* The seal's program, for those who judge it without installing it. */
const struct sock_filter *seccomp_seal(unsigned short *ret_count);
