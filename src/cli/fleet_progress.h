/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for groups: a live table on a terminal, a line for each change elsewhere. */
#pragma once

#include "base/text.h"

enum fleet_end { FLEET_CONVERGED, FLEET_STUCK, FLEET_TIMEOUT, FLEET_INTERRUPTED, FLEET_LOST };

/* Until all of ids are as wanted. timeout_usec 0: no limit. The words of why it ended early are printed. */
enum fleet_end fleet_wait(const struct strings *ids, uint64_t timeout_usec, bool quiet);
