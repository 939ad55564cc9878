/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports of instances on this host. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "group/local_port.h"

static int parse_range(const char *s, struct port_range *ret)
{
        const char *dash = strchr(s, '-');
        CLEAN_FREE char *first = xstrndup(s, dash ? (size_t)(dash - s) : strlen(s));
        uint64_t low, high;
        if (text_parse_uint(first, UINT16_MAX, &low) < 0 || text_parse_uint(dash ? dash + 1 : first, UINT16_MAX, &high) < 0 || !low || high < low)
                return -EINVAL;
        *ret = (struct port_range){ (uint16_t)low, (uint16_t)high };
        return 0;
}

int port_range_read(const struct json_place *at, void *into, struct error *e)
{
        struct port_range *range = into;
        if (at->value->type == JSON_STRING) {
                const char *s = json_text(at, e);
                if (!s)
                        return -EINVAL;
                return parse_range(s, range) < 0 ? json_fail(at, e, "is no port or range of ports, such as \"8000-8999\"") : 0;
        }
        uint16_t port;
        int r = json_u16(at, &port, e);
        if (r == 0 && !port)
                return json_fail(at, e, "a port is 1 to %d", UINT16_MAX);
        if (r == 0)
                *range = (struct port_range){ port, port };
        return r;
}

static bool can_bind(int family, uint16_t port)
{
        static const int yes = 1;
        union {
                struct sockaddr any;
                struct sockaddr_in four;
                struct sockaddr_in6 six;
        } a = { .six = { .sin6_family = AF_INET6, .sin6_port = htons(port) } };
        if (family == AF_INET)
                a.four = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
        CLEAN_FD int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return true; /* a host without this family has nobody there */
        /* Connections that have ended lately are no obstacle; who listens is. Else 4 and 6 would be in each other's way. */
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        if (family == AF_INET6)
                (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
        return bind(fd, &a.any, family == AF_INET ? sizeof a.four : sizeof a.six) == 0 || errno != EADDRINUSE;
}

bool port_is_free(uint16_t port)
{
        return can_bind(AF_INET, port) && can_bind(AF_INET6, port);
}
