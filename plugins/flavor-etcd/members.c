/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "members.h"

#include <string.h>

#include "base/http.h"
#include "base/json.h"
#include "group/quorum.h"
#include "os/tcp_ask.h"

static void member_done(struct etcd_member *m)
{
        free(m->id);
        free(m->name);
        strings_clear(&m->peer_urls);
        strings_clear(&m->client_urls);
}

void etcd_members_done(struct etcd_members *m)
{
        for (size_t i = 0; i < m->count; i++)
                member_done(&m->items[i]);
        m->count = 0;
}

/* ---- reading ---- */

static int read_member(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "ID", json_string, offsetof(struct etcd_member, id), JSON_REQUIRED },
                { "name", json_string, offsetof(struct etcd_member, name), 0 },
                { "peerURLs", json_strings, offsetof(struct etcd_member, peer_urls), 0 },
                { "clientURLs", json_strings, offsetof(struct etcd_member, client_urls), 0 },
                { 0 },
        };
        struct etcd_members *l = into;
        uint64_t number;
        if (l->count == ETCD_MEMBERS_MAX)
                return json_fail(at, e, "there are more than %d members", ETCD_MEMBERS_MAX);
        struct etcd_member *m = &l->items[l->count++];
        *m = (struct etcd_member){ 0 };
        int r = json_object(at, fields, m, e);
        if (r == 0 && text_parse_uint(m->id, UINT64_MAX, &number) < 0)
                return json_fail(at, e, "the ID is no number");
        return r;
}

static int read_members(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_member, into, e);
}

int etcd_members_parse(const char *text, size_t size, struct etcd_members *ret, struct error *e)
{
        static const struct json_field fields[] = { { "members", read_members, 0, 0 }, { 0 } };
        CLEAN_JSON struct json_document d = { 0 };
        ret->count = 0;
        int r = json_parse("etcd's answer", text, size, &d, e);
        const struct json_place top = json_top(&d, "etcd's answer");
        if (r == 0)
                r = json_object(&top, fields, ret, e);
        if (r < 0)
                etcd_members_done(ret);
        return r;
}

const struct etcd_member *etcd_members_find(const struct etcd_members *m, const char *peer_url)
{
        for (size_t i = 0; i < m->count; i++)
                if (strings_has(&m->items[i].peer_urls, peer_url))
                        return &m->items[i];
        return NULL;
}

/* ---- asking ---- */

static int take(void *context, const char *data, size_t size, struct error *e)
{
        struct http_reader *r = context;
        size_t used;
        int x = http_read(r, data, size, &used, e);
        return x < 0 ? x : r->state == HTTP_DONE;
}

static int ask(const struct etcd_place *at, const char *method, const char *target, const struct text *body, struct http_reader *reader, struct error *e)
{
        CLEAN_TEXT struct text request = { 0 }, answer = { 0 };
        CLEAN_FREE char *address = quorum_host(at->address), *host = xprintf("%s:%s", address, at->port);
        http_add_request(&request, method, target, host, body ? "application/json" : NULL, body);
        const struct tcp_question q = { .address = at->address, .port = at->port, .data = request.data, .size = request.length, .timeout_ms = at->timeout_ms,
                                        .max = ETCD_ANSWER_MAX + HTTP_HEAD_MAX, .take = take, .context = reader };
        return tcp_ask(&q, &answer, e);
}

/* What etcd says when it says no: {"error","message","code"}. */
static int refused(const struct etcd_place *at, const struct http_reader *r, struct error *e)
{
        static const struct json_field fields[] = { { "message", json_string, 0, 0 }, { 0 } };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_FREE char *message = NULL;
        if (r->body.data && json_parse("etcd's answer", r->body.data, r->body.length, &d, NULL) == 0) {
                const struct json_place top = json_top(&d, "etcd's answer");
                (void)json_object(&top, fields, &message, NULL);
        }
        return error_set(e, EPROTO, "etcd.member", "etcd at %s port %s: %.200s (status %d)", at->address, at->port, message ? message : "no", r->status);
}

static int change(const struct etcd_place *at, const char *call, const char *body, struct etcd_members *ret, struct error *e)
{
        CLEAN_HTTP_READER struct http_reader r = { 0 };
        CLEAN_FREE char *target = xprintf("/v3/cluster/member/%s", call);
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, body);
        http_reader_init(&r, HTTP_RESPONSE, ETCD_ANSWER_MAX);
        int x = ask(at, "POST", target, &t, &r, e);
        if (x < 0)
                return x;
        if (r.status != 200)
                return refused(at, &r, e);
        return etcd_members_parse(r.body.data ? r.body.data : "", r.body.length, ret, e);
}

int etcd_list(const struct etcd_place *at, struct etcd_members *ret, struct error *e)
{
        return change(at, "list", "{}", ret, e);
}

int etcd_add(const struct etcd_place *at, const char *peer_url, struct etcd_members *ret, struct error *e)
{
        CLEAN_FREE char *body = xprintf("{\"peerURLs\":[\"%s\"]}", peer_url);
        return change(at, "add", body, ret, e);
}

int etcd_remove(const struct etcd_place *at, const char *id, struct error *e)
{
        CLEAN_ETCD_MEMBERS struct etcd_members left = { .count = 0 };
        CLEAN_FREE char *body = xprintf("{\"ID\":\"%s\"}", id);
        return change(at, "remove", body, &left, e);
}

bool etcd_is_healthy(const struct etcd_place *at)
{
        static const struct json_field fields[] = { { "health", json_string, 0, 0 }, { 0 } };
        CLEAN_HTTP_READER struct http_reader r = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_FREE char *health = NULL;
        http_reader_init(&r, HTTP_RESPONSE, ETCD_ANSWER_MAX);
        if (ask(at, "GET", "/health", NULL, &r, NULL) < 0 || r.status != 200 || !r.body.data ||
            json_parse("etcd's answer", r.body.data, r.body.length, &d, NULL) < 0)
                return false;
        const struct json_place top = json_top(&d, "etcd's answer");
        return json_object(&top, fields, &health, NULL) == 0 && health && text_equal(health, "true");
}

bool etcd_is_alive(const struct etcd_place *at)
{
        CLEAN_HTTP_READER struct http_reader r = { 0 };
        http_reader_init(&r, HTTP_RESPONSE, ETCD_ANSWER_MAX);
        return ask(at, "GET", "/version", NULL, &r, NULL) == 0 && r.status == 200;
}
