/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who leads: the controller whose lease holds the key `leader`.
 *
 * A candidate is granted a lease, keeps it alive at a third of its time, and makes the key, tied to the lease, if it is not there.  The
 * revision that made the key is the fence: every write compares it, so what a leader of before still sends has no effect.  etcd counts
 * a lease's time from when it is asked or later; we count from before we asked, and stop a tenth earlier.  So by clocks that go equally fast nobody
 * else leads before we have stopped.  The clock goes on while the machine sleeps.
 */
#pragma once

#include "group/etcd_lane.h"

enum election_state { ELECTION_OFF, ELECTION_GRANTING, ELECTION_STANDING, ELECTION_FOLLOWING, ELECTION_LEADING, ELECTION_RESIGNING };

struct etcd_election {
        /* The owner's, set before etcd_election_start. */
        struct etcd_client *client;
        const char *key;
        struct text value; /* of the key: who we are; etcd_election_done frees it */
        uint32_t lease_s;
        void (*won)(struct etcd_election *e, uint64_t fence);
        void (*lost)(struct etcd_election *e, const struct error *why);
        /* The leader's key as it is now; NULL: nobody leads. */
        void (*other)(struct etcd_election *e, const struct text *value);
        /* What is known of etcd's revision at an answer: where to watch from. */
        void (*seen)(struct etcd_election *e, uint64_t revision);
        void (*trouble)(struct etcd_election *e, const struct error *why); /* NULL: over */
        void (*resigned)(struct etcd_election *e);

        enum election_state state;
        struct etcd_lane lane;
        struct etcd_call grant, keep, stand, revoke;
        struct loop_timer keep_timer, stand_timer, end_timer;
        uint64_t lease, fence; /* 0: none */
        uint64_t until_usec;   /* loop_now_usec's clock: until then the lease is ours for certain */
        unsigned failures;     /* one after another */
};
void etcd_election_init(struct etcd_election *e);
void etcd_election_start(struct etcd_election *e);
void etcd_election_done(struct etcd_election *e);
/* Whether we lead at this moment, by the clock. */
bool etcd_election_leads(const struct etcd_election *e);
/* A change of the leader's key was seen. kv: of a deletion without a value. */
void etcd_election_changed(struct etcd_election *e, bool deleted, const struct etcd_kv *kv);
/* A write was refused by the fence, or what is led is beyond us: we do not lead. Stands again. */
void etcd_election_give_up(struct etcd_election *e, const struct error *why);
/* Ends the lease, so that another leads at once; resigned is called at the end. lost is not. */
void etcd_election_resign(struct etcd_election *e);
/* When to try again after so many failures, with jitter. */
uint64_t etcd_backoff_usec(unsigned failures, uint64_t max_usec);
