/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of the observer. */
#pragma once

#include <limits.h>

#include "os/trace.h"
#include "sandbox/observe.h"

enum { OBSERVE_GROUPS_MAX = 64, OBSERVE_NR_MAX = 1024 };

/* Who a thread is to the kernel, as /proc shows it. */
struct credentials {
        bool known;
        uint32_t uid[4], gid[4]; /* real, effective, saved, of the file system */
        uint32_t groups[OBSERVE_GROUPS_MAX];
        size_t group_count;
        uint64_t effective; /* capabilities */
};

struct thread {
        pid_t pid;
        bool in_call;
        bool sets_up; /* it has not executed the payload's program yet */
        bool release; /* lets another trace it from this call on */
        uint32_t arch;
        uint64_t nr, args[6];
        struct credentials who;
        /* What had to be found out before the call is carried out. */
        char *before; /* a path */
        bool made;    /* what it opens is not there yet */
        uint64_t needs; /* capabilities, if it succeeds */
};

struct observer_context;

/* What a call tells where it begins, and how it has ended; NULL: nothing. */
struct call_info {
        const char *name;
        void (*begins)(struct observer_context *c, struct thread *t, const struct call_info *i);
        void (*ended)(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result);
        int path, folder; /* argument numbers; folder -1: the working directory */
        int more;         /* flags, or a capability */
};

struct known_call {
        bool looked_up;
        bool counted;
        size_t row; /* of the observations' calls */
        const struct call_info *info; /* NULL: nothing but its name is of interest */
};

struct observer_context {
        struct observations *o;
        const struct observe_watch *watch;
        struct observe_state state;
        pid_t supervisor;
        int socket; /* on which more children meet us, or negative */
        struct thread *threads; /* a hash table by pid; pid 0: free */
        size_t thread_count, thread_slots;
        struct known_call known[2][OBSERVE_NR_MAX]; /* native and foreign */
        uint64_t *own_pids; /* all thread ids ever, a bit each */
        uint64_t *checked;  /* hashes of accesses whose permission was looked at */
        size_t checked_count;
        unsigned port_start; /* below it binding takes a capability */
        uint64_t last_usec; /* when it was seen to be quiet */
        unsigned turns;
};

/* A path that was used, in its canonical form; what is of no interest is left out. */
void observe_path(struct observer_context *c, const struct thread *t, const char *path, unsigned uses);
/* The path of a descriptor of the thread's; false if it has none. */
bool observe_descriptor_path(const struct thread *t, int fd, char ret[PATH_MAX]);
bool observe_is_own(const struct observer_context *c, unsigned long pid);

/* observe_files.c; ended by a row without a name */
extern const struct call_info observe_file_calls[];
/* The path in an argument, resolved as the thread sees it. */
bool observe_path_argument(const struct thread *t, int path, int folder, bool last_link, char ret[PATH_MAX]);

/* observe_calls.c */
void observe_call_begins(struct observer_context *c, struct thread *t);
void observe_call_ended(struct observer_context *c, struct thread *t, const struct trace_call *call);
/* Before the payload's program runs: remembers what is about to be executed, which may be a script. */
void observe_set_up_call(struct thread *t, const struct trace_call *call);
void observe_executed(struct observer_context *c, struct thread *t);

/* observe_sockets.c: the call of t, which has succeeded (or, where it began, is about to be made). */
void observe_socket(struct observer_context *c, struct thread *t, int64_t result);
void observe_bind(struct observer_context *c, struct thread *t, int64_t result);
void observe_connect(struct observer_context *c, struct thread *t, int64_t result);
void observe_listen(struct observer_context *c, struct thread *t, int64_t result);
void observe_send_to(struct observer_context *c, struct thread *t, int64_t result);
void observe_send_message(struct observer_context *c, struct thread *t, int64_t result);
void observe_set_option(struct observer_context *c, struct thread *t, int64_t result);

/* observe_privilege.c */
const struct credentials *observe_credentials(struct thread *t);
/* The call needs capability n if it succeeds and the thread has it. */
void observe_needs(struct thread *t, unsigned n);
/* Whether a file could be reached and opened by its mode alone. */
void observe_permission(struct observer_context *c, struct thread *t, const char *path, bool write);
void observe_owner_begins(struct observer_context *c, struct thread *t, const char *path);
void observe_chown_begins(struct observer_context *c, struct thread *t, const char *path, uint32_t uid, uint32_t gid);
void observe_removal_begins(struct observer_context *c, struct thread *t, const char *path);
/* setuid and its like: count ids among the first arguments. */
void observe_ids_begin(struct thread *t, bool user, unsigned count);
void observe_kill_begins(struct observer_context *c, struct thread *t);
