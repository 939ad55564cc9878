/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of sockets, as a table: what is asked for and refused is an error. */
#include <limits.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>

#include "os/socket_listen_path.h"

enum { V4 = 1, V6 = 2, UNIX = 4, LINK = 8, OTHER = 16, IP = V4 | V6, ALL = V4 | V6 | UNIX | LINK | OTHER };
enum value { FLAG, NUMBER, SECONDS };

struct option {
        const char *name;
        int level, option;
        int families;
        bool stream; /* of TCP only */
        enum value value;
        size_t offset;
};

#define AT(member) offsetof(struct listen_options, member)

/* Before an address is bound. */
static const struct option before[] = {
        { "ReusePort", SOL_SOCKET, SO_REUSEPORT, IP | OTHER, false, FLAG, AT(reuse_port) },
        { "FreeBind", IPPROTO_IP, IP_FREEBIND, V4, false, FLAG, AT(free_bind) },
        { "FreeBind", IPPROTO_IPV6, IPV6_FREEBIND, V6, false, FLAG, AT(free_bind) },
        { "Transparent", IPPROTO_IP, IP_TRANSPARENT, V4, false, FLAG, AT(transparent) },
        { "Transparent", IPPROTO_IPV6, IPV6_TRANSPARENT, V6, false, FLAG, AT(transparent) },
}, always[] = {
        { "KeepAlive", SOL_SOCKET, SO_KEEPALIVE, IP, true, FLAG, AT(keep_alive) },
        { "KeepAliveTimeSec", IPPROTO_TCP, TCP_KEEPIDLE, IP, true, SECONDS, AT(keep_alive_time_usec) },
        { "KeepAliveIntervalSec", IPPROTO_TCP, TCP_KEEPINTVL, IP, true, SECONDS, AT(keep_alive_interval_usec) },
        { "KeepAliveProbes", IPPROTO_TCP, TCP_KEEPCNT, IP, true, NUMBER, AT(keep_alive_probes) },
        { "DeferAcceptSec", IPPROTO_TCP, TCP_DEFER_ACCEPT, IP, true, SECONDS, AT(defer_accept_usec) },
        { "NoDelay", IPPROTO_TCP, TCP_NODELAY, IP, true, FLAG, AT(no_delay) },
        { "Broadcast", SOL_SOCKET, SO_BROADCAST, IP, false, FLAG, AT(broadcast) },
        { "PassCredentials", SOL_SOCKET, SO_PASSCRED, UNIX | LINK, false, FLAG, AT(pass_credentials) },
        { "PassSecurity", SOL_SOCKET, SO_PASSSEC, UNIX | LINK, false, FLAG, AT(pass_security) },
        { "PassPacketInfo", IPPROTO_IP, IP_PKTINFO, V4, false, FLAG, AT(pass_packet_info) },
        { "PassPacketInfo", IPPROTO_IPV6, IPV6_RECVPKTINFO, V6, false, FLAG, AT(pass_packet_info) },
        { "PassPacketInfo", SOL_NETLINK, NETLINK_PKTINFO, LINK, false, FLAG, AT(pass_packet_info) },
        { "Priority", SOL_SOCKET, SO_PRIORITY, ALL, false, NUMBER, AT(priority) },
        { "Mark", SOL_SOCKET, SO_MARK, IP, false, NUMBER, AT(mark) },
        { "IPTOS", IPPROTO_IP, IP_TOS, V4, false, NUMBER, AT(ip_tos) },
        { "IPTTL", IPPROTO_IP, IP_TTL, V4, false, NUMBER, AT(ip_ttl) },
        { "IPTTL", IPPROTO_IPV6, IPV6_UNICAST_HOPS, V6, false, NUMBER, AT(ip_ttl) },
};

static int family_of(const struct listen_address *a)
{
        switch (a->address.any.sa_family) {
        case AF_INET: return V4;
        case AF_INET6: return V6;
        case AF_UNIX: return UNIX;
        case AF_NETLINK: return LINK;
        default: return OTHER;
        }
}

/* false: it is not asked for. */
static bool find_value(const struct option *row, const struct listen_options *o, int *ret)
{
        const char *member = (const char *)o + row->offset;
        uint64_t seconds;
        switch (row->value) {
        case FLAG:
                *ret = 1;
                return *(const bool *)member;
        case NUMBER:
                *ret = (int)*(const int64_t *)member;
                return *(const int64_t *)member != LISTEN_UNSET;
        default:
                seconds = *(const uint64_t *)member / 1000000 + (*(const uint64_t *)member % 1000000 != 0);
                *ret = seconds > INT_MAX ? INT_MAX : (int)seconds;
                return seconds != 0;
        }
}

static int set(int fd, int level, int option, const void *value, socklen_t size, const char *name, const struct listen_address *a, struct error *e)
{
        return setsockopt(fd, level, option, value, size) == 0 ? 0 : error_errno(e, errno, "listen.option", "%s= for %s", name, a->text);
}

static int set_number(int fd, int level, int option, int value, const char *name, const struct listen_address *a, struct error *e)
{
        return set(fd, level, option, &value, sizeof value, name, a, e);
}

static int set_rows(int fd, const struct option *rows, size_t count, const struct listen_address *a, const struct listen_options *o, struct error *e)
{
        bool tcp = a->type == SOCK_STREAM && a->protocol == 0;
        for (const struct option *row = rows; row < rows + count; row++) {
                int value;
                if (!(row->families & family_of(a)) || (row->stream && !tcp) || !find_value(row, o, &value))
                        continue;
                int r = set_number(fd, row->level, row->option, value, row->name, a, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int listen_prepare(int fd, const struct listen_address *a, const struct listen_options *o, struct error *e)
{
        int r = set_rows(fd, before, ELEMENTS(before), a, o, e), one = 1;
        if (r == 0 && (family_of(a) & IP) && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
                r = error_errno(e, errno, "listen.option", "reusing the address %s", a->text);
        if (r == 0 && family_of(a) == V6 && o->bind_ipv6_only != LISTEN_V6_DEFAULT)
                r = set_number(fd, IPPROTO_IPV6, IPV6_V6ONLY, o->bind_ipv6_only == LISTEN_V6_ONLY, "BindIPv6Only", a, e);
        if (r == 0 && o->device && (family_of(a) & IP))
                r = set(fd, SOL_SOCKET, SO_BINDTODEVICE, o->device, (socklen_t)strlen(o->device) + 1, "BindToDevice", a, e);
        return r;
}

/* More than the sysctl allows takes CAP_NET_ADMIN; without it the kernel gives as much as it may. */
static int set_buffer(int fd, int forced, int plain, int64_t size, const char *name, const struct listen_address *a, struct error *e)
{
        int value = size > INT_MAX ? INT_MAX : (int)size;
        if (size == LISTEN_UNSET || setsockopt(fd, SOL_SOCKET, forced, &value, sizeof value) == 0)
                return 0;
        return set_number(fd, SOL_SOCKET, plain, value, name, a, e);
}

int listen_apply(int fd, const struct listen_address *a, const struct listen_options *o, struct error *e)
{
        if (a->kind != LISTEN_SOCKET)
                return 0;
        int r = set_rows(fd, always, ELEMENTS(always), a, o, e);
        r = r < 0 ? r : set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, o->receive_buffer, "ReceiveBuffer", a, e);
        r = r < 0 ? r : set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, o->send_buffer, "SendBuffer", a, e);
        if (r == 0 && o->timestamps != LISTEN_TIMESTAMPS_OFF)
                r = set_number(fd, SOL_SOCKET, o->timestamps == LISTEN_TIMESTAMPS_NSEC ? SO_TIMESTAMPNS : SO_TIMESTAMP, 1, "Timestamping", a, e);
        if (r == 0 && o->congestion && (family_of(a) & IP) && a->type == SOCK_STREAM)
                r = set(fd, IPPROTO_TCP, TCP_CONGESTION, o->congestion, (socklen_t)strlen(o->congestion), "TCPCongestion", a, e);
        return r;
}
