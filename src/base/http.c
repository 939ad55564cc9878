/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <strings.h>

#include "base/http.h"

enum { CHUNK_LINE_MAX = 1024 };

static int syntax(struct error *e, const char *words)
{
        return error_set(e, EPROTO, "http.syntax", "%s", words);
}

void http_reader_init(struct http_reader *r, enum http_kind kind, size_t body_max)
{
        memset(r, 0, sizeof *r);
        r->kind = kind;
        r->body_max = body_max;
}

void http_reader_done(struct http_reader *r)
{
        text_clear(&r->body);
        text_clear(&r->head);
        text_clear(&r->line);
}

/* A buffer that one large message needed is not kept for small ones. */
static void empty(struct text *t)
{
        if (t->room > 64 * 1024)
                text_clear(t);
        t->length = 0;
}

void http_reader_next(struct http_reader *r)
{
        empty(&r->body);
        empty(&r->head);
        r->state = HTTP_HEAD;
        r->header_count = 0;
        r->method = r->target = NULL;
        r->status = 0;
        r->expects = false;
}

bool http_reader_began(const struct http_reader *r)
{
        return r->state != HTTP_HEAD || r->head.length > 0;
}

const char *http_header(const struct http_reader *r, const char *name)
{
        for (size_t i = 0; i < r->header_count; i++)
                if (!strcasecmp(r->headers[i].name, name))
                        return r->headers[i].value;
        return NULL;
}

/* ---- the head ---- */

static bool is_token(const char *s)
{
        static const char others[] = "!#$%&'*+-.^_`|~";
        const char *at = s;
        for (; *at; at++)
                if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || strchr(others, *at)))
                        return false;
        return at != s;
}

static int read_version(const char *s, int *ret_minor)
{
        if (strncmp(s, "HTTP/1.", 7) || (s[7] != '0' && s[7] != '1') || s[8])
                return -EPROTO;
        *ret_minor = s[7] - '0';
        return 0;
}

static int read_request_line(struct http_reader *r, char *line, struct error *e)
{
        char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
        if (!version)
                return syntax(e, "the first line is not METHOD TARGET VERSION");
        *target++ = *version++ = 0;
        if (!is_token(line) || !*target || read_version(version, &r->minor) < 0)
                return syntax(e, "the first line is not METHOD TARGET VERSION");
        for (const char *s = target; *s; s++)
                if ((unsigned char)*s <= 0x20 || *s == 0x7f)
                        return syntax(e, "the target holds a control character");
        r->method = line;
        r->target = target;
        return 0;
}

static int read_status_line(struct http_reader *r, char *line, struct error *e)
{
        char *code = strchr(line, ' ');
        if (!code)
                return syntax(e, "the first line is not VERSION STATUS");
        *code++ = 0;
        if (read_version(line, &r->minor) < 0 || strspn(code, "0123456789") != 3 || (code[3] && code[3] != ' '))
                return syntax(e, "the first line is not VERSION STATUS");
        r->status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + code[2] - '0';
        return r->status < 100 || r->status > 599 ? syntax(e, "the status is not from 100 to 599") : 0;
}

static int read_header_line(struct http_reader *r, char *line, struct error *e)
{
        char *colon = strchr(line, ':');
        if (r->header_count == HTTP_HEADERS_MAX)
                return error_set(e, EMSGSIZE, "http.size", "more than %d headers", HTTP_HEADERS_MAX);
        if (!colon)
                return syntax(e, "a header without a colon");
        *colon = 0;
        if (!is_token(line))
                return syntax(e, "the name of a header is not a token");
        char *value = colon + 1 + strspn(colon + 1, " \t");
        size_t n = strlen(value);
        while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
                value[--n] = 0;
        for (const char *s = value; *s; s++)
                if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
                        return syntax(e, "a header holds a control character");
        r->headers[r->header_count++] = (struct http_header){ line, value };
        return 0;
}

/* Whether a list of words, with commas between, has this one. */
static bool lists(const char *list, const char *word)
{
        size_t n = strlen(word);
        while (list && *list) {
                list += strspn(list, " \t,");
                size_t length = strcspn(list, ", \t");
                if (length == n && !strncasecmp(list, word, n))
                        return true;
                list += length;
        }
        return false;
}

static int read_lengths(struct http_reader *r, struct error *e)
{
        const char *length = NULL, *coding = NULL;
        for (size_t i = 0; i < r->header_count; i++) {
                const struct http_header *h = r->headers + i;
                const char **slot = !strcasecmp(h->name, "Content-Length") ? &length : !strcasecmp(h->name, "Transfer-Encoding") ? &coding : NULL;
                if (slot && *slot)
                        return syntax(e, "the length of the body is given twice");
                if (slot)
                        *slot = h->value;
        }
        if (length && coding)
                return syntax(e, "the length of the body is given twice");
        r->coding = r->kind == HTTP_REQUEST ? HTTP_NONE : HTTP_UNTIL_END;
        if (coding && (strcasecmp(coding, "chunked") || r->minor == 0))
                return syntax(e, "a Transfer-Encoding that is not chunked");
        if (coding)
                r->coding = HTTP_CHUNKED;
        if (length && text_parse_uint(length, INT64_MAX, &r->left) < 0)
                return syntax(e, "a Content-Length that is no number");
        if (length)
                r->coding = r->left ? HTTP_LENGTH : HTTP_NONE;
        if (r->kind == HTTP_RESPONSE && (r->status < 200 || r->status == 204 || r->status == 304))
                r->coding = HTTP_NONE;
        if (r->coding == HTTP_LENGTH && r->left > r->body_max)
                return error_set(e, EMSGSIZE, "http.size", "a body of more than %zu bytes", r->body_max);
        return 0;
}

static int read_headers(struct http_reader *r, char *at, struct error *e)
{
        int n = 0;
        while (n == 0 && *at) {
                char *end = strchr(at, '\n');
                *end = 0;
                if (end > at && end[-1] == '\r')
                        end[-1] = 0;
                if (*at == ' ' || *at == '\t')
                        return syntax(e, "a folded header");
                n = *at ? read_header_line(r, at, e) : 0;
                at = end + 1;
        }
        return n;
}

static int finish_head(struct http_reader *r, struct error *e)
{
        char *end = strchr(r->head.data, '\n');
        *end = 0;
        if (end > r->head.data && end[-1] == '\r')
                end[-1] = 0;
        int n = r->kind == HTTP_REQUEST ? read_request_line(r, r->head.data, e) : read_status_line(r, r->head.data, e);
        if (n == 0)
                n = read_headers(r, end + 1, e);
        if (n == 0)
                n = read_lengths(r, e);
        if (n < 0)
                return n;
        const char *connection = http_header(r, "Connection"), *expect = http_header(r, "Expect");
        r->keep = r->minor == 1 ? !lists(connection, "close") : lists(connection, "keep-alive");
        r->keep = r->keep && r->coding != HTTP_UNTIL_END;
        r->expects = r->kind == HTTP_REQUEST && r->minor == 1 && lists(expect, "100-continue");
        r->chunk = HTTP_CHUNK_SIZE;
        r->state = r->coding == HTTP_NONE ? HTTP_DONE : HTTP_BODY;
        /* An interim response announces the one that counts. */
        if (r->kind == HTTP_RESPONSE && r->status < 200 && r->status != 101)
                http_reader_next(r);
        return 0;
}

/* Takes up to the end of a line. */
static size_t take_line(struct text *t, const char *data, size_t size, bool *ret_whole)
{
        const char *end = memchr(data, '\n', size);
        size_t n = end ? (size_t)(end - data) + 1 : size;
        text_add_bytes(t, data, n);
        *ret_whole = end;
        return n;
}

static bool ends_blank(const struct text *head)
{
        const char *end = head->data + head->length;
        return (head->length >= 2 && end[-2] == '\n') || (head->length >= 3 && end[-2] == '\r' && end[-3] == '\n');
}

static int read_head(struct http_reader *r, const char *data, size_t size, size_t *ret_used, struct error *e)
{
        bool whole;
        size_t n = take_line(&r->head, data, size, &whole);
        *ret_used = n;
        if (memchr(data, 0, n))
                return syntax(e, "a NUL byte in the head");
        if (r->head.length > HTTP_HEAD_MAX)
                return error_set(e, EMSGSIZE, "http.size", "a head of more than %d bytes", HTTP_HEAD_MAX);
        if (!whole)
                return 0;
        /* A blank line before the first one is passed over, as RFC 9112 asks. */
        if (strspn(r->head.data, "\r\n") == r->head.length) {
                r->head.length = 0;
                return 0;
        }
        return ends_blank(&r->head) ? finish_head(r, e) : 0;
}

/* ---- the body ---- */

static int add_body(struct http_reader *r, const char *data, size_t size, size_t *ret_used, struct error *e)
{
        size_t n = r->coding == HTTP_UNTIL_END || r->left > size ? size : (size_t)r->left;
        if (n > r->body_max || r->body.length > r->body_max - n)
                return error_set(e, EMSGSIZE, "http.size", "a body of more than %zu bytes", r->body_max);
        text_add_bytes(&r->body, data, n);
        r->left -= r->coding == HTTP_UNTIL_END ? 0 : n;
        *ret_used = n;
        return 0;
}

static int read_chunk_size(struct http_reader *r, struct error *e)
{
        const char *digits = "0123456789abcdefABCDEF";
        size_t n = strspn(r->line.data, digits);
        if (n == 0 || n > 15 || !strchr("; \t\r\n", r->line.data[n]))
                return syntax(e, "the size of a chunk is no number");
        r->left = strtoull(r->line.data, NULL, 16);
        r->chunk = r->left ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER;
        return 0;
}

static int finish_chunk_line(struct http_reader *r, struct error *e)
{
        int n = 0;
        bool blank = strspn(r->line.data, "\r\n") == r->line.length;
        if (r->chunk == HTTP_CHUNK_SIZE)
                n = read_chunk_size(r, e);
        else if (r->chunk == HTTP_CHUNK_END && !blank)
                n = syntax(e, "a chunk is longer than it says");
        else if (r->chunk == HTTP_CHUNK_END)
                r->chunk = HTTP_CHUNK_SIZE;
        else if (blank)
                r->state = HTTP_DONE;
        r->line.length = 0;
        return n;
}

static int read_chunked(struct http_reader *r, const char *data, size_t size, size_t *ret_used, struct error *e)
{
        if (r->chunk == HTTP_CHUNK_DATA) {
                int n = add_body(r, data, size, ret_used, e);
                if (n == 0 && r->left == 0)
                        r->chunk = HTTP_CHUNK_END;
                return n;
        }
        bool whole;
        *ret_used = take_line(&r->line, data, size, &whole);
        if (r->line.length > CHUNK_LINE_MAX)
                return syntax(e, "the line of a chunk is too long");
        return whole ? finish_chunk_line(r, e) : 0;
}

static int read_body(struct http_reader *r, const char *data, size_t size, size_t *ret_used, struct error *e)
{
        if (r->coding == HTTP_CHUNKED)
                return read_chunked(r, data, size, ret_used, e);
        int n = add_body(r, data, size, ret_used, e);
        if (n == 0 && r->coding == HTTP_LENGTH && r->left == 0)
                r->state = HTTP_DONE;
        return n;
}

int http_read(struct http_reader *r, const void *data, size_t size, size_t *ret_used, struct error *e)
{
        const char *at = data;
        size_t used = 0;
        while (used < size && r->state != HTTP_DONE) {
                size_t n = 0;
                int code = (r->state == HTTP_HEAD ? read_head : read_body)(r, at + used, size - used, &n, e);
                if (code < 0)
                        return code;
                used += n;
        }
        *ret_used = used;
        return 0;
}

int http_read_end(struct http_reader *r, struct error *e)
{
        if (r->state == HTTP_BODY && r->coding == HTTP_UNTIL_END)
                r->state = HTTP_DONE;
        return r->state == HTTP_DONE ? 0 : error_set(e, ECONNRESET, "http.cut", "the connection ended within a message");
}

/* ---- writing ---- */

static const struct {
        int status;
        const char *words;
} reasons[] = {
        { 100, "Continue" },   { 200, "OK" },          { 400, "Bad Request" },        { 403, "Forbidden" },
        { 404, "Not Found" },  { 405, "Method Not Allowed" }, { 413, "Content Too Large" },  { 415, "Unsupported Media Type" },
        { 500, "Internal Server Error" }, { 503, "Service Unavailable" },
};

static const char *reason_of(int status)
{
        for (size_t i = 0; i < ELEMENTS(reasons); i++)
                if (reasons[i].status == status)
                        return reasons[i].words;
        return "Status";
}

static void add_body_part(struct text *t, const char *type, const struct text *body)
{
        if (type)
                text_addf(t, "Content-Type: %s\r\n", type);
        text_addf(t, "Content-Length: %zu\r\n\r\n", body ? body->length : 0);
        if (body && body->length)
                text_add_bytes(t, body->data, body->length);
}

void http_add_request(struct text *t, const char *method, const char *target, const char *host, const char *type, const struct text *body)
{
        text_addf(t, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, host);
        add_body_part(t, type, body);
}

void http_add_response(struct text *t, int status, const char *type, const struct text *body, bool keep)
{
        text_addf(t, "HTTP/1.1 %d %s\r\n%s", status, reason_of(status), keep ? "" : "Connection: close\r\n");
        add_body_part(t, type, body);
}

void http_add_stream_head(struct text *t, const char *type)
{
        text_addf(t, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n", type);
}
