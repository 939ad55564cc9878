/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A step: what an event says, and then, always in the same order, what follows from all that is known. */
#include <string.h>

#include "group/planner_parts.h"

struct planner *planner_new(const char *group, uint64_t seed)
{
        struct planner *p = xalloc(1, sizeof *p);
        p->group = xstrdup(group);
        p->seed = seed;
        p->circuit.window = PROVISION_WINDOW;
        p->settle_usec = PLANNER_SETTLE_USEC;
        p->list_due_usec = p->wake_usec = NEVER;
        struct string_map *maps[] = { &p->protected_ids, &p->slot_by_id, &p->member_by_id, &p->grave_by_id, &p->intent_by_token };
        for (size_t i = 0; i < ELEMENTS(maps); i++)
                memcpy(maps[i]->secret, &seed, sizeof seed);
        members_init(p);
        intents_init(p);
        return p;
}

void planner_free(struct planner *p)
{
        if (!p)
                return;
        members_done(p);
        intents_done(p);
        slots_done(p);
        string_map_done(&p->protected_ids);
        strings_clear(&p->protected_list);
        free(p->roll.reason);
        free(p->group);
        free(p);
}

/* ---- what is wanted ---- */

static void set_protected(struct planner *p, const struct strings *ids)
{
        string_map_done(&p->protected_ids);
        strings_clear(&p->protected_list);
        for (size_t i = 0; i < ids->count; i++) {
                if (string_map_get(&p->protected_ids, ids->items[i]))
                        continue;
                strings_add(&p->protected_list, ids->items[i]);
                char *id = p->protected_list.items[p->protected_list.count - 1];
                string_map_put(&p->protected_ids, id, id);
        }
}

static void take_spec(struct planner *p, const struct group_spec *spec)
{
        memcpy(p->hash, spec->hash, sizeof p->hash);
        p->size = spec->allocation.size;
        p->updating = spec->updating;
        p->health = spec->health;
        p->health.check = NULL; /* the controller's */
        p->drift = spec->drift;
        p->limits = spec->limits;
        p->poll_usec = spec->poll_usec;
        p->protect_group = spec->protect_group;
        set_protected(p, &spec->protect_instances);
        slots_set(p, &spec->allocation.logical_ids);
}

/* After a crash the document is read again: what was lowered in it, or was to be committed, is asked for once more. */
static void repeat_lost(struct planner *p)
{
        if (p->size_revision == p->revision) {
                p->size = p->size_lowered;
                p->size_changed = true;
        }
        p->commit_back = p->roll.phase == ROLL_FAILED && p->roll.commit_asked;
        uint64_t longest = p->limits.reset_usec > p->limits.backoff_max_usec ? p->limits.reset_usec : p->limits.backoff_max_usec;
        if (p->circuit.next_usec > p->now_usec + longest)
                p->circuit.next_usec = p->now_usec + longest;
}

static void take_revision(struct planner *p, uint64_t revision)
{
        if (revision == p->revision)
                return;
        p->revision = revision;
        p->size_revision = 0;
        p->freed = p->destroying = false;
        must_save(p);
}

static void commit(struct planner *p, const struct event *e)
{
        char before[HASH_LENGTH + 1];
        uint64_t interval = p->health.interval_usec;
        bool first = !p->committed;
        memcpy(before, p->hash, sizeof before);
        take_spec(p, e->spec);
        take_revision(p, e->revision);
        if (first)
                repeat_lost(p);
        p->committed = true;
        p->check_intents = true;
        members_judge_again(p);
        leaving_protect(p);
        if (*before)
                roll_committed(p, before);
        if (*before && !text_equal(before, p->hash)) {
                circuit_close(p, "another configuration was committed");
                drift_resume(p);
        }
        if (first || interval != p->health.interval_usec)
                health_schedule_all(p);
        list_needed(p, p->observed && p->poll_usec ? p->list_usec + p->poll_usec : p->observed ? NEVER : p->now_usec);
        list_needed(p, drift_wake(p));
}

/* ---- what was written down is from another life ---- */

static void at_most(uint64_t *time, uint64_t most)
{
        if (*time > most)
                *time = most;
}

static void settle_in(struct planner *p)
{
        for (size_t i = 0; i < p->member_count; i++)
                at_most(&p->members[i]->made_usec, p->now_usec);
        for (struct grave *g = p->grave_first; g; g = g->next)
                at_most(&g->at_usec, p->now_usec);
        for (struct intent *i = p->intents; i; i = i->next) {
                at_most(&i->made_usec, p->now_usec);
                i->unsure_usec = i->due_usec = p->now_usec; /* the call that was in hand may go on without us */
        }
        at_most(&p->rate.since_usec, p->now_usec);
        at_most(&p->roll.bake_usec, p->now_usec);
        p->restored = false;
}

/* ---- a step ---- */

static void take_health(struct planner *p, const struct event *e)
{
        struct member *m = member_get(p, e->id);
        p->asks_in_hand -= p->asks_in_hand > 0;
        if (m && m->asking)
                health_answer(p, m, e->health);
}

static void take(struct planner *p, const struct event *e)
{
        switch (e->kind) {
        case EVENT_TIME: break;
        case EVENT_COMMIT: commit(p, e); break;
        case EVENT_OBSERVED: observe_list(p, e); break;
        case EVENT_OBSERVE_FAILED: observe_failed(p, e->properties); break;
        case EVENT_APPEARED: observe_appeared(p, e->instance); break;
        case EVENT_VANISHED: observe_vanished(p, e->id); break;
        case EVENT_PROVISIONED: provision_succeeded(p, e); break;
        case EVENT_PROVISION_FAILED: provision_failed(p, e); break;
        case EVENT_LABELLED: case EVENT_LABEL_FAILED: case EVENT_DRAINED: case EVENT_DRAIN_FAILED: case EVENT_DESTROYED: case EVENT_DESTROY_FAILED:
                call_ended(p, e);
                break;
        case EVENT_HEALTH: take_health(p, e); break;
        case EVENT_DESTROY_SOME: destroy_some(p, e->ids); break;
        case EVENT_DESTROY_GROUP: destroy_group(p); break;
        case EVENT_FREE: p->freed = true; must_save(p); break;
        case EVENT_PAUSE: roll_pause(p); break;
        case EVENT_RESUME: roll_resume(p); break;
        }
}

static void judge_intents(struct planner *p)
{
        if (p->check_intents)
                intents_judge(p);
}

/* Marks and promises; nothing is called yet. */
static void decide(struct planner *p)
{
        judge_intents(p);
        if (p->destroying) {
                destroy_group_decide(p);
                return;
        }
        roll_advance(p);
        judge_intents(p);
        health_remedy(p);
        drift_remedy(p);
        size_decide(p);
        judge_intents(p);
}

/* On record before anything that it is about is called. */
static void record(struct planner *p)
{
        if (p->must_save)
                action_add(p, ACTION_SAVE);
        p->must_save = false;
        if (p->size_changed)
                action_add(p, ACTION_SIZE)->size = p->size;
        if (p->commit_back)
                action_add(p, ACTION_COMMIT)->revision = p->good_revision;
        if (p->gone)
                action_add(p, ACTION_GONE);
        p->size_changed = p->commit_back = false;
}

static void call(struct planner *p)
{
        calls_start(p);
        if (!p->destroying)
                provision_start(p, most_of(p));
        health_ask(p);
}

static void wake(struct planner *p)
{
        uint64_t at = observe_wake(p), others[] = { calls_wake(p), p->destroying ? NEVER : provision_wake(p, most_of(p)), health_wake(p), roll_wake(p) };
        for (size_t i = 0; i < ELEMENTS(others) && p->observed; i++)
                at = others[i] < at ? others[i] : at;
        if (at <= p->now_usec)
                at = p->now_usec + MSEC;
        if (at != NEVER && at != p->wake_usec)
                action_add(p, ACTION_WAKE)->at_usec = at;
        p->wake_usec = at;
}

static void tell_converged(struct planner *p)
{
        bool converged = is_converged(p);
        if (converged && !p->was_converged)
                tell(p, "group/converged", NULL, "%u instances, as wanted", p->n.live);
        p->was_converged = converged;
}

void planner_step(struct planner *p, const struct event *event, struct actions *actions)
{
        if (p->gone)
                return;
        p->actions = actions;
        if (event->now_usec > p->now_usec)
                p->now_usec = event->now_usec;
        if (p->restored)
                settle_in(p);
        graves_forget(p, p->now_usec > 2 * PLANNER_SETTLE_USEC ? p->now_usec - 2 * PLANNER_SETTLE_USEC : 0);
        take(p, event);
        bool active = p->committed && !p->freed;
        if (active)
                observe_ask(p);
        if (active && p->observed)
                decide(p);
        record(p);
        if (active && p->observed && !p->gone)
                call(p);
        if (active && !p->gone) {
                observe_ask(p); /* what was decided may need to be looked at */
                tell_converged(p);
                wake(p);
        }
        p->actions = NULL;
}
