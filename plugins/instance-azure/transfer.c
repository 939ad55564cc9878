/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

enum { IDLE_MAX = 16, CONNECT_TIMEOUT_S = 15 };

struct transfer {
        char *ca_file;
        pthread_mutex_t lock;
        CURL *idle[IDLE_MAX]; /* handles keep their connections */
        size_t idle_count;
};

/* What the callbacks fill in. */
struct sink {
        struct transfer_reply *reply;
        size_t limit;
        bool too_large;
};

void transfer_reply_done(struct transfer_reply *r)
{
        if (r->body.data)
                explicit_bzero(r->body.data, r->body.length);
        text_clear(&r->body);
        free(r->location);
        free(r->operation);
        free(r->retry_after);
        *r = (struct transfer_reply){ 0 };
}

int transfer_new(const char *ca_file, struct transfer **ret, struct error *e)
{
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return error_set(e, ENOMEM, "azure.unreachable", "libcurl cannot be set up");
        struct transfer *t = xalloc(1, sizeof *t);
        t->ca_file = ca_file ? xstrdup(ca_file) : NULL;
        pthread_mutex_init(&t->lock, NULL);
        *ret = t;
        return 0;
}

void transfer_free(struct transfer *t)
{
        if (!t)
                return;
        for (size_t i = 0; i < t->idle_count; i++)
                curl_easy_cleanup(t->idle[i]);
        pthread_mutex_destroy(&t->lock);
        free(t->ca_file);
        free(t);
        curl_global_cleanup();
}

static CURL *take_handle(struct transfer *t)
{
        CURL *c = NULL;
        pthread_mutex_lock(&t->lock);
        if (t->idle_count)
                c = t->idle[--t->idle_count];
        pthread_mutex_unlock(&t->lock);
        return c ? c : curl_easy_init();
}

static void give_back(struct transfer *t, CURL *c)
{
        curl_easy_reset(c); /* headers and body are forgotten, connections stay */
        pthread_mutex_lock(&t->lock);
        bool kept = t->idle_count < IDLE_MAX;
        if (kept)
                t->idle[t->idle_count++] = c;
        pthread_mutex_unlock(&t->lock);
        if (!kept)
                curl_easy_cleanup(c);
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
        struct sink *s = user;
        size_t n = size * count;
        if (s->reply->body.length + n > s->limit) {
                s->too_large = true;
                return 0; /* ends the transfer */
        }
        text_add_bytes(&s->reply->body, data, n);
        return n;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
        struct transfer_reply *r = ((struct sink *)user)->reply;
        const struct {
                const char *name;
                char **target;
        } rows[] = { { "location:", &r->location }, { "azure-asyncoperation:", &r->operation }, { "retry-after:", &r->retry_after } };
        size_t n = size * count, end = n;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                size_t begin = strlen(rows[i].name);
                if (n <= begin || strncasecmp(data, rows[i].name, begin) != 0)
                        continue;
                while (begin < end && (data[begin] == ' ' || data[begin] == '\t'))
                        begin++;
                while (end > begin && (unsigned char)data[end - 1] <= ' ')
                        end--;
                free(*rows[i].target);
                *rows[i].target = xstrndup(data + begin, end - begin);
        }
        return n;
}

static struct curl_slist *make_headers(const struct strings *headers)
{
        struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no waiting for a "100 Continue" */
        for (size_t i = 0; headers && i < headers->count; i++)
                list = curl_slist_append(list, headers->items[i]);
        return list;
}

static void wipe_headers(struct curl_slist *list)
{
        for (struct curl_slist *l = list; l; l = l->next)
                explicit_bzero(l->data, strlen(l->data));
        curl_slist_free_all(list);
}

static void set_options(CURL *c, const struct transfer *t, const struct transfer_request *q, struct curl_slist *headers, struct sink *sink, char *words)
{
        curl_easy_setopt(c, CURLOPT_URL, q->url);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
        curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)q->timeout_s);
        curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(c, CURLOPT_USERAGENT, "bulkhead/" BULKHEAD_VERSION);
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, words);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, sink);
        curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(c, CURLOPT_HEADERDATA, sink);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
        if (t->ca_file)
                curl_easy_setopt(c, CURLOPT_CAINFO, t->ca_file);
        if (q->direct)
                curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
        if (q->body) {
                curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(q->body));
                curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->body);
        }
}

/* Reasons for which nothing was sent to anybody. */
static bool is_distrust(CURLcode code)
{
        return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR;
}

int transfer_do(struct transfer *t, const struct transfer_request *q, struct transfer_reply *ret, struct error *e)
{
        char words[CURL_ERROR_SIZE] = "";
        CLEAN_REPLY struct transfer_reply reply = { 0 };
        CLEAN_FREE char *origin = transfer_origin(q->url);
        struct sink sink = { .reply = &reply, .limit = q->limit };
        CURL *c = take_handle(t);
        if (!c)
                return error_set(e, ENOMEM, "azure.unreachable", "libcurl gives no handle");
        struct curl_slist *headers = make_headers(q->headers);
        set_options(c, t, q, headers, &sink, words);
        CURLcode code = curl_easy_perform(c);
        (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &reply.status);
        give_back(t, c);
        wipe_headers(headers);
        if (sink.too_large)
                return error_set(e, EPROTO, "azure.reply", "%s: the reply has more than %zu bytes", origin ? origin : "", q->limit);
        if (code != CURLE_OK && is_distrust(code))
                return error_set(e, EPERM, "azure.certificate", "%s: %s", origin ? origin : "", *words ? words : curl_easy_strerror(code));
        if (code != CURLE_OK)
                return error_set(e, EIO, "azure.unreachable", "%s: %s", origin ? origin : "", *words ? words : curl_easy_strerror(code));
        *ret = reply;
        reply = (struct transfer_reply){ 0 };
        return 0;
}

char *transfer_origin(const char *url)
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
