/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fleet in a world of its own: a clock, a provider that fails in every way that providers do, people who change their minds, a controller that
 * dies between any two of its acts.  All by chance from one seed, so the same seed is the same life.
 *
 *      sim_world.c     clock, chance, what is going to happen, the trace
 *      sim_provider.c  instances, calls, lists, events, health
 *      sim_control.c   the controller: planner, what it has on disk, its death
 *      sim_people.c    documents, commits, pauses, tags pulled off
 *      sim_judge.c     what must hold, after each act
 *      simulate.c      the life of a seed; options
 */
#pragma once

#include "base/heap.h"
#include "group/planner.h"

#define USEC_S UINT64_C(1000000)
#define USEC_M (60 * USEC_S)
enum { REVISIONS_MAX = 400, CONFIGS = 6, LOGICALS = 5 };
#define CALL_LIMIT (20 * USEC_S) /* the controller waits no longer for a call */
#define LAG_MAX (30 * USEC_S)    /* how late a list of the provider may be: less than PLANNER_SETTLE_USEC with a call in it */

struct creature {
        char id[24], token[32], hash[40], logical[16];
        bool ours;        /* has our group's tag */
        bool lie;         /* it never was: a call said so */
        bool alive, sick; /* sick: by chance, on top of its configuration */
        bool protected;   /* as the newest document says */
        uint64_t born_usec, died_usec;
        unsigned config;
        /* what the controller was told of it */
        bool told, told_dead;
        uint64_t told_dead_usec;
        bool told_answer, told_good_once, told_bad; /* bad: until it is good again */
        bool leaving; /* a drain or destroy of it was asked for */
        bool here, live; /* the planner knows it; and it does not leave. As after the last step */
        bool served;  /* when it was marked to go */
        bool broke_floor; /* then too few were left */
        bool judged;  /* it was called to go */
        bool in_roll; /* made while one was on */
};

/* One token: what was called with it. */
struct promise {
        char token[32];
        unsigned calls;         /* in hand, of this controller */
        unsigned effects;       /* still to come at the provider */
        uint64_t unsure_usec;   /* the last call that may have had an effect ended then; 0: none did */
        bool done;              /* the controller knows its instance */
};

struct revision {
        struct group_spec spec;
        unsigned config;
};

enum happening { H_TIME, H_EFFECT, H_ANSWER, H_LIST, H_TELL, H_SICKEN, H_DIE, H_PERSON, H_START, H_QUIET };

struct future {
        uint64_t at_usec, order;
        enum happening kind;
        enum action_kind act;
        uint64_t life; /* of the controller that asked */
        char id[24], token[32], logical[16], hash[40];
        unsigned config, outcome;
        uint64_t asked_usec, seen_usec;
        bool vanish;
        uint32_t position;
};

struct sim {
        uint64_t seed, random, now_usec, order, trace, steps, acts;
        bool trace_on, chaos, quorum, calm;
        const char *mutant;
        unsigned faults; /* per thousand of calls */

        struct heap queue;
        struct creature *creatures;
        size_t creature_count, creature_room;
        unsigned next_id;
        struct promise *promises;
        size_t promise_count, promise_room;

        struct revision revisions[REVISIONS_MAX];
        uint64_t revision; /* the newest, on disk */
        unsigned config_kinds[CONFIGS];

        struct planner *planner;
        uint64_t life, wake_usec;
        bool down, freed;
        char *saved;
        uint64_t backs[REVISIONS_MAX];

        /* of the judge */
        uint64_t failures, failed_usec, not_before_usec;
        uint64_t roll_began_usec;
        uint64_t same_time, last_step_usec;
        size_t calls_started;
};

/* ---- sim_world.c ---- */
uint64_t chance(struct sim *s, uint64_t below);
bool per_mille(struct sim *s, unsigned n);
uint64_t between(struct sim *s, uint64_t least, uint64_t most); /* its logarithm is spread evenly */
struct future *plan(struct sim *s, enum happening kind, uint64_t at_usec);
struct future *next(struct sim *s);
void trace(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void broken(struct sim *s, const char *what, const char *about);
#define MUST(s, condition, about)                                                                                                       \
        do {                                                                                                                            \
                if (!(condition))                                                                                                       \
                        broken(s, #condition, about);                                                                                   \
        } while (0)

/* ---- sim_provider.c ---- */
enum { GOOD_CONFIG, SICK_CONFIG, BROKEN_CONFIG }; /* never healthy; never provisioned */
struct creature *creature_get(struct sim *s, const char *id);
struct creature *creature_add(struct sim *s);
struct creature *creature_lie(struct sim *s);
void provider_call(struct sim *s, const struct action *a);
void provider_effect(struct sim *s, const struct future *f);
void provider_list(struct sim *s, const struct future *f);
void creature_die(struct sim *s, struct creature *c);
void tell_of(struct sim *s, const struct creature *c, bool vanish);
void instance_of(const struct creature *c, struct instance *ret); /* which has its id */
enum health health_of(struct sim *s, const struct creature *c);

/* ---- sim_control.c ---- */
void control_start(struct sim *s);
void control_die(struct sim *s);
void control_step(struct sim *s, struct event *e);
void control_answer(struct sim *s, const struct future *f);
void control_done(struct sim *s);
void control_show(struct sim *s); /* what the planner knows, for people */

/* ---- sim_people.c ---- */
void people_begin(struct sim *s);
void people_act(struct sim *s);
void people_calm(struct sim *s); /* the last word: a good document, and all that waits is resumed */
uint64_t people_commit(struct sim *s, unsigned config, uint32_t size, const struct group_spec *like);
uint32_t people_wanted(const struct sim *s);

/* ---- sim_judge.c ---- */
struct promise *promise_get(struct sim *s, const char *token, bool add);
void judge_act(struct sim *s, const struct action *a);
void judge_failed(struct sim *s, uint64_t started_usec);
void judge_committed(struct sim *s); /* before the planner hears of it */
void judge_succeeded(struct sim *s);
void judge_step(struct sim *s, const struct actions *list);
void judge_end(struct sim *s);
