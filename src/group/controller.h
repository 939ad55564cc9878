/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loop around the planners: a group each.  What is committed, told by plugins, answered and due goes into a group's planner; what the
 * planner asks for is written down first (group/store.h) and then carried out through plugins (group/provider.h).
 *
 * All that came in one turn of the loop is planned for together: one state is written, however many answers there were.
 */
#pragma once

#include "group/planner.h"
#include "group/rpc_server.h"
#include "group/store.h"

struct controller;

struct controller_options {
        const char *folder; /* of plugins */
        struct store_options store;
        uint64_t poll_usec; /* how often instances are listed whose plugin does not tell; 0: 10 s */
        uint64_t seed;      /* 0: random */
};

/* Opens the store. server: where events are published; may be NULL. */
int controller_open(struct loop *l, const struct controller_options *o, struct rpc_server *server, struct controller **ret, struct error *e);
/* Begins to lead, or to stand for election. */
int controller_start(struct controller *c, struct error *e);
/* Writes what is in hand; done when that is over. */
void controller_stop(struct controller *c, store_done done, void *self);
void controller_close(struct controller *c);

struct group;
/* -EREMCHG "group.not-leader" where another controller leads, else 0. */
int controller_check(struct controller *c, struct error *e);
/* "group.unknown" and NULL, or the group. */
struct group *controller_find(struct controller *c, const char *id, struct error *e);
size_t controller_groups(struct controller *c, struct group ***ret); /* sorted by id; borrowed until the next change */
struct store *controller_store(struct controller *c);

const char *group_id(const struct group *g);
const struct planner *group_planner(const struct group *g);
const struct group_spec *group_spec(const struct group *g);
uint64_t group_revision(const struct group *g);

/* Who asks, and why: for history and audit. reason may be NULL. */
struct actor {
        const char *name, *reason;
};
/* message: what the commit does, in InfraKit's words; failure: why it was refused; one of them is NULL. */
typedef void (*commit_done)(void *self, const char *message, const struct error *failure);
/* Asks both plugins whether they take the document; then, unless it is only pretended, commits it. The spec is copied. */
void controller_commit(struct controller *c, const struct group_spec *spec, bool pretend, const struct actor *a, commit_done done, void *self);
/* Commits the document of an earlier revision; 0: of the one before the current one. */
void controller_undo(struct controller *c, const char *id, uint64_t revision, const struct actor *a, commit_done done, void *self);
int controller_resize(struct controller *c, const char *id, uint32_t size, const struct actor *a, commit_done done, void *self, struct error *e);
/* Forgets the group and leaves its instances as they are. done as of store_write. */
int controller_free_group(struct controller *c, const char *id, store_done done, void *self, struct error *e);
/* Pause, resume, destroy. Protected groups are not destroyed: "group.protected". */
int controller_tell(struct controller *c, const char *id, enum event_kind kind, struct error *e);
/* "instance.missing" when one of them is not the group's: then none is destroyed. */
int controller_destroy_some(struct controller *c, const char *id, const struct strings *ids, struct error *e);
/* Calls done once all that the group's planner was told so far is written down; at once when that is so, or the group is gone. */
void controller_settle(struct controller *c, const char *id, store_done done, void *self);
