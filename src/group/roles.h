/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may do what with the controller: by the user and the groups of the process at the other end of the socket, as the kernel says.
 * view looks; operate commits, scales, pauses, destroys instances; admin destroys groups and reads the audit log, too.
 * Root and the controller's own user are admins.
 */
#pragma once

#include "group/rpc_server.h"

struct role_rule {
        enum rpc_role role;
        bool is_group;
        uint32_t id;
};
struct roles {
        struct role_rule *rules;
        size_t count, room;
};
void roles_done(struct roles *r);
/* who: "USER", "@GROUP", by name or by number. Ids: "role.unknown". */
int roles_add(struct roles *r, enum rpc_role role, const char *who, struct error *e);
/* -EPERM "rpc.forbidden". */
int roles_check(const struct roles *r, const struct rpc_peer *peer, enum rpc_role needed, struct error *e);
const char *role_name(enum rpc_role role);
