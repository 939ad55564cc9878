/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls about one instance: label, drain, destroy.  What leaves is on record before the first of them, and is called until it is gone. */
#include <string.h>

#include "group/planner_parts.h"

enum { CALL_PAUSE_USEC = SECOND, CALL_PAUSE_MAX_USEC = 300 * SECOND };

const char *const leave_words[LEAVE_REASONS] = {
        [LEAVE_TERMINATE] = "terminate",
        [LEAVE_ROLL] = "rolling_update",
        [LEAVE_SICK] = "unhealthy",
        [LEAVE_ASKED] = "asked",
        [LEAVE_DRIFT] = "drift",
};

/* ---- starting ---- */

static void start_label(struct planner *p, struct member *m)
{
        struct action *a = action_add(p, ACTION_LABEL);
        a->id = xstrdup(m->instance.id);
        member_lift(p, m);
        if (m->adopt) {
                tags_set(&m->instance.tags, TAG_CONFIG_HASH, p->hash);
                m->labelling = true;
                m->adopt = false;
        }
        for (size_t i = 0; i < m->instance.tags.count; i++) {
                const struct tag *t = m->instance.tags.items + i;
                bool hash = text_equal(t->name, TAG_CONFIG_HASH);
                if (hash ? m->labelling || m->mend : m->mend && (text_starts(t->name, "infrakit.") || text_starts(t->name, "bulkhead.")))
                        tags_set(&a->tags, t->name, t->value);
        }
        m->calling = true;
        member_place(p, m);
}

static void start_leaving(struct planner *p, struct member *m)
{
        bool drain = m->phase == PHASE_TO_DRAIN;
        struct action *a = action_add(p, drain ? ACTION_DRAIN : ACTION_DESTROY);
        a->id = xstrdup(m->instance.id);
        a->reason = leave_words[m->reason];
        m->phase = drain ? PHASE_DRAINING : PHASE_DESTROYING;
        m->calling = m->called = true;
}

void calls_start(struct planner *p)
{
        for (struct member *m; (m = heap_first(&p->calls)) != NULL && m->call_usec <= p->now_usec && call_permitted(p);) {
                heap_remove(&p->calls, m);
                p->calls_in_hand++;
                if (is_leaving(m))
                        start_leaving(p, m);
                else
                        start_label(p, m);
        }
}

uint64_t calls_wake(const struct planner *p)
{
        const struct member *m = heap_first(&p->calls);
        return m && call_permitted(p) ? m->call_usec : NEVER;
}

/* ---- answers ---- */

static void call_again(struct planner *p, struct member *m, uint64_t at_usec)
{
        m->call_usec = at_usec;
        heap_put(&p->calls, m);
}

static uint64_t pause_after(struct planner *p, struct member *m)
{
        if (m->call_tries < UINT8_MAX)
                m->call_tries++;
        return p->now_usec + planner_backoff(p, CALL_PAUSE_USEC, CALL_PAUSE_MAX_USEC, m->call_tries);
}

static bool is_worth_telling(const struct member *m)
{
        return m->call_tries == 1 || m->call_tries % 8 == 0;
}

static void labelled(struct planner *p, struct member *m, bool failed, const char *message)
{
        member_lift(p, m);
        m->calling = false;
        if (failed && m->labelling)
                tags_set(&m->instance.tags, TAG_CONFIG_HASH, CONFIG_HASH_ADOPT);
        m->mend = m->mend && failed;
        m->labelling = false;
        uint64_t at = failed ? pause_after(p, m) : p->now_usec;
        if (failed && is_worth_telling(m))
                tell(p, "instance/unlabelled", m->instance.id, "labelling failed: %s", message);
        m->call_tries = failed ? m->call_tries : 0;
        member_judge(p, m);
        if (m->call_at)
                call_again(p, m, at);
        member_place(p, m);
}

static void drained(struct planner *p, struct member *m, bool failed, const char *message)
{
        if (m->phase != PHASE_DRAINING)
                return;
        uint64_t at = failed ? pause_after(p, m) : p->now_usec;
        bool give_up = failed && m->call_tries >= (m->sick ? 1 : DRAIN_ATTEMPTS);
        if (give_up)
                tell(p, "instance/undrained", m->instance.id, "is destroyed without being drained: %s", message);
        m->phase = failed && !give_up ? PHASE_TO_DRAIN : PHASE_TO_DESTROY;
        if (m->phase == PHASE_TO_DESTROY) {
                m->call_tries = 0;
                at = p->now_usec;
        }
        call_again(p, m, at);
}

static void destroyed(struct planner *p, struct member *m, bool failed, const char *message)
{
        if (m->phase != PHASE_DESTROYING)
                return;
        if (!failed) {
                grave_dig(p, m->instance.id, p->now_usec);
                member_gone(p, m);
                return;
        }
        m->phase = PHASE_TO_DESTROY;
        call_again(p, m, pause_after(p, m));
        if (is_worth_telling(m))
                tell(p, "instance/undestroyed", m->instance.id, "destroying failed: %s", message);
}

void call_ended(struct planner *p, const struct event *e)
{
        struct member *m = member_get(p, e->id);
        const char *message = e->message ? e->message : "no reason given";
        p->calls_in_hand -= p->calls_in_hand > 0;
        bool label = e->kind == EVENT_LABELLED || e->kind == EVENT_LABEL_FAILED;
        if (!m || !m->calling || label == is_leaving(m))
                return; /* a label may have been in hand when it was told to leave */
        m->calling = m->calling && label;
        switch (e->kind) {
        case EVENT_LABELLED: case EVENT_LABEL_FAILED: labelled(p, m, e->kind == EVENT_LABEL_FAILED, message); break;
        case EVENT_DRAINED: case EVENT_DRAIN_FAILED: drained(p, m, e->kind == EVENT_DRAIN_FAILED, message); break;
        default: destroyed(p, m, e->kind == EVENT_DESTROY_FAILED, message); break;
        }
}

/* ---- all of the group ---- */

void destroy_group(struct planner *p)
{
        if (p->protect_group) {
                tell(p, "group/protected", NULL, "the group is protected: it is not destroyed");
                return;
        }
        p->destroying = true;
        p->check_intents = true;
        roll_clear(p);
        must_save(p);
        tell(p, "group/destroying", NULL, "%u instances go", p->n.live - p->n.protected);
}

/* What comes late, of a promise that was thought to have failed, goes as well. */
void destroy_group_decide(struct planner *p)
{
        for (size_t i = 0; i < p->member_count && p->n.live > p->n.protected; i++)
                if (!p->members[i]->protected)
                        member_leave(p, p->members[i], LEAVE_TERMINATE);
        if (p->member_count || p->intents_kept)
                return;
        if (p->grave_last && p->list_usec < p->grave_last->at_usec) {
                list_needed(p, p->now_usec);
                return;
        }
        p->gone = true;
        must_save(p);
}
