/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aws_web.h"

int aws_web_call(struct web_client *c, const struct web_request *r, long *ret_status, struct text *ret_body, struct error *e)
{
        CLEAN_WEB_REPLY struct web_reply reply = { 0 };
        switch (web_call(c, r, &reply)) {
        case WEB_OK:
                *ret_status = reply.status;
                *ret_body = reply.body;
                reply.body = (struct text){ 0 };
                return 0;
        case WEB_TOO_LARGE:
                return error_set(e, EMSGSIZE, "aws.reply", "the reply of %s has more than %zu bytes", r->url, r->reply_max);
        case WEB_DISTRUSTED:
                return error_set(e, EPROTO, "aws.certificate", "%s: %s", r->url, reply.words);
        case WEB_TIMED_OUT:
                return error_set(e, ETIMEDOUT, "aws.unreachable", "%s: %s", r->url, reply.words);
        default:
                return error_set(e, ECONNRESET, "aws.unreachable", "%s: %s", r->url, reply.words);
        }
}
