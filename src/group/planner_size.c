/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many are missing or too many, which of them go, and of which configuration those are that come. */
#include <string.h>

#include "base/mutant.h"
#include "group/planner_parts.h"

/* So many answers, none of them good, of one that has not passed the gate: it is not counted on. */
enum { NOT_GOOD_ANSWERS = 3 };

uint32_t wanted_count(const struct planner *p)
{
        return p->quorum ? (uint32_t)p->slot_count : p->size;
}

/* Down, so that a percentage of few is none; but with neither this nor a surge nothing could be replaced. */
uint32_t unavailable_of(const struct planner *p)
{
        uint32_t count = wanted_count(p), n = share_down(p->updating.unavailable, count);
        return n || surge_of(p) ? n : 1;
}

uint32_t surge_of(const struct planner *p)
{
        return p->quorum ? 0 : MUTANT("plan-more-surge") ? 2 + share_up(p->updating.surge, wanted_count(p)) : share_up(p->updating.surge, wanted_count(p));
}

uint32_t batch_of(const struct planner *p)
{
        uint32_t n = share_up(p->updating.batch, wanted_count(p));
        return n ? n : 1;
}

uint32_t most_of(const struct planner *p)
{
        return wanted_count(p) + (roll_moves(p) ? surge_of(p) : 0);
}

/* ---- too many ---- */

/* Known not to serve. Whose last answer was bad is asked again in a roll, until it is good or sick. */
static bool is_of_no_use(const struct member *m)
{
        return m->sick || ((!m->passed || m->unmet) && !m->ever_good && m->ask_tries >= NOT_GOOD_ANSWERS);
}

/* In a roll no more go than leave enough that serve. Who is of no use can always go. */
static bool may_lose(const struct planner *p, const struct member *m)
{
        if (MUTANT("plan-no-floor") || !roll_active(p) || is_of_no_use(m))
                return true;
        return p->n.service - in_service(p, m) + unavailable_of(p) >= wanted_count(p);
}

static struct member *pick_victim(const struct planner *p)
{
        struct member *old = heap_first(&p->old_victims), *current = heap_first(&p->current_victims);
        if (roll_active(p) && p->roll.phase != ROLL_FAILED)
                return old ? old : current;
        if (old && old->sick)
                return old;
        if (current && (current->sick || (p->roll.phase == ROLL_FAILED && !current->passed)))
                return current;
        return old ? old : current;
}

/* Those that a roll has made beyond the size stay as long as its gate waits for them. */
static uint32_t extra_allowed(const struct planner *p)
{
        uint32_t surge = surge_of(p);
        if (!roll_active(p) || p->roll.phase == ROLL_FAILED)
                return 0;
        return p->n.unpassed < surge ? p->n.unpassed : surge;
}

static void remove_extra(struct planner *p)
{
        for (struct member *m; p->n.sure > (uint64_t)wanted_count(p) + extra_allowed(p);) {
                m = pick_victim(p);
                if (!m || !m->sure || !may_lose(p, m))
                        return;
                member_leave(p, m, roll_active(p) && !m->current ? LEAVE_ROLL : LEAVE_TERMINATE);
        }
}

/* ---- too few ---- */

bool next_is_newest(const struct planner *p)
{
        bool has_other = p->good_revision && !text_equal(p->good_hash, p->hash);
        if (!roll_active(p) || !has_other || p->roll.back)
                return true;
        if (p->roll.phase == ROLL_FAILED || p->roll.phase == ROLL_PAUSED)
                return false;
        if (p->circuit.open && roll_moves(p))
                return true; /* what was good before may be what cannot be made any more */
        return p->n.current + p->open_newest < roll_target(p) && roll_in_flight(p) < batch_of(p);
}

static void fill(struct planner *p)
{
        uint32_t count = wanted_count(p);
        while (p->n.live + p->open < count)
                intent_new(p, next_is_newest(p), NULL);
        while (roll_moves(p) && p->n.old && p->n.live + p->open < most_of(p) && roll_in_flight(p) < batch_of(p) &&
               p->n.current + p->open_newest < roll_target(p))
                intent_new(p, true, NULL);
        intents_trim(p, most_of(p));
}

/* ---- a roll that destroys first ---- */

void roll_replace(struct planner *p)
{
        uint32_t marked = 0, keep = wanted_count(p) > roll_target(p) + p->n.old_protected ? wanted_count(p) - roll_target(p) - p->n.old_protected : 0;
        if (!roll_moves(p))
                return;
        for (struct member *m; (m = heap_first(&p->old_victims)) != NULL && p->n.old > keep;) {
                if (roll_in_flight(p) + (p->quorum ? 0 : marked) >= batch_of(p) || !m->sure || !may_lose(p, m))
                        return;
                member_leave(p, m, LEAVE_ROLL);
                marked++;
        }
}

void size_decide(struct planner *p)
{
        if (p->quorum) {
                slots_clear_strays(p);
                roll_replace(p);
                slots_fill(p);
                return;
        }
        remove_extra(p);
        roll_replace(p);
        fill(p);
}

/* ---- by a person ---- */

static bool may_destroy(struct planner *p, const struct member *m)
{
        bool last = !p->quorum && p->size == 1 && p->protect_group;
        if (!m || is_leaving(m))
                return false;
        if (m->protected || last)
                tell(p, "instance/protected", m->instance.id, "is protected: it is not destroyed");
        return !m->protected && !last;
}

void destroy_some(struct planner *p, const struct strings *ids)
{
        uint32_t before = p->size;
        for (size_t i = 0; i < ids->count; i++) {
                struct member *m = member_get(p, ids->items[i]);
                if (!may_destroy(p, m))
                        continue;
                member_leave(p, m, LEAVE_ASKED);
                p->size -= !p->quorum && p->size > 0;
        }
        if (p->size == before)
                return;
        p->size_revision = p->revision;
        p->size_lowered = p->size;
        p->size_changed = true;
        must_save(p);
}
