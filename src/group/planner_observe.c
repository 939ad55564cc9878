/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a provider says, and how much of it is believed.
 *
 *   - An event that one has vanished is: ids do not come back.
 *   - An event that one is there may come late, when it is gone again. So until a list confirms it, it counts only where too many would be.
 *   - A list may be late by PLANNER_SETTLE_USEC. Absence is believed of what is older, presence of what is not in a grave that is younger.
 */
#include <string.h>

#include "base/mutant.h"
#include "group/planner_parts.h"

enum { LIST_PAUSE_USEC = SECOND, LIST_PAUSE_MAX_USEC = 60 * SECOND };

/* ---- asking ---- */

void list_needed(struct planner *p, uint64_t at_usec)
{
        if (at_usec < p->list_due_usec)
                p->list_due_usec = at_usec;
}

/* Never one upon the other's heels, however many reasons there are. */
uint64_t observe_wake(const struct planner *p)
{
        if (p->observing || p->list_due_usec == NEVER)
                return NEVER;
        uint64_t earliest = p->asked_usec ? p->asked_usec + LIST_PAUSE_USEC : 0;
        return p->list_due_usec > earliest ? p->list_due_usec : earliest;
}

void observe_ask(struct planner *p)
{
        if (observe_wake(p) > p->now_usec)
                return;
        struct action *a = action_add(p, ACTION_OBSERVE);
        a->properties = planner_wants_properties(p, p->now_usec);
        if (a->properties)
                p->properties_usec = p->now_usec;
        p->observing = true;
        p->asked_usec = p->now_usec;
        p->list_due_usec = NEVER;
}

void observe_failed(struct planner *p, bool properties)
{
        if (properties)
                p->properties_usec = p->now_usec; /* they may be what is too much */
        p->observing = false;
        if (!p->list_failures++)
                tell(p, "provider/silent", NULL, "the instances cannot be listed");
        list_needed(p, p->now_usec + planner_backoff(p, LIST_PAUSE_USEC, LIST_PAUSE_MAX_USEC, p->list_failures));
}

/* What of the future needs a list: the safety poll, drift, the young at the end of their youth, promises in doubt. */
static void plan_next_list(struct planner *p)
{
        if (p->poll_usec)
                list_needed(p, p->list_usec + p->poll_usec);
        list_needed(p, drift_wake(p));
        for (const struct member *m = p->young; m; m = m->next)
                if (m->made_usec + p->settle_usec > p->list_usec)
                        list_needed(p, m->made_usec + p->settle_usec);
}

/* ---- tags ---- */

static bool is_ours(const char *name)
{
        return text_starts(name, "infrakit.") || text_starts(name, "bulkhead.");
}

/* Tags of ours that are missing are put back; another value is taken as meant. What else was lost is told. */
static bool merge_lost(struct planner *p, struct member *m, struct tags *seen)
{
        const struct tags *known = &m->instance.tags;
        CLEAN_TEXT struct text names = { 0 };
        bool mend = false;
        for (size_t i = 0; i < known->count; i++) {
                const char *name = known->items[i].name, *value = tags_get(seen, name);
                if (value && text_equal(value, known->items[i].value))
                        continue;
                text_addf(&names, "%s%s", names.length ? ", " : "", name);
                if (!value && is_ours(name)) {
                        tags_set(seen, name, known->items[i].value);
                        mend = true;
                }
        }
        if (names.length)
                tell(p, "instance/drift", m->instance.id, "tags changed: %s", names.data);
        return mend;
}

static bool is_equal_string(const char *a, const char *b)
{
        return a == b || (a && b && text_equal(a, b));
}

static void member_update(struct planner *p, struct member *m, const struct instance *seen)
{
        if (m->calling && !is_leaving(m))
                return; /* it is being labelled: what is seen may be from before */
        bool same_id = !seen->logical_id || is_equal_string(m->instance.logical_id, seen->logical_id);
        if (same_id && !m->mend && tags_equal(&m->instance.tags, &seen->tags))
                return;
        struct tags tags;
        tags_copy(&tags, &seen->tags);
        member_lift(p, m);
        m->mend = merge_lost(p, m, &tags);
        tags_done(&m->instance.tags);
        m->instance.tags = tags;
        if (!same_id) {
                free(m->instance.logical_id);
                m->instance.logical_id = xstrdup(seen->logical_id);
        }
        member_judge(p, m);
        member_place(p, m);
}

static bool is_of_group(const struct planner *p, const struct instance *i)
{
        const char *group = tags_get(&i->tags, TAG_GROUP);
        return MUTANT("plan-any-tag") || (group && text_equal(group, p->group));
}

/* ---- coming and going ---- */

/*
 * Who is met again after a crash. Who had not passed the gate of a roll is on record, with the young or as an intent. But who was given up for
 * dead, or came at the very end, is not: in a roll all that are not on record are asked before they are counted on.
 */
static void meet_again(struct planner *p, struct member *m, const struct intent *intent)
{
        m->passed = !p->was_rolling || !intent;
        m->unmet = p->was_rolling;
}

static struct member *welcome(struct planner *p, const struct instance *i, bool sure)
{
        struct member *m = member_new(p, i);
        const char *token = tags_get(&i->tags, TAG_TOKEN);
        struct intent *intent = token ? intent_get(p, token) : NULL;
        member_judge(p, m);
        if (!p->observed)
                meet_again(p, m, intent);
        m->sure = sure;
        m->fresh = p->observed && intent;
        m->lineage = intent ? intent->lineage : 0;
        if (p->observed || intent || !m->passed)
                young_set(p, m, true); /* written down: after a crash a late list may lack it, and its intent is no more to tell of it */
        member_place(p, m);
        health_schedule(p, m);
        if (intent)
                intent_fulfil(p, intent);
        return m;
}

static void make_sure(struct planner *p, struct member *m)
{
        if (m->sure)
                return;
        member_lift(p, m);
        m->sure = true;
        member_place(p, m);
}

/* Dead by itself. Who dies soon after it was made, and whose predecessor did so too, is not replaced at once. */
static void member_lost(struct planner *p, struct member *m)
{
        if (!is_leaving(m)) {
                bool early = p->now_usec - m->made_usec < p->health.grace_usec;
                uint8_t lineage = early && m->lineage < UINT8_MAX ? m->lineage + 1 : 0;
                tell(p, "instance/lost", m->instance.id, lineage > 1 ? "died soon after its start, like %u before it" : "is gone", lineage - 1u);
                if (lineage && m->slot)
                        m->slot->lineage = lineage;
                else if (lineage) {
                        p->heirs = xgrow(p->heirs, &p->heir_room, p->heir_count + 1, sizeof *p->heirs);
                        p->heirs[p->heir_count++] = lineage;
                }
                if (lineage > p->limits.attempts && m->current && roll_moves(p))
                        roll_fail(p, "new instances die soon after their start");
        }
        member_gone(p, m);
}

void observe_appeared(struct planner *p, const struct instance *i)
{
        struct member *m = member_get(p, i->id);
        if (!is_of_group(p, i)) {
                if (m) { /* its tag was taken away: nothing of it is ours any more */
                        tell(p, "instance/left", i->id, "it has our tag no more");
                        member_remove(p, m);
                }
                return;
        }
        if (grave_silences(p, i->id))
                return;
        if (m) {
                member_update(p, m, i);
                return;
        }
        welcome(p, i, false);
        list_needed(p, p->now_usec);
}

void observe_vanished(struct planner *p, const char *id)
{
        struct member *m = member_get(p, id);
        grave_dig(p, id, p->now_usec);
        if (m)
                member_lost(p, m);
}

/* ---- lists ---- */

static void take_listed(struct planner *p, const struct instance *i, const char *drift, uint64_t asked_usec)
{
        struct member *m = member_get(p, i->id);
        if (!m && grave_holds(p, i->id, asked_usec))
                return;
        if (m) {
                member_update(p, m, i);
                make_sure(p, m);
        } else {
                m = welcome(p, i, true);
                if (asked_usec < m->made_usec)
                        m->made_usec = asked_usec;
        }
        m->list_number = p->list_number;
        drift_look(p, m, drift);
        if (m->young && m->passed && asked_usec >= m->made_usec + p->settle_usec)
                young_set(p, m, false);
}

/* Absence is believed of what a late list would have had too. */
static void drop_absent(struct planner *p, uint64_t asked_usec)
{
        for (size_t i = p->member_count; i-- > 0;) {
                struct member *m = p->members[i];
                if (m->list_number == p->list_number || (asked_usec < m->made_usec + p->settle_usec && !MUTANT("plan-late-lists")))
                        continue;
                grave_dig(p, m->instance.id, p->now_usec);
                member_lost(p, m);
        }
}

void observe_list(struct planner *p, const struct event *e)
{
        uint64_t asked_usec = e->asked_usec;
        p->settle_usec = e->exact ? 0 : PLANNER_SETTLE_USEC;
        if (p->observing && asked_usec >= p->asked_usec)
                p->observing = false;
        if (asked_usec < p->list_usec)
                return; /* a newer one was here before it */
        if (p->list_failures)
                tell(p, "provider/answers", NULL, "the instances are listed again");
        p->list_failures = 0;
        p->list_usec = asked_usec;
        p->list_number++;
        if (e->properties)
                p->properties_usec = p->now_usec;
        for (size_t i = 0; i < e->list->count; i++)
                if (is_of_group(p, e->list->items + i))
                        take_listed(p, e->list->items + i, e->drift ? e->drift[i] : NULL, asked_usec);
        drop_absent(p, asked_usec);
        p->observed = true;
        p->list_due_usec = NEVER;
        plan_next_list(p);
        intents_listed(p);
}
