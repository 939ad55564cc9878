/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credential.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "os/file.h"
#include "retry.h"

enum { SECRET_MAX = 64 << 10, LOGIN_TIMEOUT_S = 30, LOGIN_ATTEMPTS = 5, LOGIN_REPLY_MAX = 1 << 20, EARLY_S = 300, RENEW_AGAIN_S = 20, LONGEST_WAIT_S = 60 };

struct credential {
        const struct azure_config *config;
        struct web_client *web;
        pthread_mutex_t lock; /* held while a token is asked for: the others wait for the same one */
        struct azure_token token;
        uint64_t renew_at_s, ends_at_s;
};

struct credential *credential_new(const struct azure_config *config, struct web_client *web)
{
        struct credential *c = xalloc(1, sizeof *c);
        c->config = config;
        c->web = web;
        pthread_mutex_init(&c->lock, NULL);
        return c;
}

void credential_free(struct credential *c)
{
        if (!c)
                return;
        azure_token_done(&c->token);
        pthread_mutex_destroy(&c->lock);
        free(c);
}

void credential_scrub(char *words, const char *secret)
{
        size_t n = secret ? strlen(secret) : 0;
        for (char *at = words; n >= 4 && (at = strstr(at, secret)); at += n)
                memset(at, '*', n);
}

static uint64_t now_s(void)
{
        struct timespec t;
        clock_gettime(CLOCK_BOOTTIME, &t); /* goes on while the machine sleeps, as the token's life does */
        return (uint64_t)t.tv_sec;
}

/* ---- requests ---- */

/* A file with one secret; blanks and line ends around it are not part of it. */
static int read_secret_file(const char *path, char **ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(AT_FDCWD, path, SECRET_MAX, &t);
        if (r < 0)
                return error_errno(e, r, "azure.credential", "%s", path);
        const char *begin = t.data ? t.data : "";
        size_t n = strlen(begin);
        while (n && (unsigned char)begin[n - 1] <= ' ')
                n--;
        while (n && (unsigned char)*begin <= ' ')
                begin++, n--;
        if (n)
                *ret = xstrndup(begin, n);
        if (t.data)
                explicit_bzero(t.data, t.length);
        return n ? 0 : error_set(e, EINVAL, "azure.credential", "%s is empty", path);
}

static void add_form(struct text *t, const char *name, const char *value)
{
        char *escaped = curl_easy_escape(NULL, value, (int)strlen(value));
        text_addf(t, "%s%s=%s", t->length ? "&" : "", name, escaped ? escaped : "");
        if (escaped)
                explicit_bzero(escaped, strlen(escaped));
        curl_free(escaped);
}

struct login {
        const char *method;
        char *url, *body, *secret;
        struct strings headers;
        bool direct;
};

static void login_done(struct login *l)
{
        free(l->url);
        secret_clear(&l->body);
        secret_clear(&l->secret);
        strings_clear(&l->headers);
}

/* The instance metadata service of the machine that we run on. */
static void make_metadata_login(const struct azure_config *c, struct login *ret)
{
        CLEAN_TEXT struct text query = { 0 };
        add_form(&query, "api-version", "2018-02-01");
        add_form(&query, "resource", c->audience);
        if (c->client_id) /* one of several identities */
                add_form(&query, "client_id", c->client_id);
        ret->method = "GET";
        ret->url = xprintf("%s/metadata/identity/oauth2/token?%s", c->metadata, query.data);
        ret->direct = true;
        strings_add(&ret->headers, "Metadata: true");
}

static int make_client_login(const struct azure_config *c, struct login *ret, struct error *e)
{
        struct text body = { 0 };
        const char *file = c->credential == CREDENTIAL_FEDERATED ? c->federated_token_file : c->client_secret_file;
        if (file) { /* each time anew: whoever rotates it need not tell us */
                int r = read_secret_file(file, &ret->secret, e);
                if (r < 0)
                        return r;
        } else {
                ret->secret = xstrdup(c->client_secret);
        }
        CLEAN_FREE char *scope = xprintf("%s/.default", c->audience);
        add_form(&body, "grant_type", "client_credentials");
        add_form(&body, "client_id", c->client_id);
        add_form(&body, "scope", scope);
        if (c->credential == CREDENTIAL_FEDERATED) {
                add_form(&body, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
                add_form(&body, "client_assertion", ret->secret);
        } else {
                add_form(&body, "client_secret", ret->secret);
        }
        ret->method = "POST";
        ret->url = xprintf("%s/%s/oauth2/v2.0/token", c->authority, c->tenant);
        ret->body = body.data;
        return 0;
}

static int refused(const struct transfer_reply *reply, const struct login *l, struct error *e)
{
        CLEAN_FAULT struct azure_fault fault = { 0 };
        azure_fault_read(reply->body.data, reply->body.length, &fault);
        if (fault.message)
                credential_scrub(fault.message, l->secret);
        return error_set(e, retry_status(reply->status) ? EAGAIN : EACCES, "azure.login", "the login answered %ld %s%s%.300s", reply->status,
                         fault.code ? fault.code : "", fault.message ? ": " : "", fault.message ? fault.message : "");
}

static void sleep_ms(uint64_t ms)
{
        struct timespec left = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

/* One login, with repetitions where the service is busy. IMDS answers 404 and 410 while it is set up, so these count as busy there. */
static int ask(struct credential *c, const struct login *l, struct azure_token *ret, struct error *e)
{
        const struct transfer_request q = { .method = l->method, .url = l->url, .headers = &l->headers, .body = l->body, .timeout_s = LOGIN_TIMEOUT_S,
                                            .limit = LOGIN_REPLY_MAX, .direct = l->direct };
        for (unsigned attempt = 1;; attempt++) {
                CLEAN_REPLY struct transfer_reply reply = { 0 };
                int r = transfer_do(c->web, &q, &reply, e);
                if (r == 0 && reply.status == 200)
                        return azure_token_read(reply.body.data, reply.body.length, ret, e);
                bool again = r == 0 ? retry_status(reply.status) || (l->direct && (reply.status == 404 || reply.status == 410)) : r == -EIO;
                uint64_t said_s = 0;
                if (r == 0 && retry_after_parse(reply.retry_after, &said_s) && said_s > LONGEST_WAIT_S)
                        again = false; /* others wait for the lock */
                if (!again || attempt == LOGIN_ATTEMPTS)
                        return r == 0 ? refused(&reply, l, e) : r;
                uint32_t random = 0;
                (void)!getrandom(&random, sizeof random, 0);
                sleep_ms(retry_delay_ms(attempt, reply.retry_after, random));
        }
}

static int renew(struct credential *c, struct error *e)
{
        __attribute__((cleanup(login_done))) struct login l = { 0 };
        struct azure_token fresh = { 0 };
        int r = 0;
        if (c->config->credential == CREDENTIAL_MANAGED)
                make_metadata_login(c->config, &l);
        else
                r = make_client_login(c->config, &l, e);
        if (r == 0)
                r = ask(c, &l, &fresh, e);
        if (r < 0)
                return error_while(e, "logging in to Azure by %s", c->config->credential == CREDENTIAL_MANAGED ? "managed identity" :
                                   c->config->credential == CREDENTIAL_FEDERATED ? "federated token" : "client secret");
        azure_token_done(&c->token);
        c->token = fresh;
        uint64_t early_s = fresh.lifetime_s > 2 * EARLY_S ? EARLY_S : fresh.lifetime_s / 2;
        c->ends_at_s = now_s() + fresh.lifetime_s;
        c->renew_at_s = c->ends_at_s - early_s;
        return 0;
}

int credential_get(struct credential *c, char **ret, struct error *e)
{
        pthread_mutex_lock(&c->lock);
        int r = c->token.secret && now_s() < c->renew_at_s ? 0 : renew(c, e);
        if (r < 0 && c->token.secret && now_s() < c->ends_at_s) { /* what we have is good for some minutes more */
                c->renew_at_s = now_s() + RENEW_AGAIN_S;
                r = 0;
        }
        if (r == 0)
                *ret = xstrdup(c->token.secret);
        pthread_mutex_unlock(&c->lock);
        return r;
}

void credential_forget(struct credential *c, const char *refused_token)
{
        pthread_mutex_lock(&c->lock);
        if (c->token.secret && text_equal(c->token.secret, refused_token))
                azure_token_done(&c->token);
        pthread_mutex_unlock(&c->lock);
}
