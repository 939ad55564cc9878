/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a server of the test's own on loopback; TLS is tested by tests/cloud. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web.h"

/* Answers each connection with one text, and keeps what was asked. NULL: never answers. */
struct server {
        int fd;
        uint16_t port;
        const char *answer;
        char asked[8192];
        unsigned connections;
        pthread_t thread;
};

/* With its body: who closes a connection with something unread in it takes the answer away again. */
static bool is_whole(const char *asked, size_t n)
{
        const char *head_end = strstr(asked, "\r\n\r\n"), *length = strstr(asked, "Content-Length: ");
        return head_end && n >= (size_t)(head_end - asked) + 4 + (length ? strtoul(length + strlen("Content-Length: "), NULL, 10) : 0);
}

static void *serve(void *context)
{
        struct server *s = context;
        int fd;
        while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
                size_t n = 0;
                ssize_t got;
                s->connections++;
                while (!is_whole(s->asked, n) && (got = read(fd, s->asked + n, sizeof s->asked - 1 - n)) > 0)
                        s->asked[n += (size_t)got] = 0;
                if (s->answer)
                        (void)!write(fd, s->answer, strlen(s->answer));
                else
                        (void)poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 60000); /* until the client goes */
                (void)close(fd);
        }
        return NULL;
}

static void begin(struct server *s, const char *answer)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof a;
        *s = (struct server){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer };
        assert_int_equal(bind(s->fd, (struct sockaddr *)&a, size), 0);
        assert_int_equal(listen(s->fd, 8), 0);
        assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &size), 0);
        s->port = ntohs(a.sin_port);
        assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void end(struct server *s)
{
        (void)shutdown(s->fd, SHUT_RDWR);
        (void)pthread_join(s->thread, NULL);
        (void)close(s->fd);
}

static const char *const keep[] = { "Location", "Retry-After", NULL };

static struct web_request request_to(const char *url)
{
        return (struct web_request){ .method = "GET", .url = url, .connect_ms = 60000, .total_ms = 60000, .reply_max = 100, .keep = keep };
}

static enum web_result call(const struct server *s, struct web_request *r, struct web_reply *ret)
{
        CLEAN_FREE char *url = xprintf("http://127.0.0.1:%u/a", s->port);
        struct web_client *c = web_client_new(NULL);
        r->url = url;
        enum web_result result = web_call(c, r, ret);
        web_client_free(c);
        return result;
}

static void a_call_and_its_reply(void **state)
{
        (void)state;
        struct server s;
        CLEAN_STRINGS struct strings headers = { 0 };
        CLEAN_WEB_REPLY struct web_reply reply = { 0 };
        struct web_request r = request_to(NULL);
        begin(&s, "HTTP/1.1 503 x\r\nretry-AFTER: \t 7 \r\nLocationx: no\r\nContent-Length: 2\r\n\r\nhi");
        strings_add(&headers, "Authorization: secret");
        r.method = "PATCH";
        r.headers = &headers;
        r.body = "a=b and more";
        r.body_size = 3;
        assert_int_equal(call(&s, &r, &reply), WEB_OK);
        end(&s);
        assert_int_equal(reply.status, 503);
        assert_string_equal(reply.body.data, "hi");
        assert_string_equal(reply.kept[1], "7");
        assert_null(reply.kept[0]);
        assert_true(text_starts(s.asked, "PATCH /a HTTP/1.1\r\n"));
        assert_non_null(strstr(s.asked, "\r\nAuthorization: secret\r\n"));
        assert_non_null(strstr(s.asked, "\r\nContent-Length: 3\r\n"));
        assert_null(strstr(s.asked, "Expect"));
}

static void redirects_are_not_followed(void **state)
{
        (void)state;
        struct server s, other;
        CLEAN_WEB_REPLY struct web_reply reply = { 0 };
        struct web_request r = request_to(NULL);
        begin(&other, "HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n");
        CLEAN_FREE char *answer = xprintf("HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:%u/\r\nContent-Length: 0\r\n\r\n", other.port);
        begin(&s, answer);
        assert_int_equal(call(&s, &r, &reply), WEB_OK);
        end(&s);
        end(&other);
        assert_int_equal(reply.status, 302);
        assert_string_equal(reply.body.data, "");
        assert_true(text_starts(reply.kept[0], "http://127.0.0.1:"));
        assert_int_equal(other.connections, 0);
}

static void replies_have_a_limit(void **state)
{
        (void)state;
        static const char ten[] = "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n4\r\n7890\r\n0\r\n\r\n";
        for (size_t max = 9; max <= 10; max++) {
                struct server s;
                CLEAN_WEB_REPLY struct web_reply reply = { 0 };
                struct web_request r = request_to(NULL);
                begin(&s, ten);
                r.reply_max = max;
                assert_int_equal(call(&s, &r, &reply), max == 10 ? WEB_OK : WEB_TOO_LARGE);
                end(&s);
        }
}

static void what_gives_no_reply(void **state)
{
        (void)state;
        static const struct {
                const char *answer;
                enum web_result result;
        } rows[] = { { NULL, WEB_TIMED_OUT }, { "", WEB_UNREACHABLE }, { "HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nshort", WEB_UNREACHABLE },
                     { "SSH-2.0-x\r\n\r\n", WEB_UNREACHABLE } };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct server s;
                CLEAN_WEB_REPLY struct web_reply reply = { 0 };
                struct web_request r = request_to(NULL);
                begin(&s, rows[i].answer);
                r.total_ms = rows[i].answer ? 60000 : 300;
                assert_int_equal(call(&s, &r, &reply), rows[i].result);
                end(&s);
                assert_true(*reply.words);
        }
        static const char *const urls[] = { "http://127.0.0.1:1/", "file:///etc/hostname", "gopher://127.0.0.1:1/", "no address" };
        for (size_t i = 0; i < ELEMENTS(urls); i++) {
                CLEAN_WEB_REPLY struct web_reply reply = { 0 };
                struct web_request r = request_to(urls[i]);
                struct web_client *c = web_client_new(NULL);
                assert_int_equal(web_call(c, &r, &reply), WEB_UNREACHABLE);
                web_client_free(c);
        }
}

/* A proxy hears what is meant for it, and nothing else. */
static void past_a_proxy_or_through_it(void **state)
{
        (void)state;
        for (int direct = 0; direct < 2; direct++) {
                struct server s, proxy;
                CLEAN_WEB_REPLY struct web_reply reply = { 0 };
                struct web_request r = request_to(NULL);
                begin(&s, "HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nhi");
                begin(&proxy, "HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n");
                CLEAN_FREE char *address = xprintf("http://127.0.0.1:%u", proxy.port);
                (void)setenv("http_proxy", address, 1);
                r.direct = direct;
                assert_int_equal(call(&s, &r, &reply), WEB_OK);
                (void)unsetenv("http_proxy");
                end(&s);
                end(&proxy);
                assert_int_equal(reply.status, direct ? 200 : 502);
                assert_int_equal(proxy.connections, !direct);
                assert_int_equal(s.connections, direct);
        }
}

static void connections_are_kept_and_requests_are_not(void **state)
{
        (void)state;
        struct server s;
        struct web_client *c = web_client_new(NULL);
        begin(&s, "HTTP/1.1 200 x\r\nLocation: /b\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
        CLEAN_FREE char *url = xprintf("http://127.0.0.1:%u/a", s.port);
        struct web_request r = request_to(url);
        CLEAN_WEB_REPLY struct web_reply first = { 0 }, second = { 0 };
        r.method = "POST";
        r.body = "body";
        r.body_size = 4;
        assert_int_equal(web_call(c, &r, &first), WEB_OK);
        memset(s.asked, 0, sizeof s.asked);
        r = request_to(url);
        r.keep = NULL;
        assert_int_equal(web_call(c, &r, &second), WEB_OK);
        web_client_free(c);
        end(&s);
        assert_true(text_starts(s.asked, "GET /a"));
        assert_null(strstr(s.asked, "Content-Length"));
        assert_null(second.kept[0]);
}

static void origins(void **state)
{
        (void)state;
        static const char *const rows[][2] = {
                { "https://Host.Example/x?y", "https://host.example" }, { "http://127.0.0.1:80/a", "http://127.0.0.1" }, { "https://h:444/", "https://h:444" },
                { "https://user@h/", NULL }, { "file:///etc/passwd", NULL }, { "/relative", NULL },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FREE char *origin = web_origin(rows[i][0]);
                assert_int_equal(!origin, !rows[i][1]);
                if (origin)
                        assert_string_equal(origin, rows[i][1]);
        }
}

int main(void)
{
        static const char *const outside[] = { "http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY" };
        for (size_t i = 0; i < ELEMENTS(outside); i++)
                (void)unsetenv(outside[i]);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_call_and_its_reply),
                cmocka_unit_test(redirects_are_not_followed),
                cmocka_unit_test(replies_have_a_limit),
                cmocka_unit_test(what_gives_no_reply),
                cmocka_unit_test(past_a_proxy_or_through_it),
                cmocka_unit_test(connections_are_kept_and_requests_are_not),
                cmocka_unit_test(origins),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
