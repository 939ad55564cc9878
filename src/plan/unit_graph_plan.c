/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From all that is known to what is started: what is missing, in conflict or in a circle. Each step is linear in units and edges. */
#include <stdlib.h>
#include <string.h>

#include "plan/unit_graph.h"

static const enum graph_edge_kind strong_kinds[] = { GRAPH_REQUIRES, GRAPH_BINDS_TO }, pulling_kinds[] = { GRAPH_REQUIRES, GRAPH_BINDS_TO, GRAPH_WANTS, GRAPH_UPHOLDS };

/* Nodes that are still to be looked at; each is added once. */
struct worklist {
        uint32_t *nodes, *via; /* via[n]: the edge that led to n, + 1 */
        size_t count;
};

static const char *name_of(const struct graph *g, uint32_t node)
{
        return g->nodes[node].name;
}

static void note(struct graph *g, char *taken)
{
        if (g->notes.count < GRAPH_NOTES_MAX)
                strings_take(&g->notes, taken);
        else
                free(taken);
}

/* "PATH:LINE", or what else an edge comes from. */
static char *edge_place(const struct graph *g, const struct graph_edge *edge)
{
        return edge->line ? xprintf("%s:%u", g->files.items[edge->file], edge->line) : xstrdup("implicit");
}

/* ---- what is pulled in ---- */

static void visit(struct worklist *w, uint32_t node, const struct graph *g, const struct graph_edge *edge)
{
        if (w->via[node])
                return;
        w->via[node] = edge ? (uint32_t)(edge - g->edges) + 1 : GRAPH_NONE;
        w->nodes[w->count++] = node;
}

/* From the requested units, along some kinds of edges. Active ones need nothing. */
static void walk(const struct graph *g, const enum graph_edge_kind *kinds, size_t kind_count, struct worklist *w)
{
        *w = (struct worklist){ xalloc(g->count, sizeof(uint32_t)), xalloc(g->count, sizeof(uint32_t)), 0 };
        for (uint32_t i = 0; i < g->count; i++)
                if (g->nodes[i].requested && g->nodes[i].same_as == i)
                        visit(w, i, g, NULL);
        for (size_t i = 0; i < w->count; i++) {
                uint32_t node = w->nodes[i];
                for (size_t k = 0; k < kind_count && g->nodes[node].state != GRAPH_ACTIVE; k++) {
                        size_t at = 0;
                        for (const struct graph_edge *edge; (edge = graph_edge_next(g, node, kinds[k], false, &at)) != NULL;)
                                if (!g->nodes[edge->to].left_out)
                                        visit(w, edge->to, g, edge);
                }
        }
}

static void worklist_done(struct worklist *w)
{
        free(w->nodes);
        free(w->via);
}

/* Marks what would be started now. */
static void include(struct graph *g)
{
        CLEAN(worklist_done) struct worklist w;
        for (uint32_t i = 0; i < g->count; i++)
                if (g->nodes[i].state == GRAPH_WAITING)
                        g->nodes[i].state = GRAPH_OUTSIDE;
        walk(g, pulling_kinds, ELEMENTS(pulling_kinds), &w);
        for (size_t i = 0; i < w.count; i++)
                if (g->nodes[w.nodes[i]].state == GRAPH_OUTSIDE)
                        g->nodes[w.nodes[i]].state = GRAPH_WAITING;
}

/* ---- what is left out ---- */

static bool is_impossible(const struct graph *g, uint32_t node)
{
        return g->nodes[node].failure < 0 && g->nodes[node].state != GRAPH_ACTIVE;
}

/* A unit that nobody requires, and with it those that require it: no requested one is among them. */
static void leave_out(struct graph *g, uint32_t node, char *why_taken)
{
        CLEAN_FREE uint32_t *list = xalloc(g->count, sizeof *list);
        size_t count = 0;
        note(g, why_taken);
        g->nodes[node].left_out = true;
        list[count++] = node;
        for (size_t i = 0; i < count; i++)
                for (size_t k = 0; k < ELEMENTS(strong_kinds); k++) {
                        size_t at = 0;
                        for (const struct graph_edge *edge; (edge = graph_edge_next(g, list[i], strong_kinds[k], true, &at)) != NULL;) {
                                struct graph_node *n = &g->nodes[edge->from];
                                if (n->left_out || n->state != GRAPH_WAITING)
                                        continue;
                                n->left_out = true;
                                list[count++] = edge->from;
                                note(g, xprintf("%s is left out, because it requires %s", n->name, name_of(g, list[i])));
                        }
                }
}

/* ---- what is missing ---- */

/* The unit cannot be read: the source is asked once more, for its words. */
static int tell_impossible(const struct graph *g, uint32_t node, const struct graph_edge *by, const struct graph_source *source, struct error *e)
{
        struct graph_unit none = { 0 };
        const struct graph_node *n = &g->nodes[node];
        struct error own = { 0 };
        if (n->failure != -ENOENT)
                (void)source->find(source->context, n->name, &none, &own);
        int k = own.code < 0 && e ? (*e = own).code : error_set(e, -n->failure, "graph.missing", "there is no unit %.80s", n->name);
        if (by) {
                CLEAN_FREE char *place = edge_place(g, by);
                error_while(e, "looking for what %.80s requires (%.160s)", name_of(g, by->from), place);
        }
        return k;
}

static int check_missing(struct graph *g, const struct graph_source *source, struct error *e)
{
        CLEAN(worklist_done) struct worklist w;
        walk(g, strong_kinds, ELEMENTS(strong_kinds), &w);
        for (size_t i = 0; i < w.count; i++) {
                uint32_t node = w.nodes[i], via = w.via[node];
                g->nodes[node].strong = true;
                if (is_impossible(g, node))
                        return tell_impossible(g, node, via == GRAPH_NONE ? NULL : &g->edges[via - 1], source, e);
        }
        include(g);
        for (uint32_t i = 0; i < g->count; i++)
                if (g->nodes[i].state == GRAPH_WAITING && is_impossible(g, i) && !g->nodes[i].left_out)
                        leave_out(g, i, xprintf("%s is left out: %s", name_of(g, i), g->nodes[i].failure == -ENOENT ? "there is no such unit" : "it cannot be read"));
        include(g);
        return 0;
}

/* ---- conflicts ---- */

static int check_conflict(struct graph *g, const struct graph_edge *edge, struct error *e)
{
        const struct graph_node *from = &g->nodes[edge->from], *to = &g->nodes[edge->to];
        if (from->state != GRAPH_WAITING || to->state != GRAPH_WAITING || from->left_out || to->left_out)
                return 0;
        CLEAN_FREE char *place = edge_place(g, edge);
        if (from->strong && to->strong) {
                error_set(e, EINVAL, "graph.conflict", "%.80s conflicts with %.80s (%.160s), and both are required", from->name, to->name, place);
                return -EINVAL;
        }
        uint32_t loser = to->strong ? edge->from : edge->to;
        leave_out(g, loser, xprintf("%s is left out: %s conflicts with %s (%s)", name_of(g, loser), from->name, to->name, place));
        return 0;
}

static int check_conflicts(struct graph *g, struct error *e)
{
        for (size_t i = 0; i < g->edge_count; i++)
                if (g->edges[i].kind == GRAPH_CONFLICTS && g->edges[i].from != g->edges[i].to) {
                        int k = check_conflict(g, &g->edges[i], e);
                        if (k < 0)
                                return k;
                }
        include(g);
        return 0;
}

/* ---- circles ---- */

/* Counts what each unit waits for, and takes away those that wait for nothing, until all are gone. list: how many are gone. */
static size_t take_in_order(struct graph *g, uint32_t *list, uint32_t *left)
{
        size_t count = 0, at;
        const struct graph_edge *edge;
        for (uint32_t i = 0; i < g->count; i++) {
                g->nodes[i].waits_for = 0;
                if (g->nodes[i].state != GRAPH_WAITING)
                        continue;
                for (at = 0; (edge = graph_edge_next(g, i, GRAPH_AFTER, false, &at)) != NULL;)
                        g->nodes[i].waits_for += g->nodes[edge->to].state == GRAPH_WAITING;
                left[i] = g->nodes[i].waits_for;
                if (left[i] == 0)
                        list[count++] = i;
        }
        for (size_t i = 0; i < count; i++)
                for (at = 0; (edge = graph_edge_next(g, list[i], GRAPH_AFTER, true, &at)) != NULL;)
                        if (g->nodes[edge->from].state == GRAPH_WAITING && --left[edge->from] == 0)
                                list[count++] = edge->from;
        return count;
}

/* Whoever is left waits for one that is left: going on so leads into a circle. path gets it; its length. */
static size_t find_circle(const struct graph *g, const uint32_t *left, const struct graph_edge **path)
{
        CLEAN_FREE uint32_t *seen = xalloc(g->count, sizeof *seen);
        uint32_t node = 0;
        size_t length = 0;
        while (!left[node])
                node++;
        while (!seen[node]) {
                size_t at = 0;
                const struct graph_edge *edge;
                while ((edge = graph_edge_next(g, node, GRAPH_AFTER, false, &at)) != NULL && !left[edge->to])
                        ;
                seen[node] = (uint32_t)++length;
                path[length - 1] = edge;
                node = edge->to;
        }
        size_t before = seen[node] - 1;
        memmove(path, path + before, (length - before) * sizeof *path);
        return length - before;
}

static char *describe_circle(const struct graph *g, const struct graph_edge *const *path, size_t length)
{
        struct text t = { 0 };
        text_add(&t, name_of(g, path[0]->from));
        for (size_t i = 0; i < length; i++) {
                CLEAN_FREE char *place = edge_place(g, path[i]);
                text_addf(&t, " after %s (%s)", name_of(g, path[i]->to), place);
        }
        return t.data;
}

/* In an error there is room for some; a note has all. */
static int tell_circle(struct graph *g, const struct graph_edge *const *path, size_t length, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        size_t i = 0;
        text_add(&t, name_of(g, path[0]->from));
        for (; i < length && t.length + strlen(name_of(g, path[i]->to)) < 400; i++)
                text_addf(&t, " after %s", name_of(g, path[i]->to));
        if (i < length)
                text_addf(&t, " after %zu more", length - i);
        error_set(e, ELOOP, "graph.cycle", "units wait for each other: %s", t.data);
        error_hint(e, "remove one of After= or Before=; \"DefaultDependencies=no\" removes those that are implicit");
        note(g, describe_circle(g, path, length));
        return -ELOOP;
}

static int break_circle(struct graph *g, const struct graph_edge *const *path, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if (!g->nodes[path[i]->from].strong) {
                        CLEAN_FREE char *circle = describe_circle(g, path, length);
                        leave_out(g, path[i]->from, xprintf("%s is left out to break a circle: %s", name_of(g, path[i]->from), circle));
                        include(g);
                        return 0;
                }
        return -ELOOP;
}

static int check_circles(struct graph *g, bool lenient, struct error *e)
{
        CLEAN_FREE uint32_t *list = xalloc(g->count, sizeof *list);
        CLEAN_FREE const struct graph_edge **path = xalloc(g->count, sizeof(struct graph_edge *));
        for (int broken = 0;; broken++) {
                CLEAN_FREE uint32_t *left = xalloc(g->count, sizeof *left);
                size_t waiting = 0;
                for (size_t i = 0; i < g->count; i++)
                        waiting += g->nodes[i].state == GRAPH_WAITING;
                if (take_in_order(g, list, left) == waiting)
                        return 0;
                size_t length = find_circle(g, left, path);
                if (!lenient || broken == GRAPH_CYCLES_MAX || break_circle(g, path, length) < 0)
                        return tell_circle(g, path, length, e);
        }
}

/* ---- the plan ---- */

static void make_ready(struct graph *g)
{
        g->ready = xalloc(g->count, sizeof *g->ready);
        for (uint32_t i = 0; i < g->count; i++) {
                if (g->nodes[i].state != GRAPH_WAITING)
                        continue;
                g->nodes[i].planned = true;
                g->left++;
                if (g->nodes[i].waits_for == 0)
                        g->ready[g->ready_last++] = i;
        }
}

/* What is to be stopped for some of the plan must not be what others of it require. */
static int check_active(const struct graph *g, struct error *e)
{
        CLEAN_GRAPH_ORDER struct graph_order stops = { 0 };
        graph_to_stop_first(g, &stops);
        for (size_t i = 0; i < stops.count; i++)
                for (size_t k = 0; k < ELEMENTS(strong_kinds); k++) {
                        size_t at = 0;
                        for (const struct graph_edge *edge; (edge = graph_edge_next(g, stops.nodes[i], strong_kinds[k], true, &at)) != NULL;)
                                if (g->nodes[edge->from].planned)
                                        return error_set(e, EINVAL, "graph.conflict", "%.80s requires %.80s, which is active and would have to be stopped",
                                                         name_of(g, edge->from), name_of(g, stops.nodes[i]));
                }
        return 0;
}

int graph_plan(struct graph *g, const struct graph_options *o, const struct graph_source *source, struct error *e)
{
        int k = check_missing(g, source, e);
        k = k < 0 ? k : check_conflicts(g, e);
        k = k < 0 ? k : check_circles(g, o->lenient, e);
        if (k < 0)
                return k;
        make_ready(g);
        return check_active(g, e);
}
