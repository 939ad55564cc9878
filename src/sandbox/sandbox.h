/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Executes a plan as a process, in named stages.
 *
 *      sandbox_prepare   in the supervisor: ids, folders, control groups, filters.  Whatever lasts is noted first,
 *                        so that an undo finds it after a crash.
 *      sandbox_spawn     clones the child, which walks the stages of child.c and ends in execve.
 *      sandbox_wait_exec reads what the child reports: nothing (it runs) or its own error.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "os/account.h"
#include "os/cgroup.h"
#include "os/cgroup_network.h"
#include "plan/plan.h"
#include "plan/profile.h"
#include "sandbox/image.h"
#include "sandbox/status.h"

/* The supervisor's side: where files of the run go, and the undo list. */
struct sandbox_host {
        const char *run_folder;     /* absolute; private to the run */
        const char *shared_folder;  /* absolute; for stand-ins and user id locks, shared by runs of this owner */
        const char *invocation_id;  /* 32 hex digits */
        int report_fd;              /* where denials are written at the end (denials.h); negative: not asked for */
        bool report_live;           /* they are told of as they happen, into a pipe that does not block */
        int observe_fd;             /* socket of whoever watches the payload's calls (observe.h); 0: nobody */
        bool track;                 /* a control group of its own even without limits */
        bool outlives;              /* the payload may live on when its supervisor ends; until it runs it dies with it all the same */
        bool per_command;           /* services: the environment is built for each command (command.h) */
        struct plan *beside;        /* services: the same without a root, for commands that do not see it; gains the same mounts. NULL: none */
        int (*note)(void *context, const char *kind, const char *path); /* "tree", "file" or "cgroup"; 0 or -errno */
        /* What stands at "at" was made for the run and is about to be renamed to path, outside the marked places. */
        int (*made)(void *context, const char *at, const char *path);
        /* Containers: what the child asks for while it is set up (container.h); 0 or -errno with e set. */
        int (*serve)(void *context, char request, pid_t pid, struct error *e);
        /* The child is cloned and not yet told to go on; 0 or -errno with e set. NULL: not asked for. */
        int (*born)(void *context, pid_t pid, struct error *e);
        /* The container's state as hooks get it, for this pid and status. */
        void (*describe)(void *context, pid_t pid, const char *status, struct text *t);
        void *context;
};

struct sandbox_io {
        int in, out, err;  /* become 0, 1, 2 */
        bool terminal;     /* "in" is a terminal that becomes the controlling one */
        const char *term;  /* TERM for the payload, or NULL */
        int console_fd;    /* containers with a terminal: where its main side is sent; negative: none */
        unsigned keep_fds; /* descriptors from 3 on that the payload inherits */
        const int *pass_fds; /* those that become them, in this order; none of them lies there. NULL: they are there already */
};

enum { SANDBOX_FILTERS_MAX = 16, SANDBOX_WRITABLE_MAX = 64 };

/* Loaded for the payload (credentials.h). */
struct sandbox_credential {
        char *name;
        struct text data;
};

struct sandbox_credentials {
        struct sandbox_credential *items;
        size_t count, room, bytes;
};

struct sandbox {
        struct plan *plan; /* borrowed; gains the mounts of folders */
        const struct sandbox_host *host;
        bool maps_itself; /* the child may write the id maps of its user namespace */
        bool users_first; /* without CAP_SYS_ADMIN: a user namespace makes the others possible */
        bool privileged; /* over the host's mounts */
        uint64_t held;   /* our own capabilities */
        struct account account;
        bool change_user;
        gid_t *groups;
        size_t group_count;
        bool set_groups;
        int uid_lock_fd; /* held while the run lives; the supervisor keeps it */
        struct sandbox_credentials credentials;
        int credentials_fd; /* services: a mount with them that is in no tree, for commands that see the host's, or -EBADF */
        struct image image;   /* of the root */
        struct image *images; /* of the plan's others, in their order; NULL: none */
        struct strings environment, folder_variables;
        char *listen_pid;  /* in environment: "LISTEN_PID=" and room for a number, which only the child knows; or NULL */
        struct strings notes; /* what a lenient start left out, for the child to report */
        char *tmp_source[2];
        char *stand_ins;
        struct cgroup cgroup;
        struct cgroup_programs programs; /* for the group, until they are tied to it */
        int last_group_fd; /* cgroup.procs of the group that is entered before exec (network.h), or -EBADF */
        struct filter_program filters[SANDBOX_FILTERS_MAX];
        size_t filter_count;
        bool filters_need_privilege, rests;
        int program_fd; /* executed in place of what the plan's command names, or -EBADF; borrowed */
        int stream_fds[PLAN_STREAMS]; /* files in the place of the streams of sandbox_io, from spawning on; or -EBADF */
        bool unobserved; /* it is no part of what is watched (observe.h), though the others of the service may be */
        int report_fd;
        pid_t observer_pid; /* or 0 */
        struct filter_program report_filter;
        struct filter_program reported[RESTRICTION_KINDS]; /* what the observer judges by itself, in place of a filter */
        bool kernel_keeps_code; /* MemoryDenyWriteExecute= is the kernel's business */
        /* Of containers (container.h). */
        struct profile_program profile; /* of system calls; empty: none */
        int root_fd;      /* the root, detached, or -EBADF: the child opens it */
        int *attach_fds;  /* sources of binds, by plan_attach, where the child could not open them; or NULL */
        int nodes_fd;     /* nodes of the devices, made where the child cannot (root_make_nodes), or -EBADF */
        int shared_net_fd, shared_ipc_fd; /* services: namespaces that all commands share (command.h), or -EBADF */
        int start_fd;     /* listens for the word to start; -EBADF: the payload starts at once */
        bool keep_keyring; /* the caller's session keyring stays */
        bool joined;      /* exec: the child is born in the namespaces of join_pidfd, join_flags of them */
        int join_pidfd;
        uint64_t join_flags;
        int status_out;   /* the child's end of the status pipe, while it is cloned */
        int late_pid_fd;  /* the process namespace that the child is born into when all else is done; -EBADF: born in its own */
};
#define SANDBOX_INIT                                                                                         \
        { .credentials_fd = -EBADF, .image = { .fd = -EBADF }, .uid_lock_fd = -EBADF, .last_group_fd = -EBADF, .shared_net_fd = -EBADF, .shared_ipc_fd = -EBADF, .cgroup = { .into_fd = -EBADF }, .report_fd = -EBADF, .root_fd = -EBADF, .nodes_fd = -EBADF, \
          .start_fd = -EBADF, .join_pidfd = -EBADF, .late_pid_fd = -EBADF, .program_fd = -EBADF, .stream_fds = { -EBADF, -EBADF, -EBADF } }

struct sandbox_child {
        pid_t pid;
        int pidfd, status_fd;
};

/* What to do with what the child tells before it runs. */
struct sandbox_watch {
        FILE *notes; /* NULL: not shown */
        /* Containers: the profile's listener has this number in the child, which waits until this returns. NULL: none. */
        int (*listener)(void *context, int number, struct error *e);
        void *context;
        bool announced; /* the child, a container's, says when it is about to execute: an end without that is its death */
};

/* Sets held and privileged. */
int sandbox_read_privilege(struct sandbox *s, struct error *e);
int sandbox_prepare(struct sandbox *s, struct plan *p, const struct sandbox_host *host, const char *term, struct error *e);
int sandbox_spawn(struct sandbox *s, const struct sandbox_io *io, struct sandbox_child *ret, struct error *e);
/* Services: lets go of what only a start needs and files keep, between one command and the next; the next sandbox_wake brings it back. */
void sandbox_rest(struct sandbox *s);
int sandbox_wake(struct sandbox *s, struct error *e);
/* The environment of the payload, ended by NULL; what files say is read now. */
int sandbox_environment(struct sandbox *s, const char *term, struct strings *ret, struct error *e);
/* Whether a lenient start may go on without the plan's mounts where they are refused. */
bool sandbox_may_drop_mounts(const struct plan *p);
/*
 * Blocks until the payload runs (0), is set up and waits for the word to start (1), or its set-up failed (the child's
 * error).
 */
int sandbox_wait_exec(int status_fd, const struct sandbox_watch *w, struct error *e);
void sandbox_done(struct sandbox *s);
#define CLEAN_SANDBOX CLEAN(sandbox_done)
