/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Control groups on hosts with v1, with v2 and with both ("hybrid").  A container or run has one group, which is one
 * folder in each hierarchy that it uses.  A controller belongs to v2 where v2 offers it, else to its v1 hierarchy.
 *
 * The group is made by cgroup_make, recorded with cgroup_save, and found again by a later process with cgroup_load.
 * All other functions take either.  Errors name controller, file, value and who asked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"
#include "os/cgroup_resources.h"

enum { CGROUP_FOLDERS_MAX = 24 };

struct cgroup_folder {
        char *controllers; /* v1: "memory", "cpu,cpuacct", "name=systemd"; v2: "" */
        char *path;        /* absolute */
        size_t tail;       /* where in it what is below the mount begins, with a slash */
        int fd;            /* O_PATH, or negative where it is gone */
        int procs_fd;      /* v1, while it may be entered: cgroup.procs, for writing; else -EBADF */
};

struct cgroup {
        struct cgroup_folder folders[CGROUP_FOLDERS_MAX];
        unsigned count;
        int into_fd; /* v2 folder for process_clone, or -EBADF */
};

enum cgroup_devices {
        CGROUP_DEVICES_OPEN,   /* rules are passed over: not ours to enforce, as without privilege */
        CGROUP_DEVICES_CLOSED, /* what no rule allows is refused; an error where that cannot be had */
        CGROUP_DEVICES_TRIED,  /* the same where it can be had: a second wall behind another */
};

struct cgroup_wish {
        const char *root; /* where the hierarchies are mounted; NULL: /sys/fs/cgroup */
        /*
         * Absolute: below the top of each hierarchy.  Relative: below our own folder; in v2, where a folder with
         * processes shares nothing out, beside it if that may be written.  NULL: "/ID" as root, else "ID".
         */
        const char *path;
        const char *id;
        bool all;       /* a folder in each hierarchy, as engines expect; else only where something is asked for */
        bool track;     /* one folder at least, if it can be had */
        bool v2_at_top; /* a relative path is taken below the top of v2 all the same */
        bool may_exist; /* the folders may be there, with processes in them; they keep what they hold */
        bool rootless;  /* folders that nothing is asked of may be refused */
        enum cgroup_devices devices;
        /* Controllers that are to be at hand in the group where the host has them, for whoever divides it further; NULL: nobody does. */
        const struct strings *delegated;
        const char *v2_origin; /* who asks for a folder in v2, for programs on it; NULL: nobody does */
        const struct cgroup_resources *resources; /* NULL: none */
        int (*note)(void *context, const char *path); /* NULL, or called with each path before it is made */
        /* NULL, or called before anything is made, with all folders that may be made and are not there yet: for a record that outlives us. */
        int (*intend)(void *context, const struct cgroup *folders, struct error *e);
        void *context;
};

/*
 * Makes the folders and writes what is asked for.  After a failure nothing of it is left but folders above the group's own.
 * Errors have exit status 219.
 */
int cgroup_make(const struct cgroup_wish *w, struct cgroup *ret, struct error *e);
/* Puts the calling process into the v1 folders, in the child of process_clone(..., into_fd, ...). 0 or -errno. */
int cgroup_enter(const struct cgroup *c);
/* Puts another process in, into the sub-group below it unless sub is NULL. */
int cgroup_attach(const struct cgroup *c, pid_t pid, const char *sub, struct error *e);
/*
 * Opens a group that was loaded for entering (exec): sets into_fd and procs_fd.  sub: as above.  Where a v2 group shares out
 * to sub-groups and so takes no process itself, the folder of the process "beside" (0: none) is entered.
 */
int cgroup_open_entry(struct cgroup *c, const char *sub, pid_t beside, struct error *e);
/*
 * Gives the v2 folder to a user, as the specification asks for containers with a user namespace and a writable mount of it: the folder
 * and those of its files that the kernel names in /sys/kernel/cgroup/delegate, never more.
 */
int cgroup_delegate(const struct cgroup *c, uid_t uid, struct error *e);
/*
 * Gives all folders to a user and group: each, and the files with which processes are moved and controllers handed down, but no limit.
 * So what the user makes below stays within the group's own.
 */
int cgroup_give(const struct cgroup *c, uid_t uid, gid_t gid, struct error *e);
/* Makes a group of that name below, of the same user, which is entered from then on in the place of the group itself. */
int cgroup_enter_below(struct cgroup *c, const char *name, uid_t uid, gid_t gid, struct error *e);
void cgroup_done(struct cgroup *c); /* forgets; what was made stays */

/* The group as lines of text and back. A folder that is gone is no error. Lines that are no group's: "cgroup.record". */
void cgroup_save(const struct cgroup *c, struct strings *ret);
int cgroup_load(const struct strings *lines, struct cgroup *ret, struct error *e);
/* The folder of a controller ("" for v2), or NULL. v2 answers for the controllers that it offers. */
const struct cgroup_folder *cgroup_folder_of(const struct cgroup *c, const char *controller);
/* As cgroup_folder_of, and never v2. */
const struct cgroup_folder *cgroup_v1_folder_of(const struct cgroup *c, const char *controller);
const struct cgroup_folder *cgroup_v2_folder(const struct cgroup *c);

/* Changes what a live group may use. Device rules, if there are any, take the place of those before. */
int cgroup_update(const struct cgroup *c, const struct cgroup_resources *r, struct error *e);

int cgroup_freeze(const struct cgroup *c, struct error *e); /* waits until all stand still; gives up after two seconds */
int cgroup_thaw(const struct cgroup *c, struct error *e);
bool cgroup_is_frozen(const struct cgroup *c);
/* All processes in the group and below it. Each once, in no order. */
struct cgroup_pids {
        pid_t *items;
        size_t count, room;
};
int cgroup_list(const struct cgroup *c, struct cgroup_pids *ret, struct error *e);
void cgroup_pids_done(struct cgroup_pids *p);
/* Sends a signal to all. How many got it, or -errno. */
int cgroup_signal(const struct cgroup *c, int signal);
/* Ends all, those just being forked and frozen ones too, and waits until the group is empty, at most timeout_ms. */
int cgroup_kill(const struct cgroup *c, unsigned timeout_ms, struct error *e);
/* Removes the folders and what is below them, the deepest first; waits for the kernel to empty them, at most timeout_ms. */
int cgroup_remove(const struct cgroup *c, unsigned timeout_ms, struct error *e);

/* Numbers of use as the JSON object that `events --stats` shows as "data". */
int cgroup_stats(const struct cgroup *c, struct text *json, struct error *e);

/* Waits for the kernel running out of memory within the group. */
struct cgroup_oom {
        int fd; /* readable: something may have happened */
        int folder_fd; /* v2 */
        uint64_t seen;
};
int cgroup_oom_open(const struct cgroup *c, struct cgroup_oom *ret, struct error *e);
/* After fd was readable: how often memory ran out since, or -ENODEV: the group is gone. */
int cgroup_oom_read(struct cgroup_oom *o);
void cgroup_oom_close(struct cgroup_oom *o);
