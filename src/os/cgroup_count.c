/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting a group's packets: two programs that let everything through and share one element of a map. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "os/cgroup_network.h"

static const char map_name[] = "bulkhead_count";
static const struct bpf_kind kinds[2] = {
        { BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, map_name, NULL, 0 },
        { BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, map_name, NULL, 0 },
};

/* Adds the register to the number at this offset of the element that REG_0 points to. */
static void add_count(struct bpf_program *p, int reg, size_t offset)
{
        bpf_add(p, BPF_STX | BPF_XADD | BPF_DW, BPF_REG_0, reg, (int)offset, 0);
}

void cgroup_count_program_of(bool out, int map_fd, struct bpf_program *ret)
{
        static const size_t places[2][2] = { { offsetof(struct cgroup_traffic, in_bytes), offsetof(struct cgroup_traffic, in_packets) },
                                             { offsetof(struct cgroup_traffic, out_bytes), offsetof(struct cgroup_traffic, out_packets) } };
        struct bpf_program p = { 0 };
        bpf_add(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_6, BPF_REG_1, offsetof(struct __sk_buff, len), 0);
        bpf_add(&p, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0);
        bpf_add(&p, BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd);
        bpf_add(&p, 0, 0, 0, 0, 0);
        bpf_add(&p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0);
        bpf_add(&p, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4);
        bpf_add(&p, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
        bpf_add(&p, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
        size_t missing = p.count - 1;
        add_count(&p, BPF_REG_6, places[out][0]);
        bpf_add(&p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1);
        add_count(&p, BPF_REG_1, places[out][1]);
        bpf_land(&p, missing);
        bpf_add_answer(&p, 1);
        *ret = p;
}

int cgroup_programs_add_counts(struct cgroup_programs *l, const char *origin, struct error *e)
{
        CLEAN_FD int map = bpf_map_of_one(map_name, sizeof(struct cgroup_traffic));
        int r = map < 0 ? error_errno(e, map, "bpf.refused", "making a map of counts for %s", origin) : 0;
        for (int out = 0; r == 0 && out < 2; out++) {
                CLEAN_PROGRAM struct bpf_program p = { 0 };
                cgroup_count_program_of(out, map, &p);
                r = cgroup_programs_load(l, &kinds[out], &p, origin, e);
        }
        return r;
}

/* Found again by their name on the group: whoever looks needs nothing of who made them. */
int cgroup_traffic_read(int folder_fd, struct cgroup_traffic *ret)
{
        int fds[BPF_PRESENT_MAX], r = -ENOENT;
        int count = bpf_present(&kinds[1], folder_fd, fds);
        for (int i = 0; i < count; i++) {
                CLEAN_FD int map = r == 0 ? -EBADF : bpf_map_of_program(fds[i], map_name, sizeof *ret);
                if (map >= 0)
                        r = bpf_read_one(map, ret);
                fd_close(fds[i]);
        }
        return count < 0 ? count : r;
}
