/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plan in words, for people and as JSON: what isolates the payload, who asked for it, and what stays open.
 * Pure: nothing is run and nothing is looked up.
 */
#pragma once

#include "plan/plan.h"

/* What the plan would meet; gathered by the caller. */
struct explain_host {
        bool privileged;       /* root with CAP_SYS_ADMIN: no user namespace is needed first */
        bool landlock;         /* the kernel has it */
        uint64_t capabilities; /* the full bounding set */
};

void explain_text(const struct plan *p, const struct explain_host *host, struct text *t);
/* One object on one line; "version" is raised when a member changes its meaning. */
void explain_json(const struct plan *p, const struct explain_host *host, struct text *t);
