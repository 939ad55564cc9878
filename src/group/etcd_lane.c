/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/etcd_lane.h"

#include <string.h>

#include "base/secret.h"
#include "group/etcd_auth.h"

static void start_first(struct etcd_lane *l);

static const struct store_endpoint *endpoint_of(const struct etcd_lane *l)
{
        return &l->client->address->endpoints[l->endpoint];
}

/* What a login says and hears is in no memory that is given back. */
static void wipe(struct etcd_lane *l)
{
        struct text *const said[] = { &l->stream.out, &l->reader.body };
        if (!l->first || !l->first->login)
                return;
        for (size_t i = 0; i < ELEMENTS(said); i++)
                if (said[i]->data)
                        explicit_bzero(said[i]->data, said[i]->room);
}

static void disconnect(struct etcd_lane *l)
{
        wipe(l);
        if (l->client->auth)
                etcd_auth_forget(l->client->auth, l);
        loop_timer_clear(l->client->loop, &l->timer);
        if (l->connected)
                stream_close(&l->stream);
        http_reader_done(&l->reader);
        l->connected = l->used = false;
        l->turn++;
}

static struct etcd_call *take_first(struct etcd_lane *l)
{
        struct etcd_call *c = l->first;
        l->first = c->next;
        if (!l->first)
                l->last = NULL;
        c->next = NULL;
        c->in_hand = false;
        l->again = l->renewed = l->denied = false;
        l->turn++;
        return c;
}

/* The call ends; the connection is as good as it was. Called last: done may begin anew. */
static void end_call(struct etcd_lane *l, const struct error *why)
{
        struct error e = *why;
        if (l->client->auth)
                etcd_auth_forget(l->client->auth, l);
        loop_timer_clear(l->client->loop, &l->timer);
        struct etcd_call *c = take_first(l);
        start_first(l);
        c->done(c, NULL, &e);
}

/* The connection is of no use: the call ends, the next one tries the next endpoint. Called last: done may begin anew. */
static void fail(struct etcd_lane *l, const struct error *why)
{
        struct error e = *why;
        CLEAN_TEXT struct text name = { 0 };
        store_endpoint_format(&name, endpoint_of(l));
        (void)error_while(&e, "asking etcd at %s", name.data);
        disconnect(l);
        size_t next = (l->endpoint + 1) % l->client->address->count;
        if (l->client->good == l->endpoint)
                l->client->good = next;
        l->endpoint = next;
        struct etcd_call *c = take_first(l);
        start_first(l);
        c->done(c, NULL, &e);
}

/* A server may close a connection that was idle; nothing was lost then but the call, which is repeated on a new one, once. */
static void fail_or_repeat(struct etcd_lane *l, const struct error *why)
{
        if (!l->used || l->again || http_reader_began(&l->reader) || l->first->line)
                return fail(l, why);
        disconnect(l);
        start_first(l);
        l->again = true;
}

/* The token is of no use any more, and the call had no effect: it is sent again with another, once. */
static bool renews(const struct etcd_lane *l, const struct etcd_reply *reply)
{
        return l->client->auth && !l->first->login && !l->renewed && etcd_reply_wants_login(reply);
}

/* gRPC: cancelled, unknown, deadline exceeded, internal, unavailable. Another endpoint may know better. */
static bool is_of_this_endpoint(int64_t code)
{
        return code == 1 || code == 2 || code == 4 || code == 13 || code == 14;
}

/* A whole answer has come. */
static void finish(struct etcd_lane *l)
{
        CLEAN_ETCD_REPLY struct etcd_reply reply = { 0 };
        struct error e = { 0 };
        int status = l->reader.status;
        const char *body = l->reader.body.data ? l->reader.body.data : "";
        if (etcd_read_reply(body, l->reader.body.length, &reply, &e) < 0) {
                size_t line = strcspn(body, "\r\n");
                if (status != 200)
                        (void)error_set(&e, EPROTO, "etcd.reply", "HTTP status %d, and no words of etcd's: %.*s", status, (int)(line < 120 ? line : 120), body);
                return fail(l, &e);
        }
        if (status != 200 && !reply.failed) {
                (void)error_set(&e, EPROTO, "etcd.reply", "HTTP status %d", status);
                return fail(l, &e);
        }
        bool keep = l->reader.keep;
        if (renews(l, &reply)) {
                etcd_auth_spent(l->client->auth, l->token);
                l->renewed = l->used = true;
                http_reader_next(&l->reader);
                if (!keep)
                        disconnect(l);
                start_first(l);
                return;
        }
        if (reply.failed && is_of_this_endpoint(reply.code)) {
                (void)error_set(&e, EAGAIN, "etcd.refused", "%.200s", reply.message);
                return fail(l, &e);
        }
        l->client->good = l->endpoint;
        loop_timer_clear(l->client->loop, &l->timer);
        wipe(l);
        http_reader_next(&l->reader);
        if (!keep)
                disconnect(l);
        else
                l->used = true;
        struct etcd_call *c = take_first(l);
        start_first(l);
        c->done(c, &reply, NULL);
}

/* Hands on each whole line of a stream. False: the lane has gone on to something else meanwhile. */
static bool hand_lines(struct etcd_lane *l)
{
        struct text *body = &l->reader.body;
        size_t done = 0;
        char *end;
        unsigned turn = l->turn;
        while (done < body->length && (end = memchr(body->data + done, '\n', body->length - done))) {
                size_t size = (size_t)(end - body->data) - done;
                if (size)
                        l->first->line(l->first, body->data + done, size);
                if (l->turn != turn)
                        return false;
                done += size + 1;
        }
        if (done) {
                memmove(body->data, body->data + done, body->length - done);
                body->length -= done;
                body->data[body->length] = 0;
        }
        return true;
}

/* After something of the message has come. False: the lane has gone on. */
static bool look_at_message(struct etcd_lane *l)
{
        if (l->first->line && l->reader.state != HTTP_HEAD && l->reader.status == 200) {
                loop_timer_clear(l->client->loop, &l->timer);
                l->client->good = l->endpoint;
                if (!hand_lines(l))
                        return false;
                if (l->reader.state == HTTP_DONE) {
                        struct error e = { 0 };
                        (void)error_set(&e, ECONNRESET, "etcd.refused", "the stream has ended");
                        return fail(l, &e), false;
                }
                return true;
        }
        if (l->reader.state == HTTP_DONE)
                return finish(l), false;
        return true;
}

/* The connection is over. */
static void closed(struct etcd_lane *l, int errnum)
{
        struct error e = { 0 };
        if (!errnum && http_reader_began(&l->reader) && http_read_end(&l->reader, NULL) == 0) {
                l->reader.keep = false;
                (void)look_at_message(l);
                return;
        }
        if (errnum)
                (void)error_errno(&e, errnum, "etcd.unreachable", "the connection failed");
        else
                (void)error_set(&e, ECONNRESET, "etcd.unreachable", "the connection was closed");
        fail_or_repeat(l, &e);
}

static bool on_ended(struct stream *stream, int errnum)
{
        struct etcd_lane *l = LOOP_OWNER(stream, struct etcd_lane, stream);
        if (l->first)
                closed(l, errnum);
        else
                disconnect(l);
        return false;
}

static bool on_input(struct stream *stream, const char *data, size_t size)
{
        struct etcd_lane *l = LOOP_OWNER(stream, struct etcd_lane, stream);
        struct error e = { 0 };
        size_t used = 0;
        if (!l->first || l->waiting || l->denied) { /* words to nothing */
                disconnect(l);
                start_first(l);
                return false;
        }
        if (http_read(&l->reader, data, size, &used, &e) < 0) {
                fail(l, &e);
                return false;
        }
        if (used < size) /* more than we asked for: the answer counts, the connection is not used again */
                l->reader.keep = false;
        return look_at_message(l);
}

static void elapsed(struct loop_timer *t)
{
        struct etcd_lane *l = LOOP_OWNER(t, struct etcd_lane, timer);
        struct error e = l->trouble;
        if (!e.code)
                (void)error_set(&e, ETIMEDOUT, "etcd.timeout", "no %s in %llu ms", l->waiting ? "token" : "answer",
                                (unsigned long long)(l->first->timeout_usec / 1000));
        if (l->waiting || l->denied)
                end_call(l, &e);
        else
                fail(l, &e);
}

/* A member that has lost its leader ends a stream with this header, instead of staying silent. */
static void add_headers(struct etcd_lane *l, const struct etcd_call *c, struct text *t)
{
        if (c->line)
                text_add(t, "Grpc-Metadata-hasleader: true\r\n");
        if (l->client->auth && !c->login) {
                text_addf(t, "Authorization: %s\r\n", l->client->auth->token);
                l->token = l->client->auth->number;
        }
}

static void send_request(struct etcd_lane *l, const struct etcd_call *c)
{
        CLEAN_TEXT struct text host = { 0 };
        CLEAN_SECRET_TEXT struct text request = { 0 }, all = { 0 };
        store_endpoint_format(&host, endpoint_of(l));
        http_add_request(&request, "POST", c->path, host.data, "application/json", &c->body);
        size_t line = (size_t)(strchr(request.data, '\n') - request.data) + 1;
        text_add_bytes(&all, request.data, line);
        add_headers(l, c, &all);
        text_add_bytes(&all, request.data + line, request.length - line);
        stream_send(&l->stream, all.data, all.length);
}

static int connect_lane(struct etcd_lane *l, struct error *e)
{
        bool connecting = false;
        int fd, r = etcd_connect(l->client, endpoint_of(l), &connecting, &fd, e);
        if (r < 0)
                return r;
        l->stream = (struct stream){ .input = on_input, .ended = on_ended };
        r = stream_open(&l->stream, l->client->loop, fd, connecting);
        if (r < 0)
                return error_errno(e, r, "etcd.unreachable", "epoll");
        l->connected = true;
        http_reader_init(&l->reader, HTTP_RESPONSE, ETCD_REPLY_MAX);
        return 0;
}

/* Connects and sends, or waits for a token first. */
static int begin(struct etcd_lane *l, struct etcd_call *c, struct error *e)
{
        struct etcd_auth *a = l->client->auth;
        if (a && !a->token && !c->login) {
                int r = etcd_auth_wait(a, l, e);
                l->denied = r < 0;
                return r;
        }
        if (!l->connected) {
                int r = connect_lane(l, e);
                if (r < 0)
                        return r;
        }
        send_request(l, c);
        return 0;
}

void etcd_lane_go_on(struct etcd_lane *l)
{
        if (begin(l, l->first, &l->trouble) < 0)
                loop_timer_set(l->client->loop, &l->timer, loop_now_usec(l->client->loop));
}

void etcd_lane_denied(struct etcd_lane *l, const struct error *why)
{
        l->denied = true;
        l->trouble = *why;
        loop_timer_set(l->client->loop, &l->timer, loop_now_usec(l->client->loop));
}

/* Calls nobody back: what fails at once is told by the timer, when the loop goes on. */
static void start_first(struct etcd_lane *l)
{
        if (!l->first)
                return;
        struct etcd_call *c = l->first;
        c->began_usec = loop_fresh_usec(l->client->loop);
        loop_timer_set(l->client->loop, &l->timer, c->began_usec + c->timeout_usec);
        l->trouble = (struct error){ 0 };
        if (begin(l, c, &l->trouble) < 0)
                loop_timer_set(l->client->loop, &l->timer, c->began_usec);
}

void etcd_lane_init(struct etcd_lane *l, struct etcd_client *c)
{
        *l = (struct etcd_lane){ .client = c, .endpoint = c->good, .timer.elapsed = elapsed };
}

void etcd_lane_reset(struct etcd_lane *l)
{
        wipe(l);
        while (l->first)
                (void)take_first(l);
        disconnect(l);
}

void etcd_lane_call(struct etcd_lane *l, struct etcd_call *c)
{
        c->in_hand = true;
        c->next = NULL;
        if (l->last)
                l->last->next = c;
        else
                l->first = c;
        l->last = c;
        if (l->first != c)
                return;
        if (!l->connected)
                l->endpoint = l->client->good;
        start_first(l);
}
