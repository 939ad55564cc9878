/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes by descriptor: clone3, pidfds, namespaces. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * As fork, into new namespaces (CLONE_NEW*) and, unless negative, into the cgroup v2 folder cgroup_fd.
 * In the parent: the pid, and a pidfd in *ret_pidfd.  In the child: 0.  Else -errno.
 */
pid_t process_clone(uint64_t namespaces, int cgroup_fd, int *ret_pidfd);
/* As process_clone, but the child becomes a child of our parent, to which the pid means the same. */
pid_t process_clone_sibling(uint64_t namespaces, int cgroup_fd, int *ret_pidfd);
/*
 * Calls run(data), which must end by _exit, in a new process that has descriptors of its own but our memory, on a stack
 * of its own, while we wait for its end, as vfork does: nothing of our memory is copied for it.  Its pid, which is
 * ours to wait for; -ENOSYS where that is not to be had.
 */
pid_t process_clone_borrowing(int cgroup_fd, void (*run)(void *data), void *data);
/* As fork, sharing the table of descriptors. The pid, 0 in the child, or -errno. */
pid_t process_clone_files(void);
int process_open(pid_t pid);             /* a pidfd or -errno */
/* A copy of the descriptor that a thread of a process has at this number; takes the right to trace it. -errno on failure. */
int process_copy_descriptor(pid_t thread, int number);
int process_signal(int pidfd, int signal); /* 0 or -errno */
/* Every signal does again what it does by default, and none is blocked. */
void process_forget_signals(void);
/* Marks every descriptor from first up close-on-exec, without a limit to miss one. */
int process_cloexec_from(unsigned first);
/* Closes every descriptor from first up but the count ones in kept (negative ones are passed over). */
void process_close_others(const int *kept, size_t count, unsigned first);
/* CLONE_NEW* flag of a name ("mnt", "net"...) for messages. */
const char *process_namespace_name(uint64_t flag);
/* Executes another of our programs: from the folder that we were started from, or the libexec folder beside it. Returns only on failure, with errno. */
void process_exec_beside(const char *name, char *const *argv, char *const *environment);
/*
 * Whether it is a bulkhead-pam, which closes a session when its command has ended, with the commands of PAM's modules below it. A payload with our
 * uid can pass for one: go by it only where that gains nothing.
 */
bool process_holds_session(pid_t pid);
