/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What explain says of the process that a unit's payload is, and of what control groups give it.  For explain.c alone. */
#pragma once

#include "plan/explain_write.h"

void explain_process_text(const struct view *v);
void explain_process_json(const struct view *v);
/* explain_resources.c */
void explain_resources_text(const struct view *v);
void explain_resources_json(const struct view *v);
/* explain_network.c */
void explain_network_text(const struct view *v);
void explain_network_json(const struct view *v);
