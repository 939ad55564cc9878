/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "query.h"

#include <nettle/base64.h>
#include <string.h>

/* All but the unreserved characters of RFC 3986 are escaped: so a form is written in one way alone. */
static void add_escaped(struct text *t, const char *s)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
        while (*s) {
                size_t n = strspn(s, plain);
                text_add_bytes(t, s, n);
                s += n;
                if (*s)
                        text_addf(t, "%%%02X", (unsigned)(unsigned char)*s++);
        }
}

void query_add(struct query *q, const char *name, const char *value)
{
        if (q->body.length)
                text_add(&q->body, "&");
        add_escaped(&q->body, name);
        text_add(&q->body, "=");
        add_escaped(&q->body, value);
}

void query_start(struct query *q, const char *action, const char *version)
{
        query_done(q);
        q->action = action;
        query_add(q, "Action", action);
        query_add(q, "Version", version);
}

void query_add_base64(struct query *q, const char *name, const void *data, size_t size)
{
        char *encoded = xalloc(BASE64_ENCODE_RAW_LENGTH(size) + 1, 1);
        base64_encode_raw(encoded, size, data);
        query_add(q, name, encoded);
        secret_free(encoded);
}

void query_done(struct query *q)
{
        secret_text_clear(&q->body);
        *q = (struct query){ 0 };
}
