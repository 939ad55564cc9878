/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "plan/unit_graph.h"

/* ---- units that are given as text ---- */

struct text_unit {
        const char *name, *text; /* text NULL: it cannot be read */
        const char *wants, *alias; /* one name in the folder NAME.wants; another name */
};

struct world {
        const struct text_unit *units;
        size_t count;
        struct unit_name name;
        struct unit_file file;
        struct strings wants, names;
        unsigned asked;
};

static void forget(struct world *w)
{
        unit_name_done(&w->name);
        unit_file_done(&w->file);
        strings_clear(&w->wants);
        strings_clear(&w->names);
}

static int find(void *context, const char *name, struct graph_unit *ret, struct error *e)
{
        struct world *w = context;
        w->asked++;
        for (size_t i = 0; i < w->count; i++) {
                const struct text_unit *u = &w->units[i];
                CLEAN_UNIT_NAME struct unit_name n = { 0 };
                assert_int_equal(unit_name_parse(name, &n, NULL), 0);
                CLEAN_FREE char *template = unit_name_template(&n);
                if (!text_equal(u->name, name) && !(u->alias && text_equal(u->alias, name)) && !(template && text_equal(u->name, template)))
                        continue;
                if (!u->text)
                        return error_set(e, EACCES, "unit.read", "no");
                forget(w);
                assert_int_equal(unit_name_parse(template && text_equal(u->name, template) ? name : u->name, &w->name, NULL), 0);
                assert_int_equal(unit_file_parse(&w->file, u->name, u->text, strlen(u->text), NULL, false, NULL), 0);
                if (u->wants)
                        strings_add(&w->wants, u->wants);
                if (u->alias)
                        strings_add(&w->names, u->alias);
                strings_add(&w->names, w->name.whole);
                *ret = (struct graph_unit){ &w->name, &w->names, &w->file, &w->wants, NULL };
                return 0;
        }
        return -ENOENT;
}

static const struct facts facts = { 0 };

struct run {
        struct world world;
        struct graph_source source;
        struct strings requested, active;
        struct graph_options o;
        struct graph g;
        struct error e;
};

static int begin(struct run *r, const struct text_unit *units, size_t count, const char *requested)
{
        r->world.units = units;
        r->world.count = count;
        r->source = (struct graph_source){ find, &r->world, &facts };
        (void)text_split_words(requested, &r->requested);
        r->o.requested = &r->requested;
        r->o.active = &r->active;
        int k = graph_load(&r->o, &r->source, &r->g, &r->e);
        return k < 0 ? k : graph_plan(&r->g, &r->o, &r->source, &r->e);
}

static void end(struct run *r)
{
        graph_done_with(&r->g);
        strings_clear(&r->requested);
        strings_clear(&r->active);
        forget(&r->world);
}
#define CLEAN_RUN CLEAN(end)

/* "a.service b.service | c.service": levels. */
static void check_order(const struct graph *g, const struct graph_order *o, const char *wanted)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < o->count; i++)
                text_addf(&t, "%s%s", i == 0 ? "" : o->levels[i] != o->levels[i - 1] ? " | " : " ", g->nodes[o->nodes[i]].name);
        assert_string_equal(t.data, wanted);
}

static void check_start(const struct graph *g, const char *wanted)
{
        CLEAN_GRAPH_ORDER struct graph_order o = { 0 };
        graph_start_order(g, &o);
        check_order(g, &o, wanted);
}

static bool has_note(const struct graph *g, const char *part)
{
        for (size_t i = 0; i < g->notes.count; i++)
                if (strstr(g->notes.items[i], part))
                        return true;
        return false;
}

#define UNITS(...) static const struct text_unit units[] = { __VA_ARGS__ }
#define UNIT "[Unit]\n"
#define BARE "[Unit]\nDefaultDependencies=no\n"

/* ---- what is pulled in, and in which order ---- */

static void test_requirements_and_order_are_two_things(void **state)
{
        (void)state;
        UNITS({ "a.service", UNIT "Requires=b.service\nWants=c.service d.service\nAfter=c.service\n" }, { "b.service", UNIT "Before=c.service" }, { "c.service", "" });
        CLEAN_RUN struct run r = { 0 };
        assert_int_equal(begin(&r, units, ELEMENTS(units), "a.service"), 0);
        check_start(&r.g, "b.service | c.service | a.service");
        assert_true(has_note(&r.g, "d.service is left out: there is no such unit"));
        CLEAN_GRAPH_ORDER struct graph_order o = { 0 };
        graph_stop_order(&r.g, NULL, 0, &o);
        check_order(&r.g, &o, "a.service | c.service | b.service");
}

static void test_what_is_required_must_be_there(void **state)
{
        (void)state;
        UNITS({ "a.service", UNIT "Requires=b.service" }, { "b.service", UNIT "\nBindsTo=c.service" }, { "d.service", UNIT "Wants=b.service\nAfter=x.service" }, { "r.service", UNIT "Requires=bad.service" },
              { "bad.service", NULL });
        CLEAN_RUN struct run r = { 0 }, weak = { 0 }, none = { 0 }, unreadable = { 0 };
        assert_int_equal(begin(&r, units, ELEMENTS(units), "a.service"), -ENOENT);
        assert_string_equal(r.e.id, "graph.missing");
        assert_non_null(strstr(r.e.cause, "c.service"));
        assert_string_equal(r.e.whiles[0], "looking for what b.service requires (b.service:3)");
        assert_int_equal(begin(&weak, units, ELEMENTS(units), "d.service"), 0);
        check_start(&weak.g, "d.service");
        assert_true(has_note(&weak.g, "b.service is left out, because it requires c.service"));
        assert_int_equal(begin(&none, units, ELEMENTS(units), "nobody.service"), -ENOENT);
        assert_int_equal(begin(&unreadable, units, ELEMENTS(units), "r.service"), -EACCES);
        assert_string_equal(unreadable.e.id, "unit.read");
}

static void test_types_and_defaults(void **state)
{
        (void)state;
        UNITS({ "web.socket", "[Socket]\nListenStream=80" }, { "other.socket", "[Socket]\nService=web.service" }, { "each.socket", "[Socket]\nAccept=yes" },
              { "web.service", "[Service]\nSockets=other.socket" }, { "tick.timer", "[Timer]\nUnit=web.service" }, { "sockets.target", "" }, { "basic.target", UNIT "Wants=sockets.target" },
              { "all.target", UNIT "Wants=web.service free.service basic.target", "tick.timer" }, { "free.service", BARE });
        CLEAN_RUN struct run r = { 0 };
        assert_int_equal(begin(&r, units, ELEMENTS(units), "all.target web.socket each.socket"), 0);
        check_start(&r.g, "web.socket each.socket free.service tick.timer other.socket | sockets.target | basic.target | web.service | all.target");
        size_t at = 0;
        assert_int_equal(graph_edge_next(&r.g, graph_find(&r.g, "web.socket"), GRAPH_TRIGGERS, false, &at)->to, graph_find(&r.g, "web.service"));
        assert_int_equal(graph_find(&r.g, "each.service"), GRAPH_NONE);
}

static void test_install_sections_count_when_asked(void **state)
{
        (void)state;
        UNITS({ "a.target", UNIT "Wants=b.service" }, { "b.service", "[Install]\nAlso=c.service" }, { "c.service", "[Install]\nRequiredBy=a.target" });
        CLEAN_RUN struct run with = { .o.install = true }, without = { 0 };
        assert_int_equal(begin(&without, units, ELEMENTS(units), "a.target"), 0);
        check_start(&without.g, "b.service | a.target");
        assert_int_equal(begin(&with, units, ELEMENTS(units), "a.target"), 0);
        check_start(&with.g, "b.service c.service | a.target");
        assert_true(with.g.nodes[graph_find(&with.g, "c.service")].strong);
}

static void test_names(void **state)
{
        (void)state;
        UNITS({ "real.service", "", NULL, "alias.service" }, { "t@.service", UNIT "After=real.service\nWants=u@.service %i.service" }, { "u@.service", "" },
              { "bad.service", UNIT "Wants=x y.service" }, { "plain.service", UNIT "After=t@.service" });
        CLEAN_RUN struct run r = { 0 }, bad = { 0 }, lenient = { .o.lenient = true }, plain = { 0 }, template = { 0 };
        assert_int_equal(begin(&r, units, ELEMENTS(units), "alias.service real.service t@alias.service"), 0);
        check_start(&r.g, "real.service u@alias.service | t@alias.service");
        assert_int_equal(graph_find(&r.g, "alias.service"), graph_find(&r.g, "real.service"));
        assert_int_equal(begin(&bad, units, ELEMENTS(units), "bad.service"), -EINVAL);
        assert_string_equal(bad.e.id, "graph.name");
        assert_int_equal(begin(&lenient, units, ELEMENTS(units), "bad.service"), 0);
        assert_true(has_note(&lenient.g, "bad.service:2: \"x\" is no unit's name; passed over"));
        assert_int_equal(begin(&plain, units, ELEMENTS(units), "plain.service"), -EINVAL);
        assert_int_equal(begin(&template, units, ELEMENTS(units), "t@.service"), -EINVAL);
}

/* ---- circles and conflicts ---- */

static void test_circles_are_named(void **state)
{
        (void)state;
        UNITS({ "a.service", UNIT "Requires=b.service\nAfter=b.service" }, { "b.service", UNIT "Wants=c.service\nAfter=c.service" }, { "c.service", UNIT "After=a.service" },
              { "self.service", UNIT "After=self.service" });
        CLEAN_RUN struct run r = { 0 }, lenient = { .o.lenient = true }, both = { .o.lenient = true }, self = { 0 };
        assert_int_equal(begin(&r, units, ELEMENTS(units), "a.service"), -ELOOP);
        assert_string_equal(r.e.id, "graph.cycle");
        assert_string_equal(r.e.cause, "units wait for each other: a.service after b.service after c.service after a.service");
        assert_true(has_note(&r.g, "a.service after b.service (a.service:3) after c.service (b.service:3) after a.service (c.service:2)"));
        assert_int_equal(begin(&lenient, units, ELEMENTS(units), "a.service"), 0);
        check_start(&lenient.g, "b.service | a.service");
        assert_true(has_note(&lenient.g, "c.service is left out to break a circle"));
        assert_int_equal(begin(&both, units, ELEMENTS(units), "a.service c.service"), -ELOOP);
        assert_int_equal(begin(&self, units, ELEMENTS(units), "self.service"), 0);
}

static void test_conflicts(void **state)
{
        (void)state;
        UNITS({ "a.service", UNIT "Conflicts=b.service" }, { "b.service", "" }, { "w.target", UNIT "Wants=a.service c.service" }, { "c.service", UNIT "Requires=b.service" },
              { "bound.service", UNIT "BindsTo=b.service\nAfter=b.service" }, { "needs.service", UNIT "Requires=b.service\nConflicts=b.service" });
        CLEAN_RUN struct run r = { 0 }, weak = { 0 }, active = { 0 }, needs = { 0 };
        assert_int_equal(begin(&r, units, ELEMENTS(units), "a.service b.service"), -EINVAL);
        assert_string_equal(r.e.id, "graph.conflict");
        assert_int_equal(begin(&weak, units, ELEMENTS(units), "w.target"), 0);
        check_start(&weak.g, "a.service | w.target");
        strings_add(&active.active, "b.service");
        strings_add(&active.active, "bound.service");
        assert_int_equal(begin(&active, units, ELEMENTS(units), "a.service"), 0);
        check_start(&active.g, "a.service");
        CLEAN_GRAPH_ORDER struct graph_order o = { 0 };
        graph_to_stop_first(&active.g, &o);
        check_order(&active.g, &o, "bound.service | b.service");
        strings_add(&needs.active, "b.service");
        assert_int_equal(begin(&needs, units, ELEMENTS(units), "needs.service"), -EINVAL);
        assert_string_equal(needs.e.id, "graph.conflict");
}

/* ---- events ---- */

static enum graph_state state_of(const struct run *r, const char *name)
{
        return (enum graph_state)r->g.nodes[graph_find(&r->g, name)].state;
}

static void test_a_failure_refuses_what_requires_it(void **state)
{
        (void)state;
        UNITS({ "a.service", UNIT "Requires=b.service\nAfter=b.service" }, { "b.service", UNIT "Wants=c.service\nAfter=c.service" }, { "c.service", "" },
              { "last.service", UNIT "After=a.service" }, { "q.service", UNIT "Requisite=c.service\nAfter=c.service" });
        CLEAN_RUN struct run r = { 0 };
        assert_int_equal(begin(&r, units, ELEMENTS(units), "a.service last.service q.service"), 0);
        uint32_t c = graph_next_ready(&r.g);
        assert_string_equal(r.g.nodes[c].name, "c.service");
        assert_int_equal(graph_next_ready(&r.g), GRAPH_NONE);
        graph_done(&r.g, c, false);
        uint32_t b = graph_next_ready(&r.g);
        assert_string_equal(r.g.nodes[b].name, "b.service");
        assert_int_equal(state_of(&r, "q.service"), GRAPH_REFUSED);
        graph_done(&r.g, b, false);
        assert_int_equal(state_of(&r, "a.service"), GRAPH_REFUSED);
        uint32_t last = graph_next_ready(&r.g);
        assert_string_equal(r.g.nodes[last].name, "last.service");
        assert_int_equal(graph_left(&r.g), 1);
        graph_done(&r.g, last, true);
        graph_done(&r.g, last, false); /* once is enough */
        assert_int_equal(state_of(&r, "last.service"), GRAPH_ACTIVE);
        assert_int_equal(graph_left(&r.g), 0);
}

static void start_all(struct run *r)
{
        for (uint32_t n; (n = graph_next_ready(&r->g)) != GRAPH_NONE;)
                graph_done(&r->g, n, true);
        assert_int_equal(graph_left(&r->g), 0);
}

static void test_what_an_end_takes_down(void **state)
{
        (void)state;
        UNITS({ "x.service", UNIT "PropagatesStopTo=to.service" }, { "bound.service", UNIT "BindsTo=x.service\nAfter=x.service" }, { "part.service", UNIT "PartOf=x.service" },
              { "needs.service", UNIT "Requires=bound.service\nAfter=bound.service" }, { "to.service", UNIT "After=needs.service" }, { "wants.service", UNIT "Wants=x.service" });
        CLEAN_RUN struct run r = { 0 };
        CLEAN_GRAPH_ORDER struct graph_order ended = { 0 }, stopped = { 0 };
        assert_int_equal(begin(&r, units, ELEMENTS(units), "x.service bound.service part.service needs.service to.service wants.service"), 0);
        start_all(&r);
        graph_taken_down(&r.g, graph_find(&r.g, "x.service"), GRAPH_ENDED, &ended);
        check_order(&r.g, &ended, "needs.service | bound.service");
        graph_taken_down(&r.g, graph_find(&r.g, "x.service"), GRAPH_STOPPED, &stopped);
        check_order(&r.g, &stopped, "part.service to.service | needs.service | bound.service");
}

/* ---- limits ---- */

static int endless(void *context, const char *name, struct graph_unit *ret, struct error *e)
{
        struct world *w = context;
        (void)e;
        forget(w);
        CLEAN_FREE char *text = xprintf("[Unit]\nWants=u%u.service\nAfter=u%u.service\n", w->asked + 1, w->asked + 1);
        w->asked++;
        assert_int_equal(unit_name_parse(name, &w->name, NULL), 0);
        assert_int_equal(unit_file_parse(&w->file, "f", text, strlen(text), NULL, false, NULL), 0);
        *ret = (struct graph_unit){ .name = &w->name, .file = &w->file };
        return 0;
}

static void test_limits(void **state)
{
        (void)state;
        CLEAN_RUN struct run r = { 0 };
        r.source = (struct graph_source){ endless, &r.world, &facts };
        strings_add(&r.requested, "u0.service");
        r.o.requested = &r.requested;
        assert_int_equal(graph_load(&r.o, &r.source, &r.g, &r.e), -E2BIG);
        assert_string_equal(r.e.id, "graph.limit");
        assert_int_equal(r.world.asked, GRAPH_UNITS_MAX);
}

/* ---- random graphs against a model that knows no better than to try everything ---- */

enum { N = 9, ROUNDS = 1500 };

struct model {
        bool edge[GRAPH_EDGE_KINDS][N][N], there[N], in[N], strong[N];
        char texts[N][2000];
        struct text_unit units[N];
        size_t count;
};

static uint32_t dice(uint32_t *seed, uint32_t sides)
{
        *seed = *seed * 1664525 + 1013904223;
        return (*seed >> 8) % sides;
}

static void make_random(struct model *m, uint32_t *seed)
{
        static const struct {
                enum graph_edge_kind kind;
                const char *word;
                uint32_t one_in;
        } kinds[] = { { GRAPH_REQUIRES, "Requires", 12 },   { GRAPH_WANTS, "Wants", 8 },   { GRAPH_BINDS_TO, "BindsTo", 20 }, { GRAPH_REQUISITE, "Requisite", 60 },
                      { GRAPH_PART_OF, "PartOf", 15 },      { GRAPH_AFTER, "After", 7 }, { GRAPH_PROPAGATES_STOP_TO, "PropagatesStopTo", 25 } };
        static const char *const names[N] = { "0.service", "1.service", "2.service", "3.service", "4.service", "5.service", "6.service", "7.service", "8.service" };
        bool uphill = dice(seed, 3) > 0; /* no circles */
        memset(m, 0, sizeof *m);
        for (int i = 0; i < N; i++) {
                struct text t = { 0 };
                text_add(&t, "[Unit]\n");
                for (int j = 0; j < N; j++)
                        for (size_t k = 0; k < ELEMENTS(kinds); k++)
                                if (i != j && dice(seed, kinds[k].one_in) == 0 && !(uphill && kinds[k].kind == GRAPH_AFTER && j > i)) {
                                        m->edge[kinds[k].kind][i][j] = true;
                                        text_addf(&t, "%s=%s\n", kinds[k].word, names[j]);
                                }
                assert_true(t.length < sizeof m->texts[i]);
                strcpy(m->texts[i], t.data);
                text_clear(&t);
                m->there[i] = i == 0 || dice(seed, 15) > 0;
                if (m->there[i])
                        m->units[m->count++] = (struct text_unit){ names[i], m->texts[i], NULL, NULL };
        }
}

static bool strongly(const struct model *m, int i, int j)
{
        return m->edge[GRAPH_REQUIRES][i][j] || m->edge[GRAPH_BINDS_TO][i][j];
}

/* false: what is required is missing. */
static bool model_close(struct model *m)
{
        bool possible[N];
        for (int i = 0; i < N; i++)
                possible[i] = m->there[i];
        for (int round = 0; round < N; round++)
                for (int i = 0; i < N; i++)
                        for (int j = 0; j < N; j++)
                                possible[i] &= !strongly(m, i, j) || possible[j];
        m->in[0] = m->strong[0] = true;
        for (int round = 0; round < N; round++)
                for (int i = 0; i < N; i++)
                        for (int j = 0; j < N; j++) {
                                m->strong[j] |= m->strong[i] && strongly(m, i, j);
                                m->in[j] |= m->in[i] && (strongly(m, i, j) || m->edge[GRAPH_WANTS][i][j]) && possible[j];
                        }
        return possible[0];
}

static bool model_has_circle(const struct model *m)
{
        bool reach[N][N];
        for (int i = 0; i < N; i++)
                for (int j = 0; j < N; j++)
                        reach[i][j] = m->edge[GRAPH_AFTER][i][j] && m->in[i] && m->in[j];
        for (int k = 0; k < N; k++)
                for (int i = 0; i < N; i++)
                        for (int j = 0; j < N; j++)
                                reach[i][j] |= reach[i][k] && reach[k][j];
        for (int i = 0; i < N; i++)
                if (reach[i][i])
                        return true;
        return false;
}

static uint32_t node_at(const struct graph *g, int i)
{
        CLEAN_FREE char *name = xprintf("%d.service", i);
        return graph_find(g, name);
}

static enum graph_state state_at(const struct graph *g, int i)
{
        uint32_t n = node_at(g, i);
        return n == GRAPH_NONE ? GRAPH_OUTSIDE : (enum graph_state)g->nodes[n].state;
}

static bool is_over(enum graph_state s)
{
        return s == GRAPH_ACTIVE || s == GRAPH_FAILED || s == GRAPH_REFUSED;
}

static void check_handed_out(const struct model *m, const struct graph *g, int i)
{
        assert_true(m->in[i]);
        for (int j = 0; j < N; j++) {
                if (m->edge[GRAPH_AFTER][i][j] && m->in[j])
                        assert_true(is_over(state_at(g, j)));
                if (strongly(m, i, j))
                        assert_true(state_at(g, j) != GRAPH_FAILED && state_at(g, j) != GRAPH_REFUSED);
                if (m->edge[GRAPH_REQUISITE][i][j])
                        assert_true(state_at(g, j) == GRAPH_ACTIVE);
        }
}

static void check_refused(const struct model *m, const struct graph *g, int i)
{
        bool reason = false;
        for (int j = 0; j < N; j++)
                reason |= (strongly(m, i, j) && (state_at(g, j) == GRAPH_FAILED || state_at(g, j) == GRAPH_REFUSED)) || m->edge[GRAPH_REQUISITE][i][j];
        assert_true(reason);
}

/* Units end their start in any order, and some fail. */
static void drive(const struct model *m, struct graph *g, uint32_t *seed)
{
        int running[N], count = 0;
        while (graph_left(g)) {
                uint32_t n;
                while ((count == 0 || dice(seed, 3)) && (n = graph_next_ready(g)) != GRAPH_NONE) {
                        running[count] = atoi(g->nodes[n].name);
                        check_handed_out(m, g, running[count++]);
                }
                if (count == 0)
                        break;
                int which = (int)dice(seed, (uint32_t)count), i = running[which];
                running[which] = running[--count];
                graph_done(g, node_at(g, i), dice(seed, 6) > 0);
        }
        assert_int_equal(graph_left(g), 0);
        for (int i = 0; i < N; i++) {
                assert_int_equal(is_over(state_at(g, i)), m->in[i]);
                if (state_at(g, i) == GRAPH_REFUSED)
                        check_refused(m, g, i);
        }
}

static void check_orders(const struct model *m, const struct graph *g)
{
        CLEAN_GRAPH_ORDER struct graph_order start = { 0 }, stop = { 0 };
        size_t at[N] = { 0 }, back[N] = { 0 }, count = 0;
        graph_start_order(g, &start);
        graph_stop_order(g, NULL, 0, &stop);
        for (size_t i = 0; i < start.count; i++)
                at[atoi(g->nodes[start.nodes[i]].name)] = start.levels[i] + 1;
        for (size_t i = 0; i < stop.count; i++)
                back[atoi(g->nodes[stop.nodes[i]].name)] = i + 1;
        for (int i = 0; i < N; i++) {
                count += m->in[i];
                assert_int_equal(at[i] != 0, m->in[i]);
                assert_int_equal(back[i] != 0, m->in[i]);
                for (int j = 0; j < N; j++)
                        if (m->edge[GRAPH_AFTER][i][j] && m->in[i] && m->in[j])
                                assert_true(at[i] > at[j] && back[i] < back[j]);
        }
        assert_int_equal(start.count, count);
        assert_int_equal(stop.count, count);
}

static void check_taken_down(const struct model *m, const struct graph *g, int first, bool stopped)
{
        bool down[N] = { false }, got[N] = { false };
        down[first] = true;
        for (int round = 0; round < N; round++)
                for (int i = 0; i < N; i++)
                        for (int j = 0; j < N; j++) {
                                bool demanded = stopped || j != first;
                                if (down[j] && state_at(g, i) == GRAPH_ACTIVE)
                                        down[i] |= m->edge[GRAPH_BINDS_TO][i][j] || (demanded && (m->edge[GRAPH_REQUIRES][i][j] || m->edge[GRAPH_REQUISITE][i][j] ||
                                                                                                  m->edge[GRAPH_PART_OF][i][j] || m->edge[GRAPH_PROPAGATES_STOP_TO][j][i]));
                        }
        CLEAN_GRAPH_ORDER struct graph_order o = { 0 };
        graph_taken_down(g, node_at(g, first), stopped ? GRAPH_STOPPED : GRAPH_ENDED, &o);
        for (size_t i = 0; i < o.count; i++)
                got[atoi(g->nodes[o.nodes[i]].name)] = true;
        for (int i = 0; i < N; i++)
                assert_int_equal(got[i], down[i] && i != first);
}

static void test_random_graphs(void **state)
{
        (void)state;
        uint32_t seed = 1;
        unsigned outcomes[3] = { 0 };
        for (int round = 0; round < ROUNDS; round++) {
                static struct model m;
                CLEAN_RUN struct run r = { 0 };
                make_random(&m, &seed);
                int k = begin(&r, m.units, m.count, "0.service");
                bool possible = model_close(&m), circle = possible && model_has_circle(&m);
                outcomes[!possible ? 0 : circle ? 1 : 2]++;
                assert_int_equal(k, !possible ? -ENOENT : circle ? -ELOOP : 0);
                if (k < 0)
                        continue;
                for (int i = 0; i < N; i++)
                        assert_int_equal(state_at(&r.g, i) == GRAPH_WAITING, m.in[i]);
                check_orders(&m, &r.g);
                drive(&m, &r.g, &seed);
                for (int i = 0; i < N; i++)
                        if (m.in[i]) {
                                check_taken_down(&m, &r.g, i, false);
                                check_taken_down(&m, &r.g, i, true);
                        }
        }
        for (size_t i = 0; i < ELEMENTS(outcomes); i++)
                assert_true(outcomes[i] > ROUNDS / 50);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requirements_and_order_are_two_things), cmocka_unit_test(test_what_is_required_must_be_there), cmocka_unit_test(test_types_and_defaults),
                cmocka_unit_test(test_install_sections_count_when_asked), cmocka_unit_test(test_names), cmocka_unit_test(test_circles_are_named), cmocka_unit_test(test_conflicts),
                cmocka_unit_test(test_a_failure_refuses_what_requires_it), cmocka_unit_test(test_what_an_end_takes_down), cmocka_unit_test(test_limits), cmocka_unit_test(test_random_graphs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
