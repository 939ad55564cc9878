/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network: none, or the families, ports and addresses that were used. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "plan/directive.h"
#include "plan/learn_internal.h"

static const struct {
        int number;
        const char *name;
} families[] = {
        { AF_UNIX, "AF_UNIX" },   { AF_INET, "AF_INET" },     { AF_INET6, "AF_INET6" }, { AF_NETLINK, "AF_NETLINK" },
        { AF_PACKET, "AF_PACKET" }, { AF_ALG, "AF_ALG" },     { AF_BLUETOOTH, "AF_BLUETOOTH" }, { AF_CAN, "AF_CAN" },
        { AF_VSOCK, "AF_VSOCK" }, { AF_KEY, "AF_KEY" },       { AF_TIPC, "AF_TIPC" },
};

static const char *family_name(int number)
{
        for (size_t i = 0; i < ELEMENTS(families); i++)
                if (families[i].number == number)
                        return families[i].name;
        return NULL;
}

static bool has_family(const struct observations *o, int family)
{
        for (size_t i = 0; i < o->socket_count; i++)
                if (o->sockets[i].family == family)
                        return true;
        return false;
}

static void restrict_families(const struct learn_facts *f, struct learned *l)
{
        const struct observations *o = f->seen;
        CLEAN_TEXT struct text t = { 0 };
        for (size_t i = 0; i < o->socket_count; i++)
                if (!family_name(o->sockets[i].family))
                        return; /* what has no name here cannot be allowed */
        for (size_t i = 0; i < ELEMENTS(families); i++)
                if (has_family(o, families[i].number))
                        text_addf(&t, "%s%s", t.length ? " " : "", families[i].name);
        struct learned_row *row = learn_row(l, "RestrictAddressFamilies", t.length ? "made sockets of these families" : "made no sockets");
        learn_assign(row, "RestrictAddressFamilies", "");
        learn_assign(row, "RestrictAddressFamilies", t.length ? t.data : "none");
}

static void allow_ports(const struct learn_facts *f, struct learned *l)
{
        const struct observations *o = f->seen;
        if (!directive_is_known("SocketBindDeny") || !directive_is_known("SocketBindAllow") || learn_given(f, "SocketBindAllow"))
                return;
        struct learned_row *row = learn_row(l, "SocketBindDeny", o->port_count ? "bound sockets to these ports" : "bound no socket to a port");
        learn_assign(row, "SocketBindDeny", "any");
        for (size_t i = 0; i < o->port_count; i++) {
                const char *family = o->ports[i].family == AF_INET ? "ipv4" : "ipv6", *protocol = o->ports[i].protocol == IPPROTO_UDP ? "udp" : "tcp";
                CLEAN_FREE char *value = o->ports[i].port ? xprintf("%s:%s:%u", family, protocol, o->ports[i].port) : xprintf("%s:%s", family, protocol);
                learn_assign(row, "SocketBindAllow", value);
        }
}

static bool is_loopback(const char *address)
{
        return text_starts(address, "127.") || text_equal(address, "::1") || text_equal(address, "0.0.0.0") || text_equal(address, "::");
}

/* Who may come cannot be told from who came, so where it listens its addresses stay open. */
static void allow_addresses(const struct learn_facts *f, struct learned *l)
{
        const struct observations *o = f->seen;
        if (!directive_is_known("IPAddressDeny") || !directive_is_known("IPAddressAllow") || learn_given(f, "IPAddressAllow") || learn_given(f, "IPAddressDeny"))
                return;
        if (o->traits[TRAIT_LISTENS] || o->port_count || o->lost) {
                learn_note(l, "it can be reached by a port: IPAddressDeny=any with IPAddressAllow= for those who may would be tighter");
                return;
        }
        struct learned_row *row = learn_row(l, "IPAddressDeny", o->peer_count ? "spoke to these addresses and opened no port" : "spoke to no address");
        learn_assign(row, "IPAddressDeny", "any");
        bool local = false;
        for (size_t i = 0; i < o->peer_count; i++) {
                if (!is_loopback(o->peers[i].address))
                        learn_assign(row, "IPAddressAllow", o->peers[i].address);
                else if (!local) {
                        learn_assign(row, "IPAddressAllow", "localhost");
                        local = true;
                }
        }
}

void learn_network(const struct learn_facts *f, struct learned *l)
{
        const struct observations *o = f->seen;
        bool yes = false;
        if (!o->lost)
                restrict_families(f, l);
        if (o->traits[TRAIT_NETWORK]) {
                allow_ports(f, l);
                allow_addresses(f, l);
                return;
        }
        const char *given = learn_given(f, "PrivateNetwork");
        if (o->traits[TRAIT_ABSTRACT_PEER] || (given && text_parse_bool(given, &yes) == 0 && yes))
                return;
        learn_assign(learn_row(l, "PrivateNetwork", "spoke to no network and opened no port"), "PrivateNetwork", "yes");
        allow_addresses(f, l);
}
