/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metadata.h"

#include <string.h>

#include "aws_credentials.h"
#include "backoff.h"

enum { TIMEOUT_MS = 1000, ATTEMPTS = 3, REPLY_MAX = 1 << 16, TOKEN_MAX = 1024 };

void metadata_done(struct metadata *m)
{
        secret_text_clear(&m->token);
}

static int call(struct metadata *m, const char *method, const char *path, const char *header, long *ret_status, struct text *ret,
                struct error *e)
{
        CLEAN_FREE char *url = xprintf("%s/latest/%s", m->endpoint, path);
        CLEAN_STRINGS struct strings headers = { 0 };
        strings_add(&headers, header);
        const struct web_request r = { .method = method, .url = url, .headers = &headers, .connect_ms = TIMEOUT_MS, .total_ms = TIMEOUT_MS,
                                       .reply_max = REPLY_MAX, .direct = true };
        int result = -EIO;
        struct backoff b = backoff_start(ATTEMPTS * TIMEOUT_MS * UINT64_C(1000));
        for (int i = 0; i < ATTEMPTS; i++) {
                secret_text_clear(ret);
                result = aws_web_call(m->web, &r, ret_status, ret, e);
                bool again = result < 0 ? result != -EMSGSIZE : *ret_status >= 500 || *ret_status == 429;
                if (!again || !backoff_wait(&b))
                        break;
        }
        return result;
}

/* What comes goes into a header: nothing in it may end the line. */
static bool is_plain(const struct text *t)
{
        if (!t->length || t->length > TOKEN_MAX)
                return false;
        for (size_t i = 0; i < t->length; i++)
                if (t->data[i] <= ' ' || t->data[i] >= 0x7f)
                        return false;
        return true;
}

static int get_token(struct metadata *m, struct error *e)
{
        long status = 0;
        int r = call(m, "PUT", "api/token", "X-aws-ec2-metadata-token-ttl-seconds: 21600", &status, &m->token, e);
        if (r < 0) {
                (void)error_set(e, -r, "aws.metadata", "the metadata service at %s gives no token: no answer", m->endpoint);
                error_hint(e, "on an instance: its metadata options must allow it, and in a container a hop limit of 2 or more");
                return r;
        }
        if (status == 200 && is_plain(&m->token))
                return 0;
        secret_text_clear(&m->token);
        return error_set(e, EACCES, "aws.metadata", "the metadata service at %s gives no token: status %ld", m->endpoint, status);
}

static int get_once(struct metadata *m, const char *path, long *ret_status, struct text *ret, struct error *e)
{
        int r = m->token.length ? 0 : get_token(m, e);
        if (r < 0)
                return r;
        CLEAN_SECRET_TEXT struct text header = { 0 };
        text_addf(&header, "X-aws-ec2-metadata-token: %s", m->token.data);
        r = call(m, "GET", path, header.data, ret_status, ret, e);
        return r < 0 ? error_set(e, -r, "aws.metadata", "the metadata service at %s does not answer", m->endpoint) : 0;
}

int metadata_get(struct metadata *m, const char *path, struct text *ret, struct error *e)
{
        CLEAN_SECRET_TEXT struct text t = { 0 };
        long status = 401;
        for (int i = 0; i < 2 && status == 401; i++) {
                if (i)
                        secret_text_clear(&m->token); /* it has expired, or the machine is another by now */
                int r = get_once(m, path, &status, &t, e);
                if (r < 0)
                        return r;
        }
        if (status == 404)
                return -ENOENT;
        if (status != 200)
                return error_set(e, EACCES, "aws.metadata", "the metadata service at %s answers %s with status %ld", m->endpoint, path, status);
        *ret = t;
        t = (struct text){ 0 };
        return 0;
}
