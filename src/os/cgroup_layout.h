/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which hierarchies this host has, found by trying the places where they are mounted; the table of mounts is never read. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

enum { CGROUP_HIERARCHIES_MAX = 20 };

struct cgroup_hierarchy {
        char *controllers; /* v1: as /proc/self/cgroup names them; v2: "" */
        char *own;         /* our own folder in it, "/" at the top; NULL where there is no such line */
        char *mount;       /* NULL until cgroup_hierarchy_open */
        int fd;            /* O_PATH of mount; -EBADF: not opened yet; another negative: not mounted */
};

struct cgroup_layout {
        char *root;
        struct cgroup_hierarchy v1[CGROUP_HIERARCHIES_MAX], v2;
        unsigned v1_count;
        bool has_v2;
        char *v2_controllers; /* " cpu io memory ", with blanks at both ends */
};
void cgroup_layout_done(struct cgroup_layout *l);
#define CLEAN_LAYOUT CLEAN(cgroup_layout_done)

/* root NULL: /sys/fs/cgroup. A root that is itself a v2 mount makes a layout of v2 alone. */
int cgroup_layout_open(const char *root, struct cgroup_layout *ret, struct error *e);
/* Opens a v1 hierarchy where it is mounted. 0, -ENOENT, or another error that says nothing of the mount. */
int cgroup_hierarchy_open(const struct cgroup_layout *l, struct cgroup_hierarchy *h);
/* "cpu" in "cpu,cpuacct". */
bool cgroup_names_controller(const char *controllers, const char *controller);
bool cgroup_layout_v2_offers(const struct cgroup_layout *l, const char *controller);
/* The opened v1 hierarchy of a controller, or NULL. */
struct cgroup_hierarchy *cgroup_layout_v1(struct cgroup_layout *l, const char *controller);
