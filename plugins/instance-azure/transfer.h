/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of ../web with what Azure says in headers, and with the errors of this plugin. */
#pragma once

#include "base/error.h"
#include "web.h"

struct transfer_request {
        const char *method, *url;
        const struct strings *headers; /* whole lines */
        const char *body;              /* NULL: none */
        unsigned timeout_s;
        size_t limit;                  /* of the reply's body, in bytes */
        bool direct;                   /* past any proxy */
};
struct transfer_reply {
        long status;
        struct text body;
        char *location, *operation, *retry_after; /* of headers: Location, Azure-AsyncOperation, Retry-After; NULL: none */
};
void transfer_reply_done(struct transfer_reply *r);
#define CLEAN_REPLY CLEAN(transfer_reply_done)

/*
 * Any status is a success here. -EIO, "azure.unreachable", when there was no whole reply: then nobody knows whether the request had an effect.
 * -EPERM, "azure.certificate", when the other end is not who it should be: then it had none. -EPROTO, "azure.reply", when the reply is too large.
 */
int transfer_do(struct web_client *c, const struct transfer_request *q, struct transfer_reply *ret, struct error *e);

/* Of web_origin: whether it is safe to send secrets there: https, or this host itself. */
bool transfer_is_private(const char *origin);
