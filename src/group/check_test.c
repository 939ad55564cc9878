/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "group/check.h"
#include "group/expand.h"
#include "os/event_loop.h"

/* ---- reading ---- */

static void test_good_documents_are_read(void **state)
{
        static const struct {
                const char *text;
                enum check_kind kind;
                uint64_t timeout_usec;
                const char *port;
                int good, bad;
        } rows[] = {
                { "{\"HTTP\":{}}", CHECK_HTTP, 5000000, "{{port}}", 399, 400 },
                { "{\"HTTP\":{\"Port\":8080,\"Path\":\"/ok\",\"Status\":\"200-299,304\",\"Timeout\":\"1.5s\"}}", CHECK_HTTP, 1500000, "8080", 304, 300 },
                { "{\"HTTP\":{\"URL\":\"http://{{address}}:{{port}}/\",\"Status\":\"204\"}}", CHECK_HTTP, 5000000, "{{port}}", 204, 200 },
                { "{\"TCP\":{\"Port\":\"{{tag db.port}}\",\"Address\":\"::1\"}}", CHECK_TCP, 5000000, "{{tag db.port}}", 200, 100 },
                { "{\"Exec\":{\"Command\":[\"/bin/true\",\"{{id}}\"],\"Timeout\":\"100ms\"}}", CHECK_EXEC, 100000, "{{port}}", 200, 100 },
                { "{\"Exec\":null,\"TCP\":{\"Port\":1}}", CHECK_TCP, 5000000, "1", 200, 100 },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_CHECK struct check c = { 0 };
                struct error e = { 0 };
                assert_int_equal(check_parse(rows[i].text, &c, &e), 0);
                assert_int_equal(c.kind, rows[i].kind);
                assert_int_equal(c.timeout_usec, rows[i].timeout_usec);
                assert_string_equal(c.port, rows[i].port);
                assert_true(check_status_good(&c, rows[i].good));
                assert_false(check_status_good(&c, rows[i].bad));
        }
}

static void test_bad_documents_are_refused(void **state)
{
        static const struct {
                const char *text, *id, *words;
        } rows[] = {
                { "{}", "json.value", "one of HTTP" },
                { "[]", "json.value", "" },
                { "{\"HTTP\":{},\"TCP\":{}}", "json.value", "one of HTTP" },
                { "{\"Http\":{}}", "json.value", "not known" },
                { "{\"HTTP\":{\"Prot\":1}}", "json.value", "not known" },
                { "{\"HTTP\":{\"URL\":\"http://127.0.0.1/\",\"Port\":1}}", "json.value", "and its parts" },
                { "{\"HTTP\":{\"Path\":\"health\"}}", "json.value", "begin with" },
                { "{\"HTTP\":{\"Status\":\"\"}}", "json.value", "status" },
                { "{\"HTTP\":{\"Status\":\"20\"}}", "json.value", "status" },
                { "{\"HTTP\":{\"Status\":\"2000\"}}", "json.value", "status" },
                { "{\"HTTP\":{\"Status\":\"300-200\"}}", "json.value", "status" },
                { "{\"HTTP\":{\"Status\":\"200,\"}}", "json.value", "status" },
                { "{\"HTTP\":{\"Status\":\"200-600\"}}", "json.value", "status" },
                { "{\"HTTP\":{\"Timeout\":\"0s\"}}", "json.value", "time" },
                { "{\"HTTP\":{\"Timeout\":\"2h\"}}", "json.value", "time" },
                { "{\"HTTP\":{\"Timeout\":\"soon\"}}", "json.value", "time" },
                { "{\"TCP\":{\"Port\":0}}", "json.value", "port" },
                { "{\"TCP\":{\"Port\":65536}}", "json.value", "" },
                { "{\"TCP\":{\"Port\":\"{{prot}}\"}}", "expand.syntax", "prot" },
                { "{\"TCP\":{\"Port\":\"{{port\"}}", "expand.syntax", "without" },
                { "{\"Exec\":{}}", "json.value", "Command" },
                { "{\"Exec\":{\"Command\":[]}}", "json.value", "empty" },
                { "{\"Exec\":{\"Command\":[\"true\"]}}", "json.value", "absolute" },
                { "{\"Exec\":{\"Command\":[\"{{id}}\"]}}", "json.value", "absolute" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_CHECK struct check c = { 0 };
                struct error e = { 0 };
                assert_int_equal(check_parse(rows[i].text, &c, &e), -EINVAL);
                assert_string_equal(e.id, rows[i].id);
                assert_non_null(strstr(e.cause, rows[i].words));
        }
}

/* ---- aiming ---- */

static void make_instance(struct instance *i, const char *port)
{
        *i = (struct instance){ .id = xstrdup("web-1"), .logical_id = xstrdup("10.0.0.1") };
        tags_set(&i->tags, "tier", "a b\tc");
        tags_set(&i->tags, "v6", "2001:db8::1");
        if (port)
                tags_set(&i->tags, TAG_PORT, port);
}

static void test_places_become_what_is_known(void **state)
{
        static const struct {
                const char *text, *address, *port, *path, *id;
        } rows[] = {
                { "{\"HTTP\":{}}", "10.0.0.1", "8000", "/", NULL },
                { "{\"HTTP\":{\"URL\":\"http://{{address}}/a?b=c#d\"}}", "10.0.0.1", "80", "/a?b=c", NULL },
                { "{\"HTTP\":{\"URL\":\"http://{{logical_id}}?x\"}}", "10.0.0.1", "80", "/?x", NULL },
                { "{\"HTTP\":{\"URL\":\"http://[{{tag v6}}]:{{port}}/{{id}}\"}}", "2001:db8::1", "8000", "/web-1", NULL },
                { "{\"HTTP\":{\"URL\":\"http://localhost:81\"}}", "127.0.0.1", "81", "/", NULL },
                { "{\"TCP\":{\"Address\":\"{{ tag v6 }}\",\"Port\":1}}", "2001:db8::1", "1", "/", NULL },
                { "{\"HTTP\":{\"URL\":\"http://a.example/\"}}", NULL, NULL, NULL, "check.address" },
                { "{\"HTTP\":{\"URL\":\"https://10.0.0.1/\"}}", NULL, NULL, NULL, "check.url" },
                { "{\"HTTP\":{\"URL\":\"http://u@10.0.0.1/\"}}", NULL, NULL, NULL, "check.url" },
                { "{\"HTTP\":{\"URL\":\"http://10.0.0.1:x/\"}}", NULL, NULL, NULL, "check.address" },
                { "{\"HTTP\":{\"URL\":\"http:///\"}}", NULL, NULL, NULL, "check.url" },
                { "{\"HTTP\":{\"Path\":\"/a b\"}}", NULL, NULL, NULL, "check.url" },
                { "{\"HTTP\":{\"Path\":\"/{{tag tier}}\"}}", NULL, NULL, NULL, "expand.value" },
                { "{\"HTTP\":{\"Path\":\"/{{tag other}}\"}}", NULL, NULL, NULL, "expand.missing" },
                { "{\"Exec\":{\"Command\":[\"/x\",\"{{tag tier}}\"]}}", NULL, NULL, NULL, "expand.value" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_CHECK struct check c = { 0 };
                CLEAN_CHECK_TARGET struct check_target t = { 0 };
                struct instance instance;
                struct error e = { 0 };
                make_instance(&instance, "8000");
                assert_int_equal(check_parse(rows[i].text, &c, &e), 0);
                int r = check_aim(&c, &instance, &t, &e);
                instance_done(&instance);
                if (rows[i].id) {
                        assert_true(r < 0);
                        assert_string_equal(e.id, rows[i].id);
                        continue;
                }
                assert_int_equal(r, 0);
                assert_string_equal(t.address, rows[i].address);
                assert_string_equal(t.port, rows[i].port);
                assert_string_equal(t.path, rows[i].path);
        }
}

/* ---- making them ---- */

/* A server on a thread, which answers each connection with the same text, and shuts it unless it says nothing. */
struct server {
        int fd;
        char port[8];
        const char *answer;
        pthread_t thread;
};

static void *serve(void *data)
{
        struct server *s = data;
        for (;;) {
                char request[1024];
                int fd = accept(s->fd, NULL, NULL);
                if (fd < 0)
                        return NULL;
                if (s->answer && recv(fd, request, sizeof request, 0) > 0)
                        (void)send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL);
                else if (!s->answer)
                        (void)recv(fd, request, sizeof request, MSG_WAITALL); /* until the other end goes */
                close(fd);
        }
}

/* Bound and not listening: a port that nobody else can get, and that refuses. */
static void server_bind(struct server *s)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof a;
        s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &size), 0);
        (void)snprintf(s->port, sizeof s->port, "%u", ntohs(a.sin_port));
}

static void server_open(struct server *s, const char *answer)
{
        server_bind(s);
        s->answer = answer;
        assert_int_equal(listen(s->fd, 8), 0);
        assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_close(struct server *s)
{
        (void)shutdown(s->fd, SHUT_RDWR);
        (void)pthread_join(s->thread, NULL);
        close(s->fd);
}

struct told {
        int times;
        enum health health;
        struct error why;
};

static void take(void *context, enum health health, const struct error *why)
{
        struct told *t = context;
        t->times++;
        t->health = health;
        t->why = *why;
}

static struct told ask(const char *text, const char *port)
{
        CLEAN_LOOP struct loop *loop = NULL;
        CLEAN_CHECK struct check c = { 0 };
        struct instance instance;
        struct check_run *run;
        struct told told = { 0 };
        struct error e = { 0 };
        make_instance(&instance, port);
        tags_set(&instance.tags, TAG_ADDRESS, "127.0.0.1");
        assert_int_equal(loop_open(&loop, &e), 0);
        assert_int_equal(check_parse(text, &c, &e), 0);
        assert_int_equal(check_begin(loop, &c, &instance, take, &told, &run, &e), 0);
        instance_done(&instance);
        assert_int_equal(told.times, 0);
        while (!told.times)
                loop_turn(loop, 5000);
        for (int i = 0; i < 3; i++)
                loop_turn(loop, 0);
        assert_int_equal(told.times, 1);
        return told;
}

static void test_http_is_judged_by_its_status(void **state)
{
        static const struct {
                const char *answer;
                enum health health;
                const char *id;
        } rows[] = {
                { "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nbegins", HEALTH_GOOD, "" },
                { "HTTP/1.0 302 Found\r\n\r\n", HEALTH_GOOD, "" },
                { "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", HEALTH_BAD, "check.status" },
                { "SSH-2.0-OpenSSH\r\n\r\n", HEALTH_BAD, "http.syntax" },
                { "", HEALTH_BAD, "http.cut" },
                { "HTTP/1.1 200 OK\r\nContent-Le", HEALTH_BAD, "http.cut" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct server s;
                server_open(&s, rows[i].answer);
                struct told told = ask("{\"HTTP\":{\"Path\":\"/health\",\"Timeout\":\"1m\"}}", s.port);
                server_close(&s);
                assert_int_equal(told.health, rows[i].health);
                assert_string_equal(told.why.id, rows[i].id);
        }
}

static void test_a_server_that_says_nothing_is_bad_when_time_is_up(void **state)
{
        struct server s;
        (void)state;
        server_open(&s, NULL);
        struct told told = ask("{\"HTTP\":{\"Timeout\":\"50ms\"}}", s.port);
        assert_int_equal(told.health, HEALTH_BAD);
        assert_string_equal(told.why.id, "check.timeout");
        told = ask("{\"TCP\":{\"Timeout\":\"1m\"}}", s.port);
        assert_int_equal(told.health, HEALTH_GOOD);
        server_close(&s);
}

static void test_nobody_listening_is_bad(void **state)
{
        struct server s;
        (void)state;
        server_bind(&s);
        struct told told = ask("{\"TCP\":{\"Timeout\":\"1m\"}}", s.port);
        close(s.fd);
        assert_int_equal(told.health, HEALTH_BAD);
        assert_string_equal(told.why.id, "check.failed");
}

static void test_a_command_is_judged_by_its_status(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                enum health health;
                const char *id;
        } rows[] = {
                { "{\"Exec\":{\"Command\":[\"/bin/sh\",\"-c\",\"test $1 = web-1 && test $BULKHEAD_INSTANCE = web-1\",\"x\",\"{{id}}\"],\"Timeout\":\"1m\"}}", HEALTH_GOOD, "" },
                { "{\"Exec\":{\"Command\":[\"/bin/sh\",\"-c\",\"exit 3\"],\"Timeout\":\"1m\"}}", HEALTH_BAD, "check.failed" },
                { "{\"Exec\":{\"Command\":[\"/bin/sh\",\"-c\",\"kill -9 $$\"],\"Timeout\":\"1m\"}}", HEALTH_BAD, "check.failed" },
                { "{\"Exec\":{\"Command\":[\"/nowhere/at/all\"]}}", HEALTH_BAD, "check.failed" },
                { "{\"Exec\":{\"Command\":[\"/bin/sh\",\"-c\",\"sleep 600 & sleep 600\"],\"Timeout\":\"50ms\"}}", HEALTH_BAD, "check.timeout" },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct told told = ask(rows[i].text, "1");
                assert_int_equal(told.health, rows[i].health);
                assert_string_equal(told.why.id, rows[i].id);
        }
}

static void test_what_is_cancelled_tells_nothing(void **state)
{
        static const char *const texts[] = { "{\"TCP\":{\"Address\":\"127.0.0.1\",\"Port\":1}}", "{\"Exec\":{\"Command\":[\"/bin/sleep\",\"600\"]}}" };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                CLEAN_LOOP struct loop *loop = NULL;
                CLEAN_CHECK struct check c = { 0 };
                struct instance instance;
                struct check_run *run;
                struct told told = { 0 };
                struct error e = { 0 };
                make_instance(&instance, "1");
                assert_int_equal(loop_open(&loop, &e), 0);
                assert_int_equal(check_parse(texts[i], &c, &e), 0);
                assert_int_equal(check_begin(loop, &c, &instance, take, &told, &run, &e), 0);
                check_cancel(run);
                for (int k = 0; k < 5; k++)
                        loop_turn(loop, 0);
                instance_done(&instance);
                assert_int_equal(told.times, 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good_documents_are_read),
                cmocka_unit_test(test_bad_documents_are_refused),
                cmocka_unit_test(test_places_become_what_is_known),
                cmocka_unit_test(test_http_is_judged_by_its_status),
                cmocka_unit_test(test_a_server_that_says_nothing_is_bad_when_time_is_up),
                cmocka_unit_test(test_nobody_listening_is_bad),
                cmocka_unit_test(test_a_command_is_judged_by_its_status),
                cmocka_unit_test(test_what_is_cancelled_tells_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
