/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * simulate --seeds A..B [--trace] [--sum]: lives of groups, one per seed. Ends with 1 at the first in which something does not hold.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { LIFE_USEC_S = 1500, CALM_STEPS_MAX = 200000 };

static bool future_before(const void *a, const void *b)
{
        const struct future *x = a, *y = b;
        return x->at_usec != y->at_usec ? x->at_usec < y->at_usec : x->order < y->order;
}

static void deliver(struct sim *s, const struct future *f)
{
        struct creature *c = creature_get(s, f->id);
        struct instance i = { .id = c->id };
        struct event e = { .kind = f->vanish ? EVENT_VANISHED : EVENT_APPEARED, .id = c->id, .instance = &i };
        instance_of(c, &i);
        trace(s, "%s %s", f->vanish ? "vanished" : "appeared", c->id);
        if (f->vanish) {
                c->told_dead = true;
                c->told_dead_usec = s->now_usec;
        } else if (c->ours) {
                c->told = true;
        }
        control_step(s, &e);
        i.id = NULL;
        instance_done(&i);
}

static void sicken(struct sim *s, struct creature *c)
{
        if (s->calm || !c->alive)
                return;
        c->sick = !c->sick;
        trace(s, "        %s %s", c->sick ? "sickens" : "recovers", c->id);
        if (c->sick && per_mille(s, 500))
                plan(s, H_SICKEN, s->now_usec + between(s, USEC_S, USEC_M))->asked_usec = (uint64_t)(c - s->creatures);
}

static void drift(struct sim *s, struct creature *c)
{
        if (s->calm || !c->alive)
                return;
        c->drifted = !c->drifted;
        trace(s, "        %s %s", c->drifted ? "drifts" : "is mended", c->id);
        if (c->drifted && drift_chance(s, 2))
                plan(s, H_DRIFT, s->now_usec + drift_chance(s, 5 * USEC_M))->asked_usec = (uint64_t)(c - s->creatures);
}

/* What is meant for a controller that died is lost. */
static bool is_for_the_dead(const struct sim *s, const struct future *f)
{
        bool for_life = f->kind == H_TIME || f->kind == H_ANSWER || f->kind == H_LIST;
        bool for_any = f->kind == H_TELL || f->kind == H_PERSON;
        return (for_life && (s->down || f->life != s->life)) || (for_any && s->down);
}

static void happen(struct sim *s, const struct future *f)
{
        struct event time = { .kind = EVENT_TIME }, failed = { .kind = EVENT_OBSERVE_FAILED };
        if (is_for_the_dead(s, f))
                return;
        switch (f->kind) {
        case H_TIME: if (f->at_usec >= s->wake_usec) control_step(s, &time); break;
        case H_EFFECT: provider_effect(s, f); break;
        case H_ANSWER: control_answer(s, f); break;
        case H_LIST: failed.properties = f->properties; if (f->outcome) control_step(s, &failed); else provider_list(s, f); break;
        case H_TELL: deliver(s, f); break;
        case H_SICKEN: sicken(s, s->creatures + f->asked_usec); break;
        case H_DRIFT: drift(s, s->creatures + f->asked_usec); break;
        case H_DIE: if (!s->calm) creature_die(s, s->creatures + f->asked_usec); break;
        case H_PERSON: if (!s->calm) people_act(s); break;
        case H_START: control_start(s); break;
        case H_QUIET: break;
        }
}

static void live_until(struct sim *s, uint64_t end_usec)
{
        for (struct future *f; (f = heap_first(&s->queue)) != NULL && f->at_usec <= end_usec;) {
                f = next(s);
                s->now_usec = f->at_usec;
                happen(s, f);
                free(f);
        }
        s->now_usec = end_usec;
}

static bool converged(const struct sim *s)
{
        struct planner_status status;
        planner_get_status(s->planner, &status);
        return status.converged;
}

/* No more faults: it must get there, with somebody who resumes what waits, and then rest. */
static void come_to_rest(struct sim *s)
{
        struct event resume = { .kind = EVENT_RESUME };
        trace(s, "==== calm");
        s->calm = true;
        if (s->down)
                live_until(s, s->now_usec + 2 * USEC_M);
        people_calm(s);
        for (unsigned i = 0; i < 240 && !(converged(s) && i > 20); i++) {
                live_until(s, s->now_usec + USEC_M);
                struct planner_status status;
                planner_get_status(s->planner, &status);
                if (status.roll == ROLL_CHECKPOINT || status.roll == ROLL_PAUSED || status.roll == ROLL_FAILED || status.remediation_stopped || status.drift_stopped) {
                        s->failures = s->not_before_usec = 0;
                        control_step(s, &resume);
                }
        }
        live_until(s, s->now_usec + 5 * USEC_M);
        judge_end(s);
}

static void judge_rest(struct sim *s)
{
        size_t creatures = s->creature_count, promises = s->promise_count;
        uint64_t life = s->life;
        CLEAN_TEXT struct text before = { 0 }, after = { 0 };
        planner_format(&before, s->planner);
        live_until(s, s->now_usec + 20 * USEC_M);
        planner_format(&after, s->planner);
        MUST(s, creatures == s->creature_count && promises == s->promise_count && life == s->life, "at rest nothing is made");
        MUST(s, !strcmp(before.data, after.data), "at rest nothing changes");
        judge_end(s);
}

static uint64_t live(uint64_t seed, bool trace_on)
{
        struct sim s = { .seed = seed, .random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15), .drift_random = (seed + 1) * UINT64_C(0xd1342543de82ef95), .trace_on = trace_on, .trace = UINT64_C(14695981039346656037),
                         .now_usec = 1000 * USEC_S, .wake_usec = UINT64_MAX,
                         .queue = { .before = future_before, .position = offsetof(struct future, position) } };
        static const unsigned faults[] = { 0, 50, 50, 300 };
        for (unsigned i = 0; i < 10; i++)
                (void)chance(&s, 2);
        s.quorum = per_mille(&s, 250);
        s.chaos = !per_mille(&s, 50);
        s.faults = faults[chance(&s, ELEMENTS(faults))];
        people_begin(&s);
        control_start(&s);
        for (uint64_t at = 20, n = chance(&s, 40); n > 0; n--)
                plan(&s, H_PERSON, s.now_usec + (at += 1 + chance(&s, 60)) * USEC_S);
        live_until(&s, s.now_usec + LIFE_USEC_S * USEC_S);
        come_to_rest(&s);
        judge_rest(&s);
        uint64_t sum = s.trace;
        control_done(&s);
        return sum;
}

int main(int argc, char **argv)
{
        unsigned long long first = 1, last = 1;
        bool trace_on = false, sums = false;
        for (int i = 1; i < argc; i++) {
                if (!strcmp(argv[i], "--trace"))
                        trace_on = true;
                else if (!strcmp(argv[i], "--sum"))
                        sums = true;
                else if (strcmp(argv[i], "--seeds") || i + 1 >= argc || sscanf(argv[++i], "%llu..%llu", &first, &last) != 2)
                        return fputs("usage: simulate --seeds A..B [--trace] [--sum]\n", stderr), 2;
        }
        uint64_t all = 0;
        for (uint64_t seed = first; seed <= last; seed++) {
                uint64_t sum = live(seed, trace_on);
                if (sums)
                        printf("%llu %016llx\n", (unsigned long long)seed, (unsigned long long)sum);
                all = all * 31 + sum;
        }
        printf("%llu seeds, all held; sum %016llx\n", last - first + 1, (unsigned long long)all);
        return 0;
}
