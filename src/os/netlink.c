/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/netlink.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"

enum { ANSWER_MAX = 32768, REQUEST_MAX = 512, NAMES_TRIED = 4096 };

struct request {
        struct nlmsghdr head;
        union {
                struct ifinfomsg link;
                struct ifaddrmsg address;
        };
        char attributes[REQUEST_MAX];
};

/* ---- sockets ---- */

static int enter(int namespace_fd)
{
        return namespace_fd >= 0 && setns(namespace_fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

/* A socket stays in the namespace that it was born in. */
static int open_socket(int namespace_fd)
{
        CLEAN_FD int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (own < 0)
                return -errno;
        int r = enter(namespace_fd);
        if (r < 0)
                return r;
        CLEAN_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        r = fd < 0 ? -errno : 0;
        int back = namespace_fd >= 0 ? enter(own) : 0;
        return back < 0 ? back : r < 0 ? r : TAKE_FD(fd);
}

static void begin(struct request *q, uint16_t type, uint16_t flags, size_t body)
{
        *q = (struct request){ .head = { .nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags), .nlmsg_len = (uint32_t)NLMSG_LENGTH(body) } };
}

static int add(struct request *q, unsigned short type, const void *data, size_t size)
{
        size_t at = NLMSG_ALIGN(q->head.nlmsg_len);
        if (at + RTA_SPACE(size) > sizeof *q)
                return -E2BIG;
        struct rtattr *a = (struct rtattr *)(void *)((char *)q + at);
        a->rta_type = type;
        a->rta_len = (unsigned short)RTA_LENGTH(size);
        memcpy(RTA_DATA(a), data, size);
        q->head.nlmsg_len = (uint32_t)(at + RTA_LENGTH(size));
        return 0;
}

static int add_text(struct request *q, unsigned short type, const char *text)
{
        return add(q, type, text, strlen(text) + 1);
}

struct visitor {
        int (*see)(const struct nlmsghdr *message, void *context); /* 0 or -errno; NULL: nothing is expected */
        void *context;
};

/* One datagram: 1 when the answer is complete, 0 when more is to come, -errno. */
static int read_answer(char *data, size_t size, const struct visitor *v)
{
        size_t left = size;
        for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)data; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
                if (h->nlmsg_type == NLMSG_DONE)
                        return 1;
                if (h->nlmsg_type == NLMSG_ERROR) {
                        int32_t code;
                        memcpy(&code, NLMSG_DATA(h), sizeof code);
                        return code < 0 ? code : 1;
                }
                int r = v->see ? v->see(h, v->context) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Asks the kernel; every request ends in an acknowledgement or in the end of a list. */
static int ask(int fd, struct request *q, const struct visitor *v)
{
        char data[ANSWER_MAX] __attribute__((aligned(8)));
        q->head.nlmsg_flags |= NLM_F_ACK;
        if (send(fd, q, q->head.nlmsg_len, 0) < 0)
                return -errno;
        for (;;) {
                ssize_t n = recv(fd, data, sizeof data, 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EPIPE;
                int r = read_answer(data, (size_t)n, v);
                if (r)
                        return r < 0 ? r : 0;
        }
}

/* ---- links ---- */

static int take_index(const struct nlmsghdr *h, void *context)
{
        const struct ifinfomsg *link = NLMSG_DATA(h);
        if (h->nlmsg_type == RTM_NEWLINK)
                *(int *)context = link->ifi_index;
        return 0;
}

static int find_link(int fd, const char *name)
{
        struct request q;
        int index = 0;
        begin(&q, RTM_GETLINK, 0, sizeof q.link);
        int r = add_text(&q, IFLA_IFNAME, name);
        if (r == 0)
                r = ask(fd, &q, &(struct visitor){ take_index, &index });
        return r < 0 ? r : index > 0 ? index : -ENODEV;
}

static int move_link(int fd, int index, int to, const char *name)
{
        struct request q;
        uint32_t target = (uint32_t)to;
        begin(&q, RTM_NEWLINK, 0, sizeof q.link);
        q.link.ifi_index = index;
        int r = add(&q, IFLA_NET_NS_FD, &target, sizeof target);
        if (r == 0)
                r = add_text(&q, IFLA_IFNAME, name);
        return r < 0 ? r : ask(fd, &q, &(struct visitor){ 0 });
}

static int bring_up(int fd, int index)
{
        struct request q;
        begin(&q, RTM_NEWLINK, 0, sizeof q.link);
        q.link.ifi_index = index;
        q.link.ifi_flags = q.link.ifi_change = IFF_UP;
        return ask(fd, &q, &(struct visitor){ 0 });
}

/* ---- addresses ---- */

struct addresses {
        int index;
        struct request *items; /* ready to be asked for, but for the index */
        size_t count, room;
};

/* How it is used stays; what the kernel found out about it does not. */
static uint32_t kept_flags(uint32_t flags)
{
        return flags & (IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN);
}

static int take_address(const struct nlmsghdr *h, void *context)
{
        static const unsigned short kept[] = { IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_CACHEINFO, IFA_RT_PRIORITY };
        struct addresses *all = context;
        const struct ifaddrmsg *m = NLMSG_DATA(h);
        if (h->nlmsg_type != RTM_NEWADDR || (int)m->ifa_index != all->index || m->ifa_scope != RT_SCOPE_UNIVERSE)
                return 0;
        struct request q;
        uint32_t flags = m->ifa_flags;
        int r = 0;
        begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof q.address);
        q.address = *m;
        q.address.ifa_flags = 0;
        size_t left = IFA_PAYLOAD(h);
        for (const struct rtattr *a = IFA_RTA(m); r == 0 && RTA_OK(a, left); a = RTA_NEXT(a, left)) {
                if (a->rta_type == IFA_FLAGS)
                        memcpy(&flags, RTA_DATA(a), sizeof flags);
                for (size_t i = 0; i < ELEMENTS(kept); i++)
                        if (a->rta_type == kept[i])
                                r = add(&q, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a));
        }
        flags = kept_flags(flags);
        if (r == 0)
                r = add(&q, IFA_FLAGS, &flags, sizeof flags);
        if (r < 0)
                return r;
        all->items = xgrow(all->items, &all->room, all->count + 1, sizeof *all->items);
        all->items[all->count++] = q;
        return 0;
}

static int list_addresses(int fd, int index, struct addresses *ret)
{
        struct request q;
        begin(&q, RTM_GETADDR, NLM_F_DUMP, sizeof q.address);
        ret->index = index;
        return ask(fd, &q, &(struct visitor){ take_address, ret });
}

static int add_addresses(int fd, int index, struct addresses *all)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < all->count; i++) {
                all->items[i].address.ifa_index = (uint32_t)index;
                r = ask(fd, &all->items[i], &(struct visitor){ 0 });
        }
        return r == -EEXIST ? 0 : r;
}

/* ---- the whole ---- */

static int fail(struct error *e, int r, const char *what, const char *name)
{
        error_errno(e, r, "network.device", "%s the network device %s", what, name);
        if (r == -EPERM)
                error_hint(e, "moving devices takes CAP_NET_ADMIN over both network namespaces");
        return r;
}

static int settle(int theirs, struct addresses *all, const char *name, struct error *e)
{
        int index = find_link(theirs, name);
        int r = index < 0 ? index : add_addresses(theirs, index, all);
        if (r < 0)
                return fail(e, r, "giving its addresses back to", name);
        r = bring_up(theirs, index);
        return r < 0 ? fail(e, r, "bringing up", name) : 0;
}

/* What a device will be called; "eth%d": the first of these that is free. */
static int choose_name(int theirs, const char *wanted, char ret[NETLINK_NAME_MAX])
{
        const char *number = strstr(wanted, "%d");
        for (int i = 0; i < NAMES_TRIED; i++) {
                CLEAN_FREE char *name = number ? xprintf("%.*s%d%s", (int)(number - wanted), wanted, i, number + 2) : xstrdup(wanted);
                if (strlen(name) >= NETLINK_NAME_MAX)
                        return -ENAMETOOLONG;
                int r = find_link(theirs, name);
                if (number && r > 0)
                        continue;
                if (r < 0 && r != -ENODEV)
                        return r;
                (void)strcpy(ret, name);
                return r > 0 ? -EEXIST : 0;
        }
        return -EEXIST;
}

int netlink_move_device(int from, int to, const char *name, const char *inside, char ret_name[NETLINK_NAME_MAX], struct error *e)
{
        struct addresses all = { 0 };
        CLEAN_FD int ours = open_socket(from), theirs = open_socket(to);
        CLEAN_FD int own = to < 0 ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
        if (ours < 0 || theirs < 0)
                return fail(e, ours < 0 ? ours : theirs, "reaching", name);
        int index = find_link(ours, name);
        if (index < 0) {
                fail(e, index, "finding", name);
                if (index == -ENODEV)
                        error_hint(e, "a device to be moved must be there in the network namespace of the runtime");
                return index;
        }
        int r = list_addresses(ours, index, &all);
        if (r < 0)
                fail(e, r, "reading the addresses of", name);
        else if ((r = choose_name(theirs, inside ? inside : name, ret_name)) < 0 ||
                 (r = move_link(ours, index, to < 0 ? own : to, ret_name)) < 0) {
                fail(e, r, "moving", name);
                if (r == -EEXIST)
                        error_hint(e, "the container's network namespace has a device named %s already", inside ? inside : name);
        } else
                r = settle(theirs, &all, ret_name, e);
        free(all.items);
        return r;
}
