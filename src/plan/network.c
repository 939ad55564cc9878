/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

void plan_network_done(struct plan_network *n)
{
        cgroup_prefixes_done(&n->addresses);
        cgroup_bind_rules_done(&n->binds);
        strings_clear(&n->interfaces);
        free(n->bound_interface);
        *n = (struct plan_network){ 0 };
}

bool plan_network_is_restricted(const struct plan_network *n)
{
        return n->deny_origin || n->bind_deny_origin || n->interfaces_origin || n->bound_origin;
}

char *plan_prefix_words(const struct cgroup_prefix *p)
{
        char address[INET6_ADDRSTRLEN] = "";
        (void)inet_ntop(p->v6 ? AF_INET6 : AF_INET, p->address, address, sizeof address);
        return xprintf("%s/%u", address, p->bits);
}

char *plan_bind_words(const struct cgroup_bind_rule *r)
{
        const char *family = r->family == AF_INET ? "ipv4 " : r->family == AF_INET6 ? "ipv6 " : "";
        const char *protocol = r->protocol == IPPROTO_TCP ? "tcp " : r->protocol == IPPROTO_UDP ? "udp " : "";
        if (r->first == 0)
                return xprintf("%s%sany port", family, protocol);
        return r->first == r->last ? xprintf("%s%s%u", family, protocol, r->first) : xprintf("%s%s%u-%u", family, protocol, r->first, r->last);
}
