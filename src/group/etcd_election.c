/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/etcd_election.h"

#include <string.h>
#include <sys/random.h>


enum { BACKOFF_FIRST_USEC = 50000, SECOND_USEC = 1000000 };

static struct loop *loop_of(const struct etcd_election *e)
{
        return e->client->loop;
}

static uint64_t lease_usec(const struct etcd_election *e)
{
        return (uint64_t)e->lease_s * SECOND_USEC;
}

uint64_t etcd_backoff_usec(unsigned failures, uint64_t max_usec)
{
        uint64_t wait = (uint64_t)BACKOFF_FIRST_USEC << (failures < 10 ? failures : 10);
        uint16_t noise = 0;
        (void)!getrandom(&noise, sizeof noise, GRND_NONBLOCK);
        wait = wait < max_usec ? wait : max_usec;
        return wait / 2 + wait * noise / (2 * 65536);
}

bool etcd_election_leads(const struct etcd_election *e)
{
        return e->state == ELECTION_LEADING && loop_fresh_usec(loop_of(e)) < e->until_usec;
}

static void call(struct etcd_election *e, struct etcd_call *c)
{
        c->timeout_usec = lease_usec(e) / 5;
        etcd_lane_call(&e->lane, c);
}

static void tell_trouble(struct etcd_election *e, const struct error *why)
{
        e->failures = why ? e->failures + 1 : 0;
        e->trouble(e, why);
}

/* ---- losing ---- */

/* Forgets lease and key, and begins from the start. */
static void begin(struct etcd_election *e)
{
        etcd_lane_reset(&e->lane);
        loop_timer_clear(loop_of(e), &e->keep_timer);
        loop_timer_clear(loop_of(e), &e->end_timer);
        e->lease = e->fence = e->until_usec = 0;
        e->state = ELECTION_GRANTING;
        loop_timer_set(loop_of(e), &e->stand_timer, loop_fresh_usec(loop_of(e)) + etcd_backoff_usec(e->failures, lease_usec(e) / 3));
}

static void lose(struct etcd_election *e, const struct error *why)
{
        bool led = e->state == ELECTION_LEADING;
        begin(e);
        if (led)
                e->lost(e, why);
}

void etcd_election_give_up(struct etcd_election *e, const struct error *why)
{
        if (e->state == ELECTION_LEADING)
                lose(e, why);
}

static void lease_ended(struct loop_timer *t)
{
        struct etcd_election *e = LOOP_OWNER(t, struct etcd_election, end_timer);
        struct error why = { 0 };
        (void)error_set(&why, ESTALE, "store.lost", "the lease is over: etcd did not answer for %u s", e->lease_s);
        lose(e, &why);
}

/* ---- the lease ---- */

/* asked_usec: before etcd was asked. */
static void lease_lives(struct etcd_election *e, uint64_t asked_usec)
{
        e->until_usec = asked_usec + lease_usec(e) - lease_usec(e) / 10;
        loop_timer_set(loop_of(e), &e->end_timer, e->until_usec);
        loop_timer_set(loop_of(e), &e->keep_timer, asked_usec + lease_usec(e) / 3);
}

static void stand(struct etcd_election *e);

static void granted(struct etcd_call *c, struct etcd_reply *reply, const struct error *why)
{
        struct etcd_election *e = LOOP_OWNER(c, struct etcd_election, grant);
        struct error refused = { 0 };
        if (reply && etcd_reply_denied(reply, "asking for a lease", &refused) == 0 && (reply->failed || !reply->lease))
                (void)error_set(&refused, EACCES, "etcd.refused", "no lease: %.200s", reply->message ? reply->message : "an empty answer");
        if (!reply || refused.code) {
                tell_trouble(e, reply ? &refused : why);
                begin(e);
                return;
        }
        e->lease = reply->lease;
        lease_lives(e, c->began_usec);
        stand(e);
}

static void kept(struct etcd_call *c, struct etcd_reply *reply, const struct error *why)
{
        struct etcd_election *e = LOOP_OWNER(c, struct etcd_election, keep);
        if (!reply || reply->failed) {
                struct error refused = { 0 };
                if (reply && etcd_reply_denied(reply, "keeping the lease", &refused) == 0)
                        (void)error_set(&refused, EACCES, "etcd.refused", "keeping the lease: %.200s", reply->message);
                tell_trouble(e, reply ? &refused : why);
                loop_timer_set(loop_of(e), &e->keep_timer, loop_now_usec(loop_of(e)) + etcd_backoff_usec(e->failures, lease_usec(e) / 10));
                return;
        }
        if (reply->ttl_s <= 0) {
                struct error gone = { 0 };
                (void)error_set(&gone, ESTALE, "store.lost", "etcd does not know the lease any more");
                lose(e, &gone);
                return;
        }
        if (e->state != ELECTION_STANDING) /* a lease alone is no word on whether we may have the key */
                tell_trouble(e, NULL);
        lease_lives(e, c->began_usec);
}

static void keep_alive(struct loop_timer *t)
{
        struct etcd_election *e = LOOP_OWNER(t, struct etcd_election, keep_timer);
        if (e->keep.in_hand)
                return;
        text_clear(&e->keep.body);
        etcd_lease_request(&e->keep.body, e->lease);
        call(e, &e->keep);
}

/* ---- standing ---- */

static void lead(struct etcd_election *e, uint64_t fence)
{
        e->fence = fence;
        e->state = ELECTION_LEADING;
        loop_timer_clear(loop_of(e), &e->stand_timer);
        e->won(e, fence);
}

/* Somebody else has the key. Its end is told by the watch; the timer is for a watch that hears nothing. */
static void follow(struct etcd_election *e, const struct etcd_kv *kv)
{
        e->state = ELECTION_FOLLOWING;
        loop_timer_set(loop_of(e), &e->stand_timer, loop_now_usec(loop_of(e)) + lease_usec(e) / 2);
        e->other(e, &kv->value);
}

static void stood(struct etcd_call *c, struct etcd_reply *reply, const struct error *why)
{
        struct etcd_election *e = LOOP_OWNER(c, struct etcd_election, stand);
        if (reply && reply->failed && reply->code == ETCD_NOT_FOUND) { /* the lease */
                begin(e);
                return;
        }
        if (!reply || reply->failed || (!reply->succeeded && !reply->count)) {
                struct error refused = { 0 };
                if (reply && etcd_reply_denied(reply, "standing for election", &refused) == 0)
                        (void)error_set(&refused, EACCES, "etcd.refused", "standing for election: %.200s", reply->message ? reply->message : "no key");
                tell_trouble(e, reply ? &refused : why);
                loop_timer_set(loop_of(e), &e->stand_timer, loop_now_usec(loop_of(e)) + etcd_backoff_usec(e->failures, lease_usec(e) / 3));
                return;
        }
        tell_trouble(e, NULL);
        e->seen(e, reply->revision);
        if (reply->succeeded)
                lead(e, reply->revision);
        else if (reply->kvs[0].lease == e->lease) /* made by us, and the answer was lost */
                lead(e, reply->kvs[0].created);
        else
                follow(e, &reply->kvs[0]);
}

static void stand(struct etcd_election *e)
{
        if (e->stand.in_hand)
                return;
        e->state = e->state == ELECTION_FOLLOWING ? ELECTION_FOLLOWING : ELECTION_STANDING;
        CLEAN_ETCD_REQUEST struct etcd_request r = { 0 };
        etcd_txn_begin(&r);
        etcd_compare_created(&r, e->key, 0);
        etcd_txn_then(&r);
        etcd_txn_put(&r, e->key, &e->value, e->lease);
        etcd_txn_else(&r);
        etcd_txn_range(&r, &(struct etcd_range){ .key = e->key });
        etcd_txn_end(&r);
        text_clear(&e->stand.body);
        e->stand.body = r.text;
        r.text = (struct text){ 0 };
        call(e, &e->stand);
}

static void try_again(struct loop_timer *t)
{
        struct etcd_election *e = LOOP_OWNER(t, struct etcd_election, stand_timer);
        if (e->lease)
                return stand(e);
        text_clear(&e->grant.body);
        etcd_lease_grant(&e->grant.body, e->lease_s);
        call(e, &e->grant);
}

void etcd_election_changed(struct etcd_election *e, bool deleted, const struct etcd_kv *kv)
{
        struct error why = { 0 };
        if (e->state == ELECTION_LEADING) {
                /* What happened before we won is old news. */
                if (kv->modified <= e->fence || (!deleted && kv->created == e->fence))
                        return;
                (void)error_set(&why, ESTALE, "store.lost", deleted ? "the leader's key was removed" : "the leader's key is another's");
                lose(e, &why);
        } else if (e->state == ELECTION_FOLLOWING) {
                if (!deleted) {
                        if (kv->lease != e->lease)
                                e->other(e, &kv->value);
                        return;
                }
                e->other(e, NULL);
                stand(e);
        }
}

/* ---- life ---- */

static void revoked(struct etcd_call *c, struct etcd_reply *reply, const struct error *why)
{
        struct etcd_election *e = LOOP_OWNER(c, struct etcd_election, revoke);
        (void)reply;
        (void)why; /* it ends by itself then */
        e->state = ELECTION_OFF;
        e->resigned(e);
}

void etcd_election_resign(struct etcd_election *e)
{
        uint64_t lease = e->lease;
        bool known = lease != 0;
        etcd_lane_reset(&e->lane);
        loop_timer_clear(loop_of(e), &e->keep_timer);
        loop_timer_clear(loop_of(e), &e->end_timer);
        loop_timer_clear(loop_of(e), &e->stand_timer);
        e->lease = e->fence = 0;
        if (!known) {
                e->state = ELECTION_OFF;
                e->resigned(e);
                return;
        }
        e->state = ELECTION_RESIGNING;
        text_clear(&e->revoke.body);
        etcd_lease_request(&e->revoke.body, lease);
        call(e, &e->revoke);
}

void etcd_election_init(struct etcd_election *e)
{
        e->grant = (struct etcd_call){ .path = "/v3/lease/grant", .done = granted };
        e->keep = (struct etcd_call){ .path = "/v3/lease/keepalive", .done = kept };
        e->stand = (struct etcd_call){ .path = "/v3/kv/txn", .done = stood };
        e->revoke = (struct etcd_call){ .path = "/v3/lease/revoke", .done = revoked };
        e->keep_timer.elapsed = keep_alive;
        e->stand_timer.elapsed = try_again;
        e->end_timer.elapsed = lease_ended;
        etcd_lane_init(&e->lane, e->client);
}

void etcd_election_start(struct etcd_election *e)
{
        e->state = ELECTION_GRANTING;
        loop_timer_set(loop_of(e), &e->stand_timer, loop_fresh_usec(loop_of(e)));
}

void etcd_election_done(struct etcd_election *e)
{
        etcd_lane_reset(&e->lane);
        loop_timer_clear(loop_of(e), &e->keep_timer);
        loop_timer_clear(loop_of(e), &e->stand_timer);
        loop_timer_clear(loop_of(e), &e->end_timer);
        struct etcd_call *const calls[] = { &e->grant, &e->keep, &e->stand, &e->revoke };
        for (size_t i = 0; i < ELEMENTS(calls); i++)
                text_clear(&calls[i]->body);
        text_clear(&e->value);
}
