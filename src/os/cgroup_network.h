/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the sockets of a group may do, decided by programs on its folder of control groups v2: which addresses packets go to and come
 * from, which ports are bound, which network devices are used.  A socket belongs to the group of the process that made it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "os/bpf.h"

enum { CGROUP_PREFIXES_MAX = 16384, CGROUP_BIND_RULES_MAX = 512, CGROUP_INTERFACES_MAX = 1024 };

/* ---- addresses ---- */

struct cgroup_prefix {
        bool v6, allow;
        uint8_t bits;        /* length; the address has none beyond it */
        uint8_t address[16]; /* in the order of the network; of v4 the first four */
        const char *origin;
};

struct cgroup_prefixes {
        struct cgroup_prefix *items;
        size_t count, room;
};
void cgroup_prefixes_done(struct cgroup_prefixes *l);
/* False: the list is full. */
bool cgroup_prefixes_add(struct cgroup_prefixes *l, const struct cgroup_prefix *p);
/* Allowed is what an allowing prefix holds, and what no denying one does. The one that denies, or NULL. */
const struct cgroup_prefix *cgroup_prefixes_denying(const struct cgroup_prefixes *l, bool v6, const uint8_t *address);
/*
 * The same list in other words: sorted, and so that the longest prefix that holds an address decides about it alone; where none does, it is
 * allowed.  Nothing that changes nothing.
 */
void cgroup_prefixes_settle(const struct cgroup_prefixes *l, struct cgroup_prefixes *ret);
/*
 * The program for packets that go out, or come in.  map_fds: of the settled list's prefixes in v4 and in v6, to 1 (allow) or 0; negative
 * where there are none.
 */
void cgroup_address_program_of(bool out, const int map_fds[2], struct bpf_program *ret);

/* ---- ports ---- */

struct cgroup_bind_rule {
        uint8_t family;       /* AF_INET or AF_INET6; AF_UNSPEC: both */
        uint8_t protocol;     /* IPPROTO_TCP or IPPROTO_UDP; 0: all */
        uint16_t first, last; /* ports; port 0, which lets the kernel choose one, is held by 0 to 65535 alone */
        bool allow;
        const char *origin;
};

struct cgroup_bind_rules {
        struct cgroup_bind_rule *items;
        size_t count, room;
};
void cgroup_bind_rules_done(struct cgroup_bind_rules *l);
bool cgroup_bind_rules_add(struct cgroup_bind_rules *l, const struct cgroup_bind_rule *r);
/* Allowed is what an allowing rule holds, and what no denying one does. The one that denies, or NULL. */
const struct cgroup_bind_rule *cgroup_bind_denying(const struct cgroup_bind_rules *l, int family, int protocol, uint16_t port);
/* The program for sockets of this family. */
void cgroup_bind_program_of(const struct cgroup_bind_rules *l, int family, struct bpf_program *ret);

/* ---- network devices ---- */

/* Packets by the device that they go through: nothing but these, or all but these. */
void cgroup_interface_program_of(const uint32_t *indexes, size_t count, bool allow, struct bpf_program *ret);
/* New sockets send through this device. */
void cgroup_bound_device_program_of(uint32_t index, struct bpf_program *ret);

/* ---- counting ---- */

/* What has gone through a group's sockets, with the headers of IP. Also the element of the map that programs write to. */
struct cgroup_traffic {
        uint64_t in_bytes, in_packets, out_bytes, out_packets;
};
void cgroup_count_program_of(bool out, int map_fd, struct bpf_program *ret);
/* Of the folder of a group v2, opened for reading, on which counting programs are. 0, -ENOENT: there are none; or -errno. */
int cgroup_traffic_read(int folder_fd, struct cgroup_traffic *ret);

/* ---- tying them to a group ---- */

enum { CGROUP_PROGRAMS_MAX = 12 };

/* Loaded programs, not yet tied to a group. */
struct cgroup_programs {
        struct cgroup_program {
                struct bpf_kind kind;
                int fd;
                const char *origin;
                bool at_exec; /* for a group below, which a process enters last of all: it would hold the set-up, too */
        } items[CGROUP_PROGRAMS_MAX];
        size_t count;
};
void cgroup_programs_done(struct cgroup_programs *l);
#define CLEAN_PROGRAMS CLEAN(cgroup_programs_done)

/* Each loads what the list needs, in no program where it denies nothing. origin: who asked. 0 or -errno; "bpf.refused". */
int cgroup_programs_add_addresses(struct cgroup_programs *l, const struct cgroup_prefixes *prefixes, const char *origin, struct error *e);
int cgroup_programs_add_binds(struct cgroup_programs *l, const struct cgroup_bind_rules *rules, const char *origin, struct error *e);
int cgroup_programs_add_interfaces(struct cgroup_programs *l, const uint32_t *indexes, size_t count, bool allow, const char *origin, struct error *e);
int cgroup_programs_add_bound_device(struct cgroup_programs *l, uint32_t index, const char *origin, struct error *e);
int cgroup_programs_add_counts(struct cgroup_programs *l, const char *origin, struct error *e);
/* Loads p and takes its place in the list. */
int cgroup_programs_load(struct cgroup_programs *l, const struct bpf_kind *kind, const struct bpf_program *p, const char *origin, struct error *e);
/* Ties one to the folder of control groups v2, beside what is there. */
int cgroup_program_attach(const struct cgroup_program *p, int folder_fd, struct error *e);
