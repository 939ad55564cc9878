/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a commit would do, in InfraKit's words: programs that drive it read them. */
#include "group/planner_parts.h"

/* How many of those that are there now have another configuration than the document. */
static uint32_t count_old(const struct planner *p, const struct group_spec *spec)
{
        uint32_t n = 0;
        for (size_t i = 0; i < p->member_count; i++) {
                const struct member *m = p->members[i];
                const char *hash = tags_get(&m->instance.tags, TAG_CONFIG_HASH);
                n += !is_leaving(m) && (!hash || !(text_equal(hash, spec->hash) || text_equal(hash, CONFIG_HASH_ADOPT)));
        }
        return n;
}

static char *size_and_roll(uint32_t from, uint32_t to, uint32_t rolled)
{
        CLEAN_FREE char *roll = rolled ? xprintf("erforming a rolling update on %u instances", rolled) : NULL;
        if (to < from)
                return xprintf("Terminating %u instances to reduce the group size to %u%s%s", from - to, to, roll ? ", then p" : "", roll ? roll : "");
        if (to == from)
                return roll ? xprintf("P%s", roll) : xstrdup("Noop");
        if (roll)
                return xprintf("P%s, then adding %u instances to increase the group size to %u", roll, to - from, to);
        return xprintf("Adding %u instances to increase the group size to %u", to - from, to);
}

char *planner_pretend(const struct planner *p, const struct group_spec *spec)
{
        uint32_t to = group_spec_count(spec), old = count_old(p, spec), live = p->n.live;
        uint32_t from = p->revision ? wanted_count(p) : live;
        if (!p->revision && !live)
                return xprintf("Managing %u instances", to);
        uint32_t removed = from > to ? from - to : 0; /* those with another configuration go first */
        return size_and_roll(from, to, old > removed ? old - removed : 0);
}
