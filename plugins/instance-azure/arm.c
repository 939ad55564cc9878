/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arm.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "retry.h"

enum { REQUEST_TIMEOUT_S = 60, POLL_FIRST_MS = 2000, POLL_LAST_MS = 15000, LOGINS_MAX = 2 };

uint64_t arm_now_usec(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void arm_sleep_ms(uint64_t ms)
{
        struct timespec left = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

static uint32_t random_bits(void)
{
        uint32_t r = 0;
        (void)!getrandom(&r, sizeof r, 0);
        return r;
}

/* ---- paths ---- */

char *arm_machine_path(const struct azure_config *c, const char *name, const char *tail)
{
        return xprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Compute/virtualMachines%s%s%s%s?api-version=%s", c->subscription,
                       c->resource_group, name ? "/" : "", name ? name : "", tail ? "/" : "", tail ? tail : "", c->compute_version);
}

char *arm_interface_path(const struct azure_config *c, const char *name)
{
        return xprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/networkInterfaces%s%s?api-version=%s", c->subscription,
                       c->resource_group, name ? "/" : "", name ? name : "", c->network_version);
}

char *arm_tags_path(const struct azure_config *c, const char *machine)
{
        return xprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Compute/virtualMachines/%s/providers/Microsoft.Resources/tags/default"
                       "?api-version=%s",
                       c->subscription, c->resource_group, machine, c->tags_version);
}

/* Addresses that a reply names must be the endpoint's own: with each goes the token. */
static int make_url(const struct arm *arm, const char *path, char **ret, struct error *e)
{
        if (*path == '/') {
                *ret = xprintf("%s%s", arm->config->endpoint, path);
                return 0;
        }
        CLEAN_FREE char *origin = web_origin(path);
        if (!origin || !text_equal(origin, arm->config->endpoint))
                return error_set(e, EPROTO, "azure.reply", "Azure sends us on to %s, which is not %s: the token stays here", origin ? origin : "an address that is none",
                                 arm->config->endpoint);
        *ret = xstrdup(path);
        return 0;
}

/* ---- errors ---- */

struct meaning {
        const char *code; /* NULL: any */
        long status;      /* 0: any */
        int errnum;
};

/* The first row that fits. */
static const struct meaning meanings[] = {
        { "QuotaExceeded", 0, EDQUOT }, { "SkuNotAvailable", 0, EDQUOT }, { "AllocationFailed", 0, EDQUOT }, { "ZonalAllocationFailed", 0, EDQUOT },
        { "OverconstrainedAllocationRequest", 0, EDQUOT }, { "OverconstrainedZonalAllocationRequest", 0, EDQUOT }, { "SubnetIsFull", 0, EDQUOT },
        { "OperationNotAllowed", 409, EDQUOT }, /* how quotas of cores answer */
        { NULL, 404, ENOENT }, { NULL, 401, EACCES }, { NULL, 403, EACCES }, { NULL, 409, EBUSY }, { NULL, 412, EEXIST },
        { NULL, 408, EAGAIN }, { NULL, 429, EAGAIN },
};

static int find_meaning(const char *code, long status)
{
        for (size_t i = 0; i < ELEMENTS(meanings); i++) {
                const struct meaning *m = meanings + i;
                if ((!m->status || m->status == status) && (!m->code || (code && text_equal(m->code, code))))
                        return m->errnum;
        }
        return status >= 500 ? EAGAIN : status >= 400 ? EINVAL : EPROTO;
}

static int set_fault(int errnum, const char *what, const struct azure_fault *fault, const char *otherwise, struct error *e)
{
        const char *code = fault->code ? fault->code : otherwise, *colon = fault->message ? ": " : "", *message = fault->message ? fault->message : "";
        switch (errnum) {
        case ENOENT: return error_set(e, errnum, "azure.missing", "%s: %s%s%.320s", what, code, colon, message);
        case EACCES: return error_set(e, errnum, "azure.forbidden", "%s: %s%s%.320s", what, code, colon, message);
        case EDQUOT: return error_set(e, errnum, "azure.capacity", "%s: %s%s%.320s", what, code, colon, message);
        case EEXIST:
        case EBUSY: return error_set(e, errnum, "azure.conflict", "%s: %s%s%.320s", what, code, colon, message);
        case EAGAIN: return error_set(e, errnum, "azure.busy", "%s: %s%s%.320s", what, code, colon, message);
        case ECANCELED: return error_set(e, errnum, "azure.failed", "%s: %s%s%.320s", what, code, colon, message);
        case EPROTO: return error_set(e, errnum, "azure.reply", "%s: %s%s%.320s", what, code, colon, message);
        default: return error_set(e, errnum, "azure.refused", "%s: %s%s%.320s", what, code, colon, message);
        }
}

/* For people: "PUT .../networkInterfaces/web-nic". */
static char *describe_request(const struct arm_request *q)
{
        const char *path = q->path, *end = path + strcspn(path, "?"), *begin = end;
        for (int slashes = 0; begin > path && slashes < 2; slashes += *begin == '/')
                begin--;
        return xprintf("%s %s%.*s", q->method, begin > path ? "..." : "", (int)(end - begin), begin);
}

static void scrub(struct azure_fault *fault, const struct arm_request *q, const char *token)
{
        if (!fault->message)
                return;
        credential_scrub(fault->message, token);
        for (const char *const *s = q->secrets; s && *s; s++)
                credential_scrub(fault->message, *s);
}

/* ---- one request ---- */

static void make_headers(const struct arm_request *q, const char *token, struct strings *ret)
{
        strings_take(ret, xprintf("Authorization: Bearer %s", token));
        strings_add(ret, "Accept: application/json");
        if (q->body)
                strings_add(ret, "Content-Type: application/json");
        if (q->create)
                strings_add(ret, "If-None-Match: *");
}

static void wipe_strings(struct strings *l)
{
        for (size_t i = 0; i < l->count; i++)
                explicit_bzero(l->items[i], strlen(l->items[i]));
        strings_clear(l);
}

/* Once, with a token; 401 makes the token forgotten. */
static int exchange(const struct arm *arm, const struct arm_request *q, const char *url, struct transfer_reply *ret, struct azure_fault *fault, struct error *e)
{
        CLEAN_SECRET char *token = NULL;
        __attribute__((cleanup(wipe_strings))) struct strings headers = { 0 };
        int r = credential_get(arm->credential, &token, e);
        if (r < 0)
                return r;
        make_headers(q, token, &headers);
        const struct transfer_request t = { .method = q->method, .url = url, .headers = &headers, .body = q->body, .timeout_s = REQUEST_TIMEOUT_S,
                                            .limit = AZURE_REPLY_MAX };
        r = transfer_do(arm->web, &t, ret, e);
        if (r < 0)
                return r;
        if (ret->status == 401)
                credential_forget(arm->credential, token);
        if (ret->status < 200 || ret->status > 299) {
                azure_fault_read(ret->body.data, ret->body.length, fault);
                scrub(fault, q, token);
        }
        return 0;
}

/* Whether to go on after an attempt, and how long to wait before. */
static bool wants_again(int r, const struct transfer_reply *reply, const struct azure_fault *fault, unsigned attempt, unsigned *logins, uint64_t *ret_delay_ms)
{
        *ret_delay_ms = 0;
        if (r == 0 && reply->status == 401)
                return (*logins)++ < LOGINS_MAX - 1; /* it may have ended on the way: once more, with a fresh one */
        if (attempt >= RETRY_ATTEMPTS_MAX)
                return false;
        bool again = r < 0 ? r == -EIO : retry_status(reply->status) || (reply->status >= 400 && retry_code(fault->code));
        *ret_delay_ms = retry_delay_ms(attempt, r < 0 ? NULL : reply->retry_after, random_bits());
        return again;
}

int arm_call(const struct arm *arm, const struct arm_request *q, struct transfer_reply *ret, struct error *e)
{
        CLEAN_FREE char *url = NULL, *what = describe_request(q);
        uint64_t until_usec = arm_now_usec() + (q->patience_usec ? q->patience_usec : arm->config->patience_usec);
        unsigned logins = 0;
        int r = make_url(arm, q->path, &url, e);
        if (r < 0)
                return r;
        for (unsigned attempt = 1;; attempt++) {
                CLEAN_REPLY struct transfer_reply reply = { 0 };
                CLEAN_FAULT struct azure_fault fault = { 0 };
                uint64_t delay_ms;
                r = exchange(arm, q, url, &reply, &fault, e);
                if (r == 0 && reply.status >= 200 && reply.status <= 299) {
                        *ret = reply;
                        reply = (struct transfer_reply){ 0 };
                        return 0;
                }
                bool again = wants_again(r, &reply, &fault, attempt, &logins, &delay_ms);
                if (again && arm_now_usec() + delay_ms * 1000 <= until_usec) {
                        arm_sleep_ms(delay_ms);
                        continue;
                }
                if (r < 0)
                        return error_while(e, "asking for %s", what);
                char status[32];
                (void)snprintf(status, sizeof status, "HTTP status %ld", reply.status);
                r = set_fault(find_meaning(fault.code, reply.status), what, &fault, status, e);
                if (again)
                        error_hint(e, "it was tried %u times; the next attempt is due in %llu s", attempt, (unsigned long long)(delay_ms / 1000));
                return r;
        }
}

int arm_get(const struct arm *arm, const char *path, struct transfer_reply *ret, struct error *e)
{
        const struct arm_request q = { .method = "GET", .path = path };
        return arm_call(arm, &q, ret, e);
}

/* ---- operations ---- */

/* As the reply says, else longer each time. False: it would be too late. */
static bool wait_turn(const struct transfer_reply *reply, unsigned turn, uint64_t deadline_usec)
{
        uint64_t said_s, ms = POLL_FIRST_MS;
        if (retry_after_parse(reply->retry_after, &said_s)) {
                ms = said_s * 1000 + random_bits() % 250;
        } else {
                for (unsigned i = 0; i < turn && ms < POLL_LAST_MS; i++)
                        ms += ms / 2;
                ms = (ms < POLL_LAST_MS ? ms : POLL_LAST_MS) + random_bits() % 500;
        }
        uint64_t now = arm_now_usec();
        if (now >= deadline_usec)
                return false;
        if (ms > (deadline_usec - now) / 1000 + 1)
                ms = (deadline_usec - now) / 1000 + 1; /* a last look at the deadline */
        arm_sleep_ms(ms);
        return true;
}

static int too_late(struct error *e)
{
        (void)error_set(e, ETIME, "azure.timeout", "the operation has not ended in the time given");
        error_hint(e, "wait=TIME gives it longer; asked again with the same token, the plugin goes on waiting for the same machine");
        return -ETIME;
}

/* Looks at the address of an operation. 1: it goes on. */
static int look_at_operation(const struct transfer_reply *reply, struct error *e)
{
        struct azure_operation o = { 0 };
        int r = azure_operation_read(reply->body.data, reply->body.length, &o, e);
        if (r < 0)
                return r;
        if (o.state == AZURE_FAILED || o.state == AZURE_CANCELED)
                r = set_fault(ECANCELED, "the operation ended badly", &o.fault, o.state == AZURE_FAILED ? "Failed" : "Canceled", e);
        else
                r = o.state == AZURE_SUCCEEDED ? 0 : 1;
        azure_operation_done(&o);
        return r;
}

int arm_follow(const struct arm *arm, const struct transfer_reply *first, uint64_t deadline_usec, bool *ret_followed, struct error *e)
{
        const char *from = first->operation ? first->operation : first->location;
        *ret_followed = first->operation || (first->location && first->status == 202); /* with 201 Location may be the resource itself */
        if (!*ret_followed)
                return 0;
        bool by_status = first->operation;
        CLEAN_FREE char *at = xstrdup(from);
        CLEAN_REPLY struct transfer_reply last = { .retry_after = first->retry_after ? xstrdup(first->retry_after) : NULL };
        for (unsigned turn = 0;; turn++) {
                if (!wait_turn(&last, turn, deadline_usec))
                        return too_late(e);
                transfer_reply_done(&last);
                int r = arm_get(arm, at, &last, e);
                if (r == -EACCES || r == -ENOENT) { /* rights may be on the resource group alone, and operations are forgotten after a time */
                        *ret_followed = false;
                        return 0;
                }
                if (r < 0)
                        return r;
                if (by_status) {
                        r = look_at_operation(&last, e);
                        if (r <= 0)
                                return r;
                } else if (last.status != 202) {
                        return 0;
                } else if (last.location) {
                        free(at);
                        at = xstrdup(last.location);
                }
        }
}
