/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* explain: the tree that a unit sees in the place of the host's.  For explain.c alone. */
#pragma once

#include "plan/explain_write.h"

void explain_root_text(const struct view *v);
void explain_root_json(const struct view *v);
