/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which units are started together, and in which order: the dependencies of [Unit] and [Install] (systemd.unit(5)), of units that are
 * looked up by name. Pure: how a name becomes a unit is a function that is given; a scheduler drives the start with events.
 *
 * 1. graph_load: the requested units and whatever they pull in, read once.
 * 2. graph_plan: what is missing, in conflict or in a circle is an error, or left out where nobody requires it.
 * 3. graph_next_ready and graph_done, until nothing is ready and nothing runs; graph_taken_down and graph_stop_order for the way back.
 *
 * Other than systemd's first process this looks after some units of a host: default dependencies order units that are in the graph, and
 * pull in none.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "plan/directive.h"
#include "plan/unit_file.h"
#include "plan/unit_name.h"

enum {
        GRAPH_UNITS_MAX = 10000,
        GRAPH_NAMES_MAX = 100000, /* units and all that they name */
        GRAPH_EDGES_MAX = 1000000,
        GRAPH_CYCLES_MAX = 100, /* that are broken by leaving units out */
        GRAPH_NOTES_MAX = 1000,
};

/* In the order of the table in unit_graph.c. */
enum graph_edge_kind {
        GRAPH_REQUIRES, GRAPH_REQUISITE, GRAPH_WANTS, GRAPH_BINDS_TO, GRAPH_PART_OF, GRAPH_UPHOLDS, GRAPH_CONFLICTS,
        GRAPH_AFTER, /* Before= is the same from the other end */
        GRAPH_ON_FAILURE, GRAPH_ON_SUCCESS, GRAPH_PROPAGATES_STOP_TO, GRAPH_PROPAGATES_RELOAD_TO, GRAPH_JOINS_NAMESPACE_OF,
        GRAPH_TRIGGERS, /* a socket, timer or path its unit */
        GRAPH_EDGE_KINDS
};

/* One unit, as a source gives it; read at once and not kept. */
struct graph_unit {
        const struct unit_name *name;
        const struct strings *names; /* its aliases, or NULL */
        const struct unit_file *file;
        const struct strings *wants, *requires; /* names in its folders NAME.wants and NAME.requires, or NULL */
};

struct graph_source {
        /*
         * 0: ret is valid until the next call. -ENOENT: there is none (e is not set). Another: it cannot be read, as e says; that is
         * an error if it is required, and a note if it is not.
         */
        int (*find)(void *context, const char *name, struct graph_unit *ret, struct error *e);
        void *context;
        const struct facts *facts; /* for specifiers; its unit is replaced by each one's name */
};

struct graph_options {
        const struct strings *requested;
        const struct strings *active; /* that run already, or NULL: they satisfy, conflict, and are not started */
        bool install; /* WantedBy=, RequiredBy= and Also= hold as if the units were enabled */
        bool lenient; /* a cycle loses a unit that nobody requires; names and values that cannot be read are notes */
};

enum graph_state {
        GRAPH_OUTSIDE,  /* known by name, or left out: not to be started */
        GRAPH_WAITING,  /* for others */
        GRAPH_STARTING, /* handed out by graph_next_ready */
        GRAPH_ACTIVE,
        GRAPH_FAILED,
        GRAPH_REFUSED, /* not started, because what it requires failed */
};

struct graph_edge {
        uint32_t from, to;
        uint32_t file, line; /* of graph.files; line 0: implicit, or from a folder */
        uint8_t kind;
};

struct graph_node {
        char *name;
        uint32_t same_as; /* itself, or the node that this is another name of */
        int failure;      /* of the look-up: 0, -ENOENT, ... */
        uint32_t waits_for; /* nodes before it that are not done; valid behind graph_plan */
        uint8_t state, type;
        bool loaded, requested, default_dependencies;
        bool strong, left_out, planned; /* required by a requested one; what the plan does without; what it starts */
};

struct graph {
        struct graph_node *nodes;
        size_t count, room;
        uint32_t *hash; /* of names to nodes + 1 */
        size_t hash_size;
        struct graph_edge *edges; /* sorted by from behind graph_load */
        size_t edge_count, edge_room;
        uint32_t *out;             /* out[n] to out[n + 1]: edges that leave n */
        uint32_t *in, *in_edges;   /* in[n] to in[n + 1]: indices in in_edges of those that reach n */
        uint32_t *ready;           /* a queue */
        size_t ready_first, ready_last, left;
        struct strings files;
        struct strings notes; /* what was passed over or left out; the whole circle, if one is the error */
};

/* Nodes in an order; those of one level may go at once. */
struct graph_order {
        uint32_t *nodes, *levels;
        size_t count;
};

enum { GRAPH_NONE = 0xffffffff };

/* Ids of errors: "graph.name", "graph.limit", "graph.value", that of a specifier. */
/* Whether a directive of [Unit] is one of those that bind units to each other. */
bool graph_applies(const char *name);
int graph_load(const struct graph_options *o, const struct graph_source *source, struct graph *ret, struct error *e);
/* Ids: "graph.missing", "graph.conflict", "graph.cycle", or that of the unit that cannot be read. ret of graph_load; once. */
int graph_plan(struct graph *g, const struct graph_options *o, const struct graph_source *source, struct error *e);
void graph_done_with(struct graph *g);
#define CLEAN_GRAPH CLEAN(graph_done_with)

/* The node of a name, of the unit behind an alias; GRAPH_NONE. */
uint32_t graph_find(const struct graph *g, const char *name);
/* The next edge of a kind that leaves a node, or reaches it if backwards; *at begins at 0. NULL at the end. */
const struct graph_edge *graph_edge_next(const struct graph *g, uint32_t node, enum graph_edge_kind kind, bool backwards, size_t *at);

/*
 * A unit that may be started now; it counts as starting. GRAPH_NONE: there is none until another is done; a unit whose requisite is not active is refused on the way.
 */
uint32_t graph_next_ready(struct graph *g);
/* A unit that was handed out is up, or has failed: then whatever requires it and is not handed out yet is refused. */
void graph_done(struct graph *g, uint32_t node, bool ok);
/* How many units wait or are starting. */
size_t graph_left(const struct graph *g);

/* The start as a plan of levels. */
void graph_start_order(const struct graph *g, struct graph_order *ret);
/* The reverse, of the nodes that are given; NULL: of all that the plan starts. */
void graph_stop_order(const struct graph *g, const uint32_t *nodes, size_t count, struct graph_order *ret);

enum graph_end {
        GRAPH_ENDED,   /* by itself, well or not: takes those that are bound to it */
        GRAPH_STOPPED, /* on demand: takes those that require it or are part of it, too */
};
/* What the end of a unit takes down, in the order in which it is to be stopped; the unit is not among them. Only what is started. */
void graph_taken_down(const struct graph *g, uint32_t node, enum graph_end how, struct graph_order *ret);
/* The active units that are to be stopped before any is started, because units of the plan conflict with them, and what that takes down. */
void graph_to_stop_first(const struct graph *g, struct graph_order *ret);
void graph_order_done(struct graph_order *o);
#define CLEAN_GRAPH_ORDER CLEAN(graph_order_done)
