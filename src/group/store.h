/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a controller keeps: of each group the document that is wanted, its revisions and the planner's memory; a log of events and a log
 * of who did what.  Instances are not kept: their tags are read back from the providers.
 *
 * There are two stores: a file on this machine (SQLite), and an etcd cluster that several controllers share.  Both are used in the
 * same way:
 *
 *      store_open(...);          options are checked, nothing is asked of anybody yet
 *      store_start(...);         then listener->lead is called once this controller leads, with all groups; with a file, before
 *                                store_start returns
 *      batch_state(&b, ...);     what a step of the planner writes is gathered...
 *      store_write(s, &b, ...);  ...and written as one transaction; done is called when it is durable: actions follow then
 *      store_leads(s)            asked before each action on the world
 *      store_stop(...);          at the end: what was written gets there, and another controller may lead at once
 *      store_close(s);
 *
 * Only the leader writes.  Of an etcd it leads as long as its lease is known to be alive by its own clock; each of its writes is refused by
 * etcd once somebody else leads (fencing), however late it arrives.  Who does not lead refuses what would change something, and
 * names the leader's address (store_leader).
 *
 * All functions are called on the thread of the loop.  Callbacks may be called before the function returns (the file store always does that),
 * and may call any function here but store_close.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

struct loop;
struct store;

enum { STORE_HISTORY = 10, STORE_HISTORY_MAX = 50, STORE_EVENTS = 100000, STORE_LEASE_S = 10, STORE_LEASE_MIN_S = 2, STORE_LEASE_MAX_S = 600, STORE_USER_MAX = 255 };
#define STORE_EVENT_AGE_USEC (30ULL * 86400 * 1000000)
/* Of a document, and of a planner's state (etcd takes less in one request unless it is told otherwise); of each word of a log, cut there. */
enum { STORE_TEXT_MAX = 8 << 20, STORE_ID_MAX = 255, STORE_WORDS_MAX = 8192 };

/* A group as it was written last. */
struct store_group {
        char *id;
        char *document;    /* what is wanted, as text */
        uint64_t revision; /* of the document, counted from 1 */
        char *state;       /* planner_format's text; NULL: none yet */
        uint32_t flags;    /* the controller's own */
};
struct store_groups {
        struct store_group *items; /* sorted by id */
        size_t count, room;
};
void store_group_done(struct store_group *g);
void store_groups_done(struct store_groups *l);
#define CLEAN_STORE_GROUPS CLEAN(store_groups_done)

/* A document that was, or is, wanted. */
struct store_revision {
        uint64_t revision, at_usec; /* wall clock */
        char *document, *actor, *reason;
};
struct store_revisions {
        struct store_revision *items; /* the newest, which is the current one, first */
        size_t count, room;
};
void store_revisions_done(struct store_revisions *l);
#define CLEAN_STORE_REVISIONS CLEAN(store_revisions_done)

/* Something that happened. */
struct store_event {
        uint64_t sequence; /* given by the store: each one more than the one before, for good */
        uint64_t at_usec;  /* wall clock; 0: now */
        char *topic;       /* "instance/appeared" */
        char *group, *id, *message; /* NULL: none */
};
/* Something that somebody asked for, allowed or not. */
struct store_audit {
        uint64_t sequence, at_usec;
        uid_t uid;
        pid_t pid;
        char *actor, *role, *method, *object, *reason, *outcome; /* reason may be NULL */
};
struct store_log {
        struct store_event *events; /* the oldest first */
        struct store_audit *audits;
        size_t event_count, audit_count, event_room, audit_room;
        uint64_t first, last; /* sequence numbers that are kept, as far as it is known; last is 0 when there is none */
        uint64_t next;        /* from where to go on reading */
};
void store_log_done(struct store_log *l);
#define CLEAN_STORE_LOG CLEAN(store_log_done)

/* What is told to the controller. All but lead may be NULL. What is pointed to is the store's, until the callback returns. */
struct store_listener {
        /* This controller leads from now on, and this is all there is; groups may be taken (and zeroed). */
        void (*lead)(struct store_listener *l, struct store_groups *groups);
        /*
         * It leads no more: stop acting at once, forget the planners. Writes that were not done end with -ESTALE before this is
         * called. It stands for election again by itself, except where why has the code -ENOTRECOVERABLE. lead may follow at once: where
         * somebody changed groups in etcd by hand, all are read again so.
         */
        void (*lost)(struct store_listener *l, const struct error *why);
        /* Another leads now, or nobody (NULL). */
        void (*leader)(struct store_listener *l, const char *address);
        /* An event is written and has its number: for who follows the log. Told to the leader alone, in order. */
        void (*told)(struct store_listener *l, const struct store_event *event);
        /* For the log of the program: the store cannot be reached, or can again (NULL). Nothing needs to be done. */
        void (*trouble)(struct store_listener *l, const struct error *e);
};

struct store_options {
        /*
         * Where: "/path/state.db" or "sqlite:///path/state.db"; "etcd://HOST:PORT[,HOST:PORT...][/PREFIX]", or etcds:// with TLS.
         * HOST is an address or "localhost"; with TLS a name too. Without TLS only loopback is taken, unless plain is set.
         */
        const char *where;
        const char *name;    /* of this controller among others; NULL: host name and pid */
        const char *address; /* where clients reach it, told by the others; NULL: "" */
        bool plain;          /* etcd without TLS anywhere: whoever is on the network can read and change everything */
        const char *ca, *certificate, *key; /* files, for etcds; NULL ca: the system's. certificate and key: both or neither */
        const char *user, *password_file;   /* of etcd's own; both or neither. The file: group/etcd_auth.h */
        const char *tls_program;            /* path of bulkhead-tls; NULL: where it is installed */
        uint32_t history;        /* revisions kept beside the current one, at most STORE_HISTORY_MAX; 0: STORE_HISTORY */
        uint64_t events;         /* kept at least; 0: STORE_EVENTS */
        uint64_t event_age_usec; /* older ones go; 0: STORE_EVENT_AGE_USEC */
        uint32_t lease_s;        /* 0: STORE_LEASE_S */
};

/*
 * Checks options and, for a file, opens it: made with mode 0600, in a folder of mode 0700 that is made too. loop is only used by etcd's.
 * Ids: "store.address", "store.folder", "store.busy" (another controller has it), "store.version" (a newer one's),
 * "store.damaged", "store.refused", "etcd.password". 0 or -errno.
 */
int store_open(struct loop *loop, const struct store_options *o, struct store_listener *listener, struct store **ret, struct error *e);
int store_start(struct store *s, struct error *e);
typedef void (*store_done)(void *self, const struct error *e); /* e: NULL when it is well */
/* Writes what is in hand, gives up leading, and calls done. lost is not called. */
void store_stop(struct store *s, store_done done, void *self);
/* At once; what is in hand ends with -ECANCELED. NULL is nothing. */
void store_close(struct store *s);

/* Whether this controller leads at this moment. Looks at the clock: a process that slept past its lease does not. */
bool store_leads(struct store *s);
/* The leader's address; NULL: nobody leads, or it is not known. Borrowed until the loop goes on. */
const char *store_leader(struct store *s);
/* "etcd, 3 endpoints, at 10.0.0.1:2379" for people. Borrowed. */
const char *store_describe(struct store *s);

/*
 * A batch: what is written together, or not at all.  Texts are copied.  Zeroed, it is empty.  Of one group a batch says each thing once; the
 * later word counts.  One that forgets a group says nothing else of it; one that makes a group says so first.  etcd takes about a
 * hundred words in a batch, events not counted, and 1.4 MB.
 */
struct store_batch {
        struct store_change *items;
        size_t count, room;
};
void batch_done(struct store_batch *b);
#define CLEAN_STORE_BATCH CLEAN(batch_done)

/* A new document, which makes the group if it is not there. revision: one more than its last; 1 for a new one. */
void batch_commit(struct store_batch *b, const char *group, uint64_t revision, const char *document, const char *actor, const char *reason,
                  uint64_t at_usec);
/* The current revision's document with other words, as when the size changes by itself. */
void batch_document(struct store_batch *b, const char *group, uint64_t revision, const char *document);
void batch_state(struct store_batch *b, const char *group, const char *state); /* NULL: none */
void batch_flags(struct store_batch *b, const char *group, uint32_t flags);
/* The group with its history. Its events stay. */
void batch_forget(struct store_batch *b, const char *group);
/* Both logs: sequence is not looked at; group, id, reason and message may be NULL, the others not. */
void batch_event(struct store_batch *b, const struct store_event *event);
void batch_audit(struct store_batch *b, const struct store_audit *audit);

/*
 * STORE_SURE: done is called when a loss of power cannot undo it: before any action that must not happen twice.
 * STORE_SOON: a crash of this program cannot undo it, but a loss of power may. Nothing is ever written out of order. etcd is always sure.
 */
enum store_durability { STORE_SOON, STORE_SURE };
/*
 * Writes the batch, which is emptied. Batches are written in the order of the calls, and done is called in that order. An
 * etcd that cannot be reached is asked again until the lease is over, so an error is final: "store.lost" (-ESTALE: not the leader any
 * more), "store.too-large" (-E2BIG), "store.conflict" (-EEXIST: a revision that is there, a group that is not),
 * "store.failed" (disk full, damaged), "etcd.permission", "etcd.login". done may be NULL.
 */
void store_write(struct store *s, struct store_batch *b, enum store_durability durability, store_done done, void *self);

/* Readers, also for who does not lead. What is given lasts until the callback returns; on failure it is NULL. */
typedef void (*store_history_done)(void *self, const struct store_revisions *revisions, const struct error *e);
typedef void (*store_log_read)(void *self, const struct store_log *log, const struct error *e);
/* Revisions of a group; none of a group that is not there. */
void store_history(struct store *s, const char *group, store_history_done done, void *self);
/*
 * At most max (<= STORE_READ_MAX) from the sequence number on, or fewer, though there are more: go on from log->next until that is above
 * log->last. from 0: the last max ones. group: only of that one, or NULL.
 */
enum { STORE_READ_MAX = 1000 };
void store_events(struct store *s, uint64_t from, const char *group, size_t max, store_log_read done, void *self);
void store_audits(struct store *s, uint64_t from, size_t max, store_log_read done, void *self);
