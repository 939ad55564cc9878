/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a manager does, shown line by line. */
#pragma once

#include "shim/manager.h"

struct unit_progress {
        bool quiet; /* errors only */
        bool verbose; /* each start and stop as well */
        bool json;
};

/* For struct manager_options. context: a struct unit_progress. */
void unit_progress_event(void *context, enum manager_event event, const char *unit, const char *text, const struct error *e);
