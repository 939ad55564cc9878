/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/etcd_lane.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { READ_SIZE = 64 * 1024 };

static void start_first(struct etcd_lane *l);

static const struct store_endpoint *endpoint_of(const struct etcd_lane *l)
{
        return &l->client->address->endpoints[l->endpoint];
}

static void disconnect(struct etcd_lane *l)
{
        loop_timer_clear(l->client->loop, &l->timer);
        if (l->fd >= 0) {
                loop_forget(l->client->loop, &l->source);
                l->fd = fd_close(l->fd);
        }
        http_reader_done(&l->reader);
        text_clear(&l->out);
        l->used = false;
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
        l->again = false;
        l->turn++;
        return c;
}

/* The connection is of no use: the call ends, the next one tries the next endpoint. Called last: done may begin anew. */
static void fail(struct etcd_lane *l, const struct error *why)
{
        struct error e = *why;
        CLEAN_TEXT struct text name = { 0 };
        store_endpoint_format(&name, endpoint_of(l));
        (void)error_while(&e, "asking etcd at %s", name.data);
        disconnect(l);
        l->endpoint = (l->endpoint + 1) % l->client->address->count;
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
        if (etcd_read_reply(l->reader.body.data ? l->reader.body.data : "", l->reader.body.length, &reply, &e) < 0) {
                if (status != 200)
                        (void)error_set(&e, EPROTO, "etcd.reply", "HTTP status %d, and no words of etcd's", status);
                return fail(l, &e);
        }
        if (status != 200 && !reply.failed) {
                (void)error_set(&e, EPROTO, "etcd.reply", "HTTP status %d", status);
                return fail(l, &e);
        }
        if (reply.failed && is_of_this_endpoint(reply.code)) {
                (void)error_set(&e, EAGAIN, "etcd.refused", "%.200s", reply.message);
                return fail(l, &e);
        }
        l->client->good = l->endpoint;
        bool keep = l->reader.keep;
        loop_timer_clear(l->client->loop, &l->timer);
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

static void closed(struct etcd_lane *l, int errnum)
{
        struct error e = { 0 };
        bool until_end = !errnum && http_reader_began(&l->reader) && http_read_end(&l->reader, NULL) == 0 && l->reader.state == HTTP_DONE;
        if (until_end) {
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

/* What came. False: the lane has gone on. */
static bool take(struct etcd_lane *l, const char *data, size_t size)
{
        struct error e = { 0 };
        size_t used = 0;
        if (http_read(&l->reader, data, size, &used, &e) < 0 || (used < size && l->reader.state != HTTP_DONE))
                return fail(l, &e), false;
        if (used < size) /* an answer to nothing we asked */
                l->reader.keep = false;
        return look_at_message(l);
}

static void receive(struct etcd_lane *l)
{
        static char data[READ_SIZE]; /* of the one thread of the loop, and not used across callbacks */
        for (int rounds = 0; rounds < 16; rounds++) {
                ssize_t n = recv(l->fd, data, sizeof data, 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return;
                if (n <= 0)
                        return closed(l, n < 0 ? errno : 0);
                if (!take(l, data, (size_t)n))
                        return;
        }
}

/* False: the lane has gone on. */
static bool send_rest(struct etcd_lane *l)
{
        while (l->sent < l->out.length) {
                ssize_t n = send(l->fd, l->out.data + l->sent, l->out.length - l->sent, MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) /* not connected yet */
                        return true;
                if (n < 0)
                        return closed(l, errno), false;
                l->sent += (size_t)n;
        }
        (void)loop_watch(l->client->loop, &l->source, EPOLLIN);
        return true;
}

static void ready(struct loop_source *source, uint32_t events)
{
        struct etcd_lane *l = LOOP_OWNER(source, struct etcd_lane, source);
        if (!l->first) { /* idle: closed by the other side, or words to nothing */
                disconnect(l);
                return;
        }
        int errnum = 0;
        socklen_t size = sizeof errnum;
        if ((events & (EPOLLERR | EPOLLHUP)) && getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &errnum, &size) == 0 && errnum)
                return closed(l, errnum);
        if ((events & EPOLLOUT) && !send_rest(l))
                return;
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(l);
}

static void elapsed(struct loop_timer *t)
{
        struct etcd_lane *l = LOOP_OWNER(t, struct etcd_lane, timer);
        struct error e = l->trouble;
        if (!e.code)
                (void)error_set(&e, ETIMEDOUT, "etcd.timeout", "no answer in %llu ms", (unsigned long long)(l->first->timeout_usec / 1000));
        fail(l, &e);
}

/* A member that has lost its leader ends a stream with this header, instead of staying silent. */
static void add_request(struct etcd_lane *l, const struct etcd_call *c)
{
        CLEAN_TEXT struct text host = { 0 }, request = { 0 };
        store_endpoint_format(&host, endpoint_of(l));
        http_add_request(&request, "POST", c->path, host.data, "application/json", &c->body);
        size_t line = (size_t)(strchr(request.data, '\n') - request.data) + 1;
        text_add_bytes(&l->out, request.data, line);
        if (c->line)
                text_add(&l->out, "Grpc-Metadata-hasleader: true\r\n");
        text_add_bytes(&l->out, request.data + line, request.length - line);
}

static int connect_lane(struct etcd_lane *l, struct error *e)
{
        l->fd = etcd_connect(l->client, endpoint_of(l), e);
        if (l->fd < 0)
                return l->fd;
        l->source.fd = l->fd;
        http_reader_init(&l->reader, HTTP_RESPONSE, ETCD_REPLY_MAX);
        return 0;
}

/* Calls nobody back: what fails at once is told by the timer, when the loop goes on. */
static void start_first(struct etcd_lane *l)
{
        if (!l->first)
                return;
        struct etcd_call *c = l->first;
        text_clear(&l->out);
        l->sent = 0;
        c->began_usec = loop_fresh_usec(l->client->loop);
        loop_timer_set(l->client->loop, &l->timer, c->began_usec + c->timeout_usec);
        l->trouble = (struct error){ 0 };
        int r = l->fd < 0 ? connect_lane(l, &l->trouble) : 0;
        if (r >= 0) {
                add_request(l, c);
                r = loop_watch(l->client->loop, &l->source, EPOLLIN | EPOLLOUT);
                if (r < 0)
                        (void)error_errno(&l->trouble, r, "etcd.unreachable", "epoll");
        }
        if (r < 0)
                loop_timer_set(l->client->loop, &l->timer, c->began_usec);
}

void etcd_lane_init(struct etcd_lane *l, struct etcd_client *c)
{
        *l = (struct etcd_lane){ .client = c, .endpoint = c->good, .fd = -EBADF, .source.ready = ready, .timer.elapsed = elapsed };
}

void etcd_lane_reset(struct etcd_lane *l)
{
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
        if (l->fd < 0)
                l->endpoint = l->client->good;
        start_first(l);
}
