/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of the controller share: groups and their steps (controller.c), carrying out (controller_act.c), requests (controller_ask.c), drift (controller_drift.c). */
#pragma once

#include "base/string_map.h"
#include "group/check.h"
#include "group/controller.h"
#include "group/provider.h"

enum { SPECS_KEPT = 4 };

/* A document by its revision. */
struct known_spec {
        uint64_t revision;
        struct group_spec spec;
};

/* Somebody who waits until what a group was told is on record. */
struct settler {
        struct settler *next;
        store_done done;
        void *self;
};

struct group {
        struct controller *controller;
        char *id;
        struct planner *planner;
        struct known_spec specs[SPECS_KEPT]; /* specs[0] is the current one; revision 0: free */
        bool committed;                      /* the planner knows the current one */
        struct check *check; /* of Health.Check; NULL: the flavor is asked */
        struct provider *instances, *flavors;
        char *instance_type, *flavor_type;

        struct actions actions; /* planned in this turn, not written down yet */
        struct loop_job flush;
        bool flushing, writing;
        struct actions waiting; /* written, until the store says so */
        struct loop_timer wake, poll;
        bool observing, observe_again;
        bool properties_due; /* the next list is to have them */
        bool sure; /* the next write must outlast a loss of power: somebody is told that it does */
        struct settler *settlers;
};

struct controller {
        struct loop *loop;
        struct rpc_server *server;
        struct store *store;
        struct store_listener listener;
        char *folder;
        uint64_t poll_usec, seed, clock_base_usec;
        struct string_map by_id;
        struct group **groups; /* sorted by id */
        size_t count, room;
        struct provider **providers;
        size_t provider_count, provider_room;
        bool leading;
};

uint64_t controller_now(const struct controller *c);
/* Plans; carried out at the end of this turn. now_usec is filled in. */
void group_step(struct group *g, struct event *event);
void group_free(struct group *g);
/* Whether something that was planned is not on record yet. */
bool group_unsettled(const struct group *g);
/* Makes a group without a document. */
struct group *group_add(struct controller *c, const char *id);
/* Takes the spec, which becomes the current one, and finds its plugins. */
int group_take_spec(struct group *g, struct group_spec *spec, uint64_t revision, struct error *e);
/* Tells the planner of the current spec. */
void group_tell_spec(struct group *g);
const struct group_spec *group_spec_of(const struct group *g, uint64_t revision);
struct provider *controller_provider(struct controller *c, const char *name);

/* Carries out what the planner asked for, and is written down. */
void group_act(struct group *g, const struct action *a);
/* Tells the planner that an action was not carried out. */
void group_refuse(struct group *g, const struct action *a, const char *why);
void group_observe(struct group *g); /* with properties where they are due */

/* For each instance of a list, as it was read from descriptions, in what it differs from the current document (drift_find). NULL: of none it is known. */
char **group_drift_find(const struct group *g, const struct json_node *descriptions, const struct instances *list);
void group_drift_free(char **drift, size_t count);

/* Writes down a new revision of the document, which is the spec's text, and goes on with it. Takes the spec. */
void group_commit(struct group *g, struct group_spec *spec, const struct actor *a, commit_done done, void *self);

/* An event of the group, for the log. */
void group_note(const struct group *g, struct store_batch *b, const char *topic, const char *message);
int group_spec_parse(const char *id, const char *document, struct group_spec *ret, struct error *e);
