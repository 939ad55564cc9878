/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filters that belong to one directive each and look at the arguments of calls, as RestrictNamespaces=.  Nothing here
 * touches the running process; os/seccomp.h installs the result.
 */
#pragma once

#include "plan/filter.h"

enum restriction_kind {
        RESTRICTION_NAMESPACES,    /* mask: CLONE_NEW* that may be made and entered */
        RESTRICTION_REALTIME,
        RESTRICTION_PERSONALITY,   /* mask: the one that may be asked for */
        RESTRICTION_FAMILIES,      /* mask: address families, allowed with allow_list, else refused */
        RESTRICTION_ARCHITECTURES, /* mask: bits of restriction_architecture, beside the native one */
        RESTRICTION_MEMORY,        /* mask: 1 where the kernel keeps the rest by itself (PR_SET_MDWE) */
        RESTRICTION_KINDS
};

struct restriction {
        enum restriction_kind kind;
        uint64_t mask;
        bool allow_list;
};

enum { RESTRICTION_NAMESPACES_ALL = 0x7e020080 }; /* CLONE_NEW* of all eight */

int restriction_compile(const struct restriction *r, struct filter_program *ret, struct error *e);
/* The calls that it judges by their arguments, NULL at the end; NULL where it ends the process instead of refusing. */
const char *const *restriction_calls(const struct restriction *r);
/* What holds, for people; free it. */
char *restriction_words(const struct restriction *r);

/* Bits of names. 0 or -EINVAL. */
int restriction_namespace(const char *name, uint64_t *ret); /* "cgroup ipc net mnt pid user uts time" */
int restriction_family(const char *name, uint64_t *ret);    /* "AF_UNIX" */
int restriction_architecture(const char *name, uint64_t *ret); /* "native", "x86"... */
