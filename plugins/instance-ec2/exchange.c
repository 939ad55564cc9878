/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exchange.h"

#include <string.h>
#include <time.h>

#include "sigv4.h"

enum { CONNECT_MS = 5000, TOTAL_MS = 30000 };

void aws_answer_done(struct aws_answer *a)
{
        secret_text_clear(&a->xml.strings); /* STS answers with keys */
        xml_done(&a->xml);
        *a = (struct aws_answer){ 0 };
}

enum kind { DENIED, UNKNOWN_KEY, EXPIRED, THROTTLED, UNAVAILABLE, CAPACITY, MISSING, OTHER };

/* Codes, or how they begin. SECRET: the service repeats what it was sent, session token and all. */
enum { PREFIX = 1, SECRET = 2 };
static const struct {
        const char *code;
        enum kind kind;
        unsigned flags;
} codes[] = {
        { "AccessDenied", DENIED, PREFIX },
        { "AuthFailure", UNKNOWN_KEY, 0 },
        { "Blocked", DENIED, 0 },
        { "IncompleteSignature", DENIED, SECRET },
        { "InvalidClientTokenId", UNKNOWN_KEY, 0 },
        { "InvalidIdentityToken", DENIED, SECRET },
        { "MissingAuthenticationToken", DENIED, 0 },
        { "OptInRequired", DENIED, 0 },
        { "PendingVerification", DENIED, 0 },
        { "SignatureDoesNotMatch", DENIED, SECRET },
        { "UnauthorizedOperation", DENIED, 0 },
        { "ExpiredToken", EXPIRED, PREFIX },
        { "RequestExpired", EXPIRED, 0 }, /* what EC2 says of an expired session, and of a clock that is wrong */
        { "BandwidthLimitExceeded", THROTTLED, 0 },
        { "EC2ThrottledException", THROTTLED, 0 },
        { "PriorRequestNotComplete", THROTTLED, 0 },
        { "RequestLimitExceeded", THROTTLED, 0 },
        { "RequestThrottled", THROTTLED, PREFIX },
        { "ResourceLimitExceeded", CAPACITY, 0 },
        { "SlowDown", THROTTLED, 0 },
        { "Throttl", THROTTLED, PREFIX },
        { "TooManyRequestsException", THROTTLED, 0 },
        { "IDPCommunicationError", UNAVAILABLE, 0 },
        { "InternalError", UNAVAILABLE, 0 },
        { "InternalFailure", UNAVAILABLE, 0 },
        { "RequestTimeout", UNAVAILABLE, PREFIX },
        { "ServiceUnavailable", UNAVAILABLE, 0 },
        { "TransactionInProgress", UNAVAILABLE, 0 },
        { "Unavailable", UNAVAILABLE, 0 },
        { "Insufficient", CAPACITY, PREFIX },
        { "InstanceLimitExceeded", CAPACITY, 0 },
        { "MaxSpotInstanceCountExceeded", CAPACITY, 0 },
        { "ReservationCapacityExceeded", CAPACITY, 0 },
        { "VcpuLimitExceeded", CAPACITY, 0 },
        { "VolumeLimitExceeded", CAPACITY, 0 },
        { "InvalidInstanceID", MISSING, PREFIX },
};

static bool matches(size_t row, const char *code)
{
        return codes[row].flags & PREFIX ? text_starts(code, codes[row].code) : text_equal(code, codes[row].code);
}

static enum kind classify(long status, const char *code, bool *ret_secret)
{
        *ret_secret = false;
        for (size_t i = 0; *code && i < ELEMENTS(codes); i++)
                if (matches(i, code)) {
                        *ret_secret = codes[i].flags & SECRET;
                        return codes[i].kind;
                }
        if (status == 429)
                return THROTTLED;
        if (status >= 500)
                return UNAVAILABLE;
        return OTHER;
}

/* message: ": " and the words of the service, or nothing. */
static enum aws_verdict judge(enum kind kind, const char *action, const char *code, const char *message, struct error *e)
{
        switch (kind) {
        case DENIED:
        case UNKNOWN_KEY:
                (void)error_set(e, EACCES, "aws.denied", "%s: not allowed: %s%s", action, code, message);
                error_hint(e, "check the credentials, their policy, the region and the clock of this machine");
                return kind == UNKNOWN_KEY ? AWS_EXPIRED : AWS_REFUSED;
        case EXPIRED:
                (void)error_set(e, EKEYEXPIRED, "aws.expired", "%s: the credentials have expired: %s%s", action, code, message);
                error_hint(e, "where they have not, the clock of this machine is wrong");
                return AWS_EXPIRED;
        case THROTTLED:
                (void)error_set(e, EBUSY, "aws.throttled", "%s: too many calls in this account: %s%s", action, code, message);
                return AWS_AGAIN;
        case UNAVAILABLE:
                (void)error_set(e, EAGAIN, "aws.unavailable", "%s: the service has a fault: %s%s", action, code, message);
                return AWS_AGAIN;
        case CAPACITY:
                (void)error_set(e, ENOSPC, "aws.capacity", "%s: there is no room: %s%s", action, code, message);
                return AWS_REFUSED;
        case MISSING:
                (void)error_set(e, ENOENT, "aws.missing", "%s: not there: %s%s", action, code, message);
                return AWS_REFUSED;
        default:
                (void)error_set(e, EINVAL, "aws.refused", "%s: refused: %s%s", action, code, message);
                return AWS_REFUSED;
        }
}

/* EC2: Response/Errors/Error; STS: ErrorResponse/Error. */
static const struct xml_node *find_error(const struct xml_document *d)
{
        const struct xml_node *n = xml_find(d, d->nodes, "Errors/Error");
        return n ? n : xml_find(d, d->nodes, "Error");
}

static void read_failure(const struct query *q, const struct text *body, struct aws_answer *a, struct error *e)
{
        CLEAN_XML struct xml_document d = { 0 };
        const struct xml_node *error = xml_parse(body->data, body->length, &d, NULL) == 0 ? find_error(&d) : NULL;
        const char *code = xml_text(&d, error, "Code"), *message = xml_text(&d, error, "Message");
        bool secret = false;
        if (error && code)
                (void)snprintf(a->code, sizeof a->code, "%s", code);
        enum kind kind = classify(a->status, a->code, &secret);
        CLEAN_FREE char *name = *a->code ? xstrdup(a->code) : xprintf("status %ld", a->status);
        CLEAN_FREE char *words = message && !secret ? xprintf(": %s", message) : xstrdup("");
        a->verdict = judge(kind, q->action, name, words, e);
}

static void add_headers(const struct aws_service *s, const struct query *q, const struct aws_credentials *c, struct strings *headers)
{
        const struct sigv4_request r = { .method = "POST", .host = s->endpoint.host, .content_type = QUERY_CONTENT_TYPE, .body = q->body.data,
                                         .body_size = q->body.length, .region = s->region, .service = s->name, .now = time(NULL) };
        if (c)
                sigv4_headers(&r, c, headers);
        else
                strings_add(headers, "Content-Type: " QUERY_CONTENT_TYPE);
        strings_add(headers, "Expect:");
}

static void wipe(struct strings *l)
{
        for (size_t i = 0; i < l->count; i++)
                explicit_bzero(l->items[i], strlen(l->items[i]));
        strings_clear(l);
}

int aws_exchange(const struct aws_service *s, const struct query *q, const struct aws_credentials *credentials, struct aws_answer *ret,
                 struct error *e)
{
        struct strings headers = { 0 };
        CLEAN_SECRET_TEXT struct text body = { 0 };
        struct aws_answer a = { 0 };
        add_headers(s, q, credentials, &headers);
        const struct web_request r = { .method = "POST", .url = s->endpoint.url, .headers = &headers, .body = q->body.data,
                                       .body_size = q->body.length, .connect_ms = CONNECT_MS, .total_ms = TOTAL_MS, .reply_max = XML_SIZE_MAX,
                                       .direct = text_starts(s->endpoint.url, "http://") }; /* no proxy hears what is not hidden */
        int result = aws_web_call(s->web, &r, &a.status, &body, e);
        wipe(&headers);
        if (result == 0 && a.status == 200)
                result = xml_parse(body.data, body.length, &a.xml, e);
        else if (result == 0)
                read_failure(q, &body, &a, e);
        if (result < 0)
                return error_while(e, "calling %s", q->action);
        *ret = a;
        return 0;
}

int aws_exchange_patiently(const struct aws_service *s, const struct query *q, const struct aws_credentials *credentials, struct backoff *b,
                           struct aws_answer *ret, struct error *e)
{
        for (;;) {
                struct aws_answer a = { 0 };
                int r = aws_exchange(s, q, credentials, &a, e);
                bool again = r < 0 ? r == -ETIMEDOUT || r == -ECONNRESET : a.verdict == AWS_AGAIN;
                if (!again && r == 0) {
                        *ret = a;
                        return 0;
                }
                aws_answer_done(&a);
                if (!again || !backoff_wait(b))
                        return e->code;
        }
}
