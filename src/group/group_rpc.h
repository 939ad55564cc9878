/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The controller as InfraKit's Group object (version 0.1.1), and as what group/fleet.h says. */
#pragma once

#include "group/controller.h"

void group_rpc_add(struct rpc_server *s, struct controller *c);
void fleet_rpc_add(struct rpc_server *s, struct controller *c);
void manager_rpc_add(struct rpc_server *s, struct controller *c);  /* Controller, and Stack, which is InfraKit's Manager */
void metadata_rpc_add(struct rpc_server *s, struct controller *c); /* Metadata and Updatable */

/* Appends a group's status, the value of Groups in fleet.h. */
void fleet_status_format(struct text *t, const struct group *g, bool instances);
/* "uid 1000" or a user's name, for history. At least 64 bytes. */
void actor_name(const struct rpc_peer *peer, char ret[64]);
