/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a plan that says what a unit's sockets may do.  Origins belong to the plan. */
#pragma once

#include "base/text.h"
#include "os/cgroup_network.h"

struct plan_network {
        struct cgroup_prefixes addresses; /* in the order in which they were asked for */
        const char *allow_origin, *deny_origin;
        struct cgroup_bind_rules binds;
        const char *bind_allow_origin, *bind_deny_origin;
        struct strings interfaces;
        bool interfaces_allowed; /* nothing but these, rather than all but these */
        const char *interfaces_origin; /* NULL: all may be used */
        char *bound_interface;   /* where new sockets send through */
        const char *bound_origin;
        const char *accounting_origin; /* packets are counted; NULL: not asked for */
};

void plan_network_done(struct plan_network *n);
/* Whether anything is denied, so that programs are needed. */
bool plan_network_is_restricted(const struct plan_network *n);
/* "10.0.0.0/8" */
char *plan_prefix_words(const struct cgroup_prefix *p);
/* "ipv4 tcp 80-90", "any" */
char *plan_bind_words(const struct cgroup_bind_rule *r);
