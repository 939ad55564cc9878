/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One HTTP exchange, by libcurl.  No redirect is followed, no protocol but HTTP(S) is spoken, and a reply has a limit. */
#pragma once

#include "base/error.h"
#include "base/text.h"

struct transfer; /* connections that are kept; shared by all threads */

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

/* ca_file: certificates to trust in the place of the system's; NULL: those. */
int transfer_new(const char *ca_file, struct transfer **ret, struct error *e);
void transfer_free(struct transfer *t);
/*
 * Any status is a success here. -EIO, "azure.unreachable", when there was no whole reply: then nobody knows whether the request had an effect.
 * -EPERM, "azure.certificate", when the other end is not who it should be: then it had none.
 */
int transfer_do(struct transfer *t, const struct transfer_request *q, struct transfer_reply *ret, struct error *e);

/* "https://host:port" of an absolute address, lower case, its standard port left out; allocated. NULL: it is none that we would ask. */
char *transfer_origin(const char *url);
/* As above, and whether it is safe to send secrets there: https, or this host itself. */
bool transfer_is_private(const char *origin);
