/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A supervisor's own process: away from who started it, and small. */
#pragma once

#include "base/error.h"

/* Becomes subreaper, leaves the caller's session, folder, umask and stdio. Id: "shim.start". */
int daemon_detach(struct error *e);
/* Gives back what only the start needed: heap and code. A lone supervisor would count the code as its own. */
void daemon_shrink(void);
