/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * After each word of libvirt's, after each time without one, and after each new connection all domains of ours are looked at: what
 * is unfinished is finished, what has stopped is cleared away, and what differs from the time before is told.
 */
#include <stdio.h>

#include "libvirt_plugin.h"

struct round {
        struct libvirt *l;
        virConnectPtr c;
        struct instances found;
};

static void complain(const char *what, const char *name, const struct error *e)
{
        CLEAN_FREE char *subject = xprintf("%s %s", what, name);
        error_print(stderr, "bulkhead-instance-libvirt", subject, e);
}

/* Holding the lane; the record is read again, for it may have changed before that. */
static void put_right(struct round *round, virDomainPtr d, const char *name)
{
        CLEAN_INSTANCE_RECORD struct instance_record now = { 0 };
        struct error e = { 0 };
        if (domain_record(round->l, d, &now, &e) != 1)
                return;
        bool unfinished = now.stage == STAGE_MAKING;
        if (now.stage == STAGE_READY && domain_counts(d, &now))
                return;
        if (now.stage == STAGE_READY) {
                now.stage = STAGE_FAILED;
                if (domain_write(round->l, d, &now, &e) < 0)
                        return;
        }
        int r = unfinished ? domain_bring_up(round->l, round->c, d, &now, &e) : domain_bring_down(round->l, round->c, d, &now, &e);
        if (r < 0)
                complain(unfinished ? "cannot finish" : "cannot clear away", name, &e);
}

static int look_at(void *context, virDomainPtr d, const char *name, struct instance_record *r, struct error *e)
{
        static const struct tags all = { 0 };
        struct round *round = context;
        (void)e;
        bool counts = domain_counts(d, r);
        if (r->stage != STAGE_READY || !counts) {
                /* Whoever holds the lane is at work on it. */
                pthread_mutex_t *lane = lane_of(round->l, name);
                if (pthread_mutex_trylock(lane) == 0) {
                        put_right(round, d, name);
                        (void)pthread_mutex_unlock(lane);
                        /* What came of it is seen in the next round. */
                        background_wake(round->l->watcher);
                }
        }
        if (counts)
                instance_record_list(r, name, &all, false, &round->found);
        return 0;
}

static const struct instance *find(const struct instances *in, const char *id)
{
        for (size_t i = 0; i < in->count; i++)
                if (text_equal(in->items[i].id, id))
                        return in->items + i;
        return NULL;
}

static void tell(struct libvirt *l, enum instance_change change, const struct instance *i)
{
        if (l->events)
                l->events->notify(l->events, change, "", i->id, &i->tags);
}

static void tell_differences(struct libvirt *l, const struct instances *before, const struct instances *now)
{
        for (size_t i = 0; i < before->count; i++)
                if (!find(now, before->items[i].id))
                        tell(l, INSTANCE_VANISHED, before->items + i);
        for (size_t i = 0; i < now->count; i++) {
                const struct instance *was = find(before, now->items[i].id);
                if (!was || !tags_equal(&was->tags, &now->items[i].tags))
                        tell(l, was ? INSTANCE_CHANGED : INSTANCE_APPEARED, now->items + i);
        }
}

static void watch_one(struct libvirt *l, struct connection *own)
{
        struct error e = { 0 };
        CLEAN_CONNECT virConnectPtr c = connection_use(own, &e);
        struct round round = { .l = l, .c = c };
        if (!c || domain_each(l, c, look_at, &round, &e) < 0) {
                instances_done(&round.found);
                if (!own->told_away)
                        complain("cannot look at the domains of", own->uri, &e);
                own->told_away = true;
                return; /* nothing is known: nothing is told */
        }
        own->told_away = false;
        if (own->has_known)
                tell_differences(l, &own->known, &round.found);
        instances_done(&own->known);
        own->known = round.found;
        own->has_known = true;
}

void libvirt_watch(void *self)
{
        struct libvirt *l = self;
        for (size_t i = 0; i < l->count; i++)
                watch_one(l, l->connections + i);
}
