/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of bulkhead learn. */
#pragma once

#include "cli/like.h"
#include "plan/learn.h"

struct learn_options {
        const char *unit, *output, *merge, *exercise;
        struct strings properties, argv;
        unsigned runs, seconds; /* seconds 0: until it ends */
        bool json, verify, lenient, user_mode, quiet;
};

struct learn_session {
        const struct learn_options *o;
        struct like like;        /* of the unit, if one is named */
        char *state_root;        /* of services: where their supervisors are; else NULL */
        struct strings given;    /* "NAME=VALUE" of unit and options */
        struct observations seen;
        struct strings hidden;
        struct learned learned;
        unsigned trials;         /* runs that verified */
        bool verified;
        bool counting;           /* the terminal shows a number that the next line overwrites */
        off_t input_offset;      /* of standard input, if it is a file; or -1 */
        bool input_used;
};

/* How one run went. */
struct learn_outcome {
        int status;       /* of bulkhead run */
        int exercise;     /* exit status of the client; 0 without one */
        bool started;     /* the program ran; else its set-up failed */
        bool stopped;     /* by us: it was still alive when it was to be */
        bool interrupted; /* somebody wants the whole to end */
};

/* learn_runs.c: one run, watched, with further directives. Not shown: its output goes nowhere. */
int learn_run(struct learn_session *s, const struct strings *more, bool shown, struct observations *ret, struct learn_outcome *out, struct error *e);
/* learn_service.c: a service by its own supervisor. */
struct learn_service {
        int fd; /* connection to the supervisor, or negative: not yet */
        bool up, over;
};
bool learn_is_service(const struct learn_session *s);
/* In a process of its own: starts it with the socket of the observer, follows it to its end. Its status, as of unit run. */
int learn_start_service(struct learn_session *s, const struct strings *more, int socket);
/* Hears how it is, once one of its commands runs; never waits. */
void learn_hear_service(const struct learn_session *s, struct learn_service *v);
/* Asks for its end. False: it cannot be asked yet. */
bool learn_stop_service(struct learn_service *v);

/* The signal that asked for the end, or 0. */
int learn_interrupted(void);
void learn_catch_signals(void);
/* A line for people about what goes on. */
void learn_progress(struct learn_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Another trial begins; on a terminal the number is shown until the next line. */
void learn_count_trial(struct learn_session *s);

/* learn_host.c */
void learn_find_hidden(struct learn_session *s);
int learn_load_unit(struct learn_session *s, struct error *e);
/* The number of the unit, with the directives of the drop-in or without (NULL); "" in *ret_rating when there is none. */
void learn_score(const struct learn_session *s, const char *drop_in, unsigned *ret_exposure, const char **ret_rating);

/* learn_verify.c: runs it under what was learned, and drops what it does not bear. */
int learn_verify(struct learn_session *s, struct error *e);
