/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked of a group's sockets, as lists: their meaning, and the form in which a program looks them up. */
#include "os/cgroup_network.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"

/* ---- addresses ---- */

void cgroup_prefixes_done(struct cgroup_prefixes *l)
{
        free(l->items);
        *l = (struct cgroup_prefixes){ 0 };
}

bool cgroup_prefixes_add(struct cgroup_prefixes *l, const struct cgroup_prefix *p)
{
        if (l->count >= CGROUP_PREFIXES_MAX)
                return false;
        l->items = xgrow(l->items, &l->room, l->count + 1, sizeof *l->items);
        l->items[l->count++] = *p;
        return true;
}

static bool holds(const struct cgroup_prefix *p, bool v6, const uint8_t *address)
{
        size_t whole = p->bits / 8, rest = p->bits % 8;
        if (p->v6 != v6 || memcmp(p->address, address, whole) != 0)
                return false;
        return !rest || ((p->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

const struct cgroup_prefix *cgroup_prefixes_denying(const struct cgroup_prefixes *l, bool v6, const uint8_t *address)
{
        const struct cgroup_prefix *denying = NULL;
        for (size_t i = 0; i < l->count; i++) {
                const struct cgroup_prefix *p = &l->items[i];
                if (!holds(p, v6, address))
                        continue;
                if (p->allow)
                        return NULL;
                denying = denying ? denying : p;
        }
        return denying;
}

/* By family and address; of one address the shortest first, so that what holds a prefix stands before it; then what allows. */
static int compare(const void *a, const void *b)
{
        const struct cgroup_prefix *x = a, *y = b;
        int by_address = memcmp(x->address, y->address, sizeof x->address);
        if (x->v6 != y->v6)
                return x->v6 - y->v6;
        if (by_address)
                return by_address;
        return x->bits != y->bits ? x->bits - y->bits : y->allow - x->allow;
}

enum { DEPTH_MAX = 129 }; /* prefixes of one family that hold one another */

void cgroup_prefixes_settle(const struct cgroup_prefixes *l, struct cgroup_prefixes *ret)
{
        struct cgroup_prefixes settled = { 0 };
        const struct cgroup_prefix *above[DEPTH_MAX]; /* those that hold the one at hand, the longest last */
        bool allows[DEPTH_MAX + 1] = { true };        /* by how many of them: what they decide together */
        bool asked[DEPTH_MAX + 1] = { false };        /* whether one of them allows */
        size_t depth = 0;
        CLEAN_FREE struct cgroup_prefix *sorted = xalloc(l->count ? l->count : 1, sizeof *sorted);
        if (l->count)
                memcpy(sorted, l->items, l->count * sizeof *sorted);
        qsort(sorted, l->count, sizeof *sorted, compare);
        for (size_t i = 0; i < l->count; i++) {
                const struct cgroup_prefix *p = &sorted[i];
                while (depth && !holds(above[depth - 1], p->v6, p->address))
                        depth--;
                if (depth && above[depth - 1]->bits == p->bits)
                        continue; /* the same once more: the one that allows came first */
                bool allow = asked[depth] || p->allow;
                if (allow != allows[depth]) {
                        struct cgroup_prefix decided = *p;
                        decided.allow = allow;
                        (void)cgroup_prefixes_add(&settled, &decided);
                }
                above[depth] = p;
                allows[++depth] = allow;
                asked[depth] = allow;
        }
        *ret = settled;
}

/* ---- ports ---- */

void cgroup_bind_rules_done(struct cgroup_bind_rules *l)
{
        free(l->items);
        *l = (struct cgroup_bind_rules){ 0 };
}

bool cgroup_bind_rules_add(struct cgroup_bind_rules *l, const struct cgroup_bind_rule *r)
{
        if (l->count >= CGROUP_BIND_RULES_MAX)
                return false;
        l->items = xgrow(l->items, &l->room, l->count + 1, sizeof *l->items);
        l->items[l->count++] = *r;
        return true;
}

const struct cgroup_bind_rule *cgroup_bind_denying(const struct cgroup_bind_rules *l, int family, int protocol, uint16_t port)
{
        const struct cgroup_bind_rule *denying = NULL;
        for (size_t i = 0; i < l->count; i++) {
                const struct cgroup_bind_rule *r = &l->items[i];
                if ((r->family != AF_UNSPEC && r->family != family) || (r->protocol && r->protocol != protocol) || port < r->first || port > r->last)
                        continue;
                if (r->allow)
                        return NULL;
                denying = denying ? denying : r;
        }
        return denying;
}
