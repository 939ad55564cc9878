/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/http.h"
#include "group/rpc_client.h"
#include "os/stream.h"

enum { PARALLEL = 64 };

/* A call that waits its turn, or is out on a connection. */
struct rpc_pending {
        struct rpc_pending *next;
        struct text request; /* of HTTP */
        uint64_t timeout_usec;
        rpc_done done;
        void *context;
        char *method;
};

struct connection {
        struct rpc_client *client;
        struct connection *next, *previous;
        struct stream stream;
        struct http_reader reader;
        struct rpc_pending *pending; /* NULL: idle */
        struct loop_timer timer;
};

struct rpc_client {
        struct loop *loop;
        char *name;
        struct endpoint at;
        uint32_t parallel;
        uint64_t ids;
        struct rpc_pending *first, **end; /* wait */
        size_t waiting, out;
        struct connection *connections;
        bool *gone; /* told when it is freed within a callback */
        struct loop_job pump;
        bool pumping;
};

/* ---- calls ---- */

static void pending_free(struct rpc_pending *p)
{
        text_clear(&p->request);
        free(p->method);
        free(p);
}

static void schedule(struct rpc_client *c)
{
        if (c->pumping || !c->first)
                return;
        c->pumping = true;
        loop_defer(c->loop, &c->pump);
}

/* Takes p; whether the client is still there. */
static bool complete(struct rpc_client *c, struct rpc_pending *p, const struct json_node *result, struct error *failure)
{
        bool gone = false, *outer = c->gone;
        if (failure)
                error_while(failure, "asking %s for %s", c->name, p->method);
        c->gone = &gone;
        p->done(p->context, result, failure);
        pending_free(p);
        if (gone) {
                if (outer)
                        *outer = true;
                return false;
        }
        c->gone = outer;
        schedule(c);
        return true;
}

bool rpc_unsure(const struct error *failure)
{
        static const char *const ids[] = { "rpc.broken", "rpc.timeout", "rpc.reply", "json.syntax", "http.syntax", "http.size", "http.cut" };
        for (size_t i = 0; i < ELEMENTS(ids); i++)
                if (text_equal(failure->id, ids[i]))
                        return true;
        return false;
}

/* ---- connections ---- */

static void connection_free(struct connection *n)
{
        struct rpc_client *c = n->client;
        loop_timer_clear(c->loop, &n->timer);
        stream_close(&n->stream);
        *(n->previous ? &n->previous->next : &c->connections) = n->next;
        if (n->next)
                n->next->previous = n->previous;
        if (n->pending)
                c->out--;
        http_reader_done(&n->reader);
        free(n);
}

/* The connection is of no use any more. */
static void fail(struct connection *n, struct error *failure)
{
        struct rpc_client *c = n->client;
        struct rpc_pending *p = n->pending;
        connection_free(n);
        if (p)
                (void)complete(c, p, NULL, failure);
}

static bool ended(struct stream *stream, int errnum)
{
        struct connection *n = LOOP_OWNER(stream, struct connection, stream);
        struct error e = { 0 };
        if (n->pending && n->reader.state == HTTP_BODY && !errnum && http_read_end(&n->reader, NULL) == 0) {
                struct rpc_pending *p = TAKE_PTR(n->pending);
                struct rpc_client *c = n->client;
                CLEAN_JSON struct json_document d = { 0 };
                const struct json_node *result = NULL;
                c->out--;
                int r = rpc_reply_parse(n->reader.body.length ? n->reader.body.data : "", n->reader.body.length, &d, &result, &e);
                connection_free(n);
                (void)complete(c, p, result, r < 0 ? &e : NULL);
                return false;
        }
        if (stream->connecting || (errnum == ECONNREFUSED && !http_reader_began(&n->reader)))
                error_errno(&e, errnum ? errnum : ECONNREFUSED, "rpc.unreachable", "%s does not answer", n->client->name);
        else
                error_set(&e, errnum ? errnum : ECONNRESET, "rpc.broken", "the connection ended before the answer came");
        fail(n, &e);
        return false;
}

static int check_status(const struct http_reader *r, struct error *e)
{
        if (r->status == 200)
                return 0;
        return error_set(e, EPROTO, "rpc.reply", "HTTP status %d: %.200s", r->status, r->body.length ? r->body.data : "no words");
}

/* A whole answer. Whether the connection is still there. */
static bool answered(struct connection *n)
{
        struct rpc_client *c = n->client;
        struct rpc_pending *p = TAKE_PTR(n->pending);
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *result = NULL;
        struct error e = { 0 };
        bool gone = false, *outer = c->gone;
        c->out--;
        loop_timer_clear(c->loop, &n->timer);
        int r = check_status(&n->reader, &e);
        if (r == 0)
                r = rpc_reply_parse(n->reader.body.length ? n->reader.body.data : "", n->reader.body.length, &d, &result, &e);
        bool keep = n->reader.keep;
        http_reader_next(&n->reader);
        if (!keep)
                connection_free(n);
        c->gone = &gone;
        (void)complete(c, p, result, r < 0 ? &e : NULL);
        if (gone) {
                if (outer)
                        *outer = true;
                return false;
        }
        c->gone = outer;
        return keep;
}

static bool input(struct stream *stream, const char *data, size_t size)
{
        struct connection *n = LOOP_OWNER(stream, struct connection, stream);
        struct error e = { 0 };
        size_t used;
        if (!n->pending || http_read(&n->reader, data, size, &used, &e) < 0) {
                if (!*e.id)
                        error_set(&e, EPROTO, "rpc.reply", "an answer to nothing");
                fail(n, &e);
                return false;
        }
        return n->reader.state != HTTP_DONE || answered(n);
}

static void timed_out(struct loop_timer *t)
{
        struct connection *n = LOOP_OWNER(t, struct connection, timer);
        struct error e = { 0 };
        error_set(&e, ETIMEDOUT, "rpc.timeout", "no answer within %llu ms", (unsigned long long)n->pending->timeout_usec / 1000);
        fail(n, &e);
}

static struct connection *idle_connection(struct rpc_client *c)
{
        for (struct connection *n = c->connections; n; n = n->next)
                if (!n->pending)
                        return n;
        return NULL;
}

static int open_stream(const struct endpoint *at, struct loop *l, struct stream *s, struct error *e)
{
        bool connecting;
        int fd;
        int r = at->path ? stream_connect_path(at->path, &connecting, &fd, e) : stream_connect_tcp(at->host, at->port, &connecting, &fd, e);
        if (r == 0 && stream_open(s, l, fd, connecting) < 0)
                r = error_set(e, EMFILE, "socket.connect", "the connection cannot be watched");
        return r;
}

static struct connection *new_connection(struct rpc_client *c, struct error *e)
{
        struct connection *n = xalloc(1, sizeof *n);
        n->client = c;
        n->stream = (struct stream){ .input = input, .ended = ended };
        n->timer.elapsed = timed_out;
        http_reader_init(&n->reader, HTTP_RESPONSE, RPC_REPLY_MAX);
        if (open_stream(&c->at, c->loop, &n->stream, e) < 0) {
                free(n);
                return NULL;
        }
        n->next = c->connections;
        if (n->next)
                n->next->previous = n;
        c->connections = n;
        return n;
}

/* ---- the queue ---- */

static struct rpc_pending *take_first(struct rpc_client *c)
{
        struct rpc_pending *p = c->first;
        c->first = p->next;
        if (!c->first)
                c->end = &c->first;
        c->waiting--;
        return p;
}

static void unreachable(const struct rpc_client *c, struct error *e)
{
        struct error cause = *e;
        *e = (struct error){ 0 };
        error_set(e, -cause.code, "rpc.unreachable", "%s does not answer: %s", c->name, cause.cause);
}

static void pump(struct loop_job *j)
{
        struct rpc_client *c = LOOP_OWNER(j, struct rpc_client, pump);
        c->pumping = false;
        while (c->first && c->out < c->parallel) {
                struct error e = { 0 };
                struct connection *n = idle_connection(c);
                if (!n)
                        n = new_connection(c, &e);
                struct rpc_pending *p = take_first(c);
                if (!n) {
                        unreachable(c, &e);
                        if (!complete(c, p, NULL, &e))
                                return;
                        continue;
                }
                n->pending = p;
                c->out++;
                loop_timer_set(c->loop, &n->timer, loop_now_usec(c->loop) + p->timeout_usec);
                stream_send(&n->stream, p->request.data, p->request.length);
                text_clear(&p->request);
        }
}

void rpc_client_call(struct rpc_client *c, const char *method, const char *params, uint64_t timeout_usec, rpc_done done, void *context)
{
        CLEAN_TEXT struct text body = { 0 };
        struct rpc_pending *p = xalloc(1, sizeof *p);
        *p = (struct rpc_pending){ .timeout_usec = timeout_usec, .done = done, .context = context, .method = xstrdup(method) };
        rpc_request_format(&body, method, params, ++c->ids);
        http_add_request(&p->request, "POST", "/", "bulkhead", "application/json", &body);
        *c->end = p;
        c->end = &p->next;
        c->waiting++;
        schedule(c);
}

void rpc_client_parallel(struct rpc_client *c, uint32_t parallel)
{
        c->parallel = parallel ? parallel : PARALLEL;
}

size_t rpc_client_pending(const struct rpc_client *c)
{
        return c->waiting + c->out;
}

struct rpc_client *rpc_client_new(struct loop *l, const char *name, const struct endpoint *at)
{
        struct rpc_client *c = xalloc(1, sizeof *c);
        c->loop = l;
        c->name = xstrdup(name);
        c->at = (struct endpoint){ at->path ? xstrdup(at->path) : NULL, at->host ? xstrdup(at->host) : NULL, at->port ? xstrdup(at->port) : NULL };
        c->end = &c->first;
        c->parallel = PARALLEL;
        c->pump.run = pump;
        return c;
}

void rpc_client_free(struct rpc_client *c)
{
        if (!c)
                return;
        if (c->gone)
                *c->gone = true;
        while (c->connections) {
                struct rpc_pending *p = c->connections->pending;
                connection_free(c->connections);
                if (p)
                        pending_free(p);
        }
        while (c->first)
                pending_free(take_first(c));
        loop_undefer(c->loop, &c->pump);
        endpoint_done(&c->at);
        free(c->name);
        free(c);
}

/* ---- events ---- */

struct rpc_subscription {
        struct loop *loop;
        struct endpoint at;
        char *topic;
        void (*event)(void *context, const struct json_node *event);
        void (*state)(void *context, bool up);
        void *context;
        struct stream stream;
        struct http_reader reader;
        struct loop_timer again;
        uint64_t delay_usec;
        bool up, open;
        bool *gone;
};

enum { AGAIN_FIRST_USEC = 50 * 1000, AGAIN_MAX_USEC = 5 * 1000 * 1000, EVENT_MAX = 1 << 20 };

static void down(struct rpc_subscription *s)
{
        if (s->open)
                stream_close(&s->stream);
        http_reader_done(&s->reader);
        s->open = false;
        s->delay_usec = s->delay_usec ? s->delay_usec * 2 : AGAIN_FIRST_USEC;
        if (s->delay_usec > AGAIN_MAX_USEC)
                s->delay_usec = AGAIN_MAX_USEC;
        loop_timer_set(s->loop, &s->again, loop_now_usec(s->loop) + s->delay_usec);
        if (s->up) {
                s->up = false;
                s->state(s->context, false); /* last: it may free s */
        }
}

/* One line of the stream. Whether the subscription is still there. */
static bool take_line(struct rpc_subscription *s, const char *line, size_t size)
{
        CLEAN_JSON struct json_document d = { 0 };
        bool gone = false;
        if (size < 5 || strncmp(line, "data:", 5) || json_parse("event", line + 5, size - 5, &d, NULL) < 0)
                return true;
        s->gone = &gone;
        s->event(s->context, d.nodes);
        if (!gone)
                s->gone = NULL;
        return !gone;
}

static bool take_lines(struct rpc_subscription *s)
{
        size_t at = 0;
        struct text *body = &s->reader.body;
        CLEAN_TEXT struct text mine = *body; /* the callback may end the stream */
        *body = (struct text){ 0 };
        for (const char *end; at < mine.length && (end = memchr(mine.data + at, '\n', mine.length - at));) {
                size_t size = (size_t)(end - mine.data) - at;
                if (!take_line(s, mine.data + at, size - (size && end[-1] == '\r')))
                        return false;
                if (!s->open)
                        return false;
                at += size + 1;
        }
        if (at < mine.length)
                text_add_bytes(body, mine.data + at, mine.length - at);
        return true;
}

static bool stream_input(struct stream *stream, const char *data, size_t size)
{
        struct rpc_subscription *s = LOOP_OWNER(stream, struct rpc_subscription, stream);
        size_t used;
        if (http_read(&s->reader, data, size, &used, NULL) < 0 || s->reader.state == HTTP_DONE || (s->reader.state == HTTP_BODY && s->reader.status != 200)) {
                down(s);
                return false;
        }
        if (s->reader.state != HTTP_BODY)
                return true;
        bool gone = false;
        if (!s->up) {
                s->up = true;
                s->delay_usec = 0;
                s->gone = &gone;
                s->state(s->context, true);
                if (gone)
                        return false;
                s->gone = NULL;
        }
        return s->open && take_lines(s);
}

static bool stream_ended(struct stream *stream, int errnum)
{
        (void)errnum;
        down(LOOP_OWNER(stream, struct rpc_subscription, stream));
        return false;
}

static void follow(struct loop_timer *t)
{
        struct rpc_subscription *s = LOOP_OWNER(t, struct rpc_subscription, again);
        CLEAN_TEXT struct text request = { 0 };
        s->stream = (struct stream){ .input = stream_input, .ended = stream_ended };
        http_reader_init(&s->reader, HTTP_RESPONSE, EVENT_MAX);
        if (open_stream(&s->at, s->loop, &s->stream, NULL) < 0) {
                down(s);
                return;
        }
        s->open = true;
        text_addf(&request, "GET /events?topic=%s HTTP/1.1\r\nHost: bulkhead\r\nAccept: text/event-stream\r\n\r\n", s->topic);
        stream_send(&s->stream, request.data, request.length);
}

struct rpc_subscription *rpc_client_follow(struct rpc_client *c, const char *topic, void (*event)(void *context, const struct json_node *event),
                                           void (*state)(void *context, bool up), void *context)
{
        struct rpc_subscription *s = xalloc(1, sizeof *s);
        *s = (struct rpc_subscription){ .loop = c->loop, .topic = xstrdup(topic), .event = event, .state = state, .context = context, .again.elapsed = follow };
        s->at = (struct endpoint){ c->at.path ? xstrdup(c->at.path) : NULL, c->at.host ? xstrdup(c->at.host) : NULL, c->at.port ? xstrdup(c->at.port) : NULL };
        loop_timer_set(s->loop, &s->again, loop_now_usec(s->loop));
        return s;
}

void rpc_subscription_free(struct rpc_subscription *s)
{
        if (!s)
                return;
        if (s->gone)
                *s->gone = true;
        loop_timer_clear(s->loop, &s->again);
        if (s->open)
                stream_close(&s->stream);
        http_reader_done(&s->reader);
        endpoint_done(&s->at);
        free(s->topic);
        free(s);
}

/* ---- one call ---- */

struct wait {
        bool done;
        struct text result;
        struct error failure;
        bool failed;
};

static void waited(void *context, const struct json_node *result, const struct error *failure)
{
        struct wait *w = context;
        w->done = true;
        w->failed = failure;
        if (failure)
                w->failure = *failure;
        else
                json_add(&w->result, result);
}

int rpc_call_wait(const char *name, const struct endpoint *at, const char *method, const char *params, uint64_t timeout_usec, struct json_document *ret,
                  const struct json_node **ret_result, struct error *e)
{
        CLEAN_LOOP struct loop *l = NULL;
        struct wait w = { 0 };
        int r = loop_open(&l, e);
        if (r < 0)
                return r;
        struct rpc_client *c = rpc_client_new(l, name, at);
        rpc_client_call(c, method, params, timeout_usec, waited, &w);
        while (!w.done)
                loop_turn(l, -1);
        rpc_client_free(c);
        if (w.failed) {
                if (e)
                        *e = w.failure;
                return w.failure.code;
        }
        r = json_parse("result", w.result.data, w.result.length, ret, e);
        text_clear(&w.result);
        if (r == 0)
                *ret_result = ret->nodes;
        return r;
}
