/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a plan that says what kind of process a unit's payload is: limits, attributes, environment, streams. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* In the order of the rows Limit*= of the table of directives. */
enum plan_limit_kind {
        PLAN_LIMIT_CPU, PLAN_LIMIT_FSIZE, PLAN_LIMIT_DATA, PLAN_LIMIT_STACK, PLAN_LIMIT_CORE, PLAN_LIMIT_RSS, PLAN_LIMIT_NOFILE,
        PLAN_LIMIT_AS, PLAN_LIMIT_NPROC, PLAN_LIMIT_MEMLOCK, PLAN_LIMIT_LOCKS, PLAN_LIMIT_SIGPENDING, PLAN_LIMIT_MSGQUEUE,
        PLAN_LIMIT_NICE, PLAN_LIMIT_RTPRIO, PLAN_LIMIT_RTTIME, PLAN_LIMITS
};

/* In the kernel's units: bytes, seconds (CPU), microseconds (RTTIME), 20 - nice (NICE), or how many. */
struct plan_limit {
        uint64_t soft, hard; /* UINT64_MAX: none */
        const char *origin;  /* NULL: as the caller has it */
};

/* Numbers, in the order of the rows of the table of directives. */
enum plan_attribute_kind {
        PLAN_NICE,
        PLAN_OOM_SCORE_ADJUST,
        PLAN_TIMER_SLACK_NS,
        PLAN_IO_CLASS,    /* as ioprio_set(2) counts them: 1 realtime, 2 best-effort, 3 idle */
        PLAN_IO_PRIORITY, /* 0 to 7 */
        PLAN_CPU_POLICY,  /* SCHED_* */
        PLAN_CPU_PRIORITY,
        PLAN_CPU_RESET_ON_FORK,
        PLAN_NUMA_POLICY, /* MPOL_* */
        PLAN_PERSONALITY, /* PER_* */
        PLAN_COREDUMP_FILTER,
        PLAN_IGNORE_SIGPIPE,
        PLAN_MEMORY_KSM,
        PLAN_ATTRIBUTES
};

struct plan_attribute {
        int64_t value;
        const char *origin; /* NULL: not asked for */
};

/* Standard input, output and error. */
enum plan_stream_kind { PLAN_STREAM_INHERIT, PLAN_STREAM_NULL, PLAN_STREAM_FILE, PLAN_STREAM_APPEND, PLAN_STREAM_TRUNCATE,
                        PLAN_STREAM_LOG,  /* as the way of running gives it, whatever the others are */
                        PLAN_STREAM_DATA, /* input: the plan's own */
                        PLAN_STREAM_TTY,
                        PLAN_STREAM_SOCKET, /* the one that a service was started by */
                        PLAN_STREAM_NAMED   /* the descriptor of this name among those that a service is given; path is the name */ };
/* How a terminal that has a session already is taken. */
enum plan_tty_taking { PLAN_TTY_WAIT, PLAN_TTY_FORCE, PLAN_TTY_FAIL };
enum { PLAN_STREAMS = 3, PLAN_INPUT_MAX = 16 << 20 };

struct plan_tty {
        char *path; /* NULL: /dev/console */
        bool reset, hang_up, disallocate;
        unsigned rows, columns; /* 0: as they are */
        const char *origin;
};

struct plan_stream {
        enum plan_stream_kind kind;
        enum plan_tty_taking tty; /* input */
        char *path;
        const char *origin; /* NULL: not asked for */
};

/* Of security modules, in the order of the rows of the table of directives. */
enum plan_label_kind { PLAN_LABEL_SELINUX, PLAN_LABEL_APPARMOR, PLAN_LABEL_SMACK, PLAN_LABELS };
enum { PLAN_LABEL_MAX = 4000 };

struct plan_label {
        char *text; /* NULL: not asked for */
        bool optional;
        const char *origin;
};

struct plan_process {
        struct plan_label labels[PLAN_LABELS];
        struct plan_limit limits[PLAN_LIMITS];
        struct plan_attribute attributes[PLAN_ATTRIBUTES];
        char *cpus, *numa_nodes; /* "0-3,7"; nodes also "all" */
        const char *cpus_origin, *numa_nodes_origin;
        struct plan_stream streams[PLAN_STREAMS];
        struct plan_tty tty;
        struct text input; /* of PLAN_STREAM_DATA */
        const char *input_origin;
        enum { PLAN_LOGIN_DEFAULT, PLAN_LOGIN_NO, PLAN_LOGIN_YES } login; /* HOME, LOGNAME, USER and SHELL; by default with a user */
        const char *login_origin;
        struct strings pass;  /* names of the caller's variables */
        struct strings files; /* "[-]/path" of files with variables; the last part may be a pattern */
        struct strings unset; /* NAME or NAME=VALUE, taken away last */
        struct strings search_path; /* folders */
        const char *pass_origin, *files_origin, *unset_origin, *search_path_origin;
};

/* Frees what it holds. */
void plan_process_done(struct plan_process *p);
/* "best-effort" of PLAN_IO_CLASS and so on; NULL where the attribute's values have no names. */
const char *plan_attribute_word(enum plan_attribute_kind kind, int64_t value);
