/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "group/roles.h"
#include "os/account.h"

void roles_done(struct roles *r)
{
        free(r->rules);
        *r = (struct roles){ 0 };
}

const char *role_name(enum rpc_role role)
{
        static const char *const names[] = { [RPC_VIEW] = "view", [RPC_OPERATE] = "operate", [RPC_ADMIN] = "admin" };
        return names[role];
}

static bool in_group(const struct rpc_peer *peer, gid_t gid)
{
        bool found = peer->gid == gid;
        for (uint32_t i = 0; i < peer->group_count; i++)
                found = found || peer->groups[i] == gid;
        return found;
}

int roles_add(struct roles *r, enum rpc_role role, const char *who, struct error *e)
{
        struct role_rule rule = { .role = role, .is_group = *who == '@' };
        const char *name = who + rule.is_group;
        uint64_t number;
        if (text_parse_uint(name, UINT32_MAX - 1, &number) == 0)
                rule.id = (uint32_t)number;
        else if (rule.is_group) {
                gid_t gid;
                if (account_find_group(name, &gid) < 0)
                        return error_set(e, ENOENT, "role.unknown", "there is no group \"%.64s\"", name);
                rule.id = gid;
        } else {
                CLEAN_ACCOUNT struct account a = { 0 };
                if (account_find(name, &a) < 0)
                        return error_set(e, ENOENT, "role.unknown", "there is no user \"%.64s\"", name);
                rule.id = a.uid;
        }
        r->rules = xgrow(r->rules, &r->room, r->count + 1, sizeof *r->rules);
        r->rules[r->count++] = rule;
        return 0;
}

int roles_check(const struct roles *r, const struct rpc_peer *peer, enum rpc_role needed, struct error *e)
{
        if (peer->uid == 0 || peer->uid == geteuid())
                return 0;
        for (size_t i = 0; i < r->count; i++) {
                const struct role_rule *rule = r->rules + i;
                if (rule->role >= needed && (rule->is_group ? in_group(peer, rule->id) : peer->uid == rule->id))
                        return 0;
        }
        error_set(e, EPERM, "rpc.forbidden", "user %u has not the role \"%s\"", peer->uid, role_name(needed));
        error_hint(e, "bulkhead-groupd --%s=%u gives it", role_name(needed), peer->uid);
        return -EPERM;
}
