/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two files of the interface "Fleet" share. */
#pragma once

#include "group/group_rpc.h"

void fleet_plan(struct rpc_call *c, void *self, const char *type, const struct json_place *params);
void fleet_apply(struct rpc_call *c, void *self, const char *type, const struct json_place *params);
