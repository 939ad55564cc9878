/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is to be written into the files of a group, worked out before anything is written.  Pure; cgroup_writes_apply
 * is the one effect.
 */
#pragma once

#include "os/cgroup.h"

enum {
        CGROUP_WRITE_IF_THERE = 1, /* a file that is not there is passed over */
        CGROUP_WRITE_IF_ABLE = 2,  /* and one that the kernel no longer serves */
        CGROUP_WRITE_NOTHING = 4,  /* the folder is what is asked for; file is one of it */
};

struct cgroup_write {
        const char *controller; /* "" : the v2 folder whatever its controllers; literal, or owned by the resources */
        char *file, *value;
        char *other_file, *other_value; /* where file is not there; NULL: none */
        char *origin; /* who asked */
        unsigned flags;
};

struct cgroup_writes {
        struct cgroup_write *items;
        size_t count, room;
};
void cgroup_writes_done(struct cgroup_writes *w);
#define CLEAN_WRITES CLEAN(cgroup_writes_done)

/* What the files of a live group say, where a new value depends on it. */
struct cgroup_live {
        int64_t memory_limit; /* -1: none */
        int64_t quota;        /* -1: none */
};

/* Takes ownership of file, value and origin. The new row may be changed until the next is added. */
struct cgroup_write *cgroup_writes_add(struct cgroup_writes *w, const char *controller, char *file, char *value, char *origin);
/* "/linux/resources/memory/limit", or the directive. */
char *cgroup_origin(const struct cgroup_resources *r, enum cgroup_setting s);
char *cgroup_origin_at(const struct cgroup_resources *r, const char *tail);
/* origin, or where it is NULL the place of tail. */
char *cgroup_origin_or(const struct cgroup_resources *r, const char *origin, const char *tail);

/* Which controllers there are to write to. */
struct cgroup_offer {
        const char *v1; /* "cpu,cpuacct,memory" */
        const char *v2; /* " io memory ", or "" */
        bool has_v2;
};
/* The rows of v1 and of v2 for one of the controllers, by its number below CGROUP_CONTROLLERS. */
enum { CGROUP_CONTROLLERS = 9 };
struct cgroup_writer {
        const char *v1, *v2; /* names; v2 NULL: only v1 has it */
        int (*write_v1)(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e);
        int (*write_v2)(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e);
};
extern const struct cgroup_writer cgroup_writers[CGROUP_CONTROLLERS];
int cgroup_v1_memory(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e);
int cgroup_v1_cpu(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e);
int cgroup_v1_cpuset(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e);
int cgroup_v1_pids(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e);
int cgroup_v1_blkio(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e);
int cgroup_v1_hugetlb(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e);
int cgroup_v1_net_cls(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e);
int cgroup_v1_net_prio(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e);
int cgroup_v1_rdma(const struct cgroup_resources *r, struct cgroup_writes *w, struct error *e);
int cgroup_v2_memory(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e);
int cgroup_v2_cpu(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e);
int cgroup_v2_cpuset(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e);
int cgroup_v2_pids(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e);
int cgroup_v2_io(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e);
int cgroup_v2_hugetlb(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e);
int cgroup_v2_rdma(const struct cgroup_resources *r, const struct cgroup_live *live, struct cgroup_writes *w, struct error *e);
/*
 * All rows of r, each in the version that has its controller; the keys of "unified" last.  Fails where a controller is asked for
 * that is not there, or something that its version cannot do.  live NULL: a new group.
 */
int cgroup_writes_plan(const struct cgroup_resources *r, const struct cgroup_offer *offer, const struct cgroup_live *live,
                       struct cgroup_writes *w, struct error *e);
/*
 * Writes all.  The kernel holds some values against each other (memory.limit and memsw, quota and burst), so that one order is
 * right for raising them and another for lowering: what is refused as invalid is tried again after the others.
 */
int cgroup_writes_apply(const struct cgroup_writes *w, const struct cgroup *c, struct error *e);
