/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls to a Query API of AWS, and what its answers mean. */
#pragma once

#include "backoff.h"
#include "aws_endpoint.h"
#include "query.h"
#include "aws_web.h"
#include "xml.h"

struct aws_service {
        const char *name; /* "ec2", as signatures have it */
        struct aws_endpoint endpoint;
        const char *region;
        struct web_client *web;
};

/* What to do about an answer. */
enum aws_verdict {
        AWS_DONE,
        AWS_AGAIN,   /* throttled, or the service has a fault of its own: later it may go well */
        AWS_EXPIRED, /* with other credentials it may go well */
        AWS_REFUSED
};

struct aws_answer {
        enum aws_verdict verdict;
        long status;
        char code[64]; /* "InvalidInstanceID.NotFound"; "": none was said */
        struct xml_document xml;
};
void aws_answer_done(struct aws_answer *a);
#define CLEAN_AWS_ANSWER CLEAN(aws_answer_done)

/*
 * credentials NULL: not signed.  0 with an answer of any verdict, with the error set that goes with it; or what web_call gives.  Ids of
 * refusals: "aws.denied" (-EACCES), "aws.expired" (-EKEYEXPIRED), "aws.throttled" (-EBUSY), "aws.unavailable" (-EAGAIN), "aws.capacity" (-ENOSPC),
 * "aws.missing" (-ENOENT), "aws.refused" (-EINVAL); "aws.reply".
 */
int aws_exchange(const struct aws_service *s, const struct query *q, const struct aws_credentials *credentials, struct aws_answer *ret,
                 struct error *e);
/*
 * The same, again and again while the service is throttling, has a fault or gives no answer, as long as b has patience: for calls
 * that may be made twice.  No answer of it has the verdict AWS_AGAIN. e must not be NULL.
 */
int aws_exchange_patiently(const struct aws_service *s, const struct query *q, const struct aws_credentials *credentials, struct backoff *b,
                           struct aws_answer *ret, struct error *e);
