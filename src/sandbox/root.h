/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A root of the container's own: built beside the host's tree in the child's mount namespace, then made the root.
 *
 * Everything below the root is reached through descriptors and the resolver of os/path.h: what lies there may be
 * hostile, and may change while we look.  Mounts are made detached and attached to a descriptor of their target.
 */
#pragma once

#include "sandbox/child.h"

/* Descriptors of places in the new root that later steps must not look up again. */
struct root {
        struct child *c;
        const struct plan_container *k;
        int fd;      /* the root's mount */
        int proc_fd; /* of the mounts of these kinds, or -EBADF */
        int sys_fd, dev_fd, pts_fd;
        int blank_fd; /* an empty read-only tmpfs with "folder" and "file", for what is masked */
        const char *nodes_place; /* where the nodes of devices are while they are copied, or NULL */
        int *late;    /* mounts that become read-only once all is in place */
        size_t late_count;
};

/* Makes the mounts of the plan; leaves c->root_fd at the new root. */
int root_build(struct child *c, struct error *e);
/* Makes c->root_fd the root of the mount namespace and lets go of the host's tree. */
int root_enter(struct child *c, struct error *e);

/* exec: a terminal of the container's devpts, where the plan asks for one. */
int root_join_terminal(struct child *c, struct error *e);
/* root_devices.c: nodes, links and the console in /dev. */
int root_make_devices(struct root *r, struct error *e);
/*
 * The supervisor's part: the nodes of a container with id maps of its own, on a detached tmpfs, named by their number.
 * No user namespace but the first may make nodes.  The tmpfs or -errno.
 */
int root_make_nodes(const struct plan_container *k, struct error *e);
/* Whether the container is in a user namespace, its own or ours: there the kernel refuses mounts that would show more than the host's. */
bool root_is_in_users(const struct root *r);
/* root_cgroup.c: the mount of type cgroup, for the layout that the host has. A detached tree or -errno. */
int root_attach_cgroup(struct root *r, const struct plan_attach *a, int target, struct error *e);
/* root_copy.c: copies what is below from into to: modes, owners, times, links; never leaves from. 0 or -errno. */
int root_copy_up(int from, int to);
