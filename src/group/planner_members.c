/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of each instance, and the counts and queues that follow from it. */
#include <stddef.h>
#include <string.h>

#include "base/mutant.h"
#include "group/planner_parts.h"

/* ---- queues ---- */

static int compare_ids(const struct member *a, const struct member *b)
{
        return strcmp(a->instance.id, b->instance.id);
}

static bool check_before(const void *a, const void *b)
{
        const struct member *x = a, *y = b;
        return x->check_usec != y->check_usec ? x->check_usec < y->check_usec : compare_ids(x, y) < 0;
}

static bool call_before(const void *a, const void *b)
{
        const struct member *x = a, *y = b;
        return x->call_usec != y->call_usec ? x->call_usec < y->call_usec : compare_ids(x, y) < 0;
}

/* Who goes first: the sick, then who has not passed the gate, whose last answer was bad, who has drifted; then the lowest id, as InfraKit does. */
static bool victim_before(const void *a, const void *b)
{
        const struct member *x = a, *y = b;
        if (x->sick != y->sick)
                return x->sick;
        if (x->passed != y->passed)
                return !x->passed;
        if (x->bad != y->bad)
                return x->bad;
        if (!x->drift != !y->drift)
                return x->drift;
        return compare_ids(x, y) < 0;
}

static bool drift_before(const void *a, const void *b)
{
        return compare_ids(a, b) < 0;
}

void members_init(struct planner *p)
{
        p->checks = (struct heap){ .position = offsetof(struct member, check_at), .before = check_before };
        p->calls = (struct heap){ .position = offsetof(struct member, call_at), .before = call_before };
        p->old_victims = (struct heap){ .position = offsetof(struct member, victim_at), .before = victim_before };
        p->current_victims = p->old_victims;
        p->drifted = (struct heap){ .position = offsetof(struct member, drift_at), .before = drift_before };
}

static void list_add(struct member **list, struct member *m)
{
        m->next = *list;
        m->previous = NULL;
        if (*list)
                (*list)->previous = m;
        *list = m;
}

static void list_remove(struct member **list, struct member *m)
{
        if (m->previous)
                m->previous->next = m->next;
        else
                *list = m->next;
        if (m->next)
                m->next->previous = m->previous;
        m->next = m->previous = NULL;
}

/* ---- counts ---- */

bool in_service(const struct planner *p, const struct member *m)
{
        if (p->health.interval_usec && !m->answered)
                return false; /* it will be known soon */
        if (m->unmet && !m->ever_good)
                return false;
        return !is_leaving(m) && m->sure && m->passed && !m->sick && !m->bad;
}

static bool is_doubtful(const struct planner *p, const struct member *m)
{
        return p->health.interval_usec && (!m->proven || m->bad);
}

static bool is_stray(const struct planner *p, const struct member *m)
{
        return p->quorum && !m->protected && (!m->slot || m->slot->owner != m);
}

static void count(struct planner *p, const struct member *m, uint32_t by)
{
        struct counts *n = &p->n;
        if (is_leaving(m)) {
                n->leaving += by;
                n->leaving_ill += m->reason == LEAVE_SICK || m->reason == LEAVE_DRIFT ? by : 0;
                n->leaving_roll += m->reason == LEAVE_ROLL ? by : 0;
                return;
        }
        n->live += by;
        n->sure += m->sure ? by : 0;
        n->current += m->current ? by : 0;
        n->old += !m->current && !m->protected ? by : 0;
        n->old_protected += !m->current && m->protected ? by : 0;
        n->good += m->health == HEALTH_GOOD ? by : 0;
        n->sick += m->sick ? by : 0;
        n->sick_current += m->sick && m->current ? by : 0;
        n->drifted += m->drift ? by : 0;
        n->drifted_due += m->drift && !m->sick && !m->protected ? by : 0;
        n->service += in_service(p, m) ? by : 0;
        n->unpassed += m->current && !m->passed ? by : 0;
        n->unproven += !m->proven && !m->sick && p->health.interval_usec ? by : 0;
        n->doubtful += is_doubtful(p, m) ? by : 0;
        n->unlabelled += m->adopt || m->mend || m->calling ? by : 0;
        n->protected += m->protected ? by : 0;
        n->stray += is_stray(p, m) ? by : 0;
}

void member_lift(struct planner *p, struct member *m)
{
        count(p, m, UINT32_MAX); /* less one */
        if (m->victim_at)
                heap_remove(m->current ? &p->current_victims : &p->old_victims, m);
        heap_remove(&p->drifted, m);
}

void member_place(struct planner *p, struct member *m)
{
        count(p, m, 1);
        if (!is_leaving(m) && !m->protected)
                heap_put(m->current ? &p->current_victims : &p->old_victims, m);
        if (m->drift && !is_leaving(m) && !m->protected)
                heap_put(&p->drifted, m);
}

/* ---- one ---- */

struct member *member_get(const struct planner *p, const char *id)
{
        return string_map_get(&p->member_by_id, id);
}

static void slot_leave(struct planner *p, struct member *m)
{
        struct slot *s = m->slot;
        if (!s)
                return;
        m->slot = NULL;
        if (s->owner == m)
                s->owner = NULL;
        slot_changed(p, s, -1, 0);
}

static void slot_enter(struct planner *p, struct member *m)
{
        struct slot *s = slot_of(p, &m->instance);
        m->slot = s;
        if (!s)
                return;
        if (!s->owner && !is_leaving(m))
                s->owner = m;
        slot_changed(p, s, 1, 0);
}

void member_judge(struct planner *p, struct member *m)
{
        const char *hash = tags_get(&m->instance.tags, TAG_CONFIG_HASH);
        m->adopt = hash && text_equal(hash, CONFIG_HASH_ADOPT) && p->committed;
        m->current = p->committed && hash && (m->adopt || text_equal(hash, p->hash));
        m->protected = !MUTANT("plan-unprotected") && string_map_get(&p->protected_ids, m->instance.id) != NULL;
        if (!m->current || !p->drift.interval_usec)
                drift_forget(m);
        slot_leave(p, m);
        slot_enter(p, m);
        if (!is_leaving(m) && (m->adopt || m->mend)) {
                if (!m->call_at && !m->calling) {
                        m->call_usec = p->now_usec;
                        heap_put(&p->calls, m);
                }
        } else if (!is_leaving(m) && m->call_at) {
                heap_remove(&p->calls, m);
        }
}

struct member *member_new(struct planner *p, const struct instance *i)
{
        struct member *m = xalloc(1, sizeof *m);
        m->instance.id = xstrdup(i->id);
        m->instance.logical_id = i->logical_id ? xstrdup(i->logical_id) : NULL;
        tags_copy(&m->instance.tags, &i->tags);
        m->made_usec = m->gate_usec = p->now_usec;
        m->passed = !roll_active(p); /* a gate is for what comes in a roll */
        m->index = p->member_count;
        p->members = xgrow(p->members, &p->member_room, p->member_count + 1, sizeof *p->members);
        p->members[p->member_count++] = m;
        string_map_put(&p->member_by_id, m->instance.id, m);
        return m;
}

static void member_free(struct member *m)
{
        instance_done(&m->instance);
        free(m->drift);
        free(m);
}

void member_remove(struct planner *p, struct member *m)
{
        member_lift(p, m);
        heap_remove(&p->checks, m);
        heap_remove(&p->calls, m);
        slot_leave(p, m);
        if (is_leaving(m))
                list_remove(&p->leaving, m);
        else if (m->young)
                list_remove(&p->young, m);
        string_map_remove(&p->member_by_id, m->instance.id);
        struct member *last = p->members[--p->member_count];
        p->members[m->index] = last;
        last->index = m->index;
        member_free(m);
}

void member_gone(struct planner *p, struct member *m)
{
        intent_doubt(p, &m->instance.tags);
        member_remove(p, m);
}

void young_set(struct planner *p, struct member *m, bool young)
{
        if (m->young == young || is_leaving(m))
                return;
        m->young = young;
        if (young)
                list_add(&p->young, m);
        else
                list_remove(&p->young, m);
}

/* ---- what is wanted has changed ---- */

void members_judge_again(struct planner *p)
{
        p->n = (struct counts){ 0 };
        p->old_victims.count = p->current_victims.count = p->drifted.count = 0;
        for (size_t i = 0; i < p->member_count; i++) {
                p->members[i]->victim_at = p->members[i]->drift_at = 0;
                member_judge(p, p->members[i]);
        }
        for (size_t i = 0; i < p->member_count; i++)
                member_place(p, p->members[i]);
}

/* ---- what is gone ---- */

static struct grave *grave_get(const struct planner *p, const char *id)
{
        return string_map_get(&p->grave_by_id, id);
}

bool grave_holds(const struct planner *p, const char *id, uint64_t seen_usec)
{
        const struct grave *g = grave_get(p, id);
        return g && seen_usec < g->at_usec + p->settle_usec;
}

/* What is told, and not listed, may be late where lists never are. */
bool grave_silences(const struct planner *p, const char *id)
{
        const struct grave *g = grave_get(p, id);
        return g && p->now_usec < g->at_usec + PLANNER_SETTLE_USEC;
}

void grave_dig(struct planner *p, const char *id, uint64_t at_usec)
{
        struct grave *g = xalloc(1, sizeof *g);
        *g = (struct grave){ .id = xstrdup(id), .at_usec = at_usec };
        if (p->grave_last)
                p->grave_last->next = g;
        else
                p->grave_first = g;
        p->grave_last = g;
        string_map_remove(&p->grave_by_id, id); /* of one that was thought to be dead before */
        string_map_put(&p->grave_by_id, g->id, g);
}

/* They are in the order of their time. */
void graves_forget(struct planner *p, uint64_t before_usec)
{
        for (struct grave *g; (g = p->grave_first) != NULL && g->at_usec < before_usec;) {
                p->grave_first = g->next;
                if (!g->next)
                        p->grave_last = NULL;
                if (grave_get(p, g->id) == g)
                        string_map_remove(&p->grave_by_id, g->id);
                free(g->id);
                free(g);
        }
}

void members_done(struct planner *p)
{
        for (size_t i = 0; i < p->member_count; i++)
                member_free(p->members[i]);
        free(p->members);
        graves_forget(p, NEVER);
        string_map_done(&p->member_by_id);
        string_map_done(&p->grave_by_id);
        heap_done(&p->checks);
        heap_done(&p->calls);
        heap_done(&p->old_victims);
        heap_done(&p->current_victims);
        heap_done(&p->drifted);
}

/* Out of the young, or of the living, into those that leave. */
void member_leave(struct planner *p, struct member *m, enum leave_reason reason)
{
        if (is_leaving(m))
                return;
        member_lift(p, m);
        young_set(p, m, false);
        m->phase = p->updating.skip_drain ? PHASE_TO_DESTROY : PHASE_TO_DRAIN;
        m->reason = (uint8_t)reason;
        m->call_tries = 0;
        m->call_usec = p->now_usec;
        if (m->slot && m->slot->owner == m)
                m->slot->owner = NULL;
        list_add(&p->leaving, m);
        heap_remove(&p->checks, m);
        heap_put(&p->calls, m);
        member_place(p, m);
        if (!MUTANT("plan-unsaved-leave"))
                must_save(p);
}

static void member_stay(struct planner *p, struct member *m)
{
        member_lift(p, m);
        heap_remove(&p->calls, m);
        list_remove(&p->leaving, m);
        m->phase = PHASE_LIVE;
        young_set(p, m, true);
        member_judge(p, m);
        member_place(p, m);
        health_schedule(p, m);
        tell(p, "instance/protected", m->instance.id, "is protected: it is not destroyed");
        must_save(p);
}

void leaving_protect(struct planner *p)
{
        for (struct member *m = p->leaving, *next; m; m = next) {
                next = m->next;
                if (m->protected && !m->called)
                        member_stay(p, m);
        }
}
