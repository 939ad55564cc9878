/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people and programs are told about a group. */
#include "group/planner_parts.h"

/* Who was bad when a roll asked is asked no more after it where health is not watched: that says nothing about now. */
static bool has_sick(const struct planner *p)
{
        return p->n.sick && p->health.interval_usec;
}

bool is_converged(const struct planner *p)
{
        const struct counts *n = &p->n;
        uint32_t count = wanted_count(p);
        return p->committed && p->observed && !p->destroying && !p->freed && !roll_active(p) && n->live == count && n->sure == count &&
               n->current == count && !n->leaving && !p->intents_kept && !has_sick(p) && !has_drift_to_mend(p) && !n->doubtful && !n->unlabelled && !p->vacant && !n->stray;
}

static void count_calls(const struct planner *p, struct planner_status *s)
{
        for (const struct member *m = p->leaving; m; m = m->next) {
                s->draining += m->phase <= PHASE_DRAINING;
                s->destroying += m->phase > PHASE_DRAINING;
        }
}

/* The earliest time at which an attempt that only waits for it is made. */
static uint64_t next_attempt(const struct planner *p)
{
        uint64_t at = provision_wake(p, most_of(p));
        return p->committed && !p->freed && at != NEVER && at > p->now_usec ? at : 0;
}

void planner_get_status(const struct planner *p, struct planner_status *ret)
{
        *ret = (struct planner_status){
                .wanted = wanted_count(p),
                .live = p->n.live,
                .good = p->n.good,
                .sick = p->n.sick,
                .unknown = p->n.live - p->n.good - p->n.sick,
                .current = p->n.current,
                .drifted = p->n.drifted,
                .old = p->n.live - p->n.current,
                .provisioning = (uint32_t)p->calling,
                .intents = (uint32_t)p->intents_kept,
                .roll = p->roll.phase,
                .roll_reason = p->roll.reason,
                .roll_target = roll_active(p) ? roll_target(p) : 0,
                .revision = p->revision,
                .good_revision = p->good_revision,
                .circuit_open = p->circuit.open,
                .remediation_stopped = p->remediation_stopped,
                .drift_stopped = p->drift_stopped,
                .observed = p->observed,
                .destroying_group = p->destroying,
                .freed = p->freed,
                .next_attempt_usec = next_attempt(p),
                .converged = is_converged(p),
        };
        count_calls(p, ret);
}

static void view(const struct member *m, struct member_view *ret)
{
        *ret = (struct member_view){
                .instance = &m->instance,
                .health = m->health,
                .drift = m->drift,
                .phase = !is_leaving(m) ? "live" : m->phase <= PHASE_DRAINING ? "draining" : "destroying",
                .current = m->current,
                .protected = m->protected,
        };
}

bool planner_find(const struct planner *p, const char *id, struct member_view *ret)
{
        const struct member *m = member_get(p, id);
        if (m && ret)
                view(m, ret);
        return m;
}

size_t planner_members(const struct planner *p, size_t first, size_t room, struct member_view *ret)
{
        size_t n = 0;
        for (; n < room && first + n < p->member_count; n++)
                view(p->members[first + n], ret + n);
        return n;
}
