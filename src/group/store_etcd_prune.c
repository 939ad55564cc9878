/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Old events go, some chunks at a time: the oldest are looked at now and then, and go by their number or their age. The newest stays. */
#include <string.h>

#include "group/store_etcd.h"

enum { PRUNE_FIRST_USEC = 5000000, PRUNE_USEC = 60000000, PRUNE_CHUNKS = 50 };

static void next_in(struct store_etcd *s, uint64_t usec)
{
        loop_timer_set(s->loop, &s->prune_timer, loop_now_usec(s->loop) + usec);
}

/* Whether all of a chunk is too old; ret_end: what follows it. */
static bool is_old(const struct store_etcd *s, const struct etcd_kv *kv, uint64_t *ret_end)
{
        uint64_t number, now = store_now_usec(), age = s->base.event_age_usec;
        CLEAN_STORE_LOG struct store_log log = { 0 };
        if (etcd_number_of_key(s->address.prefix, "events", kv->key, &number) < 0 || etcd_read_events(kv->key, &kv->value, number, &log, NULL) < 0)
                return false;
        *ret_end = number + log.event_count;
        if (*ret_end > s->events_last)
                return false;
        return *ret_end + s->base.events <= s->events_last + 1 || !log.event_count || (now > age && log.events[log.event_count - 1].at_usec < now - age);
}

static void looked(struct etcd_call *c, struct etcd_reply *reply, const struct error *e)
{
        struct store_etcd *s = LOOP_OWNER(c, struct store_etcd, prune);
        (void)e;
        uint64_t end = 0, after;
        size_t old = 0;
        while (reply && !reply->failed && old < reply->count && is_old(s, &reply->kvs[old], &after)) {
                end = after;
                old++;
        }
        next_in(s, old == PRUNE_CHUNKS ? 100000 : PRUNE_USEC);
        if (!old || !s->leads)
                return;
        s->events_first = end;
        store_etcd_delete(s, etcd_key_of_number(s->address.prefix, "events", 0), etcd_key_of_number(s->address.prefix, "events", end));
}

static void look(struct loop_timer *t)
{
        struct store_etcd *s = LOOP_OWNER(t, struct store_etcd, prune_timer);
        if (s->prune.in_hand)
                return;
        CLEAN_FREE char *from = etcd_key_of_number(s->address.prefix, "events", 0), *below = etcd_key(s->address.prefix, "events/");
        CLEAN_FREE char *end = etcd_prefix_end(below);
        text_clear(&s->prune.body);
        etcd_range_request(&s->prune.body, &(struct etcd_range){ .key = from, .end = end, .limit = PRUNE_CHUNKS });
        etcd_lane_call(&s->reads, &s->prune);
}

void store_etcd_prune_init(struct store_etcd *s)
{
        s->prune = (struct etcd_call){ .path = "/v3/kv/range", .timeout_usec = 5000000, .done = looked };
        s->prune_timer.elapsed = look;
}

void store_etcd_prune_start(struct store_etcd *s)
{
        next_in(s, PRUNE_FIRST_USEC);
}

void store_etcd_prune_stop(struct store_etcd *s)
{
        loop_timer_clear(s->loop, &s->prune_timer);
}
