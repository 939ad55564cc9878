/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which devices a group may use.  The rules of the specification are read in their order and the last one that speaks of
 * an access decides; what none speaks of is refused.  v1 keeps a list of exceptions from "nothing" or "all"; v2 asks a program.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "os/bpf.h"
#include "os/cgroup_resources.h"

/* ---- v1 ---- */

/* "nothing but these" or "all but these". */
struct cgroup_exceptions {
        bool from_all;
        struct cgroup_device_rule *items; /* type 'b' or 'c'; allow is not used */
        size_t count, room;
};
void cgroup_exceptions_done(struct cgroup_exceptions *x);
/* -EOPNOTSUPP, and the number of the rule, where such a list cannot say it: a part taken out of a wider exception. */
int cgroup_exceptions_of(const struct cgroup_device_rule *rules, size_t count, struct cgroup_exceptions *ret, size_t *ret_rule);
/* Writes it into devices.allow and devices.deny of the folder; fresh: nobody is in it yet. -errno, and what was being written. */
int cgroup_exceptions_write(int folder_fd, const struct cgroup_exceptions *x, bool fresh, char **ret_line);

/* ---- v2 ---- */

void cgroup_device_program_of(const struct cgroup_device_rule *rules, size_t count, struct bpf_program *ret);
/* Loads the program and ties it to the folder, in the place of the one that was there unless the folder is fresh. 0 or -errno. */
int cgroup_device_program_attach(int folder_fd, const struct bpf_program *p, bool fresh);
