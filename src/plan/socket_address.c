/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/socket_address.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

static int bad(const char *s, const char *why, struct error *e)
{
        return error_set(e, EINVAL, "socket.address", "\"%.120s\": %s", s, why);
}

/* Absolute, without "..", and not a folder. */
static const char *check_path(const char *s)
{
        size_t n = strlen(s);
        if (*s != '/')
                return "the path is not absolute";
        if (n >= PATH_MAX || s[n - 1] == '/')
                return "this is no path of a file";
        for (const char *p = s; p; p = strchr(p + 1, '/'))
                if (strncmp(p, "/../", 4) == 0 || text_equal(p, "/..") || text_equal(p, "/."))
                        return "\"..\" and a dot at the end are not taken";
        return NULL;
}

static const char *parse_unix(const char *s, int type, struct listen_address *a)
{
        struct sockaddr_un *un = &a->address.un;
        size_t n = strlen(s);
        const char *why = *s == '/' ? check_path(s) : n < 2 ? "the name is empty" : NULL;
        if (why)
                return why;
        if (n >= sizeof un->sun_path)
                return "more than 107 bytes do not fit into the address of a socket";
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, s, n);
        a->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
        if (*s == '@')
                un->sun_path[0] = 0;
        else {
                a->length++;
                a->path = xstrdup(s);
        }
        a->type = type;
        return NULL;
}

static bool parse_port(const char *s, in_port_t *ret)
{
        uint64_t n;
        if (text_parse_uint(s, 65535, &n) < 0 || n == 0)
                return false;
        *ret = htons((uint16_t)n);
        return true;
}

/* "[v6]:PORT", behind which "%INTERFACE" may stand */
static const char *parse_v6(const char *s, struct listen_address *a)
{
        struct sockaddr_in6 *in6 = &a->address.in6;
        const char *end = strchr(s, ']');
        if (!end || end[1] != ':')
                return "this is no [ADDRESS]:PORT";
        CLEAN_FREE char *address = xstrndup(s + 1, (size_t)(end - s - 1)), *port = xstrdup(end + 2);
        char *interface = strchr(port, '%');
        if (interface) {
                *interface++ = 0;
                if (!*interface || strlen(interface) >= sizeof a->interface || strpbrk(interface, "/: \t"))
                        return "this is no name of an interface";
                strcpy(a->interface, interface);
        }
        in6->sin6_family = AF_INET6;
        if (inet_pton(AF_INET6, address, &in6->sin6_addr) != 1)
                return "this is no IPv6 address";
        if (!parse_port(port, &in6->sin6_port))
                return "ports are 1 to 65535";
        a->length = sizeof *in6;
        return NULL;
}

static const char *parse_v4(const char *s, const char *colon, struct listen_address *a)
{
        struct sockaddr_in *in = &a->address.in;
        CLEAN_FREE char *address = xstrndup(s, (size_t)(colon - s));
        in->sin_family = AF_INET;
        if (inet_pton(AF_INET, address, &in->sin_addr) != 1)
                return "this is neither an address nor a port";
        if (!parse_port(colon + 1, &in->sin_port))
                return "ports are 1 to 65535";
        a->length = sizeof *in;
        return NULL;
}

static const char *parse_vsock(const char *s, struct listen_address *a)
{
        struct sockaddr_vm *vm = &a->address.vm;
        const char *colon = strchr(s, ':');
        CLEAN_FREE char *cid = colon ? xstrndup(s, (size_t)(colon - s)) : NULL;
        uint64_t n = VMADDR_CID_ANY, port = 0;
        if (!colon || (*cid && text_parse_uint(cid, UINT32_MAX, &n) < 0) || text_parse_uint(colon + 1, UINT32_MAX, &port) < 0)
                return "this is no vsock:CID:PORT";
        vm->svm_family = AF_VSOCK;
        vm->svm_cid = (unsigned)n;
        vm->svm_port = (unsigned)port;
        a->length = sizeof *vm;
        return NULL;
}

static const char *parse_internet(const char *s, struct listen_address *a)
{
        const char *colon = strchr(s, ':');
        if (*s == '[')
                return parse_v6(s, a);
        if (text_starts(s, "vsock:"))
                return parse_vsock(s + 6, a);
        if (colon)
                return parse_v4(s, colon, a);
        a->address.in6.sin6_family = AF_INET6;
        a->length = sizeof a->address.in6;
        a->port_only = true;
        return parse_port(s, &a->address.in6.sin6_port) ? NULL : "this is neither an address nor a port";
}

static int keep(struct listen_address *a, const char *s, const char *why, struct listen_address *ret, struct error *e)
{
        if (why) {
                listen_address_done(a);
                return bad(s, why, e);
        }
        a->text = xstrdup(s);
        *ret = *a;
        return 0;
}

int socket_address_parse(const char *s, int type, struct listen_address *ret, struct error *e)
{
        struct listen_address a = { .type = type };
        const char *why;
        if (strlen(s) > SOCKET_ADDRESS_MAX)
                why = "too long";
        else if (*s == '/' || *s == '@')
                why = parse_unix(s, type, &a);
        else
                why = type == SOCK_SEQPACKET ? "sequential packets are for paths and \"@\" only" : parse_internet(s, &a);
        return keep(&a, s, why, ret, e);
}

int socket_address_parse_netlink(const char *s, struct listen_address *ret, struct error *e)
{
        static const struct {
                const char *name;
                int family;
        } families[] = {
                { "route", NETLINK_ROUTE }, { "firewall", NETLINK_FIREWALL }, { "inet-diag", NETLINK_INET_DIAG }, { "nflog", NETLINK_NFLOG }, { "xfrm", NETLINK_XFRM },
                { "selinux", NETLINK_SELINUX }, { "iscsi", NETLINK_ISCSI }, { "audit", NETLINK_AUDIT }, { "fib-lookup", NETLINK_FIB_LOOKUP }, { "connector", NETLINK_CONNECTOR },
                { "netfilter", NETLINK_NETFILTER }, { "ip6-fw", NETLINK_IP6_FW }, { "dnrtmsg", NETLINK_DNRTMSG }, { "kobject-uevent", NETLINK_KOBJECT_UEVENT },
                { "scsitransport", NETLINK_SCSITRANSPORT }, { "rdma", NETLINK_RDMA },
        };
        struct listen_address a = { .type = SOCK_RAW, .length = sizeof a.address.nl };
        size_t n = strcspn(s, " \t");
        const char *rest = s + n + strspn(s + n, " \t");
        uint64_t group = 0, number;
        CLEAN_FREE char *name = xstrndup(s, n);
        a.address.nl.nl_family = AF_NETLINK;
        a.protocol = text_parse_uint(name, 31, &number) == 0 ? (int)number : -1;
        for (size_t i = 0; i < ELEMENTS(families); i++)
                if (text_equal(families[i].name, name))
                        a.protocol = families[i].family;
        if (a.protocol < 0)
                return bad(s, "no family of netlink has this name", e);
        if (*rest && text_parse_uint(rest, UINT32_MAX, &group) < 0)
                return bad(s, "the group is no number", e);
        a.address.nl.nl_groups = (uint32_t)group;
        return keep(&a, s, NULL, ret, e);
}

/* "/NAME", without another slash */
static const char *check_queue(const char *s)
{
        size_t n = strlen(s);
        return *s != '/' || n < 2 || n > NAME_MAX || strchr(s + 1, '/') || text_equal(s, "/.") || text_equal(s, "/..") ? "this is no name of a message queue" : NULL;
}

int socket_address_parse_file(const char *s, enum listen_kind kind, struct listen_address *ret, struct error *e)
{
        struct listen_address a = { .kind = kind };
        const char *why = kind == LISTEN_QUEUE ? check_queue(s) : check_path(s);
        if (!why)
                a.path = xstrdup(s);
        return keep(&a, s, why, ret, e);
}
