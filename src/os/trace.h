/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watching other processes at their system calls (ptrace).  Whoever begins to watch is whom waitpid(__WALL) tells. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum trace_stop {
        TRACE_CALL,   /* a system call begins or has ended */
        TRACE_EXEC,   /* a program was executed; the message is the thread's id before */
        TRACE_BIRTH,  /* fork, vfork or clone; the message is the new thread */
        TRACE_GROUP,  /* stopped as SIGSTOP and its like stop */
        TRACE_FRESH,  /* a new thread, or one that goes on after a group stop */
        TRACE_SIGNAL, /* is about to be given a signal */
        TRACE_OTHER,
};

struct trace_call {
        bool ended;      /* false: it begins */
        uint32_t arch;   /* AUDIT_ARCH_*, only where it begins */
        uint64_t nr, args[6];
        int64_t result;  /* where it has ended; negative errno if failed */
        bool failed;
};

/* Begins to watch a thread and what it will start: it comes to a stop before its next call. 0 or -errno. */
int trace_begin(pid_t pid);
/* What a stopped thread's status of waitpid means; ret_signal: the one to be given. */
enum trace_stop trace_read_stop(int status, int *ret_signal);
/* The call at which a thread is stopped. 0 or -errno. */
int trace_read_call(pid_t pid, struct trace_call *ret);
/* The number that comes with a stop. 0 or -errno. */
int trace_read_message(pid_t pid, unsigned long *ret);
/* Goes on to the next call; signal 0: none. */
int trace_go_on(pid_t pid, int signal);
/* Stays in a group stop, listening. */
int trace_stay(pid_t pid);
/* Lets go; signal as above. */
int trace_end(pid_t pid, int signal);
