/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Groups whose instances have identities.  Each logical id is a slot: at most one instance has it, those on their way out included, so
 * the next is made only when the one before is gone.
 */
#include <string.h>

#include "group/planner_parts.h"

static bool is_vacant(const struct slot *s)
{
        return !s->occupants && !s->intents;
}

void slot_changed(struct planner *p, struct slot *s, int occupants, int intents)
{
        bool before = is_vacant(s);
        s->occupants += (uint32_t)occupants;
        s->intents += (uint32_t)intents;
        p->vacant += (size_t)is_vacant(s) - (size_t)before;
        if (occupants && s->intents)
                p->check_intents = true;
}

struct slot *slot_of(const struct planner *p, const struct instance *i)
{
        const char *id = i->logical_id ? i->logical_id : tags_get(&i->tags, TAG_LOGICAL_ID);
        return id && p->quorum ? string_map_get(&p->slot_by_id, id) : NULL;
}

static void free_slots(struct slot *slots, size_t count)
{
        for (size_t i = 0; i < count; i++)
                free(slots[i].id);
        free(slots);
}

void slots_done(struct planner *p)
{
        free_slots(p->slots, p->slot_count);
        string_map_done(&p->slot_by_id);
}

static bool is_same(const struct planner *p, const struct strings *ids)
{
        if (p->slot_count != ids->count)
                return false;
        for (size_t i = 0; i < ids->count; i++)
                if (!text_equal(p->slots[i].id, ids->items[i]))
                        return false;
        return true;
}

/* Members find their slot when they are judged again, which follows. */
void slots_set(struct planner *p, const struct strings *ids)
{
        struct slot *old = p->slots;
        size_t old_count = p->slot_count;
        p->quorum = ids->count > 0;
        if (is_same(p, ids))
                return;
        string_map_done(&p->slot_by_id);
        p->slots = xalloc(ids->count, sizeof *p->slots);
        p->slot_count = p->vacant = ids->count;
        for (size_t i = 0; i < ids->count; i++) {
                p->slots[i] = (struct slot){ .id = xstrdup(ids->items[i]), .index = (uint32_t)i };
                string_map_put(&p->slot_by_id, p->slots[i].id, p->slots + i);
        }
        for (size_t i = 0; i < p->member_count; i++)
                p->members[i]->slot = NULL;
        for (struct intent *i = p->intents; i; i = i->next) {
                i->slot = i->logical_id ? string_map_get(&p->slot_by_id, i->logical_id) : NULL;
                if (i->slot && !i->fulfilled)
                        slot_changed(p, i->slot, 0, 1);
        }
        free_slots(old, old_count);
        p->check_intents = true;
}

void slots_fill(struct planner *p)
{
        for (size_t i = 0; i < p->slot_count && p->vacant; i++)
                if (is_vacant(p->slots + i))
                        intent_new(p, next_is_newest(p), p->slots + i);
}

/* Of an id that nobody wants, or that another has. */
void slots_clear_strays(struct planner *p)
{
        for (size_t i = 0; i < p->member_count && p->n.stray; i++) {
                struct member *m = p->members[i];
                if (m->sure && !is_leaving(m) && !m->protected && (!m->slot || m->slot->owner != m))
                        member_leave(p, m, LEAVE_TERMINATE);
        }
}
