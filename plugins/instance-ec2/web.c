/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "web.h"

#include <curl/curl.h>
#include <pthread.h>

enum { IDLE_MAX = 16 };

struct web_client {
        pthread_mutex_t lock;
        CURL *idle[IDLE_MAX]; /* each with the connections it has open */
        size_t count;
        char *ca_bundle;
};

struct web_client *web_client_new(const char *ca_bundle)
{
        struct web_client *c = xalloc(1, sizeof *c);
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || pthread_mutex_init(&c->lock, NULL) != 0)
                abort();
        c->ca_bundle = ca_bundle ? xstrdup(ca_bundle) : NULL;
        return c;
}

void web_client_free(struct web_client *c)
{
        if (!c)
                return;
        while (c->count)
                curl_easy_cleanup(c->idle[--c->count]);
        (void)pthread_mutex_destroy(&c->lock);
        free(c->ca_bundle);
        free(c);
        curl_global_cleanup();
}

static CURL *take(struct web_client *c)
{
        CURL *h = NULL;
        (void)pthread_mutex_lock(&c->lock);
        if (c->count)
                h = c->idle[--c->count];
        (void)pthread_mutex_unlock(&c->lock);
        if (h)
                curl_easy_reset(h);
        else if (!(h = curl_easy_init()))
                abort();
        return h;
}

static void give_back(struct web_client *c, CURL *h)
{
        (void)pthread_mutex_lock(&c->lock);
        if (c->count < IDLE_MAX) {
                c->idle[c->count++] = h;
                h = NULL;
        }
        (void)pthread_mutex_unlock(&c->lock);
        if (h)
                curl_easy_cleanup(h);
}

struct sink {
        struct text body;
        size_t max;
};

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
        struct sink *s = context;
        n *= size;
        if (n > s->max - s->body.length)
                return 0;
        text_add_bytes(&s->body, data, n);
        return n;
}

static struct curl_slist *header_list(const struct web_request *r)
{
        struct curl_slist *l = NULL;
        for (size_t i = 0; r->headers && i < r->headers->count; i++)
                if (!(l = curl_slist_append(l, r->headers->items[i])))
                        abort();
        return l;
}

static void prepare(const struct web_client *c, CURL *h, const struct web_request *r, struct curl_slist *headers, struct sink *sink,
                    char *why)
{
        (void)curl_easy_setopt(h, CURLOPT_URL, r->url);
        (void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
        (void)curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        (void)curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
        (void)curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
        (void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, r->connect_ms);
        (void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, r->total_ms);
        (void)curl_easy_setopt(h, CURLOPT_USERAGENT, "bulkhead/" BULKHEAD_VERSION);
        (void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
        (void)curl_easy_setopt(h, CURLOPT_WRITEDATA, sink);
        (void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
        if (r->direct)
                (void)curl_easy_setopt(h, CURLOPT_PROXY, "");
        if (c->ca_bundle)
                (void)curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_bundle);
        if (r->body) {
                (void)curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_size);
                (void)curl_easy_setopt(h, CURLOPT_POSTFIELDS, r->body);
        }
        (void)curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, r->method);
}

static int say(CURLcode code, const struct web_request *r, const char *why, struct error *e)
{
        const char *words = *why ? why : curl_easy_strerror(code);
        switch (code) {
        case CURLE_OK:
                return 0;
        case CURLE_WRITE_ERROR:
                return error_set(e, EMSGSIZE, "aws.reply", "the reply of %s has more than %zu bytes", r->url, r->reply_max);
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
                return error_set(e, EPROTO, "aws.certificate", "%s: %s", r->url, words);
        default:
                return error_set(e, code == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : ECONNRESET, "aws.unreachable", "%s: %s", r->url, words);
        }
}

int web_call(struct web_client *c, const struct web_request *r, long *ret_status, struct text *ret_body, struct error *e)
{
        char why[CURL_ERROR_SIZE] = "";
        struct sink sink = { .max = r->reply_max };
        struct curl_slist *headers = header_list(r);
        CURL *h = take(c);
        text_add(&sink.body, "");
        prepare(c, h, r, headers, &sink, why);
        int result = say(curl_easy_perform(h), r, why, e);
        if (result == 0)
                (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, ret_status);
        give_back(c, h);
        curl_slist_free_all(headers);
        if (result < 0)
                text_clear(&sink.body);
        else
                *ret_body = sink.body;
        return result;
}
