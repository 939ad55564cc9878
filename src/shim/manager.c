/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/manager.h"

#include <poll.h>
#include <string.h>

#include "os/file.h"
#include "plan/unit_words.h"
#include "shim/client.h"
#include "shim/facts.h"
#include "shim/service_launch.h"
#include "shim/state.h"

static void tell(const struct manager *m, enum manager_event event, const char *unit, const char *text, const struct error *e)
{
        if (m->o->event)
                m->o->event(m->o->context, event, unit, text, e);
}

/* ---- looking up ---- */

/* As it was asked for: a path where there was one. */
static const char *word_of(const struct manager *m, const char *name, bool *ret_requested)
{
        *ret_requested = false;
        for (size_t i = 0; i < m->names.count; i++)
                if (text_equal(m->names.items[i], name)) {
                        *ret_requested = true;
                        return *m->paths.items[i] ? m->paths.items[i] : name;
                }
        return name;
}

static bool is_run_here(enum unit_type t)
{
        return t == UNIT_SERVICE || t == UNIT_SOCKET || t == UNIT_TIMER || t == UNIT_PATH;
}

static int load(struct manager *m, const char *name, struct error *e)
{
        bool requested;
        const char *word = word_of(m, name, &requested);
        unit_done(&m->loaded);
        unit_file_done(&m->file);
        m->loaded = (struct unit){ 0 };
        m->file = (struct unit_file){ 0 };
        if (m->o->only_requested && !requested)
                return -ENOENT;
        int r = unit_load(m->o->folders, word, m->o->lenient, &m->loaded, e);
        return r == 0 ? unit_parse(&m->loaded, m->o->lenient, &m->file, e) : r;
}

static int find(void *context, const char *name, struct graph_unit *ret, struct error *e)
{
        static const struct unit_file nothing;
        struct manager *m = context;
        struct error why = { 0 };
        int r = load(m, name, &why);
        if (r == 0) {
                *ret = (struct graph_unit){ .name = &m->loaded.name, .names = &m->loaded.names, .file = &m->file };
                return 0;
        }
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        if (r != -ENOENT || unit_name_parse(name, &n, NULL) < 0) {
                if (e)
                        *e = why;
                return r;
        }
        if (is_run_here(n.type) && !m->o->only_requested)
                return -ENOENT;
        /* It counts as there. */
        m->loaded.name = n;
        n = (struct unit_name){ 0 };
        *ret = (struct graph_unit){ .name = &m->loaded.name, .file = &nothing };
        return 0;
}

/* ---- opening ---- */

static int complete_name(struct manager *m, const char *word, struct error *e)
{
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        const char *last = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
        CLEAN_FREE char *full = xprintf("%s%s", last, unit_name_parse(last, &n, NULL) == 0 || strchr(word, '/') ? "" : ".service");
        strings_add(&m->names, full);
        strings_add(&m->paths, strchr(word, '/') ? word : "");
        /* What is asked for must be there, whatever else counts as there; a link is another unit's name. */
        int r = load(m, full, e);
        if (r < 0)
                return r == -ENOENT && e && !e->id[0] ? error_set(e, ENOENT, "unit.missing", "there is no unit %s", full) : r;
        if (!text_equal(m->loaded.name.whole, full)) {
                strings_add(&m->names, m->loaded.name.whole);
                strings_add(&m->paths, strchr(word, '/') ? word : "");
        }
        return 0;
}

int manager_open(const struct manager_options *o, struct manager *ret, struct error *e)
{
        CLEAN_MANAGER struct manager m = { .o = o };
        CLEAN_FACTS struct host_facts facts = { 0 };
        int r = 0;
        for (size_t i = 0; r == 0 && i < o->requested->count; i++)
                r = complete_name(&m, o->requested->items[i], e);
        if (r < 0)
                return r;
        facts_gather(&facts, "", o->user_mode);
        const struct graph_source source = { .find = find, .context = &m, .facts = &facts.facts };
        const struct graph_options go = { .requested = &m.names, .install = o->install, .lenient = o->lenient };
        r = graph_load(&go, &source, &m.graph, e);
        if (r == 0)
                r = graph_plan(&m.graph, &go, &source, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m.graph.notes.count; i++)
                tell(&m, MANAGER_NOTE, NULL, m.graph.notes.items[i], NULL);
        m.units = xalloc(m.graph.count, sizeof *m.units);
        for (size_t i = 0; i < m.graph.count; i++)
                m.units[i] = (struct manager_unit){ .fd = -EBADF };
        *ret = m;
        m = (struct manager){ 0 };
        return 0;
}

void manager_close(struct manager *m)
{
        for (size_t i = 0; m->units && i < m->graph.count; i++)
                fd_close(m->units[i].fd);
        free(m->units);
        graph_done_with(&m->graph);
        unit_done(&m->loaded);
        unit_file_done(&m->file);
        strings_clear(&m->names);
        strings_clear(&m->paths);
        *m = (struct manager){ 0 };
}

/* ---- starting ---- */

static struct service_launch launch_of(const struct manager *m)
{
        return (struct service_launch){ .root_fd = m->o->root_fd, .root_path = m->o->root_path, .user_mode = m->o->user_mode,
                                        .lenient = m->o->lenient, .report_denials = m->o->report_denials, .seal = m->o->seal, .profile = m->o->profile, .folders = m->o->folders, .program = m->o->program };
}

static int launch(struct manager *m, const char *name, struct error *e)
{
        CLEAN_STRINGS struct strings notes = { 0 };
        const struct service_launch how = launch_of(m);
        int r = load(m, name, e);
        if (r == -ENOENT || (r == 0 && !is_run_here(m->loaded.name.type)))
                return 0; /* it counts as there */
        if (r < 0)
                return r;
        CLEAN_FREE char *whole = xstrdup(m->loaded.name.whole);
        int fd = service_start(&how, &m->loaded, &notes, e);
        for (size_t i = 0; i < notes.count; i++)
                tell(m, MANAGER_NOTE, whole, notes.items[i], NULL);
        return fd < 0 ? fd : fd == 0 ? -EIO : fd;
}

static void is_up(struct manager *m, uint32_t node, bool ok, const struct error *e)
{
        m->units[node].starting = false;
        m->units[node].failed = !ok;
        m->failures += !ok;
        tell(m, ok ? MANAGER_STARTED : MANAGER_FAILED, m->graph.nodes[node].name, NULL, e);
        graph_done(&m->graph, node, ok);
}

static void start_node(struct manager *m, uint32_t node)
{
        const char *name = m->graph.nodes[node].name;
        struct error e = { 0 };
        tell(m, MANAGER_STARTING, name, NULL, NULL);
        int fd = launch(m, name, &e);
        if (fd <= 0) {
                if (fd == 0)
                        graph_done(&m->graph, node, true);
                else
                        is_up(m, node, false, &e);
                return;
        }
        m->units[node] = (struct manager_unit){ .fd = fd, .starting = true };
}

static void start_ready(struct manager *m)
{
        for (uint32_t node; (node = graph_next_ready(&m->graph)) != GRAPH_NONE;)
                start_node(m, node);
}

static void tell_refused(struct manager *m)
{
        for (uint32_t i = 0; i < m->graph.count; i++)
                if (m->graph.nodes[i].state == GRAPH_REFUSED && !m->units[i].failed) {
                        m->units[i].failed = true;
                        m->failures++;
                        tell(m, MANAGER_REFUSED, m->graph.nodes[i].name, "what it requires did not start", NULL);
                }
}

void manager_start(struct manager *m, bool wait)
{
        start_ready(m);
        while (graph_left(&m->graph) && manager_live(m)) {
                bool waiting = false;
                for (uint32_t i = 0; i < m->graph.count; i++)
                        waiting |= m->graph.nodes[i].state == GRAPH_WAITING;
                if (!wait && !waiting)
                        break;
                manager_turn(m, -1, -1);
        }
        tell_refused(m);
}

/* ---- stopping ---- */

static void ask_stop(struct manager *m, uint32_t node)
{
        struct manager_unit *u = &m->units[node];
        if (u->fd < 0 || u->stopping)
                return;
        u->stopping = true;
        tell(m, MANAGER_STOPPING, m->graph.nodes[node].name, NULL, NULL);
        (void)client_stop(u->fd, WIRE_STOP_DEFAULT, NULL);
}

/* Those of a level at once, level by level. */
static void stop_in_order(struct manager *m, const struct graph_order *order)
{
        for (size_t i = 0; i < order->count;) {
                size_t first = i;
                for (; i < order->count && order->levels[i] == order->levels[first]; i++)
                        ask_stop(m, order->nodes[i]);
                for (size_t k = first; k < i; k++)
                        while (m->units[order->nodes[k]].fd >= 0)
                                manager_turn(m, -1, -1);
        }
}

/* What a socket or timer of ours started has a run, and no connection to us. */
static void connect_triggered(struct manager *m, uint32_t node)
{
        size_t at = 0;
        for (const struct graph_edge *edge; (edge = graph_edge_next(&m->graph, node, GRAPH_TRIGGERS, false, &at)) != NULL;) {
                struct manager_unit *u = &m->units[edge->to];
                int fd = u->fd >= 0 || m->graph.nodes[edge->to].planned ? -EBADF : service_join(m->o->root_fd, m->graph.nodes[edge->to].name, false, NULL);
                if (fd >= 0)
                        u->fd = fd;
        }
}

void manager_stop(struct manager *m)
{
        CLEAN_GRAPH_ORDER struct graph_order order = { 0 };
        graph_stop_order(&m->graph, NULL, 0, &order);
        stop_in_order(m, &order);
        for (uint32_t i = 0; i < m->graph.count; i++)
                if (m->graph.nodes[i].planned)
                        connect_triggered(m, i);
        for (uint32_t i = 0; i < m->graph.count; i++)
                ask_stop(m, i);
        while (manager_live(m))
                manager_turn(m, -1, -1);
}

/* ---- news ---- */

static void start_others(struct manager *m, uint32_t node, enum graph_edge_kind kind)
{
        size_t at = 0;
        for (const struct graph_edge *edge; (edge = graph_edge_next(&m->graph, node, kind, false, &at)) != NULL;)
                if (m->units[edge->to].fd < 0)
                        start_node(m, edge->to);
}

static void has_ended(struct manager *m, uint32_t node, const struct client_news *news)
{
        struct manager_unit *u = &m->units[node];
        const bool good = text_equal(news->exit.result, "success") || text_equal(news->exit.result, "exec-condition");
        const bool asked = u->stopping, was_starting = u->starting;
        u->fd = fd_close(u->fd);
        u->stopping = false;
        if (was_starting)
                is_up(m, node, good, NULL);
        tell(m, asked ? MANAGER_STOPPED : MANAGER_ENDED, m->graph.nodes[node].name, news->exit.result, NULL);
        if (asked)
                return;
        CLEAN_GRAPH_ORDER struct graph_order order = { 0 };
        graph_taken_down(&m->graph, node, GRAPH_ENDED, &order);
        stop_in_order(m, &order);
        start_others(m, node, good ? GRAPH_ON_SUCCESS : GRAPH_ON_FAILURE);
}

static void hear(struct manager *m, uint32_t node)
{
        struct client_news news = { 0 };
        struct manager_unit *u = &m->units[node];
        if (client_hear(u->fd, &news) < 0) {
                (void)snprintf(news.exit.result, sizeof news.exit.result, "supervisor-killed");
                news.kind = CLIENT_NEWS_EXITED;
        }
        switch (news.kind) {
        case CLIENT_NEWS_STARTED:
                if (u->starting)
                        is_up(m, node, true, NULL);
                return;
        case CLIENT_NEWS_FAILED:
                if (u->starting)
                        is_up(m, node, false, &news.error);
                return;
        case CLIENT_NEWS_NOTE:
                tell(m, MANAGER_NOTE, m->graph.nodes[node].name, news.note, NULL);
                return;
        case CLIENT_NEWS_EXITED:
                has_ended(m, node, &news);
                return;
        case CLIENT_NEWS_NOTHING:
                return;
        }
}

void manager_turn(struct manager *m, int extra_fd, int timeout_ms)
{
        size_t count = 0;
        CLEAN_FREE struct pollfd *p = xalloc(m->graph.count + 1, sizeof *p);
        CLEAN_FREE uint32_t *nodes = xalloc(m->graph.count + 1, sizeof *nodes);
        for (uint32_t i = 0; i < m->graph.count; i++)
                if (m->units[i].fd >= 0) {
                        nodes[count] = i;
                        p[count++] = (struct pollfd){ .fd = m->units[i].fd, .events = POLLIN };
                }
        p[count] = (struct pollfd){ .fd = extra_fd, .events = POLLIN };
        if (poll(p, count + 1, timeout_ms) <= 0)
                return;
        for (size_t i = 0; i < count; i++)
                if (p[i].revents && m->units[nodes[i]].fd == p[i].fd)
                        hear(m, nodes[i]);
        start_ready(m);
}

size_t manager_live(const struct manager *m)
{
        size_t n = 0;
        for (size_t i = 0; i < m->graph.count; i++)
                n += m->units[i].fd >= 0;
        return n;
}
