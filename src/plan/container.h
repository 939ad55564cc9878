/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of a plan that an OCI configuration asks for and most units do not: a root of its own with a list of
 * mounts in their order, namespaces by path, maps of ids, devices, and the finer attributes of a process.  Names and
 * meaning follow the OCI runtime specification 1.3, config-linux.md.  All zero means "not asked for".
 *
 * Pure data.  Strings belong to the plan; origin is a JSON pointer such as "/mounts/7".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

struct plan_id_map {
        uint32_t inside, outside, count;
};

struct plan_id_maps {
        struct plan_id_map *uids, *gids;
        size_t uid_count, gid_count;
};

struct plan_root {
        char *path;           /* absolute, of the host; NULL: the host's own tree */
        bool read_only;
        bool no_pivot;        /* chroot instead of pivot_root, for roots on the initial ramfs */
        uint64_t propagation; /* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE, | MS_REC; 0: MS_PRIVATE | MS_REC */
};

/* One mount inside the root, in the order of the configuration. */
struct plan_attach {
        char *type;   /* as the kernel names it; NULL for binds */
        char *source; /* binds: absolute, of the host */
        char *target; /* as written: resolved inside the root, links included */
        char *data;   /* options for the file system, separated by commas, or NULL */
        bool bind, recursive;           /* recursive: rbind */
        uint64_t set, clear;            /* MOUNT_ATTR_* of the mount */
        uint64_t set_below, clear_below; /* MOUNT_ATTR_* of it and all mounts below it: rro, rnosuid... */
        uint64_t super;                 /* MS_* of the file system itself: MS_RDONLY, MS_SYNCHRONOUS, MS_DIRSYNC, MS_LAZYTIME... */
        uint64_t propagation;           /* MS_SHARED..., | MS_REC; 0: as the root's */
        bool copy_up;                   /* tmpcopyup: a tmpfs starts with what the target held */
        bool copy_symlink;              /* the source's link is made again instead of mounted */
        bool source_no_follow, target_no_follow;
        bool id_mapped, id_mapped_below; /* idmap, ridmap */
        struct plan_id_maps maps;       /* of the id map; empty: the container's */
        bool is_cgroup;                 /* type cgroup: what is mounted depends on the host's layout */
        const char *origin;
};

struct plan_device {
        char *path;
        mode_t type; /* S_IFCHR, S_IFBLK or S_IFIFO */
        uint32_t major, minor;
        mode_t mode;
        uid_t uid;
        gid_t gid;
        const char *origin;
};

/* An existing namespace to enter instead of making one. */
struct plan_join {
        uint64_t flag; /* CLONE_NEW* */
        char *path;
        const char *origin;
};

struct plan_identity {
        bool set; /* numbers, not names: no account is looked up on the host */
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        size_t group_count;
        bool umask_set;
        mode_t umask;
};

/* Sets of capabilities, bit N for capability N. */
struct plan_capabilities {
        bool set;
        uint64_t bounding, effective, permitted, inheritable, ambient;
};

struct plan_rlimit {
        int resource;
        uint64_t soft, hard; /* RLIM_INFINITY: no limit */
        const char *origin;
};

struct plan_scheduler {
        bool set;
        uint32_t policy; /* SCHED_* */
        uint64_t flags;  /* SCHED_FLAG_* */
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
};

struct plan_io_priority {
        bool set;
        int value; /* as ioprio_set takes it */
};

struct plan_memory_policy {
        bool set;
        int mode; /* MPOL_* | MPOL_F_* */
        char *nodes; /* a list such as "0-1,3" or empty */
};

struct plan_time_offset {
        bool set;
        int64_t seconds;
        uint32_t nanoseconds;
};

struct plan_net_device {
        char *name;   /* on the host */
        char *inside; /* NULL: keeps its name */
        const char *origin;
};

/* A kernel setting; only of namespaces that the container owns. */
struct plan_sysctl {
        char *key, *value; /* "net.ipv4.ip_forward" */
        const char *origin;
};

enum plan_hook_kind { PLAN_HOOK_PRESTART, PLAN_HOOK_CREATE_RUNTIME, PLAN_HOOK_CREATE_CONTAINER, PLAN_HOOK_START_CONTAINER,
                      PLAN_HOOK_POSTSTART, PLAN_HOOK_POSTSTOP, PLAN_HOOK_KINDS };

struct plan_hook {
        char *path; /* absolute */
        struct strings argv, environment;
        uint32_t timeout_s; /* 0: none */
        const char *origin;
};

struct plan_intel_rdt {
        bool set;
        char *clos_id, *l3_cache_schema, *memory_bandwidth_schema;
        struct strings schemata;
        bool enable_monitoring;
};

struct cgroup_resources; /* os/cgroup_resources.h */
struct profile;          /* plan/profile.h */

struct plan_container {
        struct plan_root root;
        struct plan_attach *attaches;
        size_t attach_count, attach_room;
        struct strings masked, read_only_paths; /* missing ones are passed over */
        struct plan_device *devices;
        size_t device_count, device_room;
        struct plan_join *joins;
        size_t join_count, join_room;
        bool new_users; /* a user namespace with these maps */
        struct plan_id_maps maps;
        struct plan_time_offset monotonic, boottime;

        struct plan_identity identity;
        struct plan_capabilities capabilities;
        struct plan_rlimit *rlimits;
        size_t rlimit_count, rlimit_room;
        bool oom_score_set;
        int32_t oom_score;
        struct plan_scheduler scheduler;
        struct plan_io_priority io_priority;
        char *cpus_initial, *cpus_final; /* lists such as "0-3,7", or NULL */
        struct plan_memory_policy memory_policy;
        bool personality_set;
        unsigned long personality;
        char *process_label, *mount_label, *apparmor;
        bool terminal;
        uint16_t rows, columns; /* of the terminal; 0: not said */

        char *hostname, *domainname;
        struct plan_sysctl *sysctls;
        size_t sysctl_count, sysctl_room;
        struct plan_net_device *net_devices;
        size_t net_device_count, net_device_room;

        char *cgroups_path; /* as written, or NULL */
        struct cgroup_resources *resources; /* owned; NULL: none */
        struct plan_intel_rdt intel_rdt;

        struct profile *profile; /* owned; of system calls; NULL: none */
        struct plan_hook *hooks[PLAN_HOOK_KINDS];
        size_t hook_count[PLAN_HOOK_KINDS], hook_room[PLAN_HOOK_KINDS];
        struct strings annotations; /* KEY, VALUE, KEY, VALUE... */
};

void plan_container_done(struct plan_container *c);
