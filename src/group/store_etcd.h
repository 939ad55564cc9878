/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store that controllers share: etcd.  Its parts: store_etcd.c (life, watch), store_etcd_write.c (batches to transactions),
 * store_etcd_load.c (what a new leader reads), store_etcd_read.c (history and logs), store_etcd_prune.c (old events).
 */
#pragma once

#include "group/etcd_auth.h"
#include "group/etcd_election.h"
#include "group/etcd_keys.h"
#include "group/store_internal.h"

/* etcd's own limits are 128 words and 1.5 MiB for a request, unless it is started otherwise. */
enum { ETCD_OPS_MAX = 100, ETCD_BYTES_MAX = 1400 * 1024, ETCD_JOIN_BYTES = 256 * 1024 };

/* One word of a transaction. */
struct etcd_op {
        char *key, *end; /* end: a deletion of [key, end) */
        struct text value;
        bool delete;
};
/* A batch, on its way. */
struct etcd_write {
        struct etcd_op *ops;
        size_t count, room, bytes;
        bool alone; /* it deletes: etcd takes no put of what the same transaction deletes */
        struct store_log log; /* its events and audits, with their numbers */
        store_done done;
        void *self;
        struct etcd_write *next;
};
/* What the leader knows of a group without asking: nobody else writes. */
struct etcd_group {
        char *id;
        struct etcd_head head;
        struct store_revision last; /* without its document */
};

struct store_etcd {
        struct store base;
        struct loop *loop;
        struct store_address address;
        char *name, *own_address, *ca, *certificate, *key, *tls_program, *user, *password_file;
        char *leader_key, *version_key, *groups_key;
        struct etcd_client client;
        struct etcd_auth auth; /* of use where there is a user */
        struct etcd_lane writes, reads, watching;
        struct etcd_election election;

        bool leads;    /* lead was called, and lost was not */
        bool troubled; /* and the controller was told */
        char *leader;  /* its address; NULL: nobody, or not known */
        uint64_t seen; /* etcd's revision, as far as the watch knows everything */
        struct etcd_call watch;
        struct loop_timer watch_timer;
        unsigned watch_failures;

        struct etcd_group *groups; /* sorted by id */
        size_t group_count, group_room;
        uint64_t events_first, events_last, audits_last;

        struct etcd_write *first, *last; /* in their order; the first `sent` ones are on their way */
        size_t sent;
        struct etcd_call write;
        struct loop_timer write_timer;
        unsigned write_failures;

        struct etcd_load *load;
        struct loop_timer load_timer;
        unsigned load_failures;

        struct etcd_read *reading;
        struct etcd_call prune;
        struct loop_timer prune_timer;

        store_done stopped;
        void *stopped_self;
        bool stopping;
};

/* ---- store_etcd.c ---- */
void store_etcd_trouble(struct store_etcd *s, const struct error *why); /* NULL: over */
/* Not the leader any more, though the lease lives: stands again. */
void store_etcd_give_up(struct store_etcd *s, const struct error *why);
/* What is known is not what is there: tells lost, and reads all again, after so long. The lease stays. */
void store_etcd_reload(struct store_etcd *s, const struct error *why, uint64_t wait_usec);
/* The last write is done. */
void store_etcd_drained(struct store_etcd *s);

/* ---- store_etcd_write.c ---- */
void store_etcd_write_init(struct store_etcd *s);
void store_etcd_write(struct store *base, struct store_batch *b, enum store_durability durability, store_done done, void *self);
/* Ends all that is on its way with this error. */
void store_etcd_drop_writes(struct store_etcd *s, const struct error *why);
void store_etcd_write_done(struct store_etcd *s);
/* A word of our own, such as the version of the layout. value is taken. */
void store_etcd_put(struct store_etcd *s, const char *key, struct text *value);
/* A deletion of [key, end) of our own. Both are taken. */
void store_etcd_delete(struct store_etcd *s, char *key, char *end);
struct etcd_group *store_etcd_find(struct store_etcd *s, const char *id);
/* Adds, or gives the one that is there. */
struct etcd_group *store_etcd_add(struct store_etcd *s, const char *id);
void store_etcd_forget_groups(struct store_etcd *s);

/* ---- store_etcd_load.c ---- */
void store_etcd_load_init(struct store_etcd *s);
/* Reads all there is and calls lead, as long as this controller leads; tries again by itself. */
void store_etcd_load(struct store_etcd *s, uint64_t wait_usec);
void store_etcd_drop_load(struct store_etcd *s);

/* ---- store_etcd_read.c ---- */
void store_etcd_history(struct store *base, const char *group, store_history_done done, void *self);
void store_etcd_events(struct store *base, uint64_t from, const char *group, size_t max, store_log_read done, void *self);
void store_etcd_audits(struct store *base, uint64_t from, size_t max, store_log_read done, void *self);
/* Ends all readers with this error, or silently. */
void store_etcd_drop_reads(struct store_etcd *s, const struct error *why);

/* ---- store_etcd_prune.c ---- */
void store_etcd_prune_init(struct store_etcd *s);
void store_etcd_prune_start(struct store_etcd *s);
void store_etcd_prune_stop(struct store_etcd *s);
