/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of the planner, for its own files alone.  Each has one concern:
 *
 *      planner.c            a step: what an event says, then what follows from it, in one order (planner_decide)
 *      planner_actions.c    the list of actions
 *      planner_members.c    what is known of each instance; counts and queues that follow from it
 *      planner_observe.c    what a provider lists and tells, and how much of it is believed
 *      planner_intents.c    promises to provision: one token each, from before the first call until the instance is known
 *      planner_provision.c  when a call may be made: parallel, back-off, circuit breaker, rate
 *      planner_size.c       how many are missing or too many, and which
 *      planner_slots.c      the same where each instance has a logical id
 *      planner_destroy.c    drain, destroy
 *      planner_health.c     who is asked when, who is sick, what is done about it
 *      planner_drift.c      whose properties are not as wanted any more, and what is done about it
 *      planner_roll.c       stages of a roll, its gate, its failure
 *      planner_json.c       what is written down; planner_read.c reads it
 *      planner_status.c     for people; planner_pretend.c: in InfraKit's words
 *
 * Two bounds are kept apart everywhere.  What might be there (instances told of and not yet listed, intents whose outcome is unsure) counts
 * when something is to be made; only what surely is there counts when something is to be destroyed.
 */
#pragma once

#include "base/heap.h"
#include "base/rate.h"
#include "base/string_map.h"
#include "group/planner.h"

enum { TOKEN_LENGTH = 26, HASH_LENGTH = 32 };
/* So many may die early one after another before the next has to wait: one that is killed twice is no crash loop yet. */
#define EARLY_DEATHS 3u
/* So many new ones, one after another, that differ from the document at the first look: replacing does not mend that. */
#define DRIFT_BIRTHS 3u
enum { PROVISION_WINDOW = 32, HEALTH_PARALLEL = 128, DRAIN_ATTEMPTS = 3 };
enum { MSEC = 1000, SECOND = 1000000 };
#define NEVER UINT64_MAX

struct slot {
        char *id;
        uint32_t index;
        uint32_t occupants; /* members with the id, those on their way out too */
        uint32_t intents;
        uint32_t lineage; /* of the next: how many died early one after another */
        struct member *owner;
};

/* The order is that of life. From PHASE_LEAVING on a member is on its way out. */
enum member_phase { PHASE_LIVE, PHASE_TO_DRAIN, PHASE_DRAINING, PHASE_TO_DESTROY, PHASE_DESTROYING };

enum leave_reason { LEAVE_TERMINATE, LEAVE_ROLL, LEAVE_SICK, LEAVE_ASKED, LEAVE_DRIFT, LEAVE_REASONS };

struct member {
        struct instance instance;
        uint64_t made_usec;  /* or first seen */
        uint64_t gate_usec;  /* since when the gate of a roll waits for it */
        uint64_t good_usec;  /* since when it is good without a break; 0: it is not */
        uint64_t check_usec; /* when its health is asked next */
        uint64_t call_usec;  /* when it is labelled, drained or destroyed next */
        char *drift;         /* in what its properties differ from the document's; NULL: in nothing that is known */
        struct slot *slot;
        struct member *next, *previous; /* in the list of the young or of those that leave */
        size_t index;                   /* in planner.members */
        uint32_t check_at, call_at, victim_at, drift_at; /* positions in heaps */
        uint32_t list_number;           /* the last list that had it */
        uint16_t good_count, bad_count; /* answers one after another */
        uint8_t phase, reason, health, call_tries, ask_tries, lineage;
        bool sure;      /* listed, or told by the call that made it: not by an event alone */
        bool young;     /* written down: so new that a late list may lack it, or not past the gate of a roll */
        bool current;   /* has the wanted hash, or is to be labelled with it */
        bool adopt;     /* its hash says "bootstrap" */
        bool mend;      /* it lost tags of ours; they are in instance.tags still */
        bool called;    /* a drain or destroy of it was, in this life: what one before has called shows by itself */
        bool calling;   /* a label, drain or destroy is in hand */
        bool asking;    /* its health is asked */
        bool labelling; /* its hash was "bootstrap"; in instance.tags stands what it is labelled with */
        bool passed;    /* the gate of a roll, or came when there was no roll */
        bool unmet;     /* met again after a crash in a roll: not counted on until it was good once, or that roll has ended */
        bool fresh;     /* made for an intent since this process has begun */
        bool looked;    /* its properties were compared once */
        bool bad;       /* the last answer that said anything said so */
        bool ever_good, answered, proven, sick, protected;
};

enum intent_state { INTENT_READY, INTENT_CALLING, INTENT_UNSURE };

struct intent {
        char token[TOKEN_LENGTH + 1], hash[HASH_LENGTH + 1];
        uint8_t state, lineage;
        bool maybe;     /* a call may have had an effect: the token stays until that is known */
        bool fulfilled; /* its instance is there, its call has not ended yet */
        bool wanted;    /* its configuration still is */
        bool newest;    /* its configuration is the wanted one */
        uint64_t revision, made_usec, started_usec, unsure_usec, due_usec;
        uint32_t sequence, due_at;
        char *logical_id; /* NULL: none */
        struct slot *slot; /* NULL: none, or nobody wants that id any more */
        struct intent *next, *previous;
};

/* An id that is gone, for as long as a late list might still have it. */
struct grave {
        char *id;
        uint64_t at_usec;
        struct grave *next;
};

/* Kept with every change of a member (member_lift, member_place), so that no event needs a scan. */
struct counts {
        uint32_t live, sure, leaving, leaving_ill, leaving_roll; /* ill: sick or drifted */
        uint32_t current, old, old_protected; /* of the live; old: those that may be replaced */
        uint32_t good, sick, sick_current;
        uint32_t drifted, drifted_due; /* due: neither sick nor protected */
        uint32_t service;    /* surely there and as good as is known; a new one in a roll only once it has passed */
        uint32_t unpassed;   /* current ones that the gate waits for */
        uint32_t unproven;   /* may still become good */
        uint32_t doubtful;   /* asked for health, and not known to be well */
        uint32_t unlabelled, stray, protected;
};

struct roll {
        enum roll_phase phase;
        uint32_t stage; /* 0: the canary, then the checkpoints, then all */
        bool direct;    /* to what was good before: no canary, no checkpoint, no baking */
        bool back;      /* that roll is one back */
        bool commit_asked; /* ACTION_COMMIT went out */
        uint64_t bake_usec; /* since when it bakes */
        char *reason;
};

struct circuit {
        uint32_t failures; /* one after another */
        uint32_t window;   /* calls in hand at most: grows with success */
        bool open;
        uint64_t next_usec; /* no attempt before */
        uint64_t failed_usec; /* calls begun before are not counted again */
};

struct planner {
        char *group;
        uint64_t seed, random, token_number;
        uint64_t now_usec;
        struct actions *actions; /* of this step */
        uint64_t settle_usec; /* so late a list may be: PLANNER_SETTLE_USEC, or 0 of a provider whose lists are exact */
        bool must_save;
        bool restored;       /* times are from another life */
        bool was_rolling;    /* when that ended */
        uint64_t wake_usec;       /* the last that was asked for */

        /* what is wanted */
        bool committed; /* since this process has begun */
        uint64_t revision, good_revision;
        char hash[HASH_LENGTH + 1], good_hash[HASH_LENGTH + 1];
        uint32_t size;
        bool quorum, protect_group, freed, destroying, gone;
        uint64_t size_revision; /* of the document whose size EVENT_DESTROY_SOME lowered to size_lowered */
        uint32_t size_lowered;
        struct updating updating;
        struct health_policy health;
        struct drift_policy drift;
        struct limits limits;
        uint64_t poll_usec;
        struct string_map protected_ids;
        struct strings protected_list;
        struct slot *slots;
        size_t slot_count, vacant;
        struct string_map slot_by_id;

        /* what is there */
        struct member **members;
        size_t member_count, member_room;
        struct string_map member_by_id;
        struct heap checks, calls, old_victims, current_victims, drifted;
        struct counts n;
        struct member *young, *leaving; /* lists */
        struct string_map grave_by_id;
        struct grave *grave_first, *grave_last;
        uint32_t list_number;
        bool observed, observing;
        uint64_t list_usec;  /* the newest list was asked then */
        uint64_t asked_usec; /* the list in hand was */
        uint64_t list_due_usec;
        uint32_t list_failures;
        uint64_t properties_usec; /* the newest list with properties was asked then; 0: none was */
        uint32_t drift_births;    /* new ones that differed at the first look, one after another */
        bool drift_stopped;

        /* what is promised */
        struct intent *intents;
        size_t intents_kept, open, open_newest, calling; /* open: not fulfilled */
        size_t risky; /* open ones that may have an effect: in a call, or unsure */
        struct string_map intent_by_token;
        struct heap ready;
        struct circuit circuit;
        struct rate_count rate;
        uint8_t *heirs; /* lineages of those that died early, for who comes in their place */
        size_t heir_count, heir_room;

        uint32_t calls_in_hand, asks_in_hand;
        struct roll roll;
        bool remediation_stopped, was_converged, check_intents, size_changed, commit_back;
};

/* ---- planner_actions.c ---- */
struct action *action_add(struct planner *p, enum action_kind kind);
void tell(struct planner *p, const char *topic, const char *id, const char *format, ...) __attribute__((format(printf, 4, 5)));
static inline void must_save(struct planner *p)
{
        p->must_save = true;
}
uint64_t planner_random(struct planner *p, uint64_t below);
/* base, doubled with each try from the second on, at most most; of that the upper half by chance. */
uint64_t planner_backoff(struct planner *p, uint64_t base_usec, uint64_t most_usec, uint32_t tries);

/* ---- planner_members.c ---- */
static inline bool is_leaving(const struct member *m)
{
        return m->phase != PHASE_LIVE;
}
void members_init(struct planner *p);
void members_done(struct planner *p);
/* Every change of what counts stands between these. */
void member_lift(struct planner *p, struct member *m);
void member_place(struct planner *p, struct member *m);
struct member *member_get(const struct planner *p, const char *id);
/* Takes over i's id, logical id and tags. Not yet placed. */
struct member *member_new(struct planner *p, const struct instance *i);
/* Forgets it; it must be placed. */
void member_remove(struct planner *p, struct member *m);
/* The same of one that is there no more. */
void member_gone(struct planner *p, struct member *m);
/* What the wanted state makes of it: current, adopt, protected, slot. Lifted. */
void member_judge(struct planner *p, struct member *m);
void members_judge_again(struct planner *p); /* all of them; counts and queues are made anew */
bool in_service(const struct planner *p, const struct member *m);
void young_set(struct planner *p, struct member *m, bool young);
/* Whether what was seen then may be from before its end. */
bool grave_holds(const struct planner *p, const char *id, uint64_t seen_usec);
bool grave_silences(const struct planner *p, const char *id);
void grave_dig(struct planner *p, const char *id, uint64_t at_usec);
void graves_forget(struct planner *p, uint64_t before_usec);

/* ---- planner_observe.c ---- */
void observe_list(struct planner *p, const struct event *e);
void observe_failed(struct planner *p, bool properties);
void observe_appeared(struct planner *p, const struct instance *i);
void observe_vanished(struct planner *p, const char *id);
/* A list that is asked at or after at_usec is needed. */
void list_needed(struct planner *p, uint64_t at_usec);
void observe_ask(struct planner *p);
uint64_t observe_wake(const struct planner *p);

/* ---- planner_intents.c ---- */
struct intent *intent_new(struct planner *p, bool newest, struct slot *slot);
void intent_remove(struct planner *p, struct intent *i);
void intent_add(struct planner *p, struct intent *i); /* filled in; counts it */
/* Its instance is there. */
void intent_fulfil(struct planner *p, struct intent *i);
/* Its instance, with these tags, is gone while a call of it is in hand still: that may make another. */
void intent_doubt(struct planner *p, const struct tags *tags);
void intents_init(struct planner *p);
/* In or out of the counts: every change of what counts stands between -1 (SIZE_MAX) and 1. */
void intent_count(struct planner *p, const struct intent *i, size_t by);
void intents_done(struct planner *p);
void intent_judge(struct planner *p, struct intent *i); /* may give it up */
void intents_judge(struct planner *p);                  /* after the wanted configuration or the roll changed */
void intents_listed(struct planner *p);  /* after a list */
void intents_trim(struct planner *p, uint32_t most); /* gives up such as were never called, until there are that many */
struct intent *intent_get(const struct planner *p, const char *token);

/* ---- planner_provision.c ---- */
void provision_succeeded(struct planner *p, const struct event *e);
void provision_failed(struct planner *p, const struct event *e);
void provision_start(struct planner *p, uint32_t most);
uint64_t provision_wake(const struct planner *p, uint32_t most);
void circuit_close(struct planner *p, const char *why);
bool call_permitted(const struct planner *p);

/* ---- planner_size.c ---- */
uint32_t wanted_count(const struct planner *p);
uint32_t surge_of(const struct planner *p);
uint32_t unavailable_of(const struct planner *p);
uint32_t batch_of(const struct planner *p);
/* So many may be there or on their way at once. */
uint32_t most_of(const struct planner *p);
void size_decide(struct planner *p);
/* Whether the next one is to have the newest configuration. */
bool next_is_newest(const struct planner *p);
void destroy_some(struct planner *p, const struct strings *ids);

/* ---- planner_slots.c ---- */
void slots_set(struct planner *p, const struct strings *ids);
void slots_done(struct planner *p);
struct slot *slot_of(const struct planner *p, const struct instance *i);
void slots_fill(struct planner *p);
void slots_clear_strays(struct planner *p);
void slot_changed(struct planner *p, struct slot *s, int occupants, int intents);

/* ---- planner_destroy.c ---- */
void member_leave(struct planner *p, struct member *m, enum leave_reason reason);
/* Those that leave, are protected since, and of whom nothing was called yet, stay. */
void leaving_protect(struct planner *p);
void call_ended(struct planner *p, const struct event *e);
void calls_start(struct planner *p);
uint64_t calls_wake(const struct planner *p);
void destroy_group(struct planner *p);
void destroy_group_decide(struct planner *p);
extern const char *const leave_words[LEAVE_REASONS];

/* ---- planner_health.c ---- */
void health_answer(struct planner *p, struct member *m, enum health health);
void health_schedule(struct planner *p, struct member *m);
void health_schedule_all(struct planner *p);
void health_ask(struct planner *p);
void health_remedy(struct planner *p);
uint64_t health_wake(const struct planner *p);

uint32_t budget_of(const struct planner *p);
/* Whether one more may be replaced: fewer than the budget are on their way out, or come in their place. */
bool has_budget_left(const struct planner *p);

/* ---- planner_drift.c ---- */
/* What the last list with properties says of it: "" for nothing, NULL for not known. */
void drift_look(struct planner *p, struct member *m, const char *drift);
void drift_forget(struct member *m); /* lifted */
void drift_remedy(struct planner *p);
void drift_resume(struct planner *p);
bool has_drift_to_mend(const struct planner *p);
uint64_t drift_wake(const struct planner *p); /* when a list with properties is due */

/* ---- planner_roll.c ---- */
bool roll_active(const struct planner *p);
bool roll_moves(const struct planner *p); /* new ones may be made by it */
uint32_t roll_target(const struct planner *p);
void roll_advance(struct planner *p);
void roll_replace(struct planner *p);
void roll_fail(struct planner *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void roll_committed(struct planner *p, const char *old_hash);
void roll_pause(struct planner *p);
void roll_resume(struct planner *p);
void roll_clear(struct planner *p);
uint64_t roll_wake(const struct planner *p);
/* So many of the newest configuration are under way: made or being made, and not passed. */
uint32_t roll_in_flight(const struct planner *p);

/* ---- planner_json.c ---- */
extern const char *const roll_words[ROLL_BACK + 1];

/* ---- planner_status.c ---- */
bool is_converged(const struct planner *p);
