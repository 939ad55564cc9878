/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of addresses, ports and devices against their meaning; the programs against the lists, in the kernel where it lets us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "os/cgroup_network.h"

static unsigned draw(unsigned below)
{
        static uint64_t state = 20250701;
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (unsigned)(state >> 33) % below;
}

static void add_prefix(struct cgroup_prefixes *l, bool allow, const char *address, unsigned bits)
{
        struct cgroup_prefix p = { .v6 = strchr(address, ':'), .allow = allow, .bits = (uint8_t)bits };
        assert_int_equal(inet_pton(p.v6 ? AF_INET6 : AF_INET, address, p.address), 1);
        assert_true(cgroup_prefixes_add(l, &p));
}

/* ---- addresses ---- */

/* Few bits that differ, so that prefixes hold one another often. */
static void draw_address(uint8_t address[16])
{
        static const uint8_t bytes[] = { 0, 0x80, 0xc0, 0xff };
        memset(address, 0, 16);
        for (int i = 0; i < 2; i++)
                address[i] = bytes[draw(4)];
}

static void draw_prefix(struct cgroup_prefix *p)
{
        static const uint8_t lengths[] = { 0, 1, 2, 7, 8, 9, 10, 15, 16, 32 };
        *p = (struct cgroup_prefix){ .v6 = draw(2), .allow = draw(2), .bits = lengths[draw(10)] };
        draw_address(p->address);
        for (unsigned bit = p->bits; bit < 128; bit++)
                p->address[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
}

/* As the kernel looks an address up: the longest that holds it decides alone. */
static bool looked_up(const struct cgroup_prefixes *settled, bool v6, const uint8_t *address)
{
        int longest = -1;
        bool allow = true;
        for (size_t i = 0; i < settled->count; i++) {
                struct cgroup_prefix alone = settled->items[i];
                struct cgroup_prefixes one = { .items = &alone, .count = 1 };
                alone.allow = false;
                if (!cgroup_prefixes_denying(&one, v6, address))
                        continue;
                assert_int_not_equal(alone.bits, longest); /* no prefix twice */
                if (alone.bits > longest) {
                        longest = alone.bits;
                        allow = settled->items[i].allow;
                }
        }
        return allow;
}

static void a_settled_list_means_the_same(void **state)
{
        (void)state;
        for (int round = 0; round < 3000; round++) {
                struct cgroup_prefixes l = { 0 }, settled;
                for (unsigned n = draw(9); n; n--) {
                        struct cgroup_prefix p;
                        draw_prefix(&p);
                        assert_true(cgroup_prefixes_add(&l, &p));
                }
                cgroup_prefixes_settle(&l, &settled);
                assert_true(settled.count <= l.count);
                for (int i = 0; i < 30; i++) {
                        uint8_t address[16];
                        bool v6 = draw(2);
                        draw_address(address);
                        assert_int_equal(looked_up(&settled, v6, address), !cgroup_prefixes_denying(&l, v6, address));
                }
                cgroup_prefixes_done(&settled);
                cgroup_prefixes_done(&l);
        }
}

static void what_changes_nothing_is_left_out(void **state)
{
        struct cgroup_prefixes l = { 0 }, settled;
        (void)state;
        add_prefix(&l, true, "10.0.0.0", 8);
        cgroup_prefixes_settle(&l, &settled);
        assert_int_equal(settled.count, 0);
        add_prefix(&l, false, "0.0.0.0", 0);
        add_prefix(&l, false, "10.1.0.0", 16);
        add_prefix(&l, false, "192.168.0.0", 16);
        cgroup_prefixes_settle(&l, &settled);
        assert_int_equal(settled.count, 2);
        assert_int_equal(settled.items[0].bits, 0);
        assert_true(!settled.items[0].allow && settled.items[1].allow);
        cgroup_prefixes_done(&settled);
        cgroup_prefixes_done(&l);
}

static void all_lengths_nest(void **state)
{
        struct cgroup_prefixes l = { 0 }, settled;
        const uint8_t zero[16] = { 0 };
        (void)state;
        for (int twice = 0; twice < 2; twice++)
                for (unsigned bits = 0; bits <= 128; bits++)
                        add_prefix(&l, bits == 128, "::", bits);
        cgroup_prefixes_settle(&l, &settled);
        assert_int_equal(settled.count, 2);
        assert_true(looked_up(&settled, true, zero));
        cgroup_prefixes_done(&settled);
        cgroup_prefixes_done(&l);
}

static void lists_are_bounded(void **state)
{
        struct cgroup_prefixes l = { 0 };
        struct cgroup_bind_rules rules = { 0 };
        const struct cgroup_prefix p = { .bits = 32 };
        const struct cgroup_bind_rule r = { .last = 1 };
        (void)state;
        for (int i = 0; i < CGROUP_PREFIXES_MAX; i++)
                assert_true(cgroup_prefixes_add(&l, &p));
        assert_false(cgroup_prefixes_add(&l, &p));
        for (int i = 0; i < CGROUP_BIND_RULES_MAX; i++)
                assert_true(cgroup_bind_rules_add(&rules, &r));
        assert_false(cgroup_bind_rules_add(&rules, &r));
        cgroup_prefixes_done(&l);
        cgroup_bind_rules_done(&rules);
}

/* ---- packets, in the kernel ---- */

/* What a program answers to an Ethernet frame, or -errno. */
static int answer_to(int program_fd, const void *frame, size_t size)
{
        union bpf_attr attr = { 0 };
        char out[256];
        attr.test.prog_fd = (uint32_t)program_fd;
        attr.test.data_in = (uintptr_t)frame;
        attr.test.data_size_in = (uint32_t)size;
        attr.test.data_out = (uintptr_t)out;
        attr.test.data_size_out = sizeof out;
        attr.test.repeat = 1;
        return syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof attr) < 0 ? -errno : (int)attr.test.retval;
}

static int answer_to_address(int program_fd, bool v6, bool out, const uint8_t *address)
{
        uint8_t frame[ETH_HLEN + 60] = { [12] = v6 ? 0x86 : 0x08, [13] = v6 ? 0xdd : 0x00, [14] = v6 ? 0x60 : 0x45 };
        memcpy(frame + ETH_HLEN + (v6 ? out ? 24 : 8 : out ? 16 : 12), address, v6 ? 16 : 4);
        return answer_to(program_fd, frame, sizeof frame);
}

static void the_kernel_agrees_about_addresses(void **state)
{
        (void)state;
        for (int round = 0; round < 200; round++) {
                struct cgroup_prefixes l = { 0 };
                CLEAN_PROGRAMS struct cgroup_programs programs = { 0 };
                struct error e = { 0 };
                for (unsigned n = 1 + draw(9); n; n--) {
                        struct cgroup_prefix p;
                        draw_prefix(&p);
                        assert_true(cgroup_prefixes_add(&l, &p));
                }
                int r = cgroup_programs_add_addresses(&programs, &l, "IPAddressDeny=x", &e);
                if (r == -EPERM || r == -EACCES || r == -ENOSYS) {
                        assert_string_equal(e.id, "bpf.refused");
                        cgroup_prefixes_done(&l);
                        skip();
                }
                assert_int_equal(r, 0);
                for (int i = 0; programs.count && i < 40; i++) {
                        uint8_t address[16];
                        bool v6 = draw(2), out = draw(2);
                        draw_address(address);
                        int got = answer_to_address(programs.items[out].fd, v6, out, address);
                        assert_int_equal(got, !cgroup_prefixes_denying(&l, v6, address));
                }
                cgroup_prefixes_done(&l);
        }
}

static void packets_without_an_address(void **state)
{
        struct cgroup_prefixes l = { 0 };
        CLEAN_PROGRAMS struct cgroup_programs programs = { 0 };
        uint8_t arp[60] = { [12] = 0x08, [13] = 0x06 }, cut[ETH_HLEN + 10] = { [12] = 0x08, [14] = 0x45 };
        (void)state;
        add_prefix(&l, false, "0.0.0.0", 0);
        int r = cgroup_programs_add_addresses(&programs, &l, "IPAddressDeny=0.0.0.0/0", NULL);
        cgroup_prefixes_done(&l);
        if (r < 0)
                skip();
        assert_int_equal(programs.count, 2);
        /* Only one of them was given a list of v6. */
        assert_int_equal(answer_to_address(programs.items[0].fd, true, false, (const uint8_t[16]){ 0 }), 1);
        assert_int_equal(answer_to(programs.items[0].fd, arp, sizeof arp), 1);
        int short_one = answer_to(programs.items[0].fd, cut, sizeof cut);
        assert_true(short_one <= 0); /* some kernels do not even take it */
}

/* ---- calls, by a judge of our own: the kernel runs these programs for real calls only ---- */

static uint32_t word_at(const void *context, size_t size, int offset)
{
        uint32_t word;
        assert_true(offset >= 0 && (size_t)offset + 4 <= size);
        memcpy(&word, (const char *)context + offset, 4);
        return word;
}

static bool jumps(uint8_t operation, uint32_t a, uint32_t b)
{
        switch (operation) {
        case BPF_JEQ: return a == b;
        case BPF_JNE: return a != b;
        case BPF_JLT: return a < b;
        case BPF_JGT: return a > b;
        default: fail(); return false;
        }
}

/* As much of the machine as such programs use. Fails on what the kernel's verifier would refuse. */
static int judge(const struct bpf_program *p, void *context, size_t size)
{
        uint32_t reg[11] = { 0 };
        bool set[11] = { [1] = true };
        for (size_t at = 0;; at++) {
                assert_true(at < p->count);
                const struct bpf_insn *i = &p->items[at];
                if (i->code == (BPF_LDX | BPF_MEM | BPF_W)) {
                        assert_int_equal(i->src_reg, 1);
                        reg[i->dst_reg] = word_at(context, size, i->off);
                        set[i->dst_reg] = true;
                } else if (i->code == (BPF_STX | BPF_MEM | BPF_W)) {
                        assert_true(i->dst_reg == 1 && set[i->src_reg]);
                        memcpy((char *)context + i->off, &reg[i->src_reg], 4);
                } else if (i->code == (BPF_ALU64 | BPF_MOV | BPF_K)) {
                        reg[i->dst_reg] = (uint32_t)i->imm;
                        set[i->dst_reg] = true;
                } else if (i->code == (BPF_ALU | BPF_END | BPF_TO_BE)) {
                        assert_true(set[i->dst_reg] && i->imm == 16);
                        reg[i->dst_reg] = htons((uint16_t)reg[i->dst_reg]);
                } else if (i->code == (BPF_JMP | BPF_EXIT)) {
                        assert_true(set[0] && reg[0] <= 1);
                        return (int)reg[0];
                } else {
                        assert_int_equal(BPF_CLASS(i->code), BPF_JMP32);
                        assert_true(set[i->dst_reg] && i->off >= 0);
                        if (jumps(BPF_OP(i->code), reg[i->dst_reg], (uint32_t)i->imm))
                                at += (size_t)i->off;
                }
        }
}

static void the_program_agrees_about_ports(void **state)
{
        static const uint16_t ports[] = { 0, 1, 79, 80, 81, 1023, 1024, 65534, 65535 };
        static const int families[] = { AF_INET, AF_INET6 }, protocols[] = { IPPROTO_TCP, IPPROTO_UDP, 136 /* UDP-Lite */ };
        (void)state;
        for (int round = 0; round < 3000; round++) {
                struct cgroup_bind_rules l = { 0 };
                for (unsigned n = draw(8); n; n--) {
                        unsigned first = draw(9), last = first + draw(9 - first), any = draw(3) == 0;
                        const struct cgroup_bind_rule r = { (uint8_t[]){ AF_UNSPEC, AF_INET, AF_INET6 }[draw(3)], (uint8_t[]){ 0, 6, 17 }[draw(3)],
                                                            any ? 0 : ports[first], any ? 65535 : ports[last], draw(2), NULL };
                        assert_true(cgroup_bind_rules_add(&l, &r));
                }
                for (size_t f = 0; f < ELEMENTS(families); f++) {
                        CLEAN_PROGRAM struct bpf_program p = { 0 };
                        cgroup_bind_program_of(&l, families[f], &p);
                        for (size_t k = 0; k < ELEMENTS(protocols) * ELEMENTS(ports); k++) {
                                uint16_t port = ports[k % ELEMENTS(ports)];
                                int protocol = protocols[k / ELEMENTS(ports)];
                                struct bpf_sock_addr call = { .user_port = htons(port), .protocol = (uint32_t)protocol };
                                assert_int_equal(judge(&p, &call, sizeof call), !cgroup_bind_denying(&l, families[f], protocol, port));
                        }
                }
                cgroup_bind_rules_done(&l);
        }
}

static void devices_by_their_index(void **state)
{
        const uint32_t indexes[] = { 1, 7, 4000000000U };
        (void)state;
        for (int allow = 0; allow < 2; allow++)
                for (size_t count = 0; count <= ELEMENTS(indexes); count++) {
                        CLEAN_PROGRAM struct bpf_program p = { 0 };
                        cgroup_interface_program_of(indexes, count, allow, &p);
                        for (uint32_t n = 0; n < 10; n++) {
                                struct __sk_buff packet = { .ifindex = n == 9 ? 4000000000U : n };
                                bool listed = false;
                                for (size_t i = 0; i < count; i++)
                                        listed = listed || indexes[i] == packet.ifindex;
                                assert_int_equal(judge(&p, &packet, sizeof packet), listed == allow);
                        }
                }
}

static void sockets_are_bound(void **state)
{
        CLEAN_PROGRAM struct bpf_program p = { 0 };
        struct bpf_sock socket = { 0 };
        (void)state;
        cgroup_bound_device_program_of(12, &p);
        assert_int_equal(judge(&p, &socket, sizeof socket), 1);
        assert_int_equal(socket.bound_dev_if, 12);
}

/* The kernel's verifier on the longest programs; nothing is tied to a group. */
static void the_longest_programs_load(void **state)
{
        CLEAN_PROGRAMS struct cgroup_programs programs = { 0 };
        struct cgroup_bind_rules l = { 0 };
        uint32_t indexes[CGROUP_INTERFACES_MAX];
        struct error e = { 0 };
        (void)state;
        for (uint16_t i = 0; i < CGROUP_BIND_RULES_MAX; i++)
                assert_true(cgroup_bind_rules_add(&l, &(struct cgroup_bind_rule){ AF_UNSPEC, IPPROTO_TCP, (uint16_t)(i * 2 + 1), (uint16_t)(i * 3 + 1), i % 2, NULL }));
        for (uint32_t i = 0; i < CGROUP_INTERFACES_MAX; i++)
                indexes[i] = i * 3 + 1;
        int r = cgroup_programs_add_binds(&programs, &l, "SocketBindDeny=x", &e);
        cgroup_bind_rules_done(&l);
        if (r == -EPERM || r == -EACCES || r == -ENOSYS)
                skip();
        assert_int_equal(r, 0);
        assert_int_equal(cgroup_programs_add_interfaces(&programs, indexes, ELEMENTS(indexes), true, "RestrictNetworkInterfaces=x", &e), 0);
        assert_int_equal(cgroup_programs_add_bound_device(&programs, 1, "BindNetworkInterface=lo", &e), 0);
        assert_int_equal(programs.count, 5);
}

/* Nothing is tied to a group: nothing has been counted. */
static void counting_programs_share_a_map(void **state)
{
        CLEAN_PROGRAMS struct cgroup_programs programs = { 0 };
        struct cgroup_traffic t = { 1, 1, 1, 1 }, none = { 0 };
        struct error e = { 0 };
        (void)state;
        int r = cgroup_programs_add_counts(&programs, "IPAccounting=yes", &e);
        if (r == -EPERM || r == -EACCES || r == -ENOSYS)
                skip();
        assert_int_equal(r, 0);
        assert_int_equal(programs.count, 2);
        CLEAN_FD int in = bpf_map_of_program(programs.items[0].fd, "bulkhead_count", sizeof t);
        CLEAN_FD int out = bpf_map_of_program(programs.items[1].fd, "bulkhead_count", sizeof t);
        assert_true(in >= 0 && out >= 0);
        assert_int_equal(bpf_read_one(in, &t), 0);
        assert_memory_equal(&t, &none, sizeof t);
        assert_int_equal(bpf_map_of_program(programs.items[0].fd, "bulkhead_ip", sizeof t), -ENOENT);
        assert_int_equal(bpf_map_of_program(programs.items[0].fd, "bulkhead_count", 8), -ENOENT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_settled_list_means_the_same), cmocka_unit_test(what_changes_nothing_is_left_out), cmocka_unit_test(all_lengths_nest),
                cmocka_unit_test(lists_are_bounded), cmocka_unit_test(the_kernel_agrees_about_addresses), cmocka_unit_test(packets_without_an_address),
                cmocka_unit_test(the_program_agrees_about_ports), cmocka_unit_test(devices_by_their_index), cmocka_unit_test(sockets_are_bound),
                cmocka_unit_test(the_longest_programs_load), cmocka_unit_test(counting_programs_share_a_map),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
