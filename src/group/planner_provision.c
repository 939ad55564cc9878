/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a call to provision may be made.  Success widens the window of calls in hand, so a provider that works gets all at once after a few
 * answers; failure closes it, makes all wait, and at last opens the circuit, which lets one through per Limits.Reset.
 */
#include <stdint.h>

#include "base/mutant.h"
#include "group/planner_parts.h"

/* ---- back-off and circuit ---- */

void circuit_close(struct planner *p, const char *why)
{
        struct circuit *c = &p->circuit;
        if (c->open) {
                tell(p, "circuit/closed", NULL, "%s", why);
                must_save(p);
        }
        if (!c->window || c->failures)
                c->window = PROVISION_WINDOW;
        c->open = false;
        c->failures = 0;
        c->next_usec = 0;
}

static void count_success(struct planner *p)
{
        struct circuit *c = &p->circuit;
        if (c->open || c->failures) {
                uint32_t window = c->window;
                circuit_close(p, "an instance could be provisioned");
                c->window = window;
        }
        if (c->window < GROUP_SIZE_MAX)
                c->window++;
}

/* Those that were called before the last failure tell nothing that it did not. */
static void count_failure(struct planner *p, uint64_t started_usec, const char *message)
{
        struct circuit *c = &p->circuit;
        if (started_usec < c->failed_usec)
                return;
        c->failed_usec = p->now_usec + 1;
        c->failures++;
        c->window = c->failures > 1 ? 1 : (c->window + 1) / 2;
        c->next_usec = MUTANT("plan-no-backoff") ? 0 : p->now_usec + planner_backoff(p, p->limits.backoff_usec, p->limits.backoff_max_usec, c->failures);
        if (c->failures >= p->limits.attempts) {
                c->next_usec = p->now_usec + p->limits.reset_usec;
                if (!c->open)
                        tell(p, "circuit/open", NULL, "%u attempts failed one after another: %s", c->failures, message ? message : "");
                c->open = true;
                p->check_intents = true;
        }
        must_save(p);
}

bool call_permitted(const struct planner *p)
{
        return !p->limits.parallel || p->calls_in_hand < p->limits.parallel;
}

/* ---- starting ---- */

static void start(struct planner *p, struct intent *i)
{
        struct action *a = action_add(p, ACTION_PROVISION);
        a->token = i->maybe && MUTANT("plan-new-token") ? xprintf("again%.20s", i->token) : xstrdup(i->token);
        a->sequence = i->sequence;
        a->revision = i->revision;
        tags_set(&a->tags, TAG_GROUP, p->group);
        tags_set(&a->tags, TAG_CONFIG_HASH, i->hash);
        tags_set(&a->tags, TAG_TOKEN, i->token);
        if (i->logical_id) {
                a->logical_id = xstrdup(i->logical_id);
                tags_set(&a->tags, TAG_LOGICAL_ID, i->logical_id);
        }
        heap_remove(&p->ready, i);
        intent_count(p, i, SIZE_MAX);
        i->state = INTENT_CALLING;
        intent_count(p, i, 1);
        i->started_usec = p->now_usec;
        p->calls_in_hand++;
}

static bool is_window_open(const struct planner *p)
{
        return p->calling < (p->circuit.open ? 1 : p->circuit.window) && call_permitted(p);
}

/* most: so many may be there, or come of calls in hand and of those whose outcome is unsure. */
static bool may_start(const struct planner *p, uint32_t most)
{
        const struct intent *first = heap_first(&p->ready);
        return first && is_window_open(p) && (p->quorum || p->n.live + p->risky + !first->maybe <= most || MUTANT("plan-unsure-free"));
}

static uint64_t rate_free_usec(const struct planner *p)
{
        const struct limits *l = &p->limits;
        return l->rate && p->rate.count >= l->rate && p->now_usec - p->rate.since_usec < l->rate_usec ? p->rate.since_usec + l->rate_usec : 0;
}

/* When the first in the queue may be called; NEVER while something else than time holds it up. */
uint64_t provision_wake(const struct planner *p, uint32_t most)
{
        if (!may_start(p, most))
                return NEVER;
        const struct intent *first = heap_first(&p->ready);
        uint64_t at = first->due_usec, rate = rate_free_usec(p);
        at = at > p->circuit.next_usec ? at : p->circuit.next_usec;
        return at > rate ? at : rate;
}

void provision_start(struct planner *p, uint32_t most)
{
        while (provision_wake(p, most) <= p->now_usec) {
                if (!rate_take(&p->rate, p->now_usec, p->limits.rate_usec, p->limits.rate))
                        break;
                start(p, heap_first(&p->ready));
        }
}

/* ---- answers ---- */

static struct intent *answered(struct planner *p, const char *token)
{
        struct intent *i = intent_get(p, token);
        if (!i || i->state != INTENT_CALLING)
                return NULL;
        p->calls_in_hand--;
        intent_count(p, i, SIZE_MAX);
        i->state = INTENT_READY;
        intent_count(p, i, 1);
        return i;
}

static void add_made(struct planner *p, const struct event *e, const struct intent *i)
{
        struct instance made = { .id = (char *)e->id };
        if (e->instance) {
                tags_copy(&made.tags, &e->instance->tags);
                made.logical_id = e->instance->logical_id;
        }
        tags_set(&made.tags, TAG_GROUP, p->group);
        tags_set(&made.tags, TAG_CONFIG_HASH, i->hash);
        tags_set(&made.tags, TAG_TOKEN, i->token);
        if (i->logical_id) {
                tags_set(&made.tags, TAG_LOGICAL_ID, i->logical_id);
                made.logical_id = made.logical_id ? made.logical_id : i->logical_id;
        }
        struct member *m = member_new(p, &made);
        m->fresh = true;
        tags_done(&made.tags);
        member_judge(p, m);
        m->sure = true;
        m->lineage = i->lineage;
        young_set(p, m, true);
        member_place(p, m);
        health_schedule(p, m);
        list_needed(p, m->made_usec + p->settle_usec);
}

void provision_succeeded(struct planner *p, const struct event *e)
{
        struct intent *i = answered(p, e->token);
        struct member *m = member_get(p, e->id);
        if (!i)
                return;
        count_success(p);
        if (m) {
                if (!m->sure) {
                        member_lift(p, m);
                        m->sure = true;
                        member_place(p, m);
                }
        } else if (!grave_silences(p, e->id)) {
                add_made(p, e, i);
        }
        intent_remove(p, i);
}

void provision_failed(struct planner *p, const struct event *e)
{
        struct intent *i = answered(p, e->token);
        if (!i)
                return;
        const char *message = e->message ? e->message : "no reason given";
        if (i->fulfilled) { /* its instance was seen meanwhile */
                intent_remove(p, i);
                return;
        }
        intent_count(p, i, SIZE_MAX);
        i->maybe |= e->unsure;
        i->state = i->maybe ? INTENT_UNSURE : INTENT_READY;
        intent_count(p, i, 1);
        if (e->unsure) {
                i->unsure_usec = p->now_usec;
                list_needed(p, p->now_usec);
        }
        count_failure(p, i->started_usec, message);
        tell(p, e->unsure ? "provision/unsure" : "provision/failed", NULL, "%s", message);
        i->due_usec = p->now_usec + planner_backoff(p, p->limits.backoff_usec, p->limits.backoff_max_usec, p->circuit.failures);
        uint64_t deadline = p->updating.deadline_usec;
        if (i->newest && roll_moves(p) && deadline && p->now_usec - i->made_usec > deadline)
                roll_fail(p, "no instance could be provisioned in time: %s", message);
        intent_judge(p, i);
}
