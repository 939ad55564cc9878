/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP calls by libcurl: certificates are checked, redirects are not followed, replies are bounded.  A client may be used by any number
 * of threads; connections are kept for whoever calls next.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

struct web_client;
/* ca_bundle: a file of certificates to trust in place of the system's; NULL. Before other threads are started. */
struct web_client *web_client_new(const char *ca_bundle);
void web_client_free(struct web_client *c);

struct web_request {
        const char *method; /* "GET", "POST", "PUT" */
        const char *url;
        const struct strings *headers;
        const char *body; /* of a POST */
        size_t body_size;
        long connect_ms, total_ms;
        size_t reply_max;
        bool direct; /* past any proxy */
};
/*
 * ret_body is written on success only, and then its data is never NULL; any status is success.  Ids: "aws.unreachable" (-ETIMEDOUT where it
 * took too long, else -ECONNRESET: the call may have had an effect), "aws.certificate" (-EPROTO), "aws.reply" (-EMSGSIZE).
 */
int web_call(struct web_client *c, const struct web_request *r, long *ret_status, struct text *ret_body, struct error *e);
