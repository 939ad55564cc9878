/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts units in their order, and looks after them: what a service manager is, for the units that it is given. Each unit has a
 * supervisor of its own, which outlives the manager; only what binds units to each other needs one that stays.
 *
 * What a unit depends on and is not given counts as there: a host that systemd did not boot has no network.target, and needs none.
 */
#pragma once

#include "plan/unit_graph.h"
#include "shim/unit_load.h"

enum manager_event { MANAGER_STARTING, MANAGER_STARTED, MANAGER_FAILED, MANAGER_REFUSED, MANAGER_ENDED, MANAGER_STOPPING, MANAGER_STOPPED, MANAGER_NOTE };

struct manager_options {
        int root_fd;                 /* of the state */
        const char *root_path;
        bool user_mode, lenient, report_denials;
        const char *seal, *profile;      /* as in struct service_launch */
        const struct strings *folders;   /* where units are looked for */
        const struct strings *requested; /* names, or paths of files */
        bool only_requested;             /* all else counts as there; else what is in the folders is pulled in */
        bool install;                    /* [Install] counts as if all were enabled */
        const char *program;             /* of supervisors, or NULL */
        /* What happens, for whoever shows it. text: of a note; e: of a failure. Both may be NULL. */
        void (*event)(void *context, enum manager_event event, const char *unit, const char *text, const struct error *e);
        void *context;
};

struct manager_unit {
        int fd;        /* connection to its supervisor, while that lives; or -EBADF */
        bool starting, stopping, failed;
};

struct manager {
        const struct manager_options *o;
        struct graph graph;
        struct manager_unit *units; /* by node */
        struct unit loaded;         /* of the last look-up */
        struct unit_file file;
        struct strings names;       /* of the requested, completed */
        struct strings paths;       /* of those that were given as files, by index of names; or "" */
        size_t failures;
};

/* Loads and orders. Ids: those of unit_load.h, unit_graph.h. Nothing is started. */
int manager_open(const struct manager_options *o, struct manager *ret, struct error *e);
/* Starts all, waits until each is up or is not. wait false: begins them as soon as what they wait for is up, and does not wait for the last. */
void manager_start(struct manager *m, bool wait);
/*
 * Waits for news of the units, at most timeout_ms, and does what follows from them: what is bound to a unit that ends is stopped, OnFailure= is
 * started. extra_fd: returns early when it is readable; may be negative.
 */
void manager_turn(struct manager *m, int extra_fd, int timeout_ms);
/* Stops all that it started, and what that triggered, in reverse order. */
void manager_stop(struct manager *m);
/* How many supervisors it is connected to. */
size_t manager_live(const struct manager *m);
void manager_close(struct manager *m);
#define CLEAN_MANAGER CLEAN(manager_close)
