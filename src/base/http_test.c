/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/http.h"

struct row {
        enum http_kind kind;
        const char *text, *body;
        bool keep;
        enum http_state before_end; /* the state before the connection ends */
};

static const struct row good[] = {
        { HTTP_REQUEST, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "abc", true, HTTP_DONE },
        { HTTP_REQUEST, "\r\nPOST /x HTTP/1.0\nContent-length:3\n\nabc", "abc", false, HTTP_DONE },
        { HTTP_REQUEST, "GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", "", false, HTTP_DONE },
        { HTTP_REQUEST, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "", true, HTTP_DONE },
        { HTTP_REQUEST, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n", "abc0123456789", true, HTTP_DONE },
        { HTTP_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true, HTTP_DONE },
        { HTTP_RESPONSE, "HTTP/1.0 200 OK\r\n\r\nuntil the end", "until the end", false, HTTP_BODY },
        { HTTP_RESPONSE, "HTTP/1.1 200\r\n\r\n", "", false, HTTP_BODY },
        { HTTP_RESPONSE, "HTTP/1.1 204 No Content\r\n\r\n", "", true, HTTP_DONE },
        { HTTP_RESPONSE, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", true, HTTP_DONE },
        { HTTP_RESPONSE, "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1\nx\n0\n\n", "x", true, HTTP_DONE },
};

/* In pieces of so many bytes. */
static int read_all(struct http_reader *r, const char *text, size_t size, size_t piece, size_t *ret_used, struct error *e)
{
        size_t done = 0;
        while (done < size && r->state != HTTP_DONE) {
                size_t used, n = size - done < piece ? size - done : piece;
                int code = http_read(r, text + done, n, &used, e);
                if (code < 0)
                        return code;
                done += used;
        }
        *ret_used = done;
        return 0;
}

static void a_message_is_read_in_pieces_of_any_size(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++)
                for (size_t piece = 1; piece < 80; piece++) {
                        CLEAN_HTTP_READER struct http_reader r;
                        struct error e = { 0 };
                        size_t used;
                        http_reader_init(&r, good[i].kind, 100);
                        assert_false(http_reader_began(&r));
                        if (read_all(&r, good[i].text, strlen(good[i].text), piece, &used, &e) < 0)
                                fail_msg("%s: %s", good[i].text, e.cause);
                        assert_int_equal(used, strlen(good[i].text));
                        assert_int_equal(r.state, good[i].before_end);
                        assert_int_equal(http_read_end(&r, &e), 0);
                        assert_string_equal(r.body.length ? r.body.data : "", good[i].body);
                        assert_int_equal(r.keep, good[i].keep);
                }
}

static void two_messages_of_one_connection_are_kept_apart(void **state)
{
        (void)state;
        static const char text[] = "POST /a HTTP/1.1\r\nContent-Length: 1\r\nX-Y:  z \r\n\r\n1GET /b HTTP/1.1\r\n\r\n";
        CLEAN_HTTP_READER struct http_reader r;
        size_t used, first = strlen("POST /a HTTP/1.1\r\nContent-Length: 1\r\nX-Y:  z \r\n\r\n1");
        http_reader_init(&r, HTTP_REQUEST, 100);
        assert_int_equal(http_read(&r, text, sizeof text - 1, &used, NULL), 0);
        assert_int_equal(used, first);
        assert_string_equal(r.target, "/a");
        assert_string_equal(http_header(&r, "x-y"), "z");
        assert_null(http_header(&r, "x"));
        http_reader_next(&r);
        assert_int_equal(http_read(&r, text + first, sizeof text - 1 - first, &used, NULL), 0);
        assert_int_equal(r.state, HTTP_DONE);
        assert_string_equal(r.method, "GET");
        assert_int_equal(r.body.length, 0);
}

static void what_is_not_http_is_refused(void **state)
{
        (void)state;
        static const struct {
                enum http_kind kind;
                const char *text, *id;
        } bad[] = {
                { HTTP_REQUEST, "hello\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "GET /\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "GET / HTTP/2.0\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "GET / HTTP/1.1 \r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "GET /\x01 HTTP/1.1\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "G(T / HTTP/1.1\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "GET / HTTP/1.1\r\nA : b\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "GET / HTTP/1.1\r\nA\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "http.syntax" },
                { HTTP_REQUEST, "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "http.syntax" },
                { HTTP_REQUEST, "POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", "http.size" },
                { HTTP_REQUEST, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n"
                                "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789x", "http.size" },
                { HTTP_REQUEST, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n", "http.syntax" },
                { HTTP_REQUEST, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", "http.syntax" },
                { HTTP_REQUEST, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "http.syntax" },
                { HTTP_RESPONSE, "HTTP/1.1 20 OK\r\n\r\n", "http.syntax" },
                { HTTP_RESPONSE, "HTTP/1.1 999 OK\r\n\r\n", "http.syntax" },
                { HTTP_RESPONSE, "SIP/2.0 200 OK\r\n\r\n", "http.syntax" },
        };
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_HTTP_READER struct http_reader r;
                struct error e = { 0 };
                size_t used;
                http_reader_init(&r, bad[i].kind, 100);
                if (read_all(&r, bad[i].text, strlen(bad[i].text), 7, &used, &e) == 0)
                        fail_msg("%s was taken", bad[i].text);
                assert_string_equal(e.id, bad[i].id);
        }
}

static void a_head_without_end_is_refused(void **state)
{
        (void)state;
        CLEAN_HTTP_READER struct http_reader r;
        struct error e = { 0 };
        char block[1000];
        size_t used, blocks = 0;
        http_reader_init(&r, HTTP_REQUEST, 100);
        memset(block, 'a', sizeof block);
        while (http_read(&r, block, sizeof block, &used, &e) == 0 && blocks < 100)
                blocks++;
        assert_string_equal(e.id, "http.size");
        assert_int_equal(blocks, HTTP_HEAD_MAX / sizeof block);
}

static void a_connection_that_ends_early_is_told(void **state)
{
        (void)state;
        static const char *const cut[] = { "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1",
                                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" };
        for (size_t i = 0; i < ELEMENTS(cut); i++) {
                CLEAN_HTTP_READER struct http_reader r;
                struct error e = { 0 };
                size_t used;
                http_reader_init(&r, HTTP_RESPONSE, 100);
                assert_int_equal(http_read(&r, cut[i], strlen(cut[i]), &used, &e), 0);
                assert_int_equal(http_read_end(&r, &e), -ECONNRESET);
                assert_string_equal(e.id, "http.cut");
        }
}

static void what_is_written_is_read_again(void **state)
{
        (void)state;
        CLEAN_TEXT struct text body = { 0 }, t = { 0 };
        CLEAN_HTTP_READER struct http_reader r;
        size_t used;
        text_add(&body, "{}");
        http_add_request(&t, "POST", "/", "h", "application/json", &body);
        http_reader_init(&r, HTTP_REQUEST, 100);
        assert_int_equal(http_read(&r, t.data, t.length, &used, NULL), 0);
        assert_int_equal(r.state, HTTP_DONE);
        assert_string_equal(r.body.data, "{}");
        assert_string_equal(http_header(&r, "Content-Type"), "application/json");
        t.length = 0;
        http_reader_done(&r);
        http_reader_init(&r, HTTP_RESPONSE, 100);
        http_add_response(&t, 404, "text/plain", &body, false);
        assert_int_equal(http_read(&r, t.data, t.length, &used, NULL), 0);
        assert_int_equal(r.status, 404);
        assert_false(r.keep);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_message_is_read_in_pieces_of_any_size),
                cmocka_unit_test(two_messages_of_one_connection_are_kept_apart),
                cmocka_unit_test(what_is_not_http_is_refused),
                cmocka_unit_test(a_head_without_end_is_refused),
                cmocka_unit_test(a_connection_that_ends_early_is_told),
                cmocka_unit_test(what_is_written_is_read_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
