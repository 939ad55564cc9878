/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a plugin says about itself: the handshake, old and new, its description, and its events. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "group/rpc_server_internal.h"

enum { FOLLOWER_BACKLOG_MAX = 8 << 20, TOPIC_MAX = 512 };

/* ---- the handshake ---- */

/* Whether an earlier object has the same interface. */
static bool repeats(const struct rpc_server *s, size_t at)
{
        for (size_t i = 0; i < at; i++)
                if (text_equal(s->objects[i].interface, s->objects[at].interface))
                        return true;
        return false;
}

static bool hidden(const struct rpc_object *o)
{
        return text_equal(o->interface, "Handshake");
}

/* Calls for each interface once. */
static void each_interface(const struct rpc_server *s, struct text *t, void (*add)(const struct rpc_server *s, const struct rpc_object *o, struct text *t))
{
        bool first = true;
        for (size_t i = 0; i < s->object_count; i++) {
                if (hidden(s->objects + i) || repeats(s, i))
                        continue;
                text_add(t, first ? "" : ",");
                add(s, s->objects + i, t);
                first = false;
        }
}

static const char *public_name(const struct rpc_object *o)
{
        return *o->name && !text_equal(o->name, "*") ? o->name : ".";
}

static void add_objects(const struct rpc_server *s, const struct rpc_object *o, struct text *t, const char *before, const char *behind)
{
        bool first = true;
        text_addf(t, "\"%s/%s\":[", o->interface, o->version);
        for (size_t i = 0; i < s->object_count; i++) {
                if (!text_equal(s->objects[i].interface, o->interface))
                        continue;
                text_add(t, first ? before : ",");
                if (!first)
                        text_add(t, before);
                text_add_json(t, public_name(s->objects + i));
                text_add(t, behind);
                first = false;
        }
        text_add(t, "]");
}

static void add_hello(const struct rpc_server *s, const struct rpc_object *o, struct text *t)
{
        add_objects(s, o, t, "{\"Name\":", ",\"ProxyFor\":\"\"}");
}

static void add_types(const struct rpc_server *s, const struct rpc_object *o, struct text *t)
{
        add_objects(s, o, t, "", "");
}

static void add_api(const struct rpc_server *s, const struct rpc_object *o, struct text *t)
{
        (void)s;
        text_addf(t, "{\"Name\":\"%s\",\"Version\":\"%s\"}", o->interface, o->version);
}

static void hello(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type, (void)params;
        text_add(rpc_result(c), "{\"Objects\":{");
        each_interface(self, rpc_result(c), add_hello);
        text_add(rpc_result(c), "}}");
        rpc_reply(c);
}

static void implements(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type, (void)params;
        text_add(rpc_result(c), "{\"APIs\":[");
        each_interface(self, rpc_result(c), add_api);
        text_add(rpc_result(c), "]}");
        rpc_reply(c);
}

static void types(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type, (void)params;
        text_add(rpc_result(c), "{\"Types\":{");
        each_interface(self, rpc_result(c), add_types);
        text_add(rpc_result(c), "}}");
        rpc_reply(c);
}

/* ---- the description ---- */

static void add_method(const struct rpc_object *o, const struct rpc_method *m, struct text *t)
{
        text_addf(t, "{\"Request\":{\"jsonrpc\":\"2.0\",\"method\":\"%s.%s\",\"params\":%s,\"id\":\"?\"},\"Response\":{\"jsonrpc\":\"2.0\",\"result\":%s,\"id\":\"?\"}}",
                  o->interface, m->name, m->request ? m->request : "{}", m->response ? m->response : "{}");
}

static void add_interface(const struct rpc_server *s, const struct rpc_object *o, struct text *t)
{
        (void)s;
        text_addf(t, "{\"Name\":\"%s\",\"Version\":\"%s\",\"Sub\":\"\",\"Methods\":[", o->interface, o->version);
        for (const struct rpc_method *m = o->methods; m->name; m++) {
                text_add(t, m == o->methods ? "" : ",");
                add_method(o, m, t);
        }
        text_add(t, "]}");
}

static void add_implements(const struct rpc_server *s, const struct rpc_object *o, struct text *t)
{
        (void)s;
        text_addf(t, "{\"Name\":\"%s\",\"Version\":\"%s\",\"Sub\":\"\"}", o->interface, o->version);
}

void rpc_info_api(const struct rpc_server *s, struct text *t)
{
        text_add(t, "{\"Vendor\":{\"Name\":");
        text_add_json(t, s->name);
        text_add(t, ",\"Version\":");
        text_add_json(t, s->version);
        text_add(t, ",\"Sub\":\"\",\"URL\":\"\"},\"Implements\":[");
        each_interface(s, t, add_implements);
        text_add(t, "],\"Interfaces\":[");
        each_interface(s, t, add_interface);
        text_add(t, "]}\n");
}

/* ---- events ---- */

static void list_topics(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        const struct rpc_server *s = self;
        struct text *t = rpc_result(c);
        (void)type, (void)params;
        text_add(t, "{\"Nodes\":[");
        for (size_t i = 0; i < s->topics.count; i++) {
                text_add(t, i ? "," : "");
                text_add_json(t, s->topics.items[i]);
        }
        text_add(t, "]}");
        rpc_reply(c);
}

static const struct rpc_method event_methods[] = {
        { "List", list_topics, RPC_VIEW, "{\"Topic\":\"instances\"}", "{\"Nodes\":[\"instances\"]}" },
        { 0 },
};

void rpc_server_topic(struct rpc_server *s, const char *topic)
{
        if (!s->topics.count)
                rpc_server_add(s, &(struct rpc_object){ "Event", "0.1.1", NULL, "", event_methods, s, false });
        strings_add(&s->topics, topic);
}

static int hex_value(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The value of topic= in a query, decoded; allocated. NULL where there is none that could be one. */
static char *read_topic(const char *target)
{
        CLEAN_TEXT struct text t = { 0 };
        const char *at = strchr(target, '?');
        while (at && strncmp(at + 1, "topic=", 6))
                at = strchr(at + 1, '&');
        text_add(&t, "");
        for (at = at ? at + 7 : ""; *at && *at != '&'; at++) {
                char c = *at == '+' ? ' ' : *at;
                if (*at == '%') {
                        int high = hex_value(at[1]), low = high < 0 ? -1 : hex_value(at[2]);
                        if (low < 0 || !(high | low))
                                return NULL;
                        c = (char)(high << 4 | low);
                        at += 2;
                }
                text_add_bytes(&t, &c, 1);
        }
        return t.length > TOPIC_MAX ? NULL : TAKE_PTR(t.data);
}

bool rpc_events_follow(struct rpc_connection *c)
{
        char *topic = read_topic(c->reader.target);
        struct error e = { 0 };
        if (topic && c->server->guard.allow && c->server->guard.allow(c->server->guard.context, &c->peer, RPC_VIEW, "Event", "Follow", &e) < 0) {
                free(topic);
                topic = NULL;
        }
        if (!topic) {
                rpc_connection_drop(c);
                return false;
        }
        rpc_connection_follow(c, topic);
        return true;
}

/* "instances/" follows all below; "" and "/" all there are; others exactly one. */
static bool follows(const char *wanted, const char *topic)
{
        if (!*wanted || text_equal(wanted, "/"))
                return true;
        return text_ends(wanted, "/") ? text_starts(topic, wanted) : text_equal(topic, wanted);
}

static void add_time(struct text *t)
{
        struct timespec ts;
        (void)clock_gettime(CLOCK_REALTIME, &ts);
        rpc_time_format(t, (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
}

static void format_event(struct rpc_server *s, const char *topic, const char *type, const char *id, const char *message, const char *data, struct text *t)
{
        text_add(t, "data: {\"Topic\":");
        text_add_json(t, topic);
        text_add(t, ",\"Type\":");
        text_add_json(t, type);
        text_add(t, ",\"ID\":");
        text_add_json(t, id ? id : "");
        text_add(t, ",\"Message\":");
        text_add_json(t, message ? message : "");
        text_add(t, ",\"Timestamp\":");
        add_time(t);
        text_addf(t, ",\"Sequence\":%llu,\"Data\":", (unsigned long long)++s->events);
        text_add(t, data ? data : "null");
        text_add(t, ",\"Error\":null}\n\n");
}

void rpc_server_publish(struct rpc_server *s, const char *topic, const char *type, const char *id, const char *message, const char *data)
{
        CLEAN_TEXT struct text t = { 0 };
        struct rpc_connection *next;
        if (!s->followers)
                return;
        format_event(s, topic, type, id, message, data, &t);
        for (struct rpc_connection *c = s->connections; c; c = next) {
                next = c->next;
                if (!c->follows || !follows(c->topic, topic))
                        continue;
                stream_send(&c->stream, t.data, t.length);
                /* Who does not read would fill our memory. Coming back, it lists what is there. */
                if (stream_backlog(&c->stream) > FOLLOWER_BACKLOG_MAX)
                        rpc_connection_drop(c);
        }
}

static const struct rpc_method handshake_methods[] = {
        { "Hello", hello, RPC_VIEW, "{}", NULL },
        { "Implements", implements, RPC_VIEW, "{}", NULL },
        { "Types", types, RPC_VIEW, "{}", NULL },
        { 0 },
};

void rpc_info_add(struct rpc_server *s)
{
        rpc_server_add(s, &(struct rpc_object){ "Handshake", "0.1.1", NULL, "", handshake_methods, s, false });
}
