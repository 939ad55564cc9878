/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "metadata.h"
#include "os/file.h"
#include "profile.h"
#include "sts.h"

enum { TOKEN_FILE_MAX = 1 << 16, CONTAINER_REPLY_MAX = 1 << 16, CONTAINER_MS = 2000 };
static const uint64_t early_usec = UINT64_C(300000000), pause_usec = UINT64_C(10000000);

struct credential_chain {
        const struct ec2_settings *settings;
        struct web_client *web;
        pthread_mutex_t lock; /* of all below */
        struct metadata metadata;
        char *region;
        struct aws_credentials current; /* access_key NULL: none yet */
        bool refused;
        uint64_t fetched_usec;
};

struct credential_chain *credential_chain_new(const struct ec2_settings *settings, struct web_client *web)
{
        struct credential_chain *c = xalloc(1, sizeof *c);
        c->settings = settings;
        c->web = web;
        c->metadata.web = web;
        c->metadata.endpoint = settings->metadata_endpoint;
        if (pthread_mutex_init(&c->lock, NULL) != 0)
                abort();
        return c;
}

void credential_chain_free(struct credential_chain *c)
{
        if (!c)
                return;
        metadata_done(&c->metadata);
        aws_credentials_done(&c->current);
        free(c->region);
        (void)pthread_mutex_destroy(&c->lock);
        free(c);
}

/* ---- files ---- */

/* A file that others may write is nobody's word: they could put a role of theirs in. -ENOENT, without an error, where there is none. */
static int read_file(const char *path, size_t max, struct text *ret, struct error *e)
{
        CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;
        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(e, errno, "aws.credentials-file", "%s", path);
        if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return error_set(e, EPERM, "aws.credentials-file", "%s is no regular file, or others than its owner may write it", path);
        int r = file_read_descriptor(fd, max, ret);
        if (r == 0 && strlen(ret->data) != ret->length)
                r = -EINVAL;
        return r < 0 ? error_errno(e, r, "aws.credentials-file", "%s", path) : 0;
}

static int read_profile_file(const char *path, bool config, const char *name, struct profile *p, struct error *e)
{
        CLEAN_SECRET_TEXT struct text t = { 0 };
        int r = path ? read_file(path, PROFILE_FILE_MAX, &t, e) : -ENOENT;
        if (r == -ENOENT)
                return 0;
        return r < 0 ? r : profile_read(path, t.data, config, name, p, e);
}

static int read_profile(const struct credential_chain *c, const char *name, struct profile *p, struct error *e)
{
        int r = read_profile_file(c->settings->credentials_file, false, name, p, e);
        return r < 0 ? r : read_profile_file(c->settings->config_file, true, name, p, e);
}

/* ---- sources: 1 with credentials, 0 where the source does not apply ---- */

static int by_keys(const char *key, const char *secret, const char *token, const char *source, struct aws_credentials *ret, struct error *e)
{
        if (!key && !secret)
                return 0;
        if (!key || !secret)
                return error_set(e, EINVAL, "aws.credentials", "%s has %s", source,
                                 key ? "an access key without its secret" : "a secret without its access key");
        *ret = (struct aws_credentials){ xstrdup(key), xstrdup(secret), token ? xstrdup(token) : NULL, 0, source };
        return 1;
}

static int from_environment(struct credential_chain *c, struct aws_credentials *ret, struct error *e)
{
        const struct aws_credentials *env = &c->settings->environment;
        if (c->settings->profile_option)
                return 0;
        return by_keys(env->access_key, env->secret_key, env->session_token, "the environment", ret, e);
}

static int sts_service(const struct credential_chain *c, struct aws_service *ret, struct error *e)
{
        *ret = (struct aws_service){ .name = "sts", .region = c->region, .web = c->web };
        if (c->settings->sts_endpoint)
                return aws_endpoint_parse(c->settings->sts_endpoint, c->settings->plain_http, &ret->endpoint, e);
        aws_endpoint_of("sts", c->region, &ret->endpoint);
        return 0;
}

static int by_web_identity(struct credential_chain *c, const struct sts_role *role, const char *file, struct aws_credentials *ret,
                           struct error *e)
{
        CLEAN_SECRET_TEXT struct text token = { 0 };
        struct aws_service sts = { 0 };
        int r = read_file(file, TOKEN_FILE_MAX, &token, e);
        if (r == -ENOENT)
                r = error_errno(e, ENOENT, "aws.credentials-file", "%s", file);
        if (r == 0)
                r = sts_service(c, &sts, e);
        if (r < 0)
                return r;
        token.data[strcspn(token.data, "\r\n")] = '\0';
        r = sts_assume_web_identity(&sts, role, token.data, ret, e);
        aws_endpoint_done(&sts.endpoint);
        return r < 0 ? r : 1;
}

static int from_web_identity(struct credential_chain *c, struct aws_credentials *ret, struct error *e)
{
        const struct ec2_settings *s = c->settings;
        const struct sts_role role = { s->role_arn, s->role_session_name, NULL };
        if (s->profile_option || !s->web_identity_token_file)
                return 0;
        if (!s->role_arn)
                return error_set(e, EINVAL, "aws.credentials", "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN");
        return by_web_identity(c, &role, s->web_identity_token_file, ret, e);
}

static int by_source_profile(struct credential_chain *c, const struct sts_role *role, const char *source, struct aws_credentials *ret,
                             struct error *e)
{
        CLEAN_PROFILE struct profile p = { 0 };
        CLEAN_AWS_CREDENTIALS struct aws_credentials by = { 0 };
        struct aws_service sts = { 0 };
        int r = read_profile(c, source, &p, e);
        if (r == 0)
                r = by_keys(p.access_key, p.secret_key, p.session_token, "the source profile", &by, e);
        if (r == 0)
                r = error_set(e, EINVAL, "aws.credentials", "the source profile \"%s\" has no keys", source);
        if (r < 0 || (r = sts_service(c, &sts, e)) < 0)
                return r;
        r = sts_assume_role(&sts, role, &by, ret, e);
        aws_endpoint_done(&sts.endpoint);
        return r < 0 ? r : 1;
}

static int from_profile(struct credential_chain *c, struct aws_credentials *ret, struct error *e)
{
        const char *name = c->settings->profile;
        CLEAN_PROFILE struct profile p = { 0 };
        int r = read_profile(c, name, &p, e);
        if (r < 0)
                return r;
        const struct sts_role role = { p.role_arn, p.role_session_name, p.external_id };
        if (p.role_arn && p.web_identity_token_file)
                return by_web_identity(c, &role, p.web_identity_token_file, ret, e);
        if (p.role_arn && p.source_profile && !p.unsupported)
                return by_source_profile(c, &role, p.source_profile, ret, e);
        if (p.role_arn)
                return error_set(e, EINVAL, "aws.credentials", "the profile \"%s\" has a role_arn, and neither source_profile nor "
                                 "web_identity_token_file alone", name);
        r = by_keys(p.access_key, p.secret_key, p.session_token, "the profile", ret, e);
        if (r != 0)
                return r;
        if (p.unsupported)
                return error_set(e, ENOTSUP, "aws.credentials", "the profile \"%s\" wants %s, which a service cannot follow", name, p.unsupported);
        if (c->settings->profile_chosen)
                return error_set(e, ENOENT, "aws.credentials", "the profile \"%s\" %s", name,
                                 p.found ? "has no credentials" : "is in none of the shared files");
        return 0;
}

/* {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}, as both services below say it. */
static int read_credentials(const char *source, const struct text *t, struct aws_credentials *ret, struct error *e)
{
        struct reply {
                char *code, *key, *secret, *token, *expires;
        } p = { 0 };
        static const struct json_field fields[] = {
                { "Code", json_string, offsetof(struct reply, code), 0 },
                { "AccessKeyId", json_string, offsetof(struct reply, key), JSON_REQUIRED },
                { "SecretAccessKey", json_string, offsetof(struct reply, secret), JSON_REQUIRED },
                { "Token", json_string, offsetof(struct reply, token), JSON_REQUIRED },
                { "Expiration", json_string, offsetof(struct reply, expires), JSON_REQUIRED },
                { 0 },
        };
        struct json_document d = { 0 };
        uint64_t at = 0;
        int r = json_parse(source, t->data, t->length, &d, NULL);
        struct json_place top = json_top(&d, source);
        if (r == 0)
                r = json_object(&top, fields, &p, NULL);
        if (r == 0 && ((p.code && !text_equal(p.code, "Success")) || !*p.key || !*p.secret || aws_time_parse(p.expires, &at) < 0))
                r = -EINVAL;
        if (r == 0)
                *ret = (struct aws_credentials){ TAKE_PTR(p.key), TAKE_PTR(p.secret), TAKE_PTR(p.token), at, source };
        free(p.code);
        secret_free(p.key);
        secret_free(p.secret);
        secret_free(p.token);
        free(p.expires);
        if (d.text)
                explicit_bzero(d.text, t->length);
        json_done(&d);
        return r < 0 ? error_set(e, EBADMSG, "aws.reply", "the reply of %s has no credentials in it", source) : 1;
}

/* With TLS, on this machine, or at one of the two addresses that AWS's own agents have. */
static int check_container_uri(const char *uri, struct error *e)
{
        const char *path = strstr(uri, "://") ? strchr(strstr(uri, "://") + 3, '/') : NULL;
        CLEAN_FREE char *base = path ? xstrndup(uri, (size_t)(path - uri)) : xstrdup(uri);
        CLEAN_AWS_ENDPOINT struct aws_endpoint p = { 0 };
        bool agent = text_equal(base, "http://169.254.170.2") || text_equal(base, "http://169.254.170.23");
        return aws_endpoint_parse(base, agent, &p, e);
}

static int add_authorization(const struct ec2_settings *s, struct strings *headers, struct error *e)
{
        CLEAN_SECRET_TEXT struct text t = { 0 };
        const char *token = s->container_token;
        if (!token && s->container_token_file) {
                int r = read_file(s->container_token_file, TOKEN_FILE_MAX, &t, e);
                if (r < 0)
                        return r == -ENOENT ? error_errno(e, ENOENT, "aws.credentials-file", "%s", s->container_token_file) : r;
                t.data[strcspn(t.data, "\r\n")] = '\0';
                token = t.data;
        }
        if (token && strpbrk(token, "\r\n"))
                return error_set(e, EINVAL, "aws.credentials", "the authorization token of the container has more than one line");
        if (token)
                strings_take(headers, xprintf("Authorization: %s", token));
        return 0;
}

static int from_container(struct credential_chain *c, struct aws_credentials *ret, struct error *e)
{
        static const char source[] = "the container's endpoint";
        const char *uri = c->settings->container_uri;
        CLEAN_STRINGS struct strings headers = { 0 };
        CLEAN_SECRET_TEXT struct text body = { 0 };
        long status = 0;
        int r = uri ? check_container_uri(uri, e) : 0;
        if (r < 0 || !uri || (r = add_authorization(c->settings, &headers, e)) < 0)
                return r;
        const struct web_request request = { .method = "GET", .url = uri, .headers = &headers, .connect_ms = CONTAINER_MS, .total_ms = CONTAINER_MS,
                                             .reply_max = CONTAINER_REPLY_MAX, .direct = true };
        r = aws_web_call(c->web, &request, &status, &body, e);
        if (r < 0)
                return r;
        if (status != 200)
                return error_set(e, EACCES, "aws.credentials", "%s answers with status %ld", source, status);
        return read_credentials(source, &body, ret, e);
}

static bool is_role_name(const char *s)
{
        size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@_-");
        return n && n <= 128 && !s[n] && *s != '.';
}

static int from_metadata(struct credential_chain *c, struct aws_credentials *ret, struct error *e)
{
        CLEAN_TEXT struct text role = { 0 };
        CLEAN_SECRET_TEXT struct text reply = { 0 };
        if (c->settings->metadata_disabled)
                return 0;
        int r = metadata_get(&c->metadata, "meta-data/iam/security-credentials/", &role, e);
        if (r == 0) {
                role.data[strcspn(role.data, "\r\n")] = '\0';
                if (!is_role_name(role.data))
                        return error_set(e, EBADMSG, "aws.metadata", "the metadata service names no role");
                CLEAN_FREE char *path = xprintf("meta-data/iam/security-credentials/%s", role.data);
                r = metadata_get(&c->metadata, path, &reply, e);
        }
        if (r == -ENOENT)
                return error_set(e, ENOENT, "aws.credentials", "this instance has no role (instance profile)");
        return r < 0 ? r : read_credentials("the metadata service", &reply, ret, e);
}

/* ---- the chain ---- */

static int fetch(struct credential_chain *c, struct aws_credentials *ret, struct error *e)
{
        static int (*const sources[])(struct credential_chain *, struct aws_credentials *, struct error *) = {
                from_environment, from_web_identity, from_profile, from_container, from_metadata
        };
        for (size_t i = 0; i < ELEMENTS(sources); i++) {
                int r = sources[i](c, ret, e);
                if (r != 0)
                        return r < 0 ? error_while(e, "looking for credentials of AWS") : 0;
        }
        (void)error_set(e, ENOENT, "aws.credentials", "there are no credentials of AWS");
        error_hint(e, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials");
        return -ENOENT;
}

static bool has_expired(const struct aws_credentials *c, uint64_t now)
{
        return c->expires_usec && now >= c->expires_usec;
}

/* Fetched a moment ago is new enough, however short it lasts: services must not be asked for each call. */
static bool is_due(const struct credential_chain *c, uint64_t now)
{
        if (!c->current.access_key || c->refused || has_expired(&c->current, now))
                return true;
        return c->current.expires_usec && now + early_usec >= c->current.expires_usec && now >= c->fetched_usec + pause_usec;
}

static int renew(struct credential_chain *c, uint64_t now, struct error *e)
{
        struct aws_credentials fresh = { 0 };
        struct error why = { 0 };
        int r = fetch(c, &fresh, &why);
        if (r == 0) {
                aws_credentials_done(&c->current);
                c->current = fresh;
                c->refused = false;
        }
        c->fetched_usec = now;
        if (r == 0 || (c->current.access_key && !c->refused && !has_expired(&c->current, now)))
                return 0;
        *e = why;
        return r;
}

int credential_chain_get(struct credential_chain *c, struct aws_credentials *ret, struct error *e)
{
        (void)pthread_mutex_lock(&c->lock);
        uint64_t now = realtime_usec();
        int r = is_due(c, now) ? renew(c, now, e) : 0;
        if (r == 0 && has_expired(&c->current, now))
                r = error_set(e, EKEYEXPIRED, "aws.expired", "%s gives credentials that have expired", c->current.source);
        if (r == 0)
                aws_credentials_copy(ret, &c->current);
        (void)pthread_mutex_unlock(&c->lock);
        return r;
}

void credential_chain_refused(struct credential_chain *c, const struct aws_credentials *refused)
{
        (void)pthread_mutex_lock(&c->lock);
        if (c->current.access_key && text_equal(c->current.access_key, refused->access_key) && text_equal(c->current.secret_key, refused->secret_key))
                c->refused = true;
        (void)pthread_mutex_unlock(&c->lock);
}

/* ---- the region ---- */

static int find_region(struct credential_chain *c, char **ret, struct error *e)
{
        CLEAN_PROFILE struct profile p = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        if (c->settings->region) {
                *ret = xstrdup(c->settings->region);
                return 0;
        }
        int r = read_profile(c, c->settings->profile, &p, e);
        if (r < 0)
                return r;
        if (p.region) {
                *ret = xstrdup(p.region);
                return 0;
        }
        r = c->settings->metadata_disabled ? -ENOENT : metadata_get(&c->metadata, "meta-data/placement/region", &t, NULL);
        if (r == 0) {
                *ret = xstrdup(t.data);
                return 0;
        }
        (void)error_set(e, ENOENT, "aws.region", "no region is said, and no metadata service tells one");
        error_hint(e, "use --region, AWS_REGION or the profile's region");
        return -ENOENT;
}

int credential_chain_region(struct credential_chain *c, const char **ret, struct error *e)
{
        CLEAN_FREE char *region = NULL;
        (void)pthread_mutex_lock(&c->lock);
        int r = c->region ? 0 : find_region(c, &region, e);
        if (r == 0 && region && !region_is_valid(region))
                r = error_set(e, EINVAL, "aws.region", "\"%.64s\" is not the name of a region, such as eu-west-1", region);
        if (r == 0 && region)
                c->region = TAKE_PTR(region);
        *ret = c->region;
        (void)pthread_mutex_unlock(&c->lock);
        return r;
}
