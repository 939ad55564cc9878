/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sigv4.h"

#include <nettle/hmac.h>
#include <nettle/sha2.h>
#include <string.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

struct signed_header {
        const char *name, *wire_name, *value; /* value NULL: not there */
};

static void hex(const uint8_t *bytes, size_t n, char *ret)
{
        for (size_t i = 0; i < n; i++)
                (void)sprintf(ret + 2 * i, "%02x", bytes[i]);
}

void sha256_hex(const void *data, size_t size, char ret[65])
{
        struct sha256_ctx ctx;
        uint8_t digest[SHA256_DIGEST_SIZE];
        sha256_init(&ctx);
        sha256_update(&ctx, size, data);
        sha256_digest(&ctx, sizeof digest, digest);
        hex(digest, sizeof digest, ret);
}

/* key may be ret. */
static void hmac(const uint8_t *key, size_t key_size, const char *message, uint8_t ret[SHA256_DIGEST_SIZE])
{
        struct hmac_sha256_ctx ctx;
        hmac_sha256_set_key(&ctx, key_size, key);
        hmac_sha256_update(&ctx, strlen(message), (const uint8_t *)message);
        hmac_sha256_digest(&ctx, SHA256_DIGEST_SIZE, ret);
        explicit_bzero(&ctx, sizeof ctx);
}

/* A value as it is signed: no blanks around it, one for each row of them inside. */
static void add_trimmed(struct text *t, const char *value)
{
        static const char blanks[] = " \t\r\n\v\f";
        value += strspn(value, blanks);
        while (*value) {
                size_t n = strcspn(value, blanks);
                text_add_bytes(t, value, n);
                value += n;
                value += strspn(value, blanks);
                if (*value)
                        text_add(t, " ");
        }
}

/* Headers stand sorted by name. */
static void canonical_request(const struct sigv4_request *r, const struct signed_header *headers, size_t count, const char *names,
                              struct text *t)
{
        char body_hash[65];
        sha256_hex(r->body ? r->body : "", r->body ? r->body_size : 0, body_hash);
        text_addf(t, "%s\n/\n\n", r->method);
        for (size_t i = 0; i < count; i++) {
                if (!headers[i].value)
                        continue;
                text_addf(t, "%s:", headers[i].name);
                add_trimmed(t, headers[i].value);
                text_add(t, "\n");
        }
        text_addf(t, "\n%s\n%s", names, body_hash);
}

static void header_names(const struct signed_header *headers, size_t count, struct text *t)
{
        for (size_t i = 0; i < count; i++)
                if (headers[i].value)
                        text_addf(t, "%s%s", t->length ? ";" : "", headers[i].name);
}

static void sign(const struct sigv4_request *r, const char *secret_key, const char *date, const char *to_sign, char ret[65])
{
        uint8_t key[SHA256_DIGEST_SIZE];
        CLEAN_SECRET_TEXT struct text first = { 0 };
        text_addf(&first, "AWS4%s", secret_key);
        hmac((const uint8_t *)first.data, first.length, date, key);
        hmac(key, sizeof key, r->region, key);
        hmac(key, sizeof key, r->service, key);
        hmac(key, sizeof key, "aws4_request", key);
        hmac(key, sizeof key, to_sign, key);
        hex(key, sizeof key, ret);
        explicit_bzero(key, sizeof key);
}

void sigv4_headers(const struct sigv4_request *r, const struct aws_credentials *c, struct strings *headers)
{
        char time[17], date[9], hash[65], signature[65];
        struct tm tm;
        (void)gmtime_r(&r->now, &tm);
        (void)strftime(time, sizeof time, "%Y%m%dT%H%M%SZ", &tm);
        (void)strftime(date, sizeof date, "%Y%m%d", &tm);
        const struct signed_header all[] = {
                { "content-type", "Content-Type", r->content_type },
                { "host", "Host", r->host },
                { "x-amz-date", "X-Amz-Date", time },
                { "x-amz-security-token", "X-Amz-Security-Token", c->session_token },
        };
        CLEAN_TEXT struct text names = { 0 }, to_sign = { 0 };
        CLEAN_SECRET_TEXT struct text canonical = { 0 };
        CLEAN_FREE char *scope = xprintf("%s/%s/%s/aws4_request", date, r->region, r->service);
        header_names(all, ELEMENTS(all), &names);
        canonical_request(r, all, ELEMENTS(all), names.data, &canonical);
        sha256_hex(canonical.data, canonical.length, hash);
        text_addf(&to_sign, ALGORITHM "\n%s\n%s\n%s", time, scope, hash);
        sign(r, c->secret_key, date, to_sign.data, signature);
        for (size_t i = 0; i < ELEMENTS(all); i++)
                if (all[i].value)
                        strings_take(headers, xprintf("%s: %s", all[i].wire_name, all[i].value));
        strings_take(headers, xprintf("Authorization: " ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s", c->access_key, scope,
                                      names.data, signature));
}
