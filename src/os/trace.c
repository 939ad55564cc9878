/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/trace.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { CALL_BIT = 0x80 };

static void *number(unsigned long n)
{
        return (void *)n;
}

static int done(long r)
{
        return r < 0 ? -errno : 0;
}

int trace_begin(pid_t pid)
{
        int r = done(ptrace(PTRACE_SEIZE, pid, NULL, number(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
                                                            PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)));
        /* From a stop on it can be sent from call to call. */
        return r < 0 ? r : done(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL));
}

enum trace_stop trace_read_stop(int status, int *ret_signal)
{
        int signal = WSTOPSIG(status), event = status >> 16;
        *ret_signal = 0;
        switch (event) {
        case 0:
                if (signal == (SIGTRAP | CALL_BIT))
                        return TRACE_CALL;
                *ret_signal = signal;
                return TRACE_SIGNAL;
        case PTRACE_EVENT_EXEC:
                return TRACE_EXEC;
        case PTRACE_EVENT_FORK:
        case PTRACE_EVENT_VFORK:
        case PTRACE_EVENT_CLONE:
                return TRACE_BIRTH;
        case PTRACE_EVENT_STOP:
                return signal == SIGTRAP ? TRACE_FRESH : TRACE_GROUP;
        default:
                return TRACE_OTHER;
        }
}

int trace_read_call(pid_t pid, struct trace_call *ret)
{
        struct __ptrace_syscall_info info = { 0 };
        long n = ptrace(PTRACE_GET_SYSCALL_INFO, pid, number(sizeof info), &info);
        if (n < 0)
                return -errno;
        *ret = (struct trace_call){ .ended = info.op == PTRACE_SYSCALL_INFO_EXIT, .arch = info.arch };
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
                ret->nr = info.entry.nr;
                memcpy(ret->args, info.entry.args, sizeof ret->args);
        } else if (ret->ended) {
                ret->result = info.exit.rval;
                ret->failed = info.exit.is_error;
        } else
                return -EINVAL;
        return 0;
}

int trace_read_message(pid_t pid, unsigned long *ret)
{
        return done(ptrace(PTRACE_GETEVENTMSG, pid, NULL, ret));
}

int trace_go_on(pid_t pid, int signal)
{
        return done(ptrace(PTRACE_SYSCALL, pid, NULL, number((unsigned long)signal)));
}

int trace_stay(pid_t pid)
{
        return done(ptrace(PTRACE_LISTEN, pid, NULL, NULL));
}

int trace_end(pid_t pid, int signal)
{
        return done(ptrace(PTRACE_DETACH, pid, NULL, number((unsigned long)signal)));
}
