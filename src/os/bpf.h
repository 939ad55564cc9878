/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs for the kernel's own machine (eBPF): made instruction by instruction, loaded, tied to a folder of control groups v2.
 * All that are made here branch forward only and are short, so that a library would add nothing but its size.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct bpf_program {
        struct bpf_insn *items;
        size_t count, room;
};
void bpf_program_done(struct bpf_program *p);
#define CLEAN_PROGRAM CLEAN(bpf_program_done)

void bpf_add(struct bpf_program *p, uint8_t code, int dst, int src, int offset, int32_t immediate);
/* Ends the program with this answer. */
void bpf_add_answer(struct bpf_program *p, int32_t answer);
/* Aims a jump, the instruction number at, to behind the last instruction. */
void bpf_land(struct bpf_program *p, size_t at);

/* What the kernel is told of a program. */
struct bpf_kind {
        uint32_t type;   /* BPF_PROG_TYPE_... */
        uint32_t attach; /* BPF_CGROUP_... */
        const char *name; /* at most 15 bytes */
        const char *license; /* NULL: our own.  The kernel wants "GPL", to which ours may be changed, for some kinds. */
        uint32_t function;   /* BPF_PROG_TYPE_LSM: the hook's number in the kernel's BTF; else 0 */
};
/* A descriptor or -errno. */
int bpf_load(const struct bpf_kind *k, const struct bpf_program *p);
/*
 * folder_fd: not O_PATH.  Programs of groups below stay, and all on the path must agree.  replaced_fd: the one in whose place it goes,
 * or negative. 0 or -errno.
 */
int bpf_attach(const struct bpf_kind *k, int folder_fd, int program_fd, int replaced_fd);
int bpf_detach(const struct bpf_kind *k, int folder_fd, int program_fd);
enum { BPF_PRESENT_MAX = 64 };
/* Descriptors of the programs on the folder itself. The count or -errno. */
int bpf_present(const struct bpf_kind *k, int folder_fd, int fds[BPF_PRESENT_MAX]);

/* A map of one element, all zero at first, that programs write and others read. A descriptor or -errno. */
int bpf_map_of_one(const char *name, size_t bytes);
int bpf_read_one(int map_fd, void *ret);
/* The map of that name and size that a loaded program uses: a descriptor, -ENOENT or -errno. */
int bpf_map_of_program(int program_fd, const char *name, size_t bytes);

/*
 * A map from prefixes to 32-bit values, for BPF_MAP_TYPE_LPM_TRIE lookups of the longest that fits.  Key number i is in keys: the
 * length in bits as a uint32_t, then address_bytes of address.  Nobody can change it afterwards. A descriptor or -errno.
 */
int bpf_map_of_prefixes(size_t address_bytes, const void *keys, const uint32_t *values, size_t count);
