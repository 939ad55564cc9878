/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP calls by libcurl, for the plugins of clouds.  Certificates are checked, TLS is 1.2 or later, no redirect is followed, no protocol but HTTP(S) is
 * spoken, no file of the user's is asked for passwords, and a reply has a limit.  What was sent and received is wiped from our own memory.
 *
 * A client may be used by any number of threads; connections are kept for whoever calls next.
 */
#pragma once

#include "base/text.h"

struct web_client;
/* ca_file: certificates to trust in the place of the system's; NULL: those. Before other threads are started. */
struct web_client *web_client_new(const char *ca_file);
void web_client_free(struct web_client *c); /* NULL is fine */

enum { WEB_KEPT_MAX = 4, WEB_WORDS_MAX = 256 };

struct web_request {
        const char *method, *url;
        const struct strings *headers; /* whole lines; NULL: none of its own */
        const char *body;              /* NULL: none */
        size_t body_size;
        long connect_ms, total_ms;
        size_t reply_max;        /* bytes of the reply's body */
        bool direct;             /* past any proxy; else https_proxy and no_proxy say */
        const char *const *keep; /* names of at most WEB_KEPT_MAX headers of the reply, then NULL; or NULL */
};
struct web_reply {
        long status;
        struct text body; /* its data is never NULL after WEB_OK */
        char *kept[WEB_KEPT_MAX]; /* in the order of keep; NULL: it was not there. The last of its name */
        char words[WEB_WORDS_MAX]; /* why there is no reply, for people */
};
void web_reply_done(struct web_reply *r); /* wipes the body */
#define CLEAN_WEB_REPLY CLEAN(web_reply_done)

enum web_result {
        WEB_OK,          /* there is a whole reply, with whatever status */
        WEB_UNREACHABLE, /* there is none: nobody knows whether the request had an effect */
        WEB_TIMED_OUT,   /* the same, and time was over */
        WEB_DISTRUSTED,  /* the other end is not who it should be, or nobody to trust is known: nothing was sent */
        WEB_TOO_LARGE,   /* the request had its effect, and the reply has more than reply_max bytes */
};
/* ret must hold nothing. */
enum web_result web_call(struct web_client *c, const struct web_request *r, struct web_reply *ret);

/* "https://host:port" of an absolute address, lower case, its standard port left out; allocated. NULL: it is none that we would ask. */
char *web_origin(const char *url);
