/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as HTTP: the first says which kind and in which pieces they come. Pieces make no difference, and limits hold. */
#include <stdlib.h>
#include <string.h>

#include "base/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096 };

static void check(bool holds)
{
        if (!holds)
                abort();
}

static int read_in_pieces(struct http_reader *r, const uint8_t *data, size_t size, size_t piece, size_t *ret_used)
{
        size_t done = 0;
        while (done < size && r->state != HTTP_DONE) {
                size_t used, n = size - done < piece ? size - done : piece;
                if (http_read(r, data + done, n, &used, NULL) < 0)
                        return -1;
                check(used == n || r->state == HTTP_DONE);
                check(r->body.length <= BODY_MAX && r->header_count <= HTTP_HEADERS_MAX);
                done += used;
        }
        *ret_used = done;
        return http_read_end(r, NULL) < 0 ? 0 : 1;
}

static void check_same(const struct http_reader *a, const struct http_reader *b)
{
        check(a->status == b->status && a->keep == b->keep && a->minor == b->minor && a->header_count == b->header_count);
        check(a->body.length == b->body.length && (!a->body.length || !memcmp(a->body.data, b->body.data, a->body.length)));
        check(!a->target == !b->target && (!a->target || !strcmp(a->target, b->target)));
        for (size_t i = 0; i < a->header_count; i++)
                check(!strcmp(a->headers[i].name, b->headers[i].name) && !strcmp(a->headers[i].value, b->headers[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_HTTP_READER struct http_reader whole, parts;
        if (size < 1)
                size = 0;
        enum http_kind kind = size && data[0] & 1 ? HTTP_RESPONSE : HTTP_REQUEST;
        size_t piece = size ? (data[0] >> 1) + 1 : 1, used_whole = 0, used_parts = 0;
        http_reader_init(&whole, kind, BODY_MAX);
        http_reader_init(&parts, kind, BODY_MAX);
        if (!size)
                return 0;
        int a = read_in_pieces(&whole, data + 1, size - 1, size, &used_whole);
        int b = read_in_pieces(&parts, data + 1, size - 1, piece, &used_parts);
        check(a == b && used_whole == used_parts);
        if (a == 1)
                check_same(&whole, &parts);
        return 0;
}
