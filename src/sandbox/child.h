/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The set-up child, between clone and execve. */
#pragma once

#include "sandbox/sandbox.h"

struct child {
        struct sandbox *s;
        const struct sandbox_io *io;
        int status_fd; /* messages to the supervisor */
        int sync_fd;   /* asks the supervisor for id maps; -EBADF where none are needed */
        int observer_fd; /* takes the listener of the observed filter, or -EBADF */
        int proc_fd;   /* the host's /proc, opened before any mount */
        int root_fd;      /* of the payload's tree */
        int host_fd;      /* of the host's: where what is shown comes from; the same unless the unit has a root of its own */
        int run_fd;       /* the run's own folder, likewise */
        int stand_ins_fd; /* the stand-ins for InaccessiblePaths=, once mounts are made */
        int writable[SANDBOX_WRITABLE_MAX]; /* for Landlock, where the root is read-only */
        size_t writable_count;
        int terminal_fd; /* the container's own, once it is made */
        char program[4096];
};

/* Ties our life to the supervisor's. -ESRCH when it died before. */
int child_tie(struct child *c);
/* Walks the stages; returns only as the exit status of a failure, which was reported. */
int child_run(struct child *c);
/* Something that could not be applied and is not required. */
void child_note(struct child *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* mounts.c */
int child_mounts(struct child *c, struct error *e);
/* process.c: what a session of PAM limits, where the plan says nothing of it. resource is RLIMIT_*. */
void process_take_limit(struct plan_process *p, unsigned resource, uint64_t soft, uint64_t hard, const char *origin);
/* process.c: what is set with privilege, and what would be in the way of the set-up and comes last. */
int child_attributes(struct child *c, struct error *e);
int child_raise_limits(struct child *c, struct error *e);
int child_set_limits(struct child *c, struct error *e);
/* program.c: finds argv[0] in the sandbox as the payload's user will, and says what is wrong with it. */
int child_find_program(struct child *c, struct error *e);
int program_explain(const char *path, int errnum, struct error *e);
