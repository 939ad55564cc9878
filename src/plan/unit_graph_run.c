/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The graph while units start and stop. */
#include <stdlib.h>

#include "plan/unit_graph.h"

/* ---- the start ---- */

static void release(struct graph *g, uint32_t node)
{
        size_t at = 0;
        for (const struct graph_edge *edge; (edge = graph_edge_next(g, node, GRAPH_AFTER, true, &at)) != NULL;) {
                struct graph_node *n = &g->nodes[edge->from];
                if (n->planned && n->waits_for && --n->waits_for == 0 && n->state == GRAPH_WAITING)
                        g->ready[g->ready_last++] = edge->from;
        }
}

struct fallen {
        uint32_t *nodes;
        size_t count, room;
};

static void refuse(struct graph *g, uint32_t node, struct fallen *f)
{
        g->nodes[node].state = GRAPH_REFUSED;
        g->left--;
        f->nodes = xgrow(f->nodes, &f->room, f->count + 1, sizeof *f->nodes);
        f->nodes[f->count++] = node;
}

/* Those that require what has failed, and wait; those that require them; and so on. Then all that waits for any of them goes on. */
static void refuse_dependents(struct graph *g, struct fallen *f)
{
        static const enum graph_edge_kind kinds[] = { GRAPH_REQUIRES, GRAPH_BINDS_TO, GRAPH_REQUISITE };
        for (size_t i = 0; i < f->count; i++)
                for (size_t k = 0; k < ELEMENTS(kinds); k++) {
                        size_t at = 0;
                        for (const struct graph_edge *edge; (edge = graph_edge_next(g, f->nodes[i], kinds[k], true, &at)) != NULL;)
                                if (g->nodes[edge->from].state == GRAPH_WAITING)
                                        refuse(g, edge->from, f);
                }
        for (size_t i = 0; i < f->count; i++)
                release(g, f->nodes[i]);
        free(f->nodes);
}

static bool has_requisites(const struct graph *g, uint32_t node)
{
        size_t at = 0;
        for (const struct graph_edge *edge; (edge = graph_edge_next(g, node, GRAPH_REQUISITE, false, &at)) != NULL;)
                if (g->nodes[edge->to].state != GRAPH_ACTIVE)
                        return false;
        return true;
}

uint32_t graph_next_ready(struct graph *g)
{
        while (g->ready_first < g->ready_last) {
                uint32_t node = g->ready[g->ready_first++];
                if (g->nodes[node].state != GRAPH_WAITING)
                        continue;
                if (has_requisites(g, node)) {
                        g->nodes[node].state = GRAPH_STARTING;
                        return node;
                }
                struct fallen f = { 0 };
                refuse(g, node, &f);
                refuse_dependents(g, &f);
        }
        return GRAPH_NONE;
}

void graph_done(struct graph *g, uint32_t node, bool ok)
{
        struct fallen f = { 0 };
        if (node >= g->count || g->nodes[node].state != GRAPH_STARTING)
                return;
        g->left--;
        g->nodes[node].state = ok ? GRAPH_ACTIVE : GRAPH_FAILED;
        if (ok) {
                release(g, node);
                return;
        }
        f.nodes = xgrow(f.nodes, &f.room, 1, sizeof *f.nodes);
        f.nodes[f.count++] = node;
        refuse_dependents(g, &f);
}

size_t graph_left(const struct graph *g)
{
        return g->left;
}

/* ---- orders ---- */

/* Of the nodes that are chosen, those first that none of the chosen precedes; backwards: the last first. A circle of active units comes last. */
static void order(const struct graph *g, const bool *chosen, bool backwards, struct graph_order *ret)
{
        CLEAN_FREE uint32_t *waits = xalloc(g->count, sizeof *waits), *level = xalloc(g->count, sizeof *level);
        const struct graph_edge *edge;
        size_t at, count = 0, last = 0;
        for (uint32_t i = 0; i < g->count; i++)
                for (at = 0; chosen[i] && (edge = graph_edge_next(g, i, GRAPH_AFTER, backwards, &at)) != NULL;)
                        waits[i] += chosen[backwards ? edge->from : edge->to];
        *ret = (struct graph_order){ xalloc(g->count, sizeof(uint32_t)), xalloc(g->count, sizeof(uint32_t)), 0 };
        for (uint32_t i = 0; i < g->count; i++) {
                count += chosen[i];
                if (chosen[i] && !waits[i])
                        ret->nodes[ret->count++] = i;
        }
        for (size_t i = 0; i < ret->count; i++) {
                ret->levels[i] = level[ret->nodes[i]];
                last = ret->levels[i] + 1;
                for (at = 0; (edge = graph_edge_next(g, ret->nodes[i], GRAPH_AFTER, !backwards, &at)) != NULL;) {
                        uint32_t next = backwards ? edge->to : edge->from;
                        if (!chosen[next] || --waits[next])
                                continue;
                        level[next] = ret->levels[i] + 1;
                        ret->nodes[ret->count++] = next;
                }
        }
        for (uint32_t i = 0; ret->count < count; i++)
                if (chosen[i] && waits[i]) {
                        ret->nodes[ret->count] = i;
                        ret->levels[ret->count++] = (uint32_t)last;
                }
}

void graph_start_order(const struct graph *g, struct graph_order *ret)
{
        CLEAN_FREE bool *chosen = xalloc(g->count, sizeof *chosen);
        for (size_t i = 0; i < g->count; i++)
                chosen[i] = g->nodes[i].planned;
        order(g, chosen, false, ret);
}

void graph_stop_order(const struct graph *g, const uint32_t *nodes, size_t count, struct graph_order *ret)
{
        CLEAN_FREE bool *chosen = xalloc(g->count, sizeof *chosen);
        for (size_t i = 0; i < (nodes ? count : g->count); i++)
                if (nodes)
                        chosen[nodes[i]] = true;
                else
                        chosen[i] = g->nodes[i].planned;
        order(g, chosen, true, ret);
}

/* ---- the end of a unit ---- */

static void take(const struct graph *g, uint32_t node, bool *chosen, struct fallen *f)
{
        if (chosen[node] || (g->nodes[node].state != GRAPH_STARTING && g->nodes[node].state != GRAPH_ACTIVE))
                return;
        chosen[node] = true;
        f->nodes = xgrow(f->nodes, &f->room, f->count + 1, sizeof *f->nodes);
        f->nodes[f->count++] = node;
}

/* Whatever goes with those in f, which are chosen. ended: the first of them ended by itself. */
static void take_all(const struct graph *g, bool *chosen, struct fallen *f, bool ended)
{
        /* The first of the kinds is enough for a unit that ended by itself. */
        static const enum graph_edge_kind kinds[] = { GRAPH_BINDS_TO, GRAPH_REQUIRES, GRAPH_REQUISITE, GRAPH_PART_OF };
        for (size_t i = 0; i < f->count; i++) {
                bool demanded = i > 0 || !ended;
                const struct graph_edge *edge;
                for (size_t k = 0; k < (demanded ? ELEMENTS(kinds) : 1); k++)
                        for (size_t at = 0; (edge = graph_edge_next(g, f->nodes[i], kinds[k], true, &at)) != NULL;)
                                take(g, edge->from, chosen, f);
                for (size_t at = 0; demanded && (edge = graph_edge_next(g, f->nodes[i], GRAPH_PROPAGATES_STOP_TO, false, &at)) != NULL;)
                        take(g, edge->to, chosen, f);
        }
        free(f->nodes);
}

void graph_taken_down(const struct graph *g, uint32_t node, enum graph_end how, struct graph_order *ret)
{
        CLEAN_FREE bool *chosen = xalloc(g->count, sizeof *chosen);
        struct fallen f = { 0 };
        f.nodes = xgrow(f.nodes, &f.room, 1, sizeof *f.nodes);
        f.nodes[f.count++] = node;
        chosen[node] = true;
        take_all(g, chosen, &f, how == GRAPH_ENDED);
        chosen[node] = false;
        order(g, chosen, true, ret);
}

void graph_to_stop_first(const struct graph *g, struct graph_order *ret)
{
        CLEAN_FREE bool *chosen = xalloc(g->count, sizeof *chosen);
        struct fallen f = { 0 };
        for (size_t i = 0; i < g->edge_count; i++) {
                const struct graph_edge *edge = &g->edges[i];
                const struct graph_node *from = &g->nodes[edge->from], *to = &g->nodes[edge->to];
                if (edge->kind != GRAPH_CONFLICTS || from == to || from->planned == to->planned)
                        continue;
                take(g, from->planned ? edge->to : edge->from, chosen, &f);
        }
        take_all(g, chosen, &f, false);
        order(g, chosen, true, ret);
}

void graph_order_done(struct graph_order *o)
{
        free(o->nodes);
        free(o->levels);
        *o = (struct graph_order){ 0 };
}
