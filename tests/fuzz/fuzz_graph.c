/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes as units, "NAME\nTEXT" between NULs, behind two bytes of options and fates. What can be planned starts each unit once, behind all that it
 * is ordered after, and ends; nothing that failed is required by what starts; orders have each unit once.
 */
#include <stdlib.h>
#include <string.h>

#include "plan/unit_graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { UNITS_MAX = 64 };

struct world {
        struct {
                char *name, *text;
        } units[UNITS_MAX];
        size_t count;
        struct unit_name name;
        struct unit_file file;
};

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void read_world(const char *data, size_t size, struct world *w)
{
        for (size_t at = 0; at < size && w->count < UNITS_MAX;) {
                size_t length = strnlen(data + at, size - at);
                const char *line = memchr(data + at, '\n', length);
                size_t name = line ? (size_t)(line - (data + at)) : length;
                w->units[w->count].name = xstrndup(data + at, name);
                w->units[w->count++].text = line ? xstrndup(line + 1, length - name - 1) : NULL;
                at += length + 1;
        }
}

static void forget(struct world *w)
{
        unit_name_done(&w->name);
        unit_file_done(&w->file);
}

static void world_done(struct world *w)
{
        forget(w);
        for (size_t i = 0; i < w->count; i++) {
                free(w->units[i].name);
                free(w->units[i].text);
        }
}

static int find(void *context, const char *name, struct graph_unit *ret, struct error *e)
{
        struct world *w = context;
        for (size_t i = 0; i < w->count; i++)
                if (!strcmp(w->units[i].name, name)) {
                        const char *text = w->units[i].text;
                        if (!text)
                                return error_set(e, EACCES, "unit.read", "no");
                        forget(w);
                        check(unit_name_parse(name, &w->name, NULL) == 0);
                        int k = unit_file_parse(&w->file, name, text, strlen(text), NULL, true, e);
                        *ret = (struct graph_unit){ .name = &w->name, .file = &w->file };
                        return k;
                }
        return -ENOENT;
}

static void check_order(const struct graph *g, bool stop)
{
        CLEAN(graph_order_done) struct graph_order o = { 0 };
        CLEAN_FREE size_t *at = xalloc(g->count, sizeof *at);
        (stop ? (graph_stop_order(g, NULL, 0, &o)) : graph_start_order(g, &o));
        for (size_t i = 0; i < o.count; i++) {
                check(at[o.nodes[i]] == 0);
                at[o.nodes[i]] = i + 1;
        }
        for (size_t i = 0; i < g->edge_count; i++) {
                const struct graph_edge *edge = &g->edges[i];
                if (edge->kind == GRAPH_AFTER && edge->from != edge->to && at[edge->from] && at[edge->to])
                        check(stop ? at[edge->from] < at[edge->to] : at[edge->from] > at[edge->to]);
        }
}

static void drive(struct graph *g, uint8_t fates)
{
        unsigned turn = 0;
        for (uint32_t n; (n = graph_next_ready(g)) != GRAPH_NONE; turn++) {
                size_t at = 0;
                for (const struct graph_edge *edge; (edge = graph_edge_next(g, n, GRAPH_AFTER, false, &at)) != NULL;)
                        check(!g->nodes[edge->to].planned || g->nodes[edge->to].state > GRAPH_STARTING);
                at = 0;
                for (const struct graph_edge *edge; (edge = graph_edge_next(g, n, GRAPH_REQUIRES, false, &at)) != NULL;)
                        check(g->nodes[edge->to].state < GRAPH_FAILED);
                graph_done(g, n, fates >> turn % 8 & 1);
        }
        check(graph_left(g) == 0);
        for (uint32_t i = 0; i < g->count; i++)
                if (g->nodes[i].same_as == i) {
                        CLEAN_GRAPH_ORDER struct graph_order o = { 0 };
                        graph_taken_down(g, i, turn % 2 ? GRAPH_ENDED : GRAPH_STOPPED, &o);
                }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN(world_done) struct world w = { 0 };
        CLEAN_GRAPH struct graph g = { 0 };
        CLEAN_STRINGS struct strings requested = { 0 }, active = { 0 };
        static const struct facts facts = { .boot_id = "b", .machine_id = "m", .hostname = "h", .user_name = "u", .home = "/h", .shell = "/s", .runtime_folder = "/r",
                                            .state_folder = "/v", .cache_folder = "/c", .logs_folder = "/l", .configuration_folder = "/e" };
        struct error e = { 0 };
        if (size < 2)
                return 0;
        read_world((const char *)data + 2, size - 2, &w);
        if (w.count)
                strings_add(&requested, w.units[0].name);
        if (w.count > 1 && data[0] & 1)
                strings_add(&active, w.units[1].name);
        const struct graph_options o = { &requested, &active, data[0] & 2, data[0] & 4 };
        const struct graph_source source = { find, &w, &facts };
        if (graph_load(&o, &source, &g, &e) < 0 || graph_plan(&g, &o, &source, &e) < 0) {
                check(e.code < 0);
                return 0;
        }
        check_order(&g, false);
        check_order(&g, true);
        drive(&g, data[1]);
        return 0;
}
