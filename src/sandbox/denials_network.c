/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/denials_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "os/process.h"
#include "sandbox/caller.h"

/* An address of IP that a call names: as it is shown, and as rules see it. */
struct named {
        bool v6, loopback;
        uint8_t address[16];
        uint16_t port;
};

static bool read_address(const struct seccomp_call *call, struct named *ret)
{
        struct sockaddr_storage address = { 0 };
        size_t n, size = call->args[2] < sizeof address ? (size_t)call->args[2] : sizeof address;
        if (!size || !caller_read(call->pid, call->args[1], &address, size, &n))
                return false;
        const struct sockaddr_in *in = (const void *)&address;
        const struct sockaddr_in6 *in6 = (const void *)&address;
        *ret = (struct named){ .v6 = address.ss_family == AF_INET6, .port = ntohs(in->sin_port) };
        if (address.ss_family == AF_INET6)
                memcpy(ret->address, &in6->sin6_addr, 16);
        else if (address.ss_family == AF_INET)
                memcpy(ret->address, &in->sin_addr, 4);
        else
                return false;
        ret->loopback = ret->v6 ? IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) : ret->address[0] == 127;
        return true;
}

static void show(const struct named *a, char ret[DENIALS_OBJECT_MAX])
{
        char text[INET6_ADDRSTRLEN] = "";
        (void)inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->address, text, sizeof text);
        (void)snprintf(ret, DENIALS_OBJECT_MAX, a->v6 ? "[%s]:%u" : "%s:%u", text, a->port);
}

/* A socket of v6 reaches v4 by mapped addresses; its packets are those of v4. */
static const uint8_t *as_packet(const struct named *a, bool *ret_v6)
{
        bool mapped = a->v6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)a->address);
        *ret_v6 = a->v6 && !mapped;
        return mapped ? a->address + 12 : a->address;
}

const char *denials_connect(const struct plan *p, const struct seccomp_call *call, char ret_object[DENIALS_OBJECT_MAX])
{
        struct named a;
        bool v6;
        if (!read_address(call, &a))
                return NULL;
        show(&a, ret_object);
        if (p->namespaces & CLONE_NEWNET && !a.loopback)
                return p->namespace_origin[plan_namespace_slot(CLONE_NEWNET)];
        const uint8_t *address = as_packet(&a, &v6);
        const struct cgroup_prefix *denying = cgroup_prefixes_denying(&p->network.addresses, v6, address);
        return denying ? denying->origin : NULL;
}

/* Family and protocol are the socket's. */
const char *denials_bind(const struct plan *p, const struct seccomp_call *call, char ret_object[DENIALS_OBJECT_MAX])
{
        struct named a;
        int family, protocol;
        socklen_t size = sizeof family, protocol_size = sizeof protocol;
        if (!p->network.bind_deny_origin || !read_address(call, &a))
                return NULL;
        show(&a, ret_object);
        CLEAN_FD int socket = process_copy_descriptor(call->pid, (int)call->args[0]);
        if (socket < 0 || getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ||
            getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_size) < 0)
                return NULL;
        const struct cgroup_bind_rule *denying = cgroup_bind_denying(&p->network.binds, family, protocol, a.port);
        return denying ? denying->origin : NULL;
}
