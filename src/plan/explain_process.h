/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What explain says of the process that a unit's payload is.  For explain.c alone. */
#pragma once

#include "plan/explain_write.h"

void explain_process_text(const struct view *v);
void explain_process_json(const struct view *v);
