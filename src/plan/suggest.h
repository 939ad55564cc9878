/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives that would make a service less exposed, and how much each would. Pure: no system call, no privilege. */
#pragma once

#include "plan/score.h"

/* Assignment i, NAME=VALUE, and what it is tried for in words; NULL at the end. Broad ones stand before parts of them. */
const char *suggest_assignment(unsigned i);
/* How exposed, in thousandths of the shown number: 0 to 10000, not rounded up as that is. */
unsigned suggest_points(const struct score *s);
