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
 *   - what is seen again: instances with their tags.  After a crash planner_read, EVENT_COMMIT of the newest document and one EVENT_OBSERVED
 *     bring it all back; nothing is started before both.
 *
 * Each action but SAVE, WAKE, TELL, SIZE, COMMIT and GONE is answered by one event, in whatever order. A call that takes too long ends as one
 * that failed; what a provision then did or did not do is unsure. An instance to destroy that is not there is destroyed.
 *
 * A provider's list may be late by PLANNER_SETTLE_USEC: for so long after an instance was made its absence from a list is not believed, and after
 * one was destroyed its presence. An intent whose outcome is unsure, and that is not wanted any more, is given up after so long.
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

enum { PLANNER_SETTLE_USEC = 60000000 };

struct planner;

enum event_kind {
        EVENT_TIME,             /* nothing but that it is now later */
        EVENT_COMMIT,           /* spec (copied): what is wanted from now on; revision counts commits, from 1. Ends a roll to another hash */
        /* list: all instances with our tag, as the provider lists them. asked_usec: when it was asked. properties, drift: below */
        EVENT_OBSERVED,
        EVENT_OBSERVE_FAILED,   /* the provider could not be asked. properties: with them, so the next is asked without */
        EVENT_APPEARED,         /* instance: told by the provider, or changed */
        EVENT_VANISHED,         /* id */
        EVENT_PROVISIONED,      /* token, id: the call ended well. instance: with the tags and logical id as asked for after Prepare; may be NULL */
        EVENT_PROVISION_FAILED, /* token, message; unsure: the call may have had an effect (time-out, broken connection) */
        EVENT_LABELLED, EVENT_LABEL_FAILED, /* id */
        EVENT_DRAINED, EVENT_DRAIN_FAILED, /* id */
        EVENT_DESTROYED, EVENT_DESTROY_FAILED, /* id, message */
        EVENT_HEALTH,           /* id, health: the answer; HEALTH_UNKNOWN where none could be had */
        EVENT_DESTROY_SOME,     /* ids: a person wants these away, and the size less by what of them is there. Who asks checks with planner_find */
        EVENT_DESTROY_GROUP,    /* all of it; the group is gone when the last is */
        EVENT_FREE,             /* stop caring: nothing is started any more, until the next commit */
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
        bool properties; /* of a list: it was asked with them... */
        char *const *drift; /* ...and for each instance in it, in what it differs from the document (drift_find); NULL: of all, or of one, it is not known */
        bool exact; /* of a list: the provider's are never late */
        const char *id, *token, *message;
        bool unsure;
        enum health health;
        const struct strings *ids;
};

enum action_kind {
        ACTION_SAVE,      /* write planner_format down, durably, before the actions after it */
        /*
         * token, logical_id, sequence, tags (group, hash, token, logical id), revision: Flavor.Prepare, then Instance.Provision, with the
         * Instance and Flavor of that revision. It is the newest, or, while a roll waits or has failed, the one that was good before.
         */
        ACTION_PROVISION,
        ACTION_LABEL,     /* id, tags */
        ACTION_DRAIN,     /* id */
        ACTION_DESTROY,   /* id, reason */
        ACTION_HEALTH,    /* id: ask */
        ACTION_OBSERVE,   /* list the instances; properties: with them, and what they differ in */
        ACTION_WAKE,      /* EVENT_TIME at at_usec at the latest; the last one counts */
        ACTION_TELL,      /* an event for people and programs: topic ("roll/started", "instance/lost"), message; id when it is about an instance */
        ACTION_SIZE,      /* the size changed by EVENT_DESTROY_SOME: write the document down with size, as a revision of its own */
        ACTION_COMMIT,    /* roll back: commit Instance and Flavor of the revision given, all else as it is now (at most once per roll) */
        ACTION_GONE,      /* all of a destroyed group is gone: forget it. The last action */
};

struct action {
        enum action_kind kind;
        char *id, *token, *logical_id, *topic, *message;
        const char *reason;
        uint32_t sequence, size;
        uint64_t at_usec, revision;
        struct tags tags;
        bool properties;
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
/* Whether a list that is asked for other reasons, at now, is to have the properties: it saves one that would be asked for them alone. */
bool planner_wants_properties(const struct planner *p, uint64_t now_usec);

/* What must be written down, as JSON; and back, into a planner that is new. A newer version is refused: "group.state-version". */
void planner_format(struct text *t, const struct planner *p);
int planner_read(struct planner *p, const struct json_place *at, struct error *e);

/* For people and the wire. */
enum roll_phase { ROLL_NONE, ROLL_CANARY, ROLL_RUNNING, ROLL_CHECKPOINT, ROLL_BAKING, ROLL_PAUSED, ROLL_FAILED, ROLL_BACK };
struct planner_status {
        uint32_t wanted, live, good, sick, unknown, current, old; /* current: with the wanted hash */
        uint32_t drifted; /* of the current ones: with other properties than the document's */
        uint32_t provisioning, draining, destroying, intents;
        enum roll_phase roll;
        const char *roll_reason; /* of a pause or failure; NULL */
        uint64_t revision, good_revision; /* wanted; the last one that all were rolled to (0: none is known) */
        uint32_t roll_target;             /* so many are to be current at this stage of the roll */
        bool circuit_open, remediation_stopped, drift_stopped, observed, destroying_group, freed;
        uint64_t next_attempt_usec; /* 0: none waits */
        bool converged;             /* all that is wanted is there, current, good as far as asked, and nothing else of ours */
};
void planner_get_status(const struct planner *p, struct planner_status *ret);
/* What a commit of spec would do, in InfraKit's words: "Managing 3 instances", "Noop", "Performing a rolling update on 3 instances"... Allocated. */
char *planner_pretend(const struct planner *p, const struct group_spec *spec);
/* The instances as they are known, borrowed until the next step. */
struct member_view {
        bool protected;
        const struct instance *instance;
        enum health health;
        const char *drift; /* in what it differs from the document; NULL: in nothing that is known */
        const char *phase; /* "live", "draining", "destroying" */
        bool current;
};
/* Whether the id is one of the group's instances. ret may be NULL. */
bool planner_find(const struct planner *p, const char *id, struct member_view *ret);
size_t planner_members(const struct planner *p, size_t first, size_t room, struct member_view *ret);
