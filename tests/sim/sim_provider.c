/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A provider whose calls fail, whose answers are lost, whose lists are late and whose events come twice, never, or long after. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { FATE_GOOD, FATE_REFUSED, FATE_LOST, FATE_NOTHING, FATE_LIE };

struct creature *creature_get(struct sim *s, const char *id)
{
        for (size_t i = s->creature_count; i-- > 0;)
                if (!strcmp(s->creatures[i].id, id))
                        return s->creatures + i;
        return NULL;
}

struct creature *creature_add(struct sim *s)
{
        s->creatures = xgrow(s->creatures, &s->creature_room, s->creature_count + 1, sizeof *s->creatures);
        struct creature *c = s->creatures + s->creature_count++;
        *c = (struct creature){ .ours = true, .alive = true, .born_usec = s->now_usec };
        /* In no order, as those of clouds. */
        snprintf(c->id, sizeof c->id, "i-%04x%04u", (unsigned)chance(s, 0x10000), s->next_id++);
        return c;
}

/* Told of, and never there. */
struct creature *creature_lie(struct sim *s)
{
        struct creature *c = creature_add(s);
        c->alive = false;
        c->lie = c->told = true;
        c->in_roll = true;
        return c;
}

void instance_of(const struct creature *c, struct instance *ret)
{
        if (*c->logical)
                ret->logical_id = xstrdup(c->logical);
        if (c->ours)
                tags_set(&ret->tags, TAG_GROUP, "web");
        if (*c->hash)
                tags_set(&ret->tags, TAG_CONFIG_HASH, c->hash);
        if (*c->token)
                tags_set(&ret->tags, TAG_TOKEN, c->token);
        if (*c->logical)
                tags_set(&ret->tags, TAG_LOGICAL_ID, c->logical);
}

/* ---- events: late, lost, twice ---- */

void tell_of(struct sim *s, const struct creature *c, bool vanish)
{
        bool faulty = s->chaos && !s->calm;
        if (faulty && per_mille(s, 20))
                return;
        for (unsigned i = 0; i < (faulty && per_mille(s, 20) ? 2 : 1); i++) {
                uint64_t delay = faulty && per_mille(s, 100) ? between(s, 1000, 10 * USEC_M) : between(s, 100, 20000);
                struct future *f = plan(s, H_TELL, s->now_usec + delay);
                memcpy(f->id, c->id, sizeof f->id);
                f->vanish = vanish;
        }
}

void creature_die(struct sim *s, struct creature *c)
{
        if (!c->alive)
                return;
        c->alive = false;
        c->died_usec = s->now_usec;
        trace(s, "        dies %s", c->id);
        tell_of(s, c, true);
}

enum health health_of(struct sim *s, const struct creature *c)
{
        if (s->chaos && !s->calm && per_mille(s, 10))
                return HEALTH_UNKNOWN;
        if (!c || !c->alive)
                return HEALTH_BAD;
        if (s->now_usec < c->born_usec + (c->born_usec % 3) * USEC_S)
                return c->born_usec % 2 ? HEALTH_UNKNOWN : HEALTH_BAD;
        return c->sick || s->config_kinds[c->config] == SICK_CONFIG ? HEALTH_BAD : HEALTH_GOOD;
}

/* ---- calls ---- */

static unsigned choose_fate(struct sim *s, const struct action *a)
{
        if (!s->chaos || s->calm)
                return FATE_GOOD;
        unsigned roll = (unsigned)chance(s, 1000);
        if (roll < s->faults)
                return FATE_REFUSED;
        if (roll < s->faults + 25)
                return FATE_LOST;
        if (roll < s->faults + 45)
                return FATE_NOTHING;
        if (roll < s->faults + 50 && (a->kind == ACTION_PROVISION || (a->kind == ACTION_DESTROY && !s->quorum)))
                return FATE_LIE;
        return FATE_GOOD;
}

static unsigned config_of(const struct sim *s, const char *hash)
{
        for (uint64_t r = s->revision; r > 0; r--)
                if (!strcmp(s->revisions[r].spec.hash, hash))
                        return s->revisions[r].config;
        return 0;
}

static struct future *plan_call(struct sim *s, enum happening kind, uint64_t at_usec, const struct action *a)
{
        struct future *f = plan(s, kind, at_usec);
        f->act = a->kind;
        snprintf(f->id, sizeof f->id, "%s", a->id ? a->id : "");
        snprintf(f->token, sizeof f->token, "%s", a->token ? a->token : "");
        snprintf(f->logical, sizeof f->logical, "%s", a->logical_id ? a->logical_id : "");
        const char *hash = tags_get(&a->tags, TAG_CONFIG_HASH);
        snprintf(f->hash, sizeof f->hash, "%s", hash ? hash : "");
        f->asked_usec = s->now_usec;
        return f;
}

/* The effect, if any, and the answer, which comes no later than the controller waits. */
void provider_call(struct sim *s, const struct action *a)
{
        unsigned fate = choose_fate(s, a);
        bool faulty = s->chaos && !s->calm, slow = faulty && per_mille(s, 100);
        uint64_t delay = slow ? between(s, 1000, 50 * USEC_S) : between(s, 2000, 200000);
        if (a->kind == ACTION_PROVISION && s->config_kinds[config_of(s, tags_get(&a->tags, TAG_CONFIG_HASH))] == BROKEN_CONFIG && fate != FATE_NOTHING)
                fate = FATE_REFUSED;
        uint64_t answer = delay > CALL_LIMIT || fate == FATE_LOST || fate == FATE_NOTHING ? CALL_LIMIT : delay;
        if (fate == FATE_GOOD || fate == FATE_LOST) {
                plan_call(s, H_EFFECT, s->now_usec + delay, a);
                if (a->kind == ACTION_PROVISION)
                        promise_get(s, a->token, true)->effects++;
        }
        struct future *f = plan_call(s, H_ANSWER, s->now_usec + answer + 1, a);
        f->outcome = answer == CALL_LIMIT ? FATE_LOST : fate;
}

static void provision(struct sim *s, const struct future *f)
{
        promise_get(s, f->token, true)->effects--;
        for (size_t i = 0; i < s->creature_count; i++)
                if (s->creatures[i].alive && !strcmp(s->creatures[i].token, f->token))
                        return; /* the one that the first call made */
        struct creature *c = creature_add(s);
        memcpy(c->token, f->token, sizeof c->token);
        memcpy(c->logical, f->logical, sizeof c->logical);
        memcpy(c->hash, f->hash, sizeof c->hash);
        c->config = config_of(s, f->hash);
        struct planner_status status = { .roll = ROLL_RUNNING };
        if (!s->down)
                planner_get_status(s->planner, &status);
        c->in_roll = status.roll != ROLL_NONE;
        trace(s, "        made %s for %.8s", c->id, f->token);
        tell_of(s, c, false);
        if (s->chaos && !s->calm && per_mille(s, 60))
                plan(s, H_DIE, s->now_usec + between(s, 10000, 30 * USEC_M))->asked_usec = s->creature_count - 1;
        if (s->chaos && !s->calm && per_mille(s, 40))
                plan(s, H_SICKEN, s->now_usec + between(s, 10000, 30 * USEC_M))->asked_usec = s->creature_count - 1;
        if (s->chaos && !s->calm && drift_chance(s, 4) == 0)
                plan(s, H_DRIFT, s->now_usec + drift_chance(s, 10 * USEC_M))->asked_usec = s->creature_count - 1;
}

void provider_effect(struct sim *s, const struct future *f)
{
        struct creature *c = creature_get(s, f->id);
        if (f->act == ACTION_PROVISION)
                provision(s, f);
        else if (f->act == ACTION_LABEL && c)
                memcpy(c->hash, f->hash, sizeof c->hash);
        else if (f->act == ACTION_DESTROY && c)
                creature_die(s, c);
}

/* ---- lists ---- */

/* As the controller finds it out: of those that have the wanted configuration and were made by us. */
static const char *drift_of(const struct sim *s, struct creature *c)
{
        if (!*c->token || strcmp(c->hash, s->revisions[s->revision].spec.hash))
                return NULL;
        c->told_drifted |= c->drifted;
        return c->drifted ? "/Version is 99, not another" : "";
}

/* As it was at seen_usec, which may be a while before it was asked for. */
void provider_list(struct sim *s, const struct future *f)
{
        struct instances list = { 0 };
        char **drift = xalloc(s->creature_count, sizeof *drift);
        for (size_t i = 0; i < s->creature_count; i++) {
                struct creature *c = s->creatures + i;
                if (c->born_usec > f->seen_usec || (!c->alive && c->died_usec <= f->seen_usec))
                        continue;
                instance_of(c, instances_add(&list, c->id));
                drift[list.count - 1] = f->properties ? (char *)(uintptr_t)drift_of(s, c) : NULL;
                if (!c->ours)
                        continue;
                c->told = true;
                if (f->asked_usec >= c->told_dead_usec + PLANNER_SETTLE_USEC)
                        c->told_dead = false;
        }
        trace(s, "list of %zu as at %.3f", list.count, (double)f->seen_usec / 1e6);
        struct event e = { .kind = EVENT_OBSERVED, .list = &list, .asked_usec = f->asked_usec, .properties = f->properties, .drift = drift };
        control_step(s, &e);
        free(drift);
        instances_done(&list);
}
