/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about sockets: addresses, ports, network devices. */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

#include "plan/directive_internal.h"
#include "plan/specifier.h"

/* ---- addresses ---- */

/* Words that stand for a prefix of each family. */
static const struct {
        const char *word, *v4, *v6;
} address_words[] = {
        { "any", "0.0.0.0/0", "::/0" },
        { "localhost", "127.0.0.0/8", "::1/128" },
        { "link-local", "169.254.0.0/16", "fe80::/64" },
        { "multicast", "224.0.0.0/4", "ff00::/8" },
};

static void clear_host_part(struct cgroup_prefix *p)
{
        for (size_t i = 0; i < sizeof p->address; i++) {
                unsigned first = (unsigned)i * 8;
                if (first >= p->bits)
                        p->address[i] = 0;
                else if (first + 8 > p->bits)
                        p->address[i] &= (uint8_t)(0xff << (first + 8 - p->bits));
        }
}

/* Packets to ::ffff:192.0.2.1 are packets of v4: a rule about v6 would never see them. */
static void unmap(struct cgroup_prefix *p)
{
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
        if (!p->v6 || p->bits < 96 || memcmp(p->address, mapped, sizeof mapped) != 0)
                return;
        p->v6 = false;
        p->bits = (uint8_t)(p->bits - 96);
        memmove(p->address, p->address + 12, 4);
        memset(p->address + 4, 0, 12);
}

static int parse_prefix(const char *s, struct cgroup_prefix *ret)
{
        const char *slash = strchr(s, '/');
        CLEAN_FREE char *address = slash ? xstrndup(s, (size_t)(slash - s)) : xstrdup(s);
        struct cgroup_prefix p = { .v6 = strchr(address, ':') };
        uint64_t most = p.v6 ? 128 : 32, bits = most;
        if (inet_pton(p.v6 ? AF_INET6 : AF_INET, address, p.address) != 1 || (slash && text_parse_uint(slash + 1, most, &bits) < 0))
                return -EINVAL;
        p.bits = (uint8_t)bits;
        clear_host_part(&p);
        unmap(&p);
        *ret = p;
        return 0;
}

/* One or two prefixes; how many, or -EINVAL. */
static int parse_addresses(const char *word, struct cgroup_prefix ret[2])
{
        for (size_t i = 0; i < ELEMENTS(address_words); i++)
                if (text_equal(word, address_words[i].word))
                        return parse_prefix(address_words[i].v4, &ret[0]) < 0 || parse_prefix(address_words[i].v6, &ret[1]) < 0 ? -EINVAL : 2;
        return parse_prefix(word, ret) < 0 ? -EINVAL : 1;
}

static int check_addresses(const char *word, char **ret, struct error *e)
{
        struct cgroup_prefix p[2];
        if (parse_addresses(word, p) < 0)
                return directive_bad_value(e, word, "IP addresses, ADDRESS/LENGTH, any, localhost, link-local or multicast");
        *ret = xstrdup(word);
        return 0;
}

int directive_read_addresses(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_words(r, value, check_addresses, e);
}

static int too_many(struct error *e, unsigned most, const char *what, const char *origin)
{
        error_set(e, E2BIG, "directive.limit", "more than %u %s", most, what);
        return error_while(e, "reading %s", origin);
}

int directive_compile_addresses(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        struct plan_network *n = &p->network;
        bool allow = directive_of(s, v) == D_IP_ADDRESS_ALLOW;
        (void)facts;
        for (size_t i = 0; i < v->count; i++) {
                struct cgroup_prefix found[2];
                int count = parse_addresses(v->list[i].text, found);
                for (int k = 0; k < count; k++) {
                        found[k].allow = allow;
                        found[k].origin = v->list[i].origin;
                        if (!cgroup_prefixes_add(&n->addresses, &found[k]))
                                return too_many(e, CGROUP_PREFIXES_MAX, "prefixes of addresses", v->list[i].origin);
                }
        }
        *(allow ? &n->allow_origin : &n->deny_origin) = directive_origins(p, v);
        return 0;
}

/* ---- ports ---- */

static int parse_port(const char *s, uint16_t *ret)
{
        uint64_t n;
        if (text_parse_uint(s, UINT16_MAX, &n) < 0 || n == 0)
                return -EINVAL;
        *ret = (uint16_t)n;
        return 0;
}

static int parse_ports(char *s, struct cgroup_bind_rule *r)
{
        char *dash = strchr(s, '-');
        if (dash)
                *dash++ = 0;
        if (parse_port(s, &r->first) < 0 || parse_port(dash ? dash : s, &r->last) < 0)
                return -EINVAL;
        return r->first <= r->last ? 0 : -EINVAL;
}

/* "any", or at least one of family, protocol and ports, in this order, with colons between them. */
static int parse_bind_rule(const char *text, struct cgroup_bind_rule *ret)
{
        struct cgroup_bind_rule r = { .last = UINT16_MAX };
        CLEAN_FREE char *copy = xstrdup(text);
        char *rest = copy, *word = strsep(&rest, ":");
        if (text_equal(text, "any")) {
                *ret = r;
                return 0;
        }
        if (text_equal(word, "ipv4") || text_equal(word, "ipv6")) {
                r.family = word[3] == '4' ? AF_INET : AF_INET6;
                word = strsep(&rest, ":");
        }
        if (word && (text_equal(word, "tcp") || text_equal(word, "udp"))) {
                r.protocol = *word == 't' ? IPPROTO_TCP : IPPROTO_UDP;
                word = strsep(&rest, ":");
        }
        if ((word && parse_ports(word, &r) < 0) || rest)
                return -EINVAL;
        *ret = r;
        return 0;
}

/* A rule for each assignment. */
int directive_read_bind_rule(const struct reader *r, const char *value, struct error *e)
{
        CLEAN_FREE char *rule = NULL;
        struct cgroup_bind_rule parsed;
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        int k = specifier_expand(value, r->facts, &rule, e);
        if (k < 0)
                return k;
        size_t length = strlen(rule);
        while (length && strchr(" \t", rule[length - 1]))
                rule[--length] = 0;
        if (parse_bind_rule(rule, &parsed) < 0)
                return directive_bad_value(e, value, "any, or [ipv4:|ipv6:][tcp:|udp:][PORT|PORT-PORT] with ports from 1 to 65535");
        directive_add_value(r, TAKE_PTR(rule));
        return 0;
}

int directive_compile_bind_rules(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        struct plan_network *n = &p->network;
        bool allow = directive_of(s, v) == D_SOCKET_BIND_ALLOW;
        (void)facts;
        for (size_t i = 0; i < v->count; i++) {
                struct cgroup_bind_rule r;
                if (parse_bind_rule(v->list[i].text, &r) < 0)
                        return directive_bad_value(e, v->list[i].text, "a rule");
                r.allow = allow;
                r.origin = v->list[i].origin;
                if (!cgroup_bind_rules_add(&n->binds, &r))
                        return too_many(e, CGROUP_BIND_RULES_MAX, "rules of ports", v->list[i].origin);
        }
        *(allow ? &n->bind_allow_origin : &n->bind_deny_origin) = directive_origins(p, v);
        return 0;
}

/* ---- network devices ---- */

enum { INTERFACE_NAME_MAX = 15 };

/* What the kernel takes, but no number, which would be an index, and no second sign of a list that denies. */
static int check_interface(const char *word, char **ret, struct error *e)
{
        bool ok = *word && strlen(word) <= INTERFACE_NAME_MAX && !text_equal(word, ".") && !text_equal(word, "..");
        for (const char *p = word; ok && *p; p++)
                ok = (unsigned char)*p > ' ' && (unsigned char)*p < 0x7f && !strchr(":/%~", *p);
        if (!ok || !word[strspn(word, "0123456789")])
                return directive_bad_value(e, word, "names of network devices, of at most 15 bytes");
        *ret = xstrdup(word);
        return 0;
}

int directive_read_interfaces(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_signed_list(r, value, check_interface, NULL, e);
}

int directive_compile_interfaces(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        struct plan_network *n = &p->network;
        (void)s, (void)facts;
        if (v->count > CGROUP_INTERFACES_MAX)
                return too_many(e, CGROUP_INTERFACES_MAX, "network devices", v->origin);
        n->interfaces_allowed = v->number == DIRECTIVE_LIST_ALLOWS;
        if (!v->count && !n->interfaces_allowed)
                return 0;
        for (size_t i = 0; i < v->count; i++)
                strings_add(&n->interfaces, v->list[i].text);
        n->interfaces_origin = v->count ? directive_origins(p, v) : v->origin;
        return 0;
}

int directive_read_interface(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_text(r, value, check_interface, e);
}

int directive_compile_bound_interface(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        p->network.bound_interface = xstrdup(v->text);
        p->network.bound_origin = v->origin;
        return 0;
}

int directive_compile_ip_accounting(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        p->network.accounting_origin = v->number ? v->origin : NULL;
        return 0;
}
