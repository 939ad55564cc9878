/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sts.h"

#define STS_API_VERSION "2011-06-15"
enum { PATIENCE_USEC = 10000000 };

static void begin(struct query *q, const char *action, const struct sts_role *role)
{
        query_start(q, action, STS_API_VERSION);
        query_add(q, "RoleArn", role->arn);
        query_add(q, "RoleSessionName", role->session_name ? role->session_name : "bulkhead");
        if (role->external_id)
                query_add(q, "ExternalId", role->external_id);
}

static int read_credentials(const struct xml_document *d, const char *path, struct aws_credentials *ret, struct error *e)
{
        const struct xml_node *n = xml_find(d, d->nodes, path);
        const char *key = xml_text(d, n, "AccessKeyId"), *secret = xml_text(d, n, "SecretAccessKey");
        const char *token = xml_text(d, n, "SessionToken"), *expires = xml_text(d, n, "Expiration");
        uint64_t at = 0;
        if (!key || !*key || !secret || !*secret || !token || !*token || !expires || aws_time_parse(expires, &at) < 0)
                return error_set(e, EBADMSG, "aws.reply", "the reply of STS has no credentials in it");
        *ret = (struct aws_credentials){ xstrdup(key), xstrdup(secret), xstrdup(token), at, "a role" };
        return 0;
}

static int ask(const struct aws_service *sts, const struct query *q, const struct aws_credentials *by, const char *path,
               struct aws_credentials *ret, struct error *e)
{
        CLEAN_AWS_ANSWER struct aws_answer a = { 0 };
        struct backoff b = backoff_start(PATIENCE_USEC);
        int r = aws_exchange_patiently(sts, q, by, &b, &a, e);
        if (r == 0)
                r = a.verdict == AWS_DONE ? read_credentials(&a.xml, path, ret, e) : e->code;
        return r;
}

int sts_assume_role(const struct aws_service *sts, const struct sts_role *role, const struct aws_credentials *by, struct aws_credentials *ret,
                    struct error *e)
{
        CLEAN_QUERY struct query q = { 0 };
        begin(&q, "AssumeRole", role);
        int r = ask(sts, &q, by, "AssumeRoleResult/Credentials", ret, e);
        return r < 0 ? error_while(e, "assuming the role %s", role->arn) : 0;
}

int sts_assume_web_identity(const struct aws_service *sts, const struct sts_role *role, const char *token, struct aws_credentials *ret,
                            struct error *e)
{
        CLEAN_QUERY struct query q = { 0 };
        begin(&q, "AssumeRoleWithWebIdentity", role);
        query_add(&q, "WebIdentityToken", token);
        int r = ask(sts, &q, NULL, "AssumeRoleWithWebIdentityResult/Credentials", ret, e);
        return r < 0 ? error_while(e, "assuming the role %s", role->arn) : 0;
}
