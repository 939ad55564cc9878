/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets: by whom the payload is reached, and whom it reaches. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "os/process.h"
#include "sandbox/caller.h"
#include "sandbox/observe_internal.h"

struct address {
        union {
                struct sockaddr any;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
                struct sockaddr_un un;
        };
        size_t size;
};

static bool read_address(const struct thread *t, uint64_t at, uint64_t size, struct address *ret)
{
        *ret = (struct address){ 0 };
        if (!at || size < sizeof(sa_family_t) || size > sizeof(struct sockaddr_un))
                return false;
        return caller_read(t->pid, at, &ret->un, (size_t)size, &ret->size) && ret->size >= sizeof(sa_family_t);
}

/* TCP or UDP: what the descriptor's type says, asked of the socket itself. */
static int protocol_of(const struct thread *t, int fd)
{
        int type = SOCK_STREAM;
        socklen_t n = sizeof type;
        CLEAN_FD int copy = process_copy_descriptor(t->pid, fd);
        if (copy >= 0)
                (void)getsockopt(copy, SOL_SOCKET, SO_TYPE, &type, &n);
        return type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
}

void observe_socket(struct observer_context *c, struct thread *t, int64_t result)
{
        int family = (int)t->args[0], type = (int)t->args[1] & 0xf;
        if (result < 0)
                return;
        observations_add_socket(c->o, family, type, (int)t->args[2]);
        if (family == AF_PACKET || (type == SOCK_RAW && (family == AF_INET || family == AF_INET6)))
                observe_needs(t, CAP_NET_RAW);
        /* These are of use with a network only. */
        if (family == AF_PACKET)
                c->o->traits[TRAIT_NETWORK] = true;
}

static void unix_path(struct thread *t, const struct address *a, bool last_link, char ret[PATH_MAX])
{
        char name[sizeof a->un.sun_path + 1] = "";
        memcpy(name, a->un.sun_path, a->size - offsetof(struct sockaddr_un, sun_path));
        if (!name[0] || !caller_resolve(t->pid, AT_FDCWD, name, last_link, ret))
                ret[0] = 0;
}

void observe_bind(struct observer_context *c, struct thread *t, int64_t result)
{
        struct address a;
        char path[PATH_MAX];
        if (result < 0 || !read_address(t, t->args[1], t->args[2], &a))
                return;
        if (a.any.sa_family == AF_UNIX) {
                unix_path(t, &a, true, path);
                char *slash = strrchr(path, '/');
                if (!slash)
                        return;
                observe_path(c, t, path, USE_MADE | USE_CONNECT);
                slash[slash == path] = 0;
                observe_path(c, t, path, USE_CHANGE | USE_FOLDER);
                return;
        }
        if (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6)
                return;
        uint16_t port = ntohs(a.any.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
        observations_add_port(c->o, a.any.sa_family, protocol_of(t, (int)t->args[0]), port);
        c->o->traits[TRAIT_NETWORK] = true;
        if (port && port < c->port_start)
                observe_needs(t, CAP_NET_BIND_SERVICE);
}

static void peer(struct observer_context *c, struct thread *t, const struct address *a)
{
        char text[INET6_ADDRSTRLEN] = "";
        uint16_t port = 0;
        if (a->any.sa_family == AF_INET) {
                (void)inet_ntop(AF_INET, &a->in.sin_addr, text, sizeof text);
                port = ntohs(a->in.sin_port);
        } else if (a->any.sa_family == AF_INET6) {
                (void)inet_ntop(AF_INET6, &a->in6.sin6_addr, text, sizeof text);
                port = ntohs(a->in6.sin6_port);
        } else
                return;
        c->o->traits[TRAIT_NETWORK] = true;
        observations_add_peer(c->o, text, protocol_of(t, (int)t->args[0]), port);
}

void observe_connect(struct observer_context *c, struct thread *t, int64_t result)
{
        struct address a;
        char path[PATH_MAX];
        /* What was refused or did not answer was reached for all the same. */
        bool tried = result >= 0 || result == -EINPROGRESS || result == -ECONNREFUSED || result == -ETIMEDOUT || result == -EINTR;
        if (!tried || !read_address(t, t->args[1], t->args[2], &a))
                return;
        if (a.any.sa_family != AF_UNIX) {
                peer(c, t, &a);
                return;
        }
        if (result < 0)
                return;
        unix_path(t, &a, false, path);
        if (path[0])
                observe_path(c, t, path, USE_CONNECT);
        else if (a.size > offsetof(struct sockaddr_un, sun_path) && !a.un.sun_path[0])
                c->o->traits[TRAIT_ABSTRACT_PEER] = true;
}

void observe_listen(struct observer_context *c, struct thread *t, int64_t result)
{
        (void)t;
        if (result < 0)
                return;
        c->o->traits[TRAIT_LISTENS] = true;
        c->state.listening = true;
}

/* A message to the kernel's network: all but questions take CAP_NET_ADMIN. */
static void netlink_message(struct thread *t, uint64_t data, uint64_t size)
{
        struct nlmsghdr h;
        size_t n;
        if (size < sizeof h || !caller_read(t->pid, data, &h, sizeof h, &n) || n < sizeof h)
                return;
        if (h.nlmsg_len == size && h.nlmsg_type >= 16 && h.nlmsg_type < 0x100 && (h.nlmsg_type & 3) != 2)
                observe_needs(t, CAP_NET_ADMIN);
        if (h.nlmsg_len == size && h.nlmsg_type >= 1000 && h.nlmsg_type < 2000)
                observe_needs(t, CAP_AUDIT_WRITE);
}

void observe_send_to(struct observer_context *c, struct thread *t, int64_t result)
{
        struct address a;
        if (result < 0 || !read_address(t, t->args[4], t->args[5], &a))
                return;
        peer(c, t, &a);
        if (a.any.sa_family == AF_NETLINK)
                netlink_message(t, t->args[1], t->args[2]);
}

/* sendmmsg has several; the first speaks for all. */
void observe_send_message(struct observer_context *c, struct thread *t, int64_t result)
{
        struct address a;
        struct msghdr m = { 0 };
        struct iovec data = { 0 };
        size_t n;
        if (result < 0 || !caller_read(t->pid, t->args[1], &m, sizeof m, &n) || n < sizeof m)
                return;
        if (!read_address(t, (uint64_t)(uintptr_t)m.msg_name, m.msg_namelen, &a))
                return;
        peer(c, t, &a);
        if (a.any.sa_family == AF_NETLINK && caller_read(t->pid, (uint64_t)(uintptr_t)m.msg_iov, &data, sizeof data, &n))
                netlink_message(t, (uint64_t)(uintptr_t)data.iov_base, data.iov_len);
}

void observe_set_option(struct observer_context *c, struct thread *t, int64_t result)
{
        static const struct {
                int level, name;
        } privileged[] = {
                { SOL_SOCKET, SO_RCVBUFFORCE }, { SOL_SOCKET, SO_SNDBUFFORCE }, { SOL_SOCKET, SO_MARK },
                { IPPROTO_IP, IP_TRANSPARENT }, { IPPROTO_IPV6, IPV6_TRANSPARENT },
        };
        (void)c;
        for (size_t i = 0; result >= 0 && i < ELEMENTS(privileged); i++)
                if ((int)t->args[1] == privileged[i].level && (int)t->args[2] == privileged[i].name)
                        observe_needs(t, CAP_NET_ADMIN);
}
