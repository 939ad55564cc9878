/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The programs.  A packet or a call goes on when all programs on the path of its socket's group answer 1; a packet is dropped, and
 * a call fails with EPERM, when one answers 0.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>

#include "base/exit_status.h"
#include "base/text.h"
#include "os/cgroup_network.h"

enum { RESULT = BPF_REG_0, CONTEXT = BPF_REG_1, FIELD = BPF_REG_2, SECOND = BPF_REG_3, KEPT = BPF_REG_6, FRAME = BPF_REG_10 };
enum { DENY = 0, ALLOW = 1 };

static void add_load(struct bpf_program *p, int dst, int base, size_t offset)
{
        bpf_add(p, BPF_LDX | BPF_MEM | BPF_W, dst, base, (int)offset, 0);
}

static void add_set(struct bpf_program *p, int dst, int32_t value)
{
        bpf_add(p, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value);
}

static void add_copy(struct bpf_program *p, int dst, int src)
{
        bpf_add(p, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void add_call(struct bpf_program *p, int helper)
{
        bpf_add(p, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* A jump that bpf_land aims. */
static size_t add_jump(struct bpf_program *p, uint8_t condition, int reg, int64_t value)
{
        bpf_add(p, (uint8_t)(BPF_JMP32 | condition | BPF_K), reg, 0, 0, (int32_t)(uint32_t)value);
        return p->count - 1;
}

/* ---- addresses ---- */

/* Where a header has the address; and the key that is looked up, on the stack: the length in bits, and then the address. */
struct header {
        size_t from, to, bytes;
};
static const struct header headers[2] = {
        { offsetof(struct iphdr, saddr), offsetof(struct iphdr, daddr), 4 },
        { offsetof(struct ip6_hdr, ip6_src), offsetof(struct ip6_hdr, ip6_dst), 16 },
};
enum { KEY = -24, KEY_ADDRESS = KEY + 4 };

static void add_point_to_stack(struct bpf_program *p, int dst, int offset)
{
        add_copy(p, dst, FRAME);
        bpf_add(p, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, offset);
}

/* The packet begins with its header here. One that is too short for an address is dropped. */
static void add_lookup(struct bpf_program *p, const struct header *h, bool out, int map_fd)
{
        add_copy(p, BPF_REG_1, KEPT);
        add_set(p, BPF_REG_2, (int32_t)(out ? h->to : h->from));
        add_point_to_stack(p, BPF_REG_3, KEY_ADDRESS);
        add_set(p, BPF_REG_4, (int32_t)h->bytes);
        add_call(p, BPF_FUNC_skb_load_bytes);
        size_t loaded = add_jump(p, BPF_JEQ, RESULT, 0);
        bpf_add_answer(p, DENY);
        bpf_land(p, loaded);
        bpf_add(p, BPF_ST | BPF_MEM | BPF_W, FRAME, 0, KEY, (int32_t)h->bytes * 8);
        bpf_add(p, BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd);
        bpf_add(p, 0, 0, 0, 0, 0);
        add_point_to_stack(p, BPF_REG_2, KEY);
        add_call(p, BPF_FUNC_map_lookup_elem);
        bpf_add(p, BPF_JMP | BPF_JNE | BPF_K, RESULT, 0, 2, 0);
        bpf_add_answer(p, ALLOW);
        add_load(p, RESULT, RESULT, 0);
        bpf_add(p, BPF_ALU | BPF_AND | BPF_K, RESULT, 0, 0, ALLOW);
        bpf_add(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void cgroup_address_program_of(bool out, const int map_fds[2], struct bpf_program *ret)
{
        struct bpf_program p = { 0 };
        add_copy(&p, KEPT, CONTEXT);
        add_load(&p, BPF_REG_7, KEPT, offsetof(struct __sk_buff, protocol));
        for (int i = 0; i < 2; i++) {
                if (map_fds[i] < 0)
                        continue;
                size_t other = add_jump(&p, BPF_JNE, BPF_REG_7, htons(i ? ETH_P_IPV6 : ETH_P_IP));
                add_lookup(&p, &headers[i], out, map_fds[i]);
                bpf_land(&p, other);
        }
        bpf_add_answer(&p, ALLOW);
        *ret = p;
}

/* ---- ports ---- */

/* True where no rule behind this one can be reached. */
static bool add_rule(struct bpf_program *p, const struct cgroup_bind_rule *r)
{
        size_t skips[3], count = 0;
        if (r->protocol)
                skips[count++] = add_jump(p, BPF_JNE, SECOND, r->protocol);
        if (r->first > 0)
                skips[count++] = add_jump(p, BPF_JLT, FIELD, r->first);
        if (r->last < UINT16_MAX)
                skips[count++] = add_jump(p, BPF_JGT, FIELD, r->last);
        bpf_add_answer(p, r->allow ? ALLOW : DENY);
        for (size_t i = 0; i < count; i++)
                bpf_land(p, skips[i]);
        return count == 0;
}

void cgroup_bind_program_of(const struct cgroup_bind_rules *l, int family, struct bpf_program *ret)
{
        struct bpf_program p = { 0 };
        bool last = false;
        add_load(&p, FIELD, CONTEXT, offsetof(struct bpf_sock_addr, user_port));
        bpf_add(&p, BPF_ALU | BPF_END | BPF_TO_BE, FIELD, 0, 0, 16);
        add_load(&p, SECOND, CONTEXT, offsetof(struct bpf_sock_addr, protocol));
        for (int allow = 1; allow >= 0; allow--)
                for (size_t i = 0; i < l->count && !last; i++) {
                        const struct cgroup_bind_rule *r = &l->items[i];
                        if (r->allow == allow && (r->family == AF_UNSPEC || r->family == family))
                                last = add_rule(&p, r);
                }
        if (!last)
                bpf_add_answer(&p, ALLOW);
        *ret = p;
}

/* ---- network devices ---- */

void cgroup_interface_program_of(const uint32_t *indexes, size_t count, bool allow, struct bpf_program *ret)
{
        struct bpf_program p = { 0 };
        add_load(&p, FIELD, CONTEXT, offsetof(struct __sk_buff, ifindex));
        size_t first = p.count;
        for (size_t i = 0; i < count; i++)
                (void)add_jump(&p, BPF_JEQ, FIELD, indexes[i]);
        bpf_add_answer(&p, allow ? DENY : ALLOW);
        for (size_t i = 0; i < count; i++)
                bpf_land(&p, first + i);
        if (count)
                bpf_add_answer(&p, allow ? ALLOW : DENY);
        *ret = p;
}

void cgroup_bound_device_program_of(uint32_t index, struct bpf_program *ret)
{
        struct bpf_program p = { 0 };
        add_set(&p, FIELD, (int32_t)index);
        bpf_add(&p, BPF_STX | BPF_MEM | BPF_W, CONTEXT, FIELD, offsetof(struct bpf_sock, bound_dev_if), 0);
        bpf_add_answer(&p, ALLOW);
        *ret = p;
}

/* ---- loading and tying ---- */

static const struct bpf_kind egress = { BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, "bulkhead_out", NULL, 0 };
static const struct bpf_kind ingress = { BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, "bulkhead_in", NULL, 0 };
static const struct bpf_kind bind4 = { BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND, "bulkhead_bind4", NULL, 0 };
static const struct bpf_kind bind6 = { BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_BIND, "bulkhead_bind6", NULL, 0 };
static const struct bpf_kind create = { BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, "bulkhead_sock", NULL, 0 };

void cgroup_programs_done(struct cgroup_programs *l)
{
        for (size_t i = 0; i < l->count; i++)
                fd_close(l->items[i].fd);
        l->count = 0;
}

static int refused(int r, const char *doing, const char *origin, struct error *e)
{
        error_errno(e, r, "bpf.refused", "%s for %s", doing, origin);
        if (r == -EPERM || r == -EACCES)
                error_hint(e, "takes root with CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN) in the host's user namespace; containers mostly have neither");
        else
                error_hint(e, "takes a kernel with CONFIG_CGROUP_BPF and CONFIG_BPF_SYSCALL");
        error_status(e, STATUS_CGROUP);
        return r;
}

int cgroup_programs_load(struct cgroup_programs *l, const struct bpf_kind *kind, const struct bpf_program *p, const char *origin, struct error *e)
{
        if (l->count == CGROUP_PROGRAMS_MAX)
                return refused(-E2BIG, "loading a program", origin, e);
        int fd = bpf_load(kind, p);
        if (fd < 0)
                return refused(fd, "loading a program", origin, e);
        l->items[l->count++] = (struct cgroup_program){ *kind, fd, origin, false };
        return 0;
}

/* The prefixes of one family, or -EBADF where there are none. */
static int make_map(const struct cgroup_prefixes *settled, bool v6)
{
        size_t bytes = headers[v6].bytes, count = 0;
        CLEAN_FREE char *keys = xalloc(settled->count, 4 + bytes);
        CLEAN_FREE uint32_t *values = xalloc(settled->count, sizeof *values);
        for (size_t i = 0; i < settled->count; i++) {
                const struct cgroup_prefix *p = &settled->items[i];
                uint32_t bits = p->bits;
                if (p->v6 != v6)
                        continue;
                char *key = keys + count * (4 + bytes);
                memcpy(key, &bits, 4);
                memcpy(key + 4, p->address, bytes);
                values[count++] = p->allow ? ALLOW : DENY;
        }
        return count ? bpf_map_of_prefixes(bytes, keys, values, count) : -EBADF;
}

int cgroup_programs_add_addresses(struct cgroup_programs *l, const struct cgroup_prefixes *prefixes, const char *origin, struct error *e)
{
        struct cgroup_prefixes settled;
        cgroup_prefixes_settle(prefixes, &settled);
        if (!settled.count)
                return 0;
        CLEAN_FD int v4 = make_map(&settled, false), v6 = make_map(&settled, true);
        int maps[2] = { v4, v6 }, r = 0;
        cgroup_prefixes_done(&settled);
        for (int i = 0; i < 2; i++)
                if (maps[i] < 0 && maps[i] != -EBADF)
                        return refused(maps[i], "making a map of addresses", origin, e);
        for (int out = 0; r == 0 && out < 2; out++) {
                CLEAN_PROGRAM struct bpf_program p = { 0 };
                cgroup_address_program_of(out, maps, &p);
                r = cgroup_programs_load(l, out ? &egress : &ingress, &p, origin, e);
        }
        return r;
}

static bool denies(const struct cgroup_bind_rules *rules, int family)
{
        for (size_t i = 0; i < rules->count; i++)
                if (!rules->items[i].allow && (rules->items[i].family == AF_UNSPEC || rules->items[i].family == family))
                        return true;
        return false;
}

int cgroup_programs_add_binds(struct cgroup_programs *l, const struct cgroup_bind_rules *rules, const char *origin, struct error *e)
{
        int r = 0;
        for (int v6 = 0; r == 0 && v6 < 2; v6++) {
                CLEAN_PROGRAM struct bpf_program p = { 0 };
                int family = v6 ? AF_INET6 : AF_INET;
                if (!denies(rules, family))
                        continue;
                cgroup_bind_program_of(rules, family, &p);
                r = cgroup_programs_load(l, v6 ? &bind6 : &bind4, &p, origin, e);
        }
        return r;
}

int cgroup_programs_add_interfaces(struct cgroup_programs *l, const uint32_t *indexes, size_t count, bool allow, const char *origin, struct error *e)
{
        CLEAN_PROGRAM struct bpf_program p = { 0 };
        if (!count && !allow)
                return 0;
        cgroup_interface_program_of(indexes, count, allow, &p);
        int r = cgroup_programs_load(l, &egress, &p, origin, e);
        return r < 0 ? r : cgroup_programs_load(l, &ingress, &p, origin, e);
}

int cgroup_programs_add_bound_device(struct cgroup_programs *l, uint32_t index, const char *origin, struct error *e)
{
        CLEAN_PROGRAM struct bpf_program p = { 0 };
        cgroup_bound_device_program_of(index, &p);
        return cgroup_programs_load(l, &create, &p, origin, e);
}

int cgroup_program_attach(const struct cgroup_program *p, int folder_fd, struct error *e)
{
        /* The kernel takes no O_PATH descriptor here. */
        CLEAN_FD int folder = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = folder < 0 ? -errno : bpf_attach(&p->kind, folder, p->fd, -EBADF);
        return r < 0 ? refused(r, "tying a program to the control group", p->origin, e) : 0;
}
