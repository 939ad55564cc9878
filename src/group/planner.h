/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The planner of one group: planner_step(planner, event, actions).  Pure: no clock, no random source of its own, no file, no
 * socket.  The same planner and the same events give the same actions, so a simulation with a seed replays a fleet's year.
 *
 * The controller (group/controller.h) feeds it: what was committed, what is there, how calls ended, how late it is; and carries out what it
 * asks for, in the order of the list.  The planner's memory between steps is of two kinds:
 *   - what is written down, by planner_format, before any action of the same step is carried out when an ACTION_SAVE is among
 *     them: intents (tokens given out and not yet known to be done), the roll (phase, revisions, progress), breaker and back-off,
 *     pause, what is being destroyed;
 *   - what is seen again: instances with their tags.  After a crash planner_read and one EVENT_OBSERVED bring it all back.
 *
 * Never broken, whatever fails and in whatever order (tests/sim asserts each after each step):
 *   - nothing without our group tag is labelled, drained or destroyed; nothing protected is destroyed;
 *   - there is no provision without a saved intent, and for an intent no second token: no duplicates, no orphans;
 *   - in a roll good instances do not become fewer than size - unavailable by our own doing; there are never more than size + surge
 *     that are not on their way out;
 *   - attempts are bounded in each window of the back-off; an open circuit lets one through per reset;
 *   - with healthy providers it converges, and then no action follows but checks of health and safety polls.
 */
#pragma once

#include "group/spec.h"

struct planner;

enum event_kind {
        EVENT_TIME,             /* nothing but that it is now later */
        EVENT_COMMIT,           /* spec (copied): what is wanted from now on; revision counts commits. Ends a roll to another hash */
        EVENT_OBSERVED,         /* list: all instances with our tag, as the provider lists them. asked_usec: when it was asked */
        EVENT_OBSERVE_FAILED,   /* the provider could not be asked */
        EVENT_APPEARED,         /* instance: told by the provider, or changed */
        EVENT_VANISHED,         /* id */
        EVENT_PROVISIONED,      /* token, id: the call ended well */
        EVENT_PROVISION_FAILED, /* token, message; unsure: the call may have had an effect (time-out, broken connection) */
        EVENT_LABELLED, EVENT_LABEL_FAILED,
        EVENT_DRAINED, EVENT_DRAIN_FAILED, /* id */
        EVENT_DESTROYED, EVENT_DESTROY_FAILED,
        EVENT_HEALTH,           /* id, health */
        EVENT_DESTROY_SOME,     /* ids: a person wants these away, and the size less by what of them is there */
        EVENT_DESTROY_GROUP,    /* all of it; the group is gone when the last is */
        EVENT_FREE,             /* stop caring: nothing is started any more */
        EVENT_PAUSE,            /* of a roll, by a person */
        EVENT_RESUME,           /* of a roll: past a checkpoint, a pause or a failure; also closes an open circuit */
};

struct event {
        enum event_kind kind;
        uint64_t now_usec;              /* in all; monotonic across restarts as well as the controller can make it */
        const struct group_spec *spec;
        uint64_t revision;
        const struct instances *list;
        const struct instance *instance;
        uint64_t asked_usec;
        const char *id, *token, *message;
        bool unsure;
        enum health health;
        const struct strings *ids;
};

enum action_kind {
        ACTION_SAVE,      /* write planner_format down, durably, before the actions after it */
        ACTION_PROVISION, /* token, logical_id, sequence, hash: Flavor.Prepare, then Instance.Provision with the group's tags and the token */
        ACTION_LABEL,     /* id, tags */
        ACTION_DRAIN,     /* id */
        ACTION_DESTROY,   /* id, reason */
        ACTION_HEALTH,    /* id: ask */
        ACTION_OBSERVE,   /* list the instances */
        ACTION_WAKE,      /* EVENT_TIME at at_usec at the latest; the last one counts */
        ACTION_TELL,      /* an event for people and programs: topic, message; id when it is about an instance */
        ACTION_SIZE,      /* the size changed by EVENT_DESTROY_SOME: write the document down with size */
        ACTION_COMMIT,    /* roll back: commit the revision given, as if a person had (at most once per roll) */
        ACTION_GONE,      /* all of a destroyed group is gone: forget it */
};

struct action {
        enum action_kind kind;
        char *id, *token, *logical_id, *topic, *message;
        const char *reason;
        uint32_t sequence, size;
        uint64_t at_usec, revision;
        struct tags tags;
};
struct actions {
        struct action *items;
        size_t count, room;
};
void actions_done(struct actions *a);
#define CLEAN_ACTIONS CLEAN(actions_done)

/* seed: for jitter and tokens; each planner of a fleet gets another. */
struct planner *planner_new(const char *group, uint64_t seed);
void planner_free(struct planner *p);
/* Appends to actions. */
void planner_step(struct planner *p, const struct event *event, struct actions *actions);

/* What must be written down, as JSON; and back. A newer version is refused: "group.state_version". */
void planner_format(struct text *t, const struct planner *p);
int planner_read(struct planner *p, const struct json_place *at, struct error *e);

/* For people and the wire. */
enum roll_phase { ROLL_NONE, ROLL_CANARY, ROLL_RUNNING, ROLL_CHECKPOINT, ROLL_BAKING, ROLL_PAUSED, ROLL_FAILED, ROLL_BACK };
struct planner_status {
        uint32_t wanted, live, good, sick, unknown, current, old; /* current: with the wanted hash */
        uint32_t provisioning, draining, destroying, intents;
        enum roll_phase roll;
        const char *roll_reason; /* of a pause or failure; NULL */
        bool circuit_open, remediation_stopped, observed, destroying_group, freed;
        uint64_t next_attempt_usec; /* 0: none waits */
        bool converged;             /* all that is wanted is there, current, good as far as asked, and nothing else of ours */
};
void planner_get_status(const struct planner *p, struct planner_status *ret);
/* What a commit of spec would do, in InfraKit's words: "Managing 3 instances", "Noop", "Performing a rolling update on 3 instances"... Allocated. */
char *planner_pretend(const struct planner *p, const struct group_spec *spec);
/* The instances as they are known, borrowed until the next step. */
struct member_view {
        const struct instance *instance;
        enum health health;
        const char *phase; /* "live", "provisioning", "draining", "destroying" */
        bool current;
};
size_t planner_members(const struct planner *p, size_t first, size_t room, struct member_view *ret);
