/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runtime folder: ROOT/runs/UNIT/ for each run.
 *
 *   lock        held with flock by the supervisor for as long as it lives: free means dead.  Pids are never trusted
 *   state.json  what ps and inspect show; versioned, replaced atomically
 *   exit        room for the exit, reserved at the start: the end is recorded even when the disk is full
 *   undo        what must be removed afterwards, noted before it is made (undo.h)
 *   sock        the supervisor's socket (wire.h)
 *   log, log.1  the output, in the format of the Kubernetes CRI
 *   starts      services: what the start limit counts (start_limit.h); stays when a run of the same name takes the folder
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"
#include "os/cgroup_usage.h"

enum { STATE_VERSION = 1, STATE_SIZE_MAX = 65536, STATE_ENDED_KEPT = 100, UNIT_NAME_MAX = 255 };

enum run_phase { RUN_STARTING, RUN_RUNNING, RUN_EXITED, RUN_FAILED, RUN_PHASES };

struct run_state {
        char *unit, *invocation_id, *description;
        enum run_phase phase;
        pid_t supervisor_pid, pid;
        uint64_t started_usec, ended_usec, cpu_usec; /* times are of the real-time clock; 0: not yet */
        char code[8];                                /* "exited", "killed", "dumped" or empty */
        int status;                                  /* exit status or signal */
        char result[32];                             /* empty until the end */
        struct strings argv, properties;
        bool tty;
        char sub[20];            /* services: the state as systemd names it; else empty */
        char *source;            /* services: the unit's file */
        char *status_text;       /* services: what they say of themselves */
        uint32_t restarts;
        struct cgroup_usage usage; /* what its control groups said last */
        char *error_id, *error_cause, *error_hint; /* why the start failed, or NULL */
};

/* A run that the caller supervises. */
struct run {
        int runs_fd; /* ROOT/runs */
        int dir_fd;  /* ROOT/runs/UNIT */
        int lock_fd; /* the lock, held: hand it on to the shim, close every other copy */
        int sock_fd; /* listening */
        char *unit;
};
#define RUN_INIT { .runs_fd = -EBADF, .dir_fd = -EBADF, .lock_fd = -EBADF, .sock_fd = -EBADF }

/* Letters, digits and ":-_.\@"; starts with a letter, digit or "_"; ends with ".service", ".socket", ".timer" or ".path"; no ".."; at most 255. */
bool unit_name_valid(const char *name);

/* Opens, and makes if needed, the state root. The descriptor, or -errno. ret_path may be NULL. */
int state_root_open(bool user_mode, char **ret_path, struct error *e);

/* Makes and locks the folder of a run. An ended run of that name gives way; a live one is "unit.exists". */
int run_create(int root_fd, const char *unit, struct run *ret, struct error *e);
/* Forgets the descriptors, and so the lock unless another process holds a copy. */
void run_close(struct run *run);
/* Undoes and removes a run that this process holds, when its start failed. */
void run_abandon(struct run *run);
#define CLEAN_RUN CLEAN(run_close)

int run_save_state(int dir_fd, const struct run_state *s, struct error *e);
/* Of the text of a state.json alone. Ids: "state.invalid", "state.newer". */
int run_state_parse(const char *data, size_t size, struct run_state *ret, struct error *e);
int run_load_state(int dir_fd, struct run_state *ret, struct error *e);
/* Records the end: first into the reserved room, then into state.json. Fails only if both do. */
int run_record_end(int dir_fd, const struct run_state *s);
void run_state_done(struct run_state *s);
#define CLEAN_RUN_STATE CLEAN(run_state_done)
static inline bool run_state_ended(const struct run_state *s)
{
        return s->phase == RUN_EXITED || s->phase == RUN_FAILED;
}
const char *run_phase_name(enum run_phase phase);
/* The whole record as one JSON object. */
void run_state_json(const struct run_state *s, struct text *t);

/* Opens the folder of an existing run: "unit.unknown" when there is none. */
int run_open(int root_fd, const char *unit, struct error *e);
/* True while a supervisor holds the lock. */
bool run_is_live(int dir_fd);
/* When the supervisor died before it recorded the end: kills what is left, undoes, records "supervisor-killed". */
int run_reconcile(int root_fd, const char *unit);
/* Loads the state, after reconciling it if the supervisor is gone. */
int run_refresh(int root_fd, const char *unit, struct run_state *ret, struct error *e);
/* The supervisor itself, at its end: deletes the folder of its run, if that still is the one under this name. */
void run_remove_own(int dir_fd, const char *unit);
/* The lock of a run that has ended, reconciled, for whoever changes its record. -EWOULDBLOCK while it is live. */
int run_take_ended(int dir_fd);
/* Deletes the folder of an ended run. -EBUSY while it is live. */
int run_remove(int root_fd, const char *unit);

/* Calls back for each run until something other than 0 is returned, and returns that. */
int runs_list(int root_fd, int (*callback)(void *data, int runs_fd, const char *unit), void *data);
/* Removes the oldest ended records beyond STATE_ENDED_KEPT. */
int runs_prune(int root_fd);

/* Microseconds of the real-time clock. */
uint64_t state_now_usec(void);
/* Since the boot, while the machine sleeps, too. */
uint64_t state_boot_usec(void);
