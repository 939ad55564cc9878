/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ec2.h"

/* How long an instance that we did not make ourselves is asked for again: others make some as well. */
static const uint64_t unknown_usec = 3000000;

static bool same_keys(const struct aws_credentials *a, const struct aws_credentials *b)
{
        const char *s = a->session_token ? a->session_token : "", *t = b->session_token ? b->session_token : "";
        return text_equal(a->access_key, b->access_key) && text_equal(a->secret_key, b->secret_key) && text_equal(s, t);
}

/* With credentials that the service refuses: fetches others. 1 when there are any. */
static int replace(struct ec2 *c, struct aws_credentials *keys, struct error *e)
{
        CLEAN_AWS_CREDENTIALS struct aws_credentials fresh = { 0 };
        const struct error refusal = *e;
        credential_chain_refused(c->credentials, keys);
        int r = credential_chain_get(c->credentials, &fresh, e);
        if (r < 0)
                return r;
        if (same_keys(keys, &fresh)) {
                *e = refusal;
                return refusal.code;
        }
        const struct aws_credentials old = *keys;
        *keys = fresh;
        fresh = old;
        return 1;
}

int ec2_call(struct ec2 *c, const struct query *q, struct aws_answer *ret, struct error *e)
{
        CLEAN_AWS_CREDENTIALS struct aws_credentials keys = { 0 };
        struct backoff b = backoff_start(c->settings.patience_usec);
        int r = credential_chain_get(c->credentials, &keys, e);
        for (bool replaced = false; r >= 0; replaced = true) {
                struct aws_answer a = { 0 };
                r = aws_exchange_patiently(&c->service, q, &keys, &b, &a, e);
                if (r == 0 && a.verdict != AWS_EXPIRED) {
                        *ret = a;
                        return 0;
                }
                aws_answer_done(&a);
                if (r == 0)
                        r = replaced ? e->code : replace(c, &keys, e);
        }
        return r;
}

int ec2_call_on_instance(struct ec2 *c, const struct query *q, const char *id, struct aws_answer *ret, struct error *e)
{
        bool ours = recent_has(c->recent, id);
        struct backoff b = backoff_start(ours ? c->settings.patience_usec : unknown_usec);
        for (;;) {
                struct aws_answer a = { 0 };
                int r = ec2_call(c, q, &a, e);
                if (r < 0)
                        return r;
                if (a.verdict == AWS_DONE) {
                        *ret = a;
                        return 0;
                }
                bool again = text_equal(a.code, "InvalidInstanceID.NotFound") && backoff_wait(&b);
                aws_answer_done(&a);
                if (!again)
                        return e->code;
        }
}
