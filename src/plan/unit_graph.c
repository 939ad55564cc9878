/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading units into the graph: names, edges, and what follows from the type of a unit. */
#include "plan/unit_graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "plan/specifier.h"
#include "plan/unit_words.h"

enum pulls { PULLS_NOTHING, PULLS_IN };

static const struct word {
        const char *name;
        enum graph_edge_kind kind;
        bool backwards; /* the edge runs from the unit that is named */
        enum pulls pulls;
} words[] = {
        { "Requires", GRAPH_REQUIRES, false, PULLS_IN },
        { "RequiresOverridable", GRAPH_REQUIRES, false, PULLS_IN },
        { "Requisite", GRAPH_REQUISITE, false, PULLS_NOTHING },
        { "RequisiteOverridable", GRAPH_REQUISITE, false, PULLS_NOTHING },
        { "Wants", GRAPH_WANTS, false, PULLS_IN },
        { "BindsTo", GRAPH_BINDS_TO, false, PULLS_IN },
        { "BindTo", GRAPH_BINDS_TO, false, PULLS_IN },
        { "PartOf", GRAPH_PART_OF, false, PULLS_NOTHING },
        { "Upholds", GRAPH_UPHOLDS, false, PULLS_IN },
        { "Conflicts", GRAPH_CONFLICTS, false, PULLS_NOTHING },
        { "After", GRAPH_AFTER, false, PULLS_NOTHING },
        { "Before", GRAPH_AFTER, true, PULLS_NOTHING },
        { "OnFailure", GRAPH_ON_FAILURE, false, PULLS_NOTHING },
        { "OnSuccess", GRAPH_ON_SUCCESS, false, PULLS_NOTHING },
        { "PropagatesStopTo", GRAPH_PROPAGATES_STOP_TO, false, PULLS_NOTHING },
        { "StopPropagatedFrom", GRAPH_PROPAGATES_STOP_TO, true, PULLS_NOTHING },
        { "PropagatesReloadTo", GRAPH_PROPAGATES_RELOAD_TO, false, PULLS_NOTHING },
        { "PropagateReloadTo", GRAPH_PROPAGATES_RELOAD_TO, false, PULLS_NOTHING },
        { "ReloadPropagatedFrom", GRAPH_PROPAGATES_RELOAD_TO, true, PULLS_NOTHING },
        { "PropagateReloadFrom", GRAPH_PROPAGATES_RELOAD_TO, true, PULLS_NOTHING },
        { "JoinsNamespaceOf", GRAPH_JOINS_NAMESPACE_OF, false, PULLS_NOTHING },
}, install_words[] = {
        { "WantedBy", GRAPH_WANTS, true, PULLS_NOTHING },
        { "RequiredBy", GRAPH_REQUIRES, true, PULLS_NOTHING },
        { "Also", GRAPH_WANTS, false, PULLS_IN },
};

/* What a type is ordered by, when these units are in the graph; NULL ends. */
static const struct {
        enum unit_type type;
        const char *after[3], *before[2];
} defaults[] = {
        { UNIT_SERVICE, { "sysinit.target", "basic.target" }, { NULL } },
        { UNIT_SOCKET, { "sysinit.target" }, { "sockets.target" } },
        { UNIT_TIMER, { "sysinit.target" }, { "timers.target" } },
        { UNIT_PATH, { "sysinit.target" }, { "paths.target" } },
};

/* Whoever reads units needs all of these. */
struct reading {
        struct graph *g;
        const struct graph_options *o;
        const struct graph_source *source;
        uint32_t *queue; /* of nodes that are pulled in */
        size_t queued, queue_room;
        struct error *e;
};

/* ---- names ---- */

static size_t slot_of(const struct graph *g, const char *name)
{
        static const uint8_t key[16] = { 0 };
        size_t i = hash_sip24(name, strlen(name), key) & (g->hash_size - 1);
        while (g->hash[i] && !text_equal(g->nodes[g->hash[i] - 1].name, name))
                i = (i + 1) & (g->hash_size - 1);
        return i;
}

static void grow_hash(struct graph *g)
{
        free(g->hash);
        g->hash_size = g->hash_size ? g->hash_size * 2 : 256;
        g->hash = xalloc(g->hash_size, sizeof *g->hash);
        for (size_t i = 0; i < g->count; i++)
                g->hash[slot_of(g, g->nodes[i].name)] = (uint32_t)i + 1;
}

static uint32_t resolve(const struct graph *g, uint32_t node)
{
        while (g->nodes[node].same_as != node)
                node = g->nodes[node].same_as;
        return node;
}

uint32_t graph_find(const struct graph *g, const char *name)
{
        uint32_t found = g->hash_size ? g->hash[slot_of(g, name)] : 0;
        return found ? resolve(g, found - 1) : GRAPH_NONE;
}

static int node_of(struct reading *r, const char *name, enum unit_type type, uint32_t *ret)
{
        struct graph *g = r->g;
        uint32_t found = graph_find(g, name);
        if (found == GRAPH_NONE) {
                if (g->count >= GRAPH_NAMES_MAX)
                        return error_set(r->e, E2BIG, "graph.limit", "more than %d units are named", GRAPH_NAMES_MAX);
                if ((g->count + 1) * 2 > g->hash_size)
                        grow_hash(g);
                found = (uint32_t)g->count;
                g->nodes = xgrow(g->nodes, &g->room, g->count + 1, sizeof *g->nodes);
                g->nodes[g->count++] = (struct graph_node){ .name = xstrdup(name), .same_as = found, .type = (uint8_t)type, .default_dependencies = true };
                g->hash[slot_of(g, name)] = found + 1;
        }
        *ret = found;
        return 0;
}

static void note(struct graph *g, char *taken)
{
        if (g->notes.count < GRAPH_NOTES_MAX)
                strings_take(&g->notes, taken);
        else
                free(taken);
}

/* ---- edges ---- */

static int add_edge(struct reading *r, uint32_t from, uint32_t to, enum graph_edge_kind kind, uint32_t file, uint32_t line)
{
        struct graph *g = r->g;
        if (from == to)
                return 0; /* a unit that needs itself: systemd drops it as well */
        if (g->edge_count >= GRAPH_EDGES_MAX)
                return error_set(r->e, E2BIG, "graph.limit", "units have more than %d dependencies", GRAPH_EDGES_MAX);
        g->edges = xgrow(g->edges, &g->edge_room, g->edge_count + 1, sizeof *g->edges);
        g->edges[g->edge_count++] = (struct graph_edge){ from, to, file, line, (uint8_t)kind };
        return 0;
}

static void pull(struct reading *r, uint32_t node)
{
        r->queue = xgrow(r->queue, &r->queue_room, r->queued + 1, sizeof *r->queue);
        r->queue[r->queued++] = node;
}

/* A line of a unit's file, or a name in one of its folders. */
struct place {
        uint32_t node;
        const struct graph_unit *unit;
        uint32_t first_file;
        const struct unit_line *line; /* or NULL */
};

/* An error in what a unit says; lenient: a note. */
static int complain(struct reading *r, const struct place *p, struct error *own)
{
        CLEAN_FREE char *where = p->line ? unit_file_place(p->unit->file, p->line) : xstrdup(p->unit->name->whole);
        if (r->o->lenient) {
                note(r->g, xprintf("%s: %s; passed over", where, own->cause));
                return 0;
        }
        if (r->e)
                *r->e = *own;
        error_while(r->e, "reading the dependencies of %.80s, %.200s", p->unit->name->whole, where);
        return own->code;
}

/* "NAME@.TYPE" of an instance stands for the same instance of that template. */
static int add_named(struct reading *r, const struct place *p, const struct word *w, const char *word)
{
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        CLEAN_FREE char *instance = NULL;
        struct error own = { 0 };
        uint32_t other;
        if (unit_name_parse(word, &n, &own) < 0) {
                error_set(&own, EINVAL, "graph.name", "\"%.80s\" is no unit's name", word);
                return complain(r, p, &own);
        }
        if (unit_name_is_template(&n)) {
                if (!unit_name_is_instance(p->unit->name)) {
                        error_set(&own, EINVAL, "graph.name", "\"%.80s\" is a template", word);
                        return complain(r, p, &own);
                }
                instance = unit_name_instance(&n, p->unit->name->instance);
        }
        int k = node_of(r, instance ? instance : n.whole, n.type, &other);
        if (k < 0)
                return k;
        if (w->pulls == PULLS_IN)
                pull(r, other);
        return add_edge(r, w->backwards ? other : p->node, w->backwards ? p->node : other, w->kind, p->first_file + (p->line ? p->line->file : 0),
                        p->line ? p->line->number : 0);
}

static int expand(struct reading *r, const struct place *p, const char *value, char **ret, struct error *own)
{
        if (!strchr(value, '%')) {
                *ret = xstrdup(value);
                return 0;
        }
        struct facts facts = r->source->facts ? *r->source->facts : (struct facts){ 0 };
        facts.unit = p->unit->name->whole;
        if (!r->source->facts)
                return error_set(own, EINVAL, "graph.value", "\"%.80s\" has a specifier", value);
        return specifier_expand(value, &facts, ret, own);
}

static int add_words(struct reading *r, const struct place *p, const struct word *w, const char *value)
{
        CLEAN_FREE char *expanded = NULL;
        struct error own = { 0 };
        if (expand(r, p, value, &expanded, &own) < 0)
                return complain(r, p, &own);
        char *rest, *word = strtok_r(expanded, " \t\r\n", &rest);
        int k = 0;
        for (; word && k == 0; word = strtok_r(NULL, " \t\r\n", &rest))
                k = add_named(r, p, w, word);
        return k;
}

static int read_section(struct reading *r, struct place *p, const char *section, const struct word *of, size_t count)
{
        for (size_t at = 0; (p->line = unit_file_next(p->unit->file, section, NULL, &at)) != NULL;)
                for (size_t i = 0; i < count; i++)
                        if (text_equal(p->line->name, of[i].name)) {
                                int k = add_words(r, p, &of[i], p->line->value);
                                if (k < 0)
                                        return k;
                        }
        return 0;
}

static int read_folder(struct reading *r, struct place *p, const struct strings *names, enum graph_edge_kind kind)
{
        const struct word w = { NULL, kind, false, PULLS_IN };
        int k = 0;
        p->line = NULL;
        for (size_t i = 0; names && i < names->count && k == 0; i++)
                k = add_named(r, p, &w, names->items[i]);
        return k;
}

/* ---- what follows from the type ---- */

static const struct unit_line *last_line(const struct unit_file *f, const char *section, const char *name)
{
        const struct unit_line *found = NULL, *l;
        for (size_t at = 0; (l = unit_file_next(f, section, name, &at)) != NULL;)
                found = l;
        return found && *found->value ? found : NULL;
}

/* A socket, timer or path comes before the unit that it starts: that of the same name, unless it says another. */
static int read_triggered(struct reading *r, struct place *p, const char *section, const char *name)
{
        static const struct word triggers = { NULL, GRAPH_TRIGGERS, false, PULLS_NOTHING }, before = { NULL, GRAPH_AFTER, true, PULLS_NOTHING };
        const struct unit_name *own = p->unit->name;
        p->line = last_line(p->unit->file, section, name);
        CLEAN_FREE char *same = xprintf("%s%s%s.service", own->prefix, own->instance ? "@" : "", own->instance ? own->instance : "");
        const char *value = p->line ? p->line->value : same;
        int k = add_words(r, p, &triggers, value);
        return k < 0 ? k : add_words(r, p, &before, value);
}

static int read_sockets(struct reading *r, struct place *p)
{
        static const struct word wants = { NULL, GRAPH_WANTS, false, PULLS_IN }, after = { NULL, GRAPH_AFTER, false, PULLS_NOTHING };
        int k = 0;
        for (size_t at = 0; k == 0 && (p->line = unit_file_next(p->unit->file, "Service", "Sockets", &at)) != NULL;) {
                k = add_words(r, p, &wants, p->line->value);
                k = k < 0 ? k : add_words(r, p, &after, p->line->value);
        }
        return k;
}

/* With Accept=yes there is an instance for each connection, and none to be started. */
static bool accepts(const struct unit_file *f)
{
        const struct unit_line *l = last_line(f, "Socket", "Accept");
        bool accept = false;
        return l && text_parse_bool(l->value, &accept) == 0 && accept;
}

static int read_type(struct reading *r, struct place *p)
{
        switch (p->unit->name->type) {
        case UNIT_SERVICE:
                return read_sockets(r, p);
        case UNIT_SOCKET:
                return accepts(p->unit->file) ? 0 : read_triggered(r, p, "Socket", "Service");
        case UNIT_TIMER:
                return read_triggered(r, p, "Timer", "Unit");
        case UNIT_PATH:
                return read_triggered(r, p, "Path", "Unit");
        default:
                return 0;
        }
}

static int read_default_dependencies(struct reading *r, struct place *p)
{
        struct error own = { 0 };
        p->line = last_line(p->unit->file, "Unit", "DefaultDependencies");
        if (!p->line || text_parse_bool(p->line->value, &r->g->nodes[p->node].default_dependencies) == 0)
                return 0;
        error_set(&own, EINVAL, "graph.value", "DefaultDependencies=%.80s is neither yes nor no", p->line->value);
        return complain(r, p, &own);
}

/* ---- units ---- */

static int read_unit(struct reading *r, uint32_t node, const struct graph_unit *u)
{
        struct place p = { .node = node, .unit = u, .first_file = (uint32_t)r->g->files.count };
        for (size_t i = 0; i < u->file->files.count; i++)
                strings_add(&r->g->files, u->file->files.items[i]);
        int k = read_default_dependencies(r, &p);
        k = k < 0 ? k : read_section(r, &p, "Unit", words, ELEMENTS(words));
        k = k < 0 || !r->o->install ? k : read_section(r, &p, "Install", install_words, ELEMENTS(install_words));
        k = k < 0 ? k : read_folder(r, &p, u->wants, GRAPH_WANTS);
        k = k < 0 ? k : read_folder(r, &p, u->requires, GRAPH_REQUIRES);
        return k < 0 ? k : read_type(r, &p);
}

/* What is known of one name holds of the unit. */
static void make_alias(struct graph *g, uint32_t name, uint32_t node)
{
        g->nodes[name].same_as = node;
        g->nodes[node].requested |= g->nodes[name].requested;
        if (g->nodes[name].state == GRAPH_ACTIVE)
                g->nodes[node].state = GRAPH_ACTIVE;
}

/* Other names of a unit lead to its node. */
static int add_alias(struct reading *r, uint32_t node, const char *name)
{
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        uint32_t other;
        if (unit_name_parse(name, &n, NULL) < 0 || unit_name_is_template(&n))
                return 0;
        int k = node_of(r, name, n.type, &other);
        if (k == 0 && other != node && !r->g->nodes[other].loaded)
                make_alias(r->g, other, node);
        return k;
}

static int load_unit(struct reading *r, uint32_t node, size_t *loaded)
{
        struct graph_unit u = { 0 };
        struct error own = { 0 };
        uint32_t itself;
        if (++*loaded > GRAPH_UNITS_MAX)
                return error_set(r->e, E2BIG, "graph.limit", "more than %d units would be started", GRAPH_UNITS_MAX);
        r->g->nodes[node].loaded = true;
        int k = r->source->find(r->source->context, r->g->nodes[node].name, &u, &own);
        if (k < 0) {
                r->g->nodes[node].failure = k;
                return 0;
        }
        /* A link: the unit's own name is another, which may be known already. */
        k = node_of(r, u.name->whole, u.name->type, &itself);
        if (k < 0)
                return k;
        if (itself != node) {
                make_alias(r->g, node, itself);
                if (r->g->nodes[itself].loaded)
                        return 0;
                r->g->nodes[itself].loaded = true;
        }
        for (size_t i = 0; u.names && i < u.names->count && k == 0; i++)
                k = add_alias(r, itself, u.names->items[i]);
        return k < 0 ? k : read_unit(r, itself, &u);
}

static int add_list(struct reading *r, const struct strings *names, bool requested)
{
        for (size_t i = 0; names && i < names->count; i++) {
                CLEAN_UNIT_NAME struct unit_name n = { 0 };
                uint32_t node;
                if (unit_name_parse(names->items[i], &n, NULL) < 0 || unit_name_is_template(&n))
                        return error_set(r->e, EINVAL, "graph.name", "\"%.80s\" is no name of a unit that can be started", names->items[i]);
                int k = node_of(r, n.whole, n.type, &node);
                if (k < 0)
                        return k;
                pull(r, node);
                r->g->nodes[node].requested |= requested;
                if (!requested)
                        r->g->nodes[node].state = GRAPH_ACTIVE;
        }
        return 0;
}

/* ---- edges that depend on who else is there ---- */

static int add_default(struct reading *r, uint32_t from, const char *name, bool backwards, enum graph_edge_kind kind)
{
        uint32_t other = name ? graph_find(r->g, name) : GRAPH_NONE;
        if (other == GRAPH_NONE || !r->g->nodes[other].loaded)
                return 0;
        return add_edge(r, backwards ? other : from, backwards ? from : other, kind, 0, 0);
}

/* A target comes after what it pulls in, unless that is to come after it. mark[n] == node + 1: so it is. */
static int add_target_order(struct reading *r, uint32_t node, uint32_t *mark)
{
        static const enum graph_edge_kind kinds[] = { GRAPH_REQUIRES, GRAPH_WANTS, GRAPH_BINDS_TO, GRAPH_REQUISITE };
        size_t behind = 0;
        for (const struct graph_edge *edge; (edge = graph_edge_next(r->g, node, GRAPH_AFTER, true, &behind)) != NULL;)
                mark[edge->from] = node + 1;
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                size_t at = 0;
                for (const struct graph_edge *edge; (edge = graph_edge_next(r->g, node, kinds[i], false, &at)) != NULL;) {
                        if (!r->g->nodes[edge->to].default_dependencies || mark[edge->to] == node + 1)
                                continue;
                        /* This may move the edges; the index stays as it is until all are in. */
                        int k = add_edge(r, node, edge->to, GRAPH_AFTER, 0, 0);
                        if (k < 0)
                                return k;
                }
        }
        return 0;
}

static int add_defaults(struct reading *r, uint32_t node, uint32_t *mark)
{
        const struct graph_node *n = &r->g->nodes[node];
        int k = 0;
        for (size_t i = 0; i < ELEMENTS(defaults) && k == 0; i++) {
                if (n->type != defaults[i].type)
                        continue;
                for (const char *const *name = defaults[i].after; *name && k == 0; name++)
                        k = add_default(r, node, *name, false, GRAPH_AFTER);
                for (const char *const *name = defaults[i].before; *name && k == 0; name++)
                        k = add_default(r, node, *name, true, GRAPH_AFTER);
        }
        if (k == 0 && n->type == UNIT_TARGET)
                k = add_target_order(r, node, mark);
        if (k == 0)
                k = add_default(r, node, "shutdown.target", true, GRAPH_AFTER);
        return k < 0 ? k : add_default(r, node, "shutdown.target", false, GRAPH_CONFLICTS);
}

/* ---- index ---- */

static void index_edges(struct graph *g)
{
        struct graph_edge *sorted = xalloc(g->edge_count, sizeof *sorted);
        free(g->out);
        free(g->in);
        free(g->in_edges);
        g->out = xalloc(g->count + 2, sizeof *g->out);
        g->in = xalloc(g->count + 2, sizeof *g->in);
        g->in_edges = xalloc(g->edge_count, sizeof *g->in_edges);
        for (size_t i = 0; i < g->edge_count; i++) {
                g->edges[i].from = resolve(g, g->edges[i].from);
                g->edges[i].to = resolve(g, g->edges[i].to);
                g->out[g->edges[i].from + 2]++;
                g->in[g->edges[i].to + 2]++;
        }
        for (size_t i = 2; i < g->count + 2; i++) {
                g->out[i] += g->out[i - 1];
                g->in[i] += g->in[i - 1];
        }
        for (size_t i = 0; i < g->edge_count; i++)
                sorted[g->out[g->edges[i].from + 1]++] = g->edges[i];
        free(g->edges);
        g->edges = sorted;
        g->edge_room = g->edge_count;
        for (size_t i = 0; i < g->edge_count; i++)
                g->in_edges[g->in[sorted[i].to + 1]++] = (uint32_t)i;
}

const struct graph_edge *graph_edge_next(const struct graph *g, uint32_t node, enum graph_edge_kind kind, bool backwards, size_t *at)
{
        const uint32_t *index = backwards ? g->in : g->out;
        for (size_t i = index[node] + *at; i < index[node + 1]; i++) {
                const struct graph_edge *edge = &g->edges[backwards ? g->in_edges[i] : i];
                if (edge->kind != kind || edge->from == edge->to)
                        continue;
                *at = i - index[node] + 1;
                return edge;
        }
        *at = index[node + 1] - index[node];
        return NULL;
}

static int load(struct reading *r)
{
        size_t loaded = 0;
        int k = add_list(r, r->o->requested, true);
        k = k < 0 ? k : add_list(r, r->o->active, false);
        for (size_t i = 0; i < r->queued && k == 0; i++) {
                uint32_t node = resolve(r->g, r->queue[i]);
                if (!r->g->nodes[node].loaded)
                        k = load_unit(r, node, &loaded);
        }
        if (k < 0)
                return k;
        index_edges(r->g);
        CLEAN_FREE uint32_t *mark = xalloc(r->g->count, sizeof *mark);
        for (uint32_t i = 0; i < r->g->count && k == 0; i++)
                if (r->g->nodes[i].loaded && r->g->nodes[i].same_as == i && r->g->nodes[i].default_dependencies && !r->g->nodes[i].failure)
                        k = add_defaults(r, i, mark);
        if (k == 0)
                index_edges(r->g);
        return k;
}

bool graph_applies(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (text_equal(words[i].name, name))
                        return true;
        return text_equal(name, "DefaultDependencies");
}

int graph_load(const struct graph_options *o, const struct graph_source *source, struct graph *ret, struct error *e)
{
        CLEAN_GRAPH struct graph g = { 0 };
        struct reading r = { .g = &g, .o = o, .source = source, .e = e };
        int k = load(&r);
        free(r.queue);
        if (k < 0)
                return k;
        *ret = g;
        g = (struct graph){ 0 };
        return 0;
}

void graph_done_with(struct graph *g)
{
        for (size_t i = 0; i < g->count; i++)
                free(g->nodes[i].name);
        free(g->nodes);
        free(g->hash);
        free(g->edges);
        free(g->out);
        free(g->in);
        free(g->in_edges);
        free(g->ready);
        strings_clear(&g->files);
        strings_clear(&g->notes);
        *g = (struct graph){ 0 };
}
