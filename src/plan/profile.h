/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System call profiles, the filters of OCI configurations, as data, and their translation to BPF.  Names and meaning
 * follow the OCI runtime specification; where it is silent, the program answers as libseccomp's own translation of the
 * same rules, which is what other runtimes load:
 *
 *  - The rules of one call are alternatives; the conditions of one rule must all hold, unless two of them look at the
 *    same argument: then each condition of that rule is a rule of its own.
 *  - A rule without conditions takes precedence over rules with conditions for the same call; of two without, the first
 *    counts.  Of several rules whose conditions hold, too, the first counts.  The same conditions with two actions are an
 *    error.
 *  - A rule whose action is the default one says nothing.
 *  - Calls of architectures that are not listed, x32 among them, end the process; the native one is always listed.
 *
 * One thing is added.  Where the default action denies, a call that is newer than all that the profile names, and than
 * Linux 4.0, fails with ENOSYS: a C library that tries a new call first then falls back to an older one.
 *
 * Nothing here touches the running process; os/seccomp.h installs the result.
 */
#pragma once

#include "plan/filter.h"

enum profile_op { PROFILE_NE, PROFILE_LT, PROFILE_LE, PROFILE_EQ, PROFILE_GE, PROFILE_GT, PROFILE_MASKED_EQ };
enum { PROFILE_ARGS_MAX = 6 };

struct profile_arg {
        uint32_t index; /* 0 to 5 */
        uint32_t op;    /* enum profile_op */
        uint64_t value; /* PROFILE_MASKED_EQ: the mask */
        uint64_t value_two; /* PROFILE_MASKED_EQ: equal to the argument in the bits of the mask; otherwise ignored */
};

struct profile_rule {
        struct strings names;
        uint32_t action; /* SECCOMP_RET_*, with errno or data in the lower half */
        struct profile_arg *args;
        size_t arg_count, arg_room;
};

struct profile {
        uint32_t default_action;
        uint64_t architectures; /* bit N: profile_architectures[N] */
        uint32_t flags;         /* SECCOMP_FILTER_FLAG_* */
        struct profile_rule *rules;
        size_t rule_count, rule_room;
        char *listener_path, *listener_metadata; /* NULL: none */
};

void profile_free(struct profile *p);

/* What a profile becomes. */
struct profile_program {
        struct filter_program filter;
        uint32_t flags;       /* for seccomp_install_flags; with SECCOMP_FILTER_FLAG_NEW_LISTENER if a rule notifies */
        struct strings notes; /* what was passed over, for the user */
};
void profile_program_clear(struct profile_program *p);
#define CLEAN_PROFILE_PROGRAM CLEAN(profile_program_clear)

/* 0, or "seccomp.contradiction", "seccomp.architecture" or "seccomp.compile". ret must be empty. */
int profile_compile(const struct profile *p, struct profile_program *ret, struct error *e);
/* Adds everything that profile_compile depends on, but the program's own version, as bytes: equal for equal profiles. */
void profile_describe(const struct profile *p, struct text *t);
/* Whether a rule asks a listener. */
bool profile_notifies(const struct profile *p);

/* The words of the specification; each list ends with a NULL name. */
struct profile_word {
        const char *name;
        uint32_t value;
};
extern const struct profile_word profile_actions[];       /* SECCOMP_RET_* */
extern const struct profile_word profile_operators[];     /* enum profile_op */
extern const struct profile_word profile_architectures[]; /* SCMP_ARCH_*, 0 where libseccomp has none */
extern const struct profile_word profile_flags[];         /* SECCOMP_FILTER_FLAG_* */
