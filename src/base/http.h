/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP/1.0 and 1.1 messages (RFC 9112), as plugins and etcd speak them: read piece by piece as they come, and written.  Pure.
 *
 * Strict where leniency has let requests be smuggled: one Content-Length and no Transfer-Encoding beside it, no folded
 * lines, no blank before a colon, no other coding than chunked.  Lenient where that harms nobody: lines may end in LF alone,
 * and a response without a length ends with its connection.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum { HTTP_HEAD_MAX = 32 * 1024, HTTP_HEADERS_MAX = 64 };
enum http_kind { HTTP_REQUEST, HTTP_RESPONSE };
enum http_state { HTTP_HEAD, HTTP_BODY, HTTP_DONE };
enum http_coding { HTTP_NONE, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_END };
enum http_chunk { HTTP_CHUNK_SIZE, HTTP_CHUNK_DATA, HTTP_CHUNK_END, HTTP_CHUNK_TRAILER };

struct http_header {
        const char *name, *value; /* in the reader's head */
};

/* One message after another of one connection. */
struct http_reader {
        enum http_kind kind;
        size_t body_max; /* bytes that a body may have at once; one that is taken away as it comes may be longer */
        enum http_state state;
        const char *method, *target; /* of a request; in the head */
        int status;                  /* of a response */
        int minor;                   /* of the version: 0 or 1 */
        bool keep;                   /* the connection may be used again after this message */
        bool expects;                /* the client waits for "100 Continue" before it sends the body */
        struct http_header headers[HTTP_HEADERS_MAX];
        size_t header_count;
        struct text body; /* decoded so far; who reads a stream may take from it at any time */

        struct text head, line; /* of the parser */
        enum http_coding coding;
        enum http_chunk chunk;
        uint64_t left; /* of the body or of the chunk */
};

void http_reader_init(struct http_reader *r, enum http_kind kind, size_t body_max);
void http_reader_done(struct http_reader *r);
#define CLEAN_HTTP_READER CLEAN(http_reader_done)
/* Forgets the message that was read, for the next one. */
void http_reader_next(struct http_reader *r);
/*
 * Takes what has come; ret_used is how much of it belongs to this message: less than size only once state is HTTP_DONE.
 * Ids: "http.syntax", "http.size" (-EMSGSIZE). The reader is of no use after an error.
 */
int http_read(struct http_reader *r, const void *data, size_t size, size_t *ret_used, struct error *e);
/* The connection has ended: HTTP_DONE where that ends the message, else an error ("http.cut", -ECONNRESET). */
int http_read_end(struct http_reader *r, struct error *e);
/* Whether anything of a message has come. */
bool http_reader_began(const struct http_reader *r);
/* The value of a header, its name in any case; NULL when it is not there. */
const char *http_header(const struct http_reader *r, const char *name);

/* Appends a request or a response with a length and its body. type NULL: no body, and no type. */
void http_add_request(struct text *t, const char *method, const char *target, const char *host, const char *type, const struct text *body);
void http_add_response(struct text *t, int status, const char *type, const struct text *body, bool keep);
/* Appends the head of a response whose body goes on until the connection ends. */
void http_add_stream_head(struct text *t, const char *type);
