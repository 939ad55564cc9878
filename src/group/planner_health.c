/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is asked for health when, who is sick, and what is done about it.  An instance is sick after Health.Failures bad answers one after
 * another; within its grace that counts only once it has been good.  The sick are replaced within a budget; more than twice that many are taken
 * for a trouble that replacing does not mend, and nothing is done until there are fewer.
 */
#include "group/planner_parts.h"

enum { EAGER_USEC = 50 * MSEC, EAGER_MAX_USEC = SECOND, BAKE_INTERVAL_USEC = 10 * SECOND };

/* ---- when ---- */

static bool is_gated(const struct planner *p, const struct member *m)
{
        return roll_active(p) && !m->passed;
}

/* A roll waits for it: to pass the gate; or, where its last answer was bad, to be good again or sick; or to be met. */
static bool is_awaited(const struct planner *p, const struct member *m)
{
        return roll_active(p) && (!m->passed || m->bad || (m->unmet && !m->ever_good));
}

static uint64_t interval_of(const struct planner *p)
{
        if (p->health.interval_usec)
                return p->health.interval_usec;
        return p->roll.phase == ROLL_BAKING ? BAKE_INTERVAL_USEC : 0;
}

static bool is_in_grace(const struct planner *p, const struct member *m)
{
        return p->now_usec < m->made_usec + p->health.grace_usec;
}

/* What is new or waits at the gate is asked soon, and then less and less so, down to once a second. */
static uint64_t eager_pause(const struct planner *p, const struct member *m)
{
        uint64_t most = p->health.interval_usec && p->health.interval_usec < EAGER_MAX_USEC ? p->health.interval_usec : EAGER_MAX_USEC;
        uint64_t pause = (uint64_t)EAGER_USEC << (m->ask_tries < 6 ? m->ask_tries : 6);
        if (!m->ask_tries)
                return 0;
        return pause < most ? pause : most;
}

static uint64_t next_check(struct planner *p, const struct member *m)
{
        uint64_t interval = interval_of(p), at = p->now_usec + eager_pause(p, m);
        if (is_awaited(p, m)) {
                uint64_t end = m->good_usec + p->updating.duration_usec;
                return m->good_usec && end > p->now_usec && end < at ? end : at;
        }
        if (!interval)
                return NEVER;
        if (!m->ever_good && is_in_grace(p, m))
                return at;
        if (!m->answered) /* not all at once */
                return p->now_usec + planner_random(p, interval);
        return p->now_usec + interval - planner_random(p, interval / 8 + 1);
}

void health_schedule(struct planner *p, struct member *m)
{
        uint64_t at = is_leaving(m) || m->asking ? NEVER : next_check(p, m);
        m->check_usec = at;
        if (at == NEVER)
                heap_remove(&p->checks, m);
        else
                heap_put(&p->checks, m);
}

void health_schedule_all(struct planner *p)
{
        for (size_t i = 0; i < p->member_count; i++)
                health_schedule(p, p->members[i]);
}

void health_ask(struct planner *p)
{
        for (struct member *m; (m = heap_first(&p->checks)) != NULL && m->check_usec <= p->now_usec && p->asks_in_hand < HEALTH_PARALLEL;) {
                heap_remove(&p->checks, m);
                action_add(p, ACTION_HEALTH)->id = xstrdup(m->instance.id);
                m->asking = true;
                p->asks_in_hand++;
        }
}

uint64_t health_wake(const struct planner *p)
{
        const struct member *m = heap_first(&p->checks);
        return m && p->asks_in_hand < HEALTH_PARALLEL ? m->check_usec : NEVER;
}

/* ---- what an answer means ---- */

static void count_up(uint16_t *n)
{
        *n = (uint16_t)(*n + (*n < UINT16_MAX));
}

static void take_good(struct planner *p, struct member *m)
{
        m->bad_count = 0;
        count_up(&m->good_count);
        if (!m->good_usec)
                m->good_usec = p->now_usec;
        if (m->sick)
                tell(p, "instance/recovered", m->instance.id, "is good again");
        m->sick = false;
        m->ever_good = m->proven = true;
}

static void take_bad(struct planner *p, struct member *m)
{
        m->good_count = 0;
        m->good_usec = 0;
        if (!m->ever_good && is_in_grace(p, m))
                return;
        count_up(&m->bad_count);
        if (m->sick || m->bad_count < p->health.failures)
                return;
        m->sick = m->proven = true;
        tell(p, "instance/sick", m->instance.id, "%u bad answers one after another", m->bad_count);
}

static void take_unknown(struct planner *p, struct member *m)
{
        m->good_count = 0;
        m->good_usec = 0;
        if (!is_in_grace(p, m))
                m->proven = true; /* who cannot be asked is not doubted for ever */
}

/* As a roll asks: good for so long, or so many times. */
static bool passes(const struct planner *p, const struct member *m)
{
        const struct updating *u = &p->updating;
        if (!m->good_count)
                return false;
        return u->count ? m->good_count >= u->count : p->now_usec - m->good_usec >= u->duration_usec;
}

static void check_gate(struct planner *p, struct member *m)
{
        if (!is_gated(p, m))
                return;
        if (passes(p, m)) {
                m->passed = true;
                m->ask_tries = 1;
                return;
        }
        uint64_t deadline = p->updating.deadline_usec;
        if (m->current && roll_moves(p) && deadline && p->now_usec - m->gate_usec >= deadline) {
                char words[32];
                duration_format(deadline, words);
                roll_fail(p, "%s is not good after %s", m->instance.id, words);
        }
}

void health_answer(struct planner *p, struct member *m, enum health health)
{
        m->asking = false;
        if (is_leaving(m))
                return;
        if (m->ask_tries < UINT8_MAX)
                m->ask_tries++;
        member_lift(p, m);
        m->health = (uint8_t)health;
        m->answered = true;
        m->bad = health == HEALTH_BAD || (m->bad && health == HEALTH_UNKNOWN);
        (health == HEALTH_GOOD ? take_good : health == HEALTH_BAD ? take_bad : take_unknown)(p, m);
        check_gate(p, m);
        member_place(p, m);
        health_schedule(p, m);
}

/* ---- remediation ---- */

uint32_t budget_of(const struct planner *p)
{
        uint32_t n = share_up(p->health.budget, wanted_count(p));
        return n ? n : 1;
}

bool has_budget_left(const struct planner *p)
{
        return (uint64_t)p->n.leaving_ill + p->n.unproven + p->open < budget_of(p);
}

static void watch_breaker(struct planner *p)
{
        uint32_t budget = budget_of(p);
        bool stop = p->remediation_stopped ? p->n.sick > budget : p->n.sick > 2 * budget;
        if (stop == p->remediation_stopped)
                return;
        p->remediation_stopped = stop;
        if (stop)
                tell(p, "remediation/stopped", NULL, "%u of %u are sick: none is replaced until there are at most %u", p->n.sick, p->n.live, budget);
        else
                tell(p, "remediation/resumed", NULL, "%u are sick", p->n.sick);
        must_save(p);
}

/* The first in either queue of victims is sick if any in it is. New ones before the gate are the roll's. */
static struct member *sickest(const struct planner *p)
{
        struct member *old = heap_first(&p->old_victims), *current = heap_first(&p->current_victims);
        if (old && old->sick)
                return old;
        return current && current->sick && (current->passed || !roll_moves(p)) ? current : NULL;
}

void health_remedy(struct planner *p)
{
        watch_breaker(p);
        if (p->remediation_stopped || (!p->health.interval_usec && !roll_moves(p)))
                return;
        for (struct member *m; p->n.sick && (m = sickest(p)) != NULL;) {
                if (!has_budget_left(p) || !m->sure)
                        return;
                member_leave(p, m, LEAVE_SICK);
        }
}
