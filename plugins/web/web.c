/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "web.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

#include "base/secret.h"

enum { IDLE_MAX = 16 };
_Static_assert(WEB_WORDS_MAX >= CURL_ERROR_SIZE, "libcurl writes so much");

struct web_client {
        pthread_mutex_t lock;
        CURL *idle[IDLE_MAX]; /* each with the connections it has open */
        size_t count;
        char *ca_file;
};

/* What the callbacks fill in. */
struct sink {
        const struct web_request *request;
        struct web_reply *reply;
        bool too_large;
};

void web_reply_done(struct web_reply *r)
{
        secret_text_clear(&r->body);
        for (size_t i = 0; i < WEB_KEPT_MAX; i++)
                free(r->kept[i]);
        *r = (struct web_reply){ 0 };
}

/* ---- handles ---- */

struct web_client *web_client_new(const char *ca_file)
{
        struct web_client *c = xalloc(1, sizeof *c);
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || pthread_mutex_init(&c->lock, NULL) != 0)
                abort();
        c->ca_file = ca_file ? xstrdup(ca_file) : NULL;
        return c;
}

void web_client_free(struct web_client *c)
{
        if (!c)
                return;
        while (c->count)
                curl_easy_cleanup(c->idle[--c->count]);
        (void)pthread_mutex_destroy(&c->lock);
        free(c->ca_file);
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
        if (!h && !(h = curl_easy_init()))
                abort();
        return h;
}

static void give_back(struct web_client *c, CURL *h)
{
        curl_easy_reset(h); /* headers and body are forgotten, connections stay */
        (void)pthread_mutex_lock(&c->lock);
        if (c->count < IDLE_MAX) {
                c->idle[c->count++] = h;
                h = NULL;
        }
        (void)pthread_mutex_unlock(&c->lock);
        if (h)
                curl_easy_cleanup(h);
}

/* ---- what comes ---- */

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
        struct sink *s = context;
        size_t n = size * count;
        if (n > s->request->reply_max - s->reply->body.length) {
                s->too_large = true;
                return 0; /* ends the transfer */
        }
        text_add_bytes(&s->reply->body, data, n);
        return n;
}

/* "Name: value", without the blanks around the value. */
static void keep(char **target, const char *name, const char *data, size_t end)
{
        size_t begin = strlen(name) + 1;
        if (end < begin || strncasecmp(data, name, begin - 1) != 0 || data[begin - 1] != ':')
                return;
        while (begin < end && (data[begin] == ' ' || data[begin] == '\t'))
                begin++;
        while (end > begin && (unsigned char)data[end - 1] <= ' ')
                end--;
        free(*target);
        *target = xstrndup(data + begin, end - begin);
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
        struct sink *s = context;
        for (size_t i = 0; s->request->keep && s->request->keep[i] && i < WEB_KEPT_MAX; i++)
                keep(&s->reply->kept[i], s->request->keep[i], data, size * count);
        return size * count;
}

/* ---- what goes ---- */

static struct curl_slist *add_header(struct curl_slist *list, const char *line)
{
        struct curl_slist *longer = curl_slist_append(list, line);
        if (!longer)
                abort();
        return longer;
}

static struct curl_slist *make_headers(const struct strings *headers)
{
        struct curl_slist *list = add_header(NULL, "Expect:"); /* no waiting for a "100 Continue" */
        for (size_t i = 0; headers && i < headers->count; i++)
                list = add_header(list, headers->items[i]);
        return list;
}

static void wipe_headers(struct curl_slist *list)
{
        for (struct curl_slist *l = list; l; l = l->next)
                explicit_bzero(l->data, strlen(l->data));
        curl_slist_free_all(list);
}

/* Of the connection, and whom we believe. */
static void set_connection(CURL *h, const struct web_client *c, const struct web_request *r)
{
        (void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
        (void)curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        (void)curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        (void)curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
        (void)curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
        (void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, r->connect_ms);
        (void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, r->total_ms);
        (void)curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's words are not the server's */
        if (r->direct)
                (void)curl_easy_setopt(h, CURLOPT_PROXY, "");
        if (c->ca_file)
                (void)curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file);
}

static void set_request(CURL *h, const struct web_request *r, struct curl_slist *headers, struct sink *sink)
{
        (void)curl_easy_setopt(h, CURLOPT_URL, r->url);
        (void)curl_easy_setopt(h, CURLOPT_USERAGENT, "bulkhead/" BULKHEAD_VERSION);
        (void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, sink->reply->words);
        (void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
        (void)curl_easy_setopt(h, CURLOPT_WRITEDATA, sink);
        (void)curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
        (void)curl_easy_setopt(h, CURLOPT_HEADERDATA, sink);
        if (r->body) {
                (void)curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_size);
                (void)curl_easy_setopt(h, CURLOPT_POSTFIELDS, r->body);
        }
        (void)curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, r->method);
}

static enum web_result judge(CURLcode code, const struct sink *sink)
{
        if (sink->too_large)
                return WEB_TOO_LARGE;
        switch (code) {
        case CURLE_OK:
                return WEB_OK;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_ISSUER_ERROR:
                return WEB_DISTRUSTED;
        case CURLE_OPERATION_TIMEDOUT:
                return WEB_TIMED_OUT;
        default:
                return WEB_UNREACHABLE;
        }
}

enum web_result web_call(struct web_client *c, const struct web_request *r, struct web_reply *ret)
{
        *ret = (struct web_reply){ 0 };
        struct sink sink = { .request = r, .reply = ret };
        struct curl_slist *headers = make_headers(r->headers);
        CURL *h = take(c);
        text_add(&ret->body, "");
        set_connection(h, c, r);
        set_request(h, r, headers, &sink);
        CURLcode code = curl_easy_perform(h);
        (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &ret->status);
        if (code != CURLE_OK && !*ret->words)
                (void)snprintf(ret->words, sizeof ret->words, "%s", curl_easy_strerror(code));
        give_back(c, h);
        wipe_headers(headers);
        return judge(code, &sink);
}

/* ---- addresses ---- */

char *web_origin(const char *url)
{
        char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *ret = NULL;
        CURLU *u = curl_url();
        if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
            curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_USER, &user, 0) != CURLUE_OK) {
                bool has_port = curl_url_get(u, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) == CURLUE_OK;
                if (text_equal(scheme, "https") || text_equal(scheme, "http"))
                        ret = xprintf("%s://%s%s%s", scheme, host, has_port ? ":" : "", has_port ? port : "");
        }
        for (char *s = ret; s && *s; s++)
                if (*s >= 'A' && *s <= 'Z')
                        *s = (char)(*s + 32);
        curl_free(scheme);
        curl_free(host);
        curl_free(port);
        curl_free(user);
        curl_url_cleanup(u);
        return ret;
}
