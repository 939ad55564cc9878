/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System call filters: what SystemCallFilter= says, as data, and its translation to BPF.  Nothing here
 * touches the running process; os/seccomp.h installs the result.
 *
 * Several filters may be installed one after another; the kernel takes the strictest answer.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum {
        FILTER_KILL = -1,    /* end the whole process with SIGSYS */
        FILTER_DEFAULT = -2, /* in an allow-list: allowed; in a deny-list: as default_error says */
};

struct filter_rule {
        int nr; /* libseccomp's number: the native one, or a negative pseudo number if there is no native one
                 */
        int error; /* errno to return, FILTER_KILL or FILTER_DEFAULT */
};

/* All zero is a valid filter that filters nothing. */
struct filter {
        bool set;        /* false: no filter at all */
        bool logs;       /* what is not allowed is carried out and logged (SystemCallLog=); set before the first assignment */
        bool allow_list; /* decided by the first assignment; of logs: all else is logged */
        struct filter_rule *rules;
        size_t count, room;
        int default_error; /* errno; FILTER_KILL or 0 (not configured): kill */
};

struct filter_program {
        struct sock_filter *code;
        unsigned short count;
};

/*
 * One assignment of SystemCallFilter=, or with f->logs of SystemCallLog=, with systemd's meaning of "~", of later lines and of the empty value.
 * With lenient, a word that cannot be used is left out and noted; otherwise it is an error, after which f may
 * hold the words before it.  notes may be NULL.
 */
int filter_add(struct filter *f, const char *value, bool lenient, struct strings *notes, struct error *e);
/*
 * Denies one more name or @group in a deny-list of the program's own (for Protect*=).  error is an errno or
 * FILTER_KILL.  Names unknown here are passed over: there is nothing to deny.  -EINVAL on an allow-list.
 */
int filter_deny_calls(struct filter *f, const char *group_or_name, int error);
void filter_clear(struct filter *f);

/* For the native architecture and its 32-bit siblings.  notify: ask the listener instead of denying. */
int filter_compile(const struct filter *f, bool notify, struct filter_program *ret, struct error *e);
/* Refuses to make set-user-id and set-group-id files, as RestrictSUIDSGID=. */
int filter_restrict_suid_sgid(struct filter_program *ret, struct error *e);
void filter_program_clear(struct filter_program *p);
/* A context of libseccomp (scmp_filter_ctx) for the native architecture and its siblings; release it. */
int filter_open_context(uint32_t default_action, void **ret, struct error *e);
/* The program of a context of libseccomp (scmp_filter_ctx), behind front_count instructions of our own. */
int filter_export(void *context, const struct sock_filter *front, size_t front_count, struct filter_program *ret, struct error *e);

/*
 * The ipc() of i386 carries twelve calls.  Its first argument is the number of one of these in the lower half and a version in the upper half,
 * which the kernel masks and libseccomp's comparisons do not: a rule for shmat (21) would not see 0x20015.  The guard answers ENOSYS to versions;
 * it goes in front of a program that denies such a call and allows what it does not name.
 */
enum { FILTER_IPC_GUARD = 7 };
void filter_ipc_guard(struct sock_filter ret[FILTER_IPC_GUARD]);
/* Whether ipc() carries the call of that name. */
bool filter_is_ipc_call(const char *name);

/* What f answers to a call: 0 allowed, an errno, or FILTER_KILL. */
int filter_verdict(const struct filter *f, const char *name);
/* Makes a call that f allows ask the listener, where f is compiled with notify. Unknown names are passed over. */
void filter_watch(struct filter *f, const char *name);
void filter_watch_number(struct filter *f, int nr);
/* The name of call nr of an architecture (AUDIT_ARCH_*); NULL when unknown. Free it. */
char *filter_call_name(uint32_t arch, int nr);

/* The number of a call as used in struct filter_rule; false if neither libseccomp nor our table knows it. */
bool filter_call_number(const char *name, int *ret);
/* "EPERM" or "1".."4095".  0 or -EINVAL. */
int errno_parse(const char *s, int *ret);
