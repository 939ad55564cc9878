/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What supervisors of sockets, timers and paths share: the loop, the record, the clients, and the services that they start. Each is a process of its
 * own like that of a service, and the same program.
 */
#pragma once

#include "base/rate.h"
#include "plan/unit_file.h"
#include "plan/unit_name.h"
#include "shim/facts.h"
#include "shim/hub.h"
#include "shim/service_shim.h"
#include "shim/state.h"

enum { TRIGGER_SOURCE = HUB_OWN /* the first that is the kind's own */ };

struct trigger {
        struct service_options o;
        struct run run;
        struct hub hub;
        struct unit_name name;
        struct unit_file file;
        struct host_facts facts;
        struct strings folders, notes;
        char *root_path;
        int root_fd;
        const char *sub;     /* "listening", "waiting"... */
        const char *invocation_id; /* of its own commands, borrowed; or NULL */
        bool up;             /* it was told */
        char result[32];     /* empty: success so far */
        bool skipped;        /* a condition does not hold: no failure */
        bool stops;          /* it was asked to */
        struct error error, launch_error; /* of trigger_launch: the last */
        uint64_t began_ms;
        /* The kind's own. */
        void (*source)(void *context, unsigned id, uint32_t events);
        bool (*message)(void *context, unsigned client, const unsigned char *m, size_t size); /* true: it was its own; or NULL */
        void (*reaped)(void *context, pid_t pid, int status); /* a child has ended; or NULL */
        void *context;
};

/* So many starts in so short a time mean that what is started does not take what comes. */
struct trigger_limit {
        uint64_t interval_usec, burst; /* either 0: no limit */
        struct rate_count count;
};
bool trigger_is_over_limit(struct trigger_limit *l);

/* Detaches, reads the snapshot and opens the loop. */
int trigger_open(struct trigger *t, const struct service_options *o, enum unit_type type, struct error *e);
/* It is up: told to who waits for it, and recorded. */
void trigger_is_up(struct trigger *t, const char *sub);
void trigger_set(struct trigger *t, const char *sub);
/* Whether it may start: by its conditions, as conditions_hold, and by its limit of starts, as start_limit_count, which counts this one. */
int trigger_check(const struct trigger *t, struct error *e);
/* Ends it before it is up: a condition that does not hold is no failure. */
void trigger_give_up(struct trigger *t, const struct error *e);
/* Ends it as a failure; e: why, or NULL. */
void trigger_fail(struct trigger *t, const char *result, const struct error *e);
/*
 * Starts a service with sockets, or connects to it if it runs. On the connection its end is heard. variables: lines for each of its commands, or
 * NULL. A descriptor or -errno, which is logged.
 */
int trigger_launch(struct trigger *t, const char *unit, const int *fds, unsigned count, const char *names, const char *variables);
/* The end: recorded and told. */
void trigger_finish(struct trigger *t);
void trigger_log(struct trigger *t, const struct error *e);

int socket_supervise(const struct service_options *o, struct error *e);
int path_supervise(const struct service_options *o, struct error *e);
int timer_supervise(const struct service_options *o, struct error *e);
