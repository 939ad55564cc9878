/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer.h"

#include <string.h>

#include "base/secret.h"

enum { CONNECT_TIMEOUT_MS = 15000 };

/* In this order in a web_reply. */
enum { LOCATION, OPERATION, RETRY_AFTER };
static const char *const kept[] = { [LOCATION] = "Location", [OPERATION] = "Azure-AsyncOperation", [RETRY_AFTER] = "Retry-After", NULL };

void transfer_reply_done(struct transfer_reply *r)
{
        secret_text_clear(&r->body);
        free(r->location);
        free(r->operation);
        free(r->retry_after);
        *r = (struct transfer_reply){ 0 };
}

int transfer_do(struct web_client *c, const struct transfer_request *q, struct transfer_reply *ret, struct error *e)
{
        CLEAN_WEB_REPLY struct web_reply reply = { 0 };
        CLEAN_FREE char *origin = web_origin(q->url);
        const char *where = origin ? origin : "";
        const struct web_request r = { .method = q->method, .url = q->url, .headers = q->headers, .body = q->body,
                                       .body_size = q->body ? strlen(q->body) : 0, .connect_ms = CONNECT_TIMEOUT_MS,
                                       .total_ms = (long)q->timeout_s * 1000, .reply_max = q->limit, .direct = q->direct, .keep = kept };
        switch (web_call(c, &r, &reply)) {
        case WEB_OK:
                *ret = (struct transfer_reply){ reply.status, reply.body, reply.kept[LOCATION], reply.kept[OPERATION], reply.kept[RETRY_AFTER] };
                reply = (struct web_reply){ 0 };
                return 0;
        case WEB_TOO_LARGE:
                return error_set(e, EPROTO, "azure.reply", "%s: the reply has more than %zu bytes", where, q->limit);
        case WEB_DISTRUSTED:
                return error_set(e, EPERM, "azure.certificate", "%s: %s", where, reply.words);
        default:
                return error_set(e, EIO, "azure.unreachable", "%s: %s", where, reply.words);
        }
}

bool transfer_is_private(const char *origin)
{
        static const char *const here[] = { "http://127.0.0.1", "http://localhost", "http://[::1]" };
        if (text_starts(origin, "https://"))
                return true;
        for (size_t i = 0; i < ELEMENTS(here); i++)
                if (text_starts(origin, here[i]) && (origin[strlen(here[i])] == 0 || origin[strlen(here[i])] == ':'))
                        return true;
        return false;
}
