/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "group/rpc_server_internal.h"

enum { CONNECTIONS_MAX = 1024, BACKLOG = 4096, LEFT_MAX = 1 << 20 };

static const char json_type[] = "application/json", text_type[] = "text/plain; charset=utf-8";

/* ---- connections ---- */

static void connection_free(struct rpc_connection *c)
{
        struct rpc_server *s = c->server;
        stream_close(&c->stream);
        if (c->call)
                c->call->connection = NULL; /* its answer has nowhere to go */
        *(c->previous ? &c->previous->next : &s->connections) = c->next;
        if (c->next)
                c->next->previous = c->previous;
        if (c->follows)
                s->followers--;
        s->connection_count--;
        if (s->listening && s->connection_count == CONNECTIONS_MAX - 1)
                (void)loop_watch(s->loop, &s->listener, EPOLLIN);
        http_reader_done(&c->reader);
        text_clear(&c->left);
        free(c->topic);
        free(c);
}

/* Whether the connection is still there. */
static bool send_answer(struct rpc_connection *c, int status, const char *type, const struct text *body, bool keep)
{
        CLEAN_TEXT struct text t = { 0 };
        http_add_response(&t, status, type, body, keep);
        stream_send(&c->stream, t.data, t.length);
        if (keep)
                return true;
        c->closing = true;
        stream_pause(&c->stream, true);
        if (stream_backlog(&c->stream))
                return true;
        connection_free(c);
        return false;
}

static bool send_words(struct rpc_connection *c, int status, const char *words)
{
        CLEAN_TEXT struct text t = { 0 };
        text_addf(&t, "%s\n", words);
        return send_answer(c, status, text_type, &t, status == 404 && c->reader.keep);
}

static void drained(struct stream *stream)
{
        struct rpc_connection *c = LOOP_OWNER(stream, struct rpc_connection, stream);
        if (c->closing)
                connection_free(c);
}

static bool ended(struct stream *stream, int errnum)
{
        (void)errnum;
        connection_free(LOOP_OWNER(stream, struct rpc_connection, stream));
        return false;
}

/* ---- calls ---- */

static void call_free(struct rpc_call *call)
{
        rpc_request_done(&call->request);
        text_clear(&call->result);
        free(call);
}

static bool answer_call(struct rpc_connection *c, const char *id, int code, const struct text *result, const struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        if (e)
                rpc_error_format(&t, *id ? id : "null", code, e);
        else if (*id)
                rpc_result_format(&t, id, result->length ? result->data : "{}", result->length ? result->length : 2);
        return send_answer(c, 200, json_type, *id || e ? &t : NULL, c->reader.keep && !c->server->draining);
}

static bool read_on(struct rpc_connection *c);

static void check_drained(struct rpc_server *s)
{
        if (s->draining && s->calls == 0 && s->drained)
                s->drained(s->drained_context);
}

static void tell_guard(struct rpc_server *s, const struct rpc_peer *peer, const struct rpc_method *m, const struct rpc_request *q, const struct error *failure)
{
        CLEAN_TEXT struct text params = { 0 };
        if (!s->guard.done)
                return;
        text_add(&params, "");
        if (q->params)
                json_add(&params, q->params);
        s->guard.done(s->guard.context, peer, m->role, q->interface, q->method, params.data, failure);
}

/* The call is over; its connection goes on with what came meanwhile. */
static void finish_call(struct rpc_call *call)
{
        struct rpc_server *s = call->server;
        struct rpc_connection *c = call->connection;
        const struct error *failure = call->failed ? &call->failure : NULL;
        tell_guard(s, &call->peer, call->method, &call->request, failure);
        s->calls--;
        if (c) {
                c->call = NULL;
                bool there = answer_call(c, call->request.id, RPC_FAILED, &call->result, call->request.id[0] ? failure : NULL);
                if (there && !c->closing) {
                        http_reader_next(&c->reader);
                        stream_pause(&c->stream, false);
                        (void)read_on(c);
                }
        }
        call_free(call);
        check_drained(s);
}

static void finish_job(struct loop_job *j)
{
        finish_call(LOOP_OWNER(j, struct rpc_call, job));
}

/* Deferred, so that an answer within the method's function does not free what that function still looks at. */
static void hand_back(struct rpc_call *call)
{
        call->job.run = finish_job;
        if (call->threaded)
                loop_hand_over(call->server->loop, &call->job);
        else
                loop_defer(call->server->loop, &call->job);
}

struct text *rpc_result(struct rpc_call *c)
{
        return &c->result;
}

void rpc_reply(struct rpc_call *c)
{
        hand_back(c);
}

void rpc_fail(struct rpc_call *c, const struct error *e)
{
        c->failed = true;
        c->failure = *e;
        hand_back(c);
}

const struct rpc_peer *rpc_call_peer(const struct rpc_call *c)
{
        return &c->peer;
}

/* ---- finding what is called ---- */

static const char *selected(const struct rpc_object *o, const struct rpc_request *q)
{
        const struct json_node *n = o->selector && q->params ? json_member(q->params, o->selector) : NULL;
        const char *name = n && n->type == JSON_STRING && !n->has_nul ? n->text : "";
        if (o->selector && text_equal(o->selector, "Name")) {
                const char *slash = strchr(name, '/');
                return slash ? slash + 1 : "";
        }
        return text_equal(name, ".") ? "" : name;
}

static const struct rpc_object *find_object(struct rpc_server *s, const struct rpc_request *q, const char **ret_type, struct error *e)
{
        const char *name = NULL;
        for (size_t i = 0; i < s->object_count; i++) {
                const struct rpc_object *o = s->objects + i;
                if (!text_equal(o->interface, q->interface))
                        continue;
                name = selected(o, q);
                if (text_equal(o->name, name) || text_equal(o->name, "*")) {
                        *ret_type = name;
                        return o;
                }
        }
        if (name)
                error_set(e, ENOENT, "rpc.object", "this plugin has no %s \"%.64s\"", q->interface, name);
        else
                error_set(e, ENOENT, "rpc.method", "rpc: can't find service %s.%s", q->interface, q->method);
        return NULL;
}

static const struct rpc_method *find_method(const struct rpc_object *o, const struct rpc_request *q, struct error *e)
{
        for (const struct rpc_method *m = o->methods; m->name; m++)
                if (text_equal(m->name, q->method))
                        return m;
        error_set(e, ENOENT, "rpc.method", "rpc: can't find method %s.%s", q->interface, q->method);
        return NULL;
}

void rpc_call_run(struct rpc_call *call)
{
        static const struct json_node nothing = { .type = JSON_OBJECT, .span = 1 };
        const struct json_place at = { .value = call->request.params ? call->request.params : &nothing, .key = "params" };
        call->method->run(call, call->object->self, call->type, &at);
}

/* Takes the request's document. Whether the connection is still there. */
static bool start_call(struct rpc_connection *c, struct rpc_request *q)
{
        struct rpc_server *s = c->server;
        struct error e = { 0 };
        const char *type = "";
        const struct rpc_object *o = find_object(s, q, &type, &e);
        const struct rpc_method *m = o ? find_method(o, q, &e) : NULL;
        if (!m || (s->guard.allow && s->guard.allow(s->guard.context, &c->peer, m->role, q->interface, q->method, &e) < 0)) {
                if (m)
                        tell_guard(s, &c->peer, m, q, &e);
                bool there = answer_call(c, q->id, RPC_FAILED, NULL, &e);
                rpc_request_done(q);
                return there;
        }
        struct rpc_call *call = xalloc(1, sizeof *call);
        *call = (struct rpc_call){ .server = s, .connection = c, .object = o, .method = m, .type = type, .request = *q, .peer = c->peer };
        c->call = call;
        s->calls++;
        stream_pause(&c->stream, true);
        if (o->concurrent)
                rpc_pool_run(s, call);
        else
                rpc_call_run(call);
        return true;
}

/* ---- requests ---- */

static bool is_json(const struct http_reader *r)
{
        const char *type = http_header(r, "Content-Type");
        size_t n = sizeof json_type - 1;
        return type && !strncasecmp(type, json_type, n) && (!type[n] || strchr("; \t", type[n]));
}

static bool take_post(struct rpc_connection *c)
{
        struct rpc_request q = { 0 };
        struct error e = { 0 };
        int code;
        if (!is_json(&c->reader))
                return send_words(c, 415, "rpc: unrecognized Content-Type: application/json is needed");
        if (rpc_request_parse(c->reader.body.length ? c->reader.body.data : "", c->reader.body.length, &q, &code, &e) < 0) {
                bool there = answer_call(c, q.id, code, NULL, &e);
                rpc_request_done(&q);
                return there;
        }
        return start_call(c, &q);
}

static bool take_get(struct rpc_connection *c)
{
        CLEAN_TEXT struct text t = { 0 };
        const char *target = c->reader.target;
        if (text_equal(target, "/events") || text_starts(target, "/events?"))
                return rpc_events_follow(c);
        if (text_equal(target, "/info/api.json"))
                rpc_info_api(c->server, &t);
        else if (text_equal(target, "/info/functions.json"))
                text_add(&t, "{}");
        else
                return text_equal(target, "/") ? send_words(c, 405, "rpc: POST method required") : send_words(c, 404, "404 page not found");
        return send_answer(c, 200, json_type, &t, c->reader.keep);
}

/* One whole request is there. Whether the connection still is. */
static bool take_request(struct rpc_connection *c)
{
        if (c->server->draining)
                return send_words(c, 503, "this plugin is about to end");
        if (text_equal(c->reader.method, "POST"))
                return take_post(c);
        return text_equal(c->reader.method, "GET") ? take_get(c) : send_words(c, 405, "rpc: POST method required");
}

static bool refuse(struct rpc_connection *c, const struct error *e)
{
        return send_words(c, e->code == -EMSGSIZE ? 413 : 400, e->cause);
}

/* Goes through what was left, until a call is in hand. */
static bool read_on(struct rpc_connection *c)
{
        size_t at = 0;
        while (at < c->left.length && !c->call && !c->closing && !c->follows) {
                struct error e = { 0 };
                size_t used;
                if (http_read(&c->reader, c->left.data + at, c->left.length - at, &used, &e) < 0)
                        return refuse(c, &e);
                at += used;
                if (c->reader.state == HTTP_BODY && c->reader.expects) {
                        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
                        c->reader.expects = false;
                        stream_send(&c->stream, go_on, sizeof go_on - 1);
                }
                if (c->reader.state != HTTP_DONE)
                        continue;
                if (!take_request(c))
                        return false;
                if (!c->call && !c->closing && !c->follows)
                        http_reader_next(&c->reader);
        }
        if (at == c->left.length) {
                text_clear(&c->left);
                return true;
        }
        c->left.length -= at;
        memmove(c->left.data, c->left.data + at, c->left.length + 1);
        return true;
}

static bool input(struct stream *stream, const char *data, size_t size)
{
        struct rpc_connection *c = LOOP_OWNER(stream, struct rpc_connection, stream);
        if (c->follows || c->closing)
                return true; /* nothing is asked of a stream of events */
        text_add_bytes(&c->left, data, size);
        return read_on(c);
}

/* ---- listening ---- */

static void find_peer(int fd, struct rpc_peer *ret)
{
        struct ucred who = { .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
        socklen_t size = sizeof who;
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
        *ret = (struct rpc_peer){ .pid = who.pid, .uid = who.uid, .gid = who.gid };
        size = sizeof ret->groups;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ret->groups, &size) == 0)
                ret->group_count = (uint32_t)(size / sizeof *ret->groups);
}

static void add_connection(struct rpc_server *s, int fd)
{
        struct rpc_connection *c = xalloc(1, sizeof *c);
        c->server = s;
        c->stream = (struct stream){ .input = input, .ended = ended, .drained = drained };
        find_peer(fd, &c->peer);
        http_reader_init(&c->reader, HTTP_REQUEST, RPC_BODY_MAX);
        if (stream_open(&c->stream, s->loop, fd, false) < 0) {
                free(c);
                return;
        }
        c->next = s->connections;
        if (c->next)
                c->next->previous = c;
        s->connections = c;
        if (++s->connection_count == CONNECTIONS_MAX)
                loop_forget(s->loop, &s->listener); /* who comes now waits in the socket's queue */
}

static void accept_some(struct loop_source *source, uint32_t events)
{
        struct rpc_server *s = LOOP_OWNER(source, struct rpc_server, listener);
        (void)events;
        for (int i = 0; i < 16 && s->listener.watched; i++) {
                int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd < 0)
                        return;
                add_connection(s, fd);
        }
}

/* 0, when the place is free now. */
static int clear_place(const struct sockaddr_un *a, struct error *e)
{
        struct stat st;
        if (lstat(a->sun_path, &st) < 0)
                return 0;
        if (!S_ISSOCK(st.st_mode))
                return error_set(e, EEXIST, "rpc.taken", "%s is there and is no socket", a->sun_path);
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_errno(e, errno, "rpc.listen", "%s", a->sun_path);
        if (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 || errno == EAGAIN)
                return error_set(e, EADDRINUSE, "rpc.taken", "somebody listens on %s already", a->sun_path);
        if (unlink(a->sun_path) < 0 && errno != ENOENT)
                return error_errno(e, errno, "rpc.listen", "removing %s, which nobody listens on", a->sun_path);
        return 0;
}

int rpc_server_listen(struct rpc_server *s, const char *path, mode_t mode, struct error *e)
{
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof a.sun_path)
                return error_set(e, ENAMETOOLONG, "rpc.listen", "%s: a socket's path has at most %zu bytes", path, sizeof a.sun_path - 1);
        memcpy(a.sun_path, path, strlen(path) + 1);
        int r = clear_place(&a, e);
        if (r < 0)
                return r;
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        /* Nobody else may connect between bind and chmod. */
        mode_t before = umask(0177);
        r = fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ? -errno : 0;
        (void)umask(before);
        if (r == 0 && (chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0))
                r = -errno;
        s->listener = (struct loop_source){ .ready = accept_some, .fd = fd };
        if (r == 0)
                r = loop_watch(s->loop, &s->listener, EPOLLIN);
        if (r < 0)
                return error_errno(e, -r, "rpc.listen", "%s", path);
        s->listener.fd = TAKE_FD(fd);
        s->path = xstrdup(path);
        s->listening = true;
        return 0;
}

static void stop_listening(struct rpc_server *s)
{
        if (!s->listening)
                return;
        s->listening = false;
        loop_forget(s->loop, &s->listener);
        s->listener.fd = fd_close(s->listener.fd);
        (void)unlink(s->path);
}

void rpc_server_drain(struct rpc_server *s, void (*done)(void *context), void *context)
{
        stop_listening(s);
        s->draining = true;
        s->drained = done;
        s->drained_context = context;
        check_drained(s);
}

/* ---- the server ---- */

struct rpc_server *rpc_server_new(struct loop *l, const char *name, const char *version)
{
        struct rpc_server *s = xalloc(1, sizeof *s);
        s->loop = l;
        s->name = xstrdup(name);
        s->version = xstrdup(version);
        s->listener.fd = -EBADF;
        rpc_info_add(s);
        return s;
}

void rpc_server_add(struct rpc_server *s, const struct rpc_object *o)
{
        s->objects = xgrow(s->objects, &s->object_room, s->object_count + 1, sizeof *s->objects);
        s->objects[s->object_count++] = *o;
}

void rpc_server_guard(struct rpc_server *s, const struct rpc_guard *g)
{
        s->guard = *g;
}

void rpc_server_free(struct rpc_server *s)
{
        if (!s)
                return;
        rpc_pool_stop(s);
        stop_listening(s);
        while (s->connections)
                connection_free(s->connections);
        strings_clear(&s->topics);
        free(s->objects);
        free(s->name);
        free(s->version);
        free(s->path);
        free(s);
}

void rpc_connection_follow(struct rpc_connection *c, char *topic)
{
        CLEAN_TEXT struct text t = { 0 };
        http_add_stream_head(&t, "text/event-stream");
        c->follows = true;
        c->topic = topic;
        c->server->followers++;
        stream_send(&c->stream, t.data, t.length);
}

void rpc_connection_drop(struct rpc_connection *c)
{
        connection_free(c);
}
