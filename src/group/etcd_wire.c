/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/etcd_wire.h"

#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/secret.h"

/* ---- requests ---- */

void etcd_request_done(struct etcd_request *r)
{
        text_clear(&r->text);
        *r = (struct etcd_request){ 0 };
}

static void add_bytes(struct text *t, const char *name, const char *data, size_t size)
{
        text_addf(t, "\"%s\":\"", name);
        base64_add(t, data, size);
        text_add(t, "\"");
}

static void add_key(struct text *t, const char *name, const char *key)
{
        add_bytes(t, name, key, strlen(key));
}

static void add_number(struct text *t, const char *name, uint64_t value)
{
        text_addf(t, "\"%s\":\"%llu\"", name, (unsigned long long)value);
}

static void add_range(struct text *t, const struct etcd_range *range)
{
        add_key(t, "key", range->key);
        if (range->end) {
                text_add(t, ",");
                add_key(t, "range_end", range->end);
        }
        if (range->limit) {
                text_add(t, ",");
                add_number(t, "limit", range->limit);
        }
        if (range->end)
                text_addf(t, ",\"sort_target\":\"KEY\",\"sort_order\":\"%s\"", range->last ? "DESCEND" : "ASCEND");
}

/* Begins an element of the list that is being written. */
static void begin_element(struct etcd_request *r, const char *words)
{
        text_add(&r->text, r->inner ? "," : "");
        text_add(&r->text, words);
        r->inner = true;
}

void etcd_txn_begin(struct etcd_request *r)
{
        text_add(&r->text, "{\"compare\":[");
        r->inner = false;
}

void etcd_compare_created(struct etcd_request *r, const char *key, uint64_t revision)
{
        begin_element(r, "{\"target\":\"CREATE\",\"result\":\"EQUAL\",");
        add_key(&r->text, "key", key);
        text_add(&r->text, ",");
        add_number(&r->text, "create_revision", revision);
        text_add(&r->text, "}");
}

void etcd_txn_then(struct etcd_request *r)
{
        text_add(&r->text, "],\"success\":[");
        r->inner = false;
}

void etcd_txn_else(struct etcd_request *r)
{
        text_add(&r->text, "],\"failure\":[");
        r->inner = false;
}

void etcd_txn_end(struct etcd_request *r)
{
        text_add(&r->text, "]}");
}

void etcd_txn_put(struct etcd_request *r, const char *key, const struct text *value, uint64_t lease)
{
        begin_element(r, "{\"request_put\":{");
        add_key(&r->text, "key", key);
        text_add(&r->text, ",");
        add_bytes(&r->text, "value", value->data, value->length);
        if (lease) {
                text_add(&r->text, ",");
                add_number(&r->text, "lease", lease);
        }
        text_add(&r->text, "}}");
}

void etcd_txn_delete(struct etcd_request *r, const char *key, const char *end)
{
        begin_element(r, "{\"request_delete_range\":{");
        add_key(&r->text, "key", key);
        if (end) {
                text_add(&r->text, ",");
                add_key(&r->text, "range_end", end);
        }
        text_add(&r->text, "}}");
}

void etcd_txn_range(struct etcd_request *r, const struct etcd_range *range)
{
        begin_element(r, "{\"request_range\":{");
        add_range(&r->text, range);
        text_add(&r->text, "}}");
}

void etcd_range_request(struct text *t, const struct etcd_range *range)
{
        text_add(t, "{");
        add_range(t, range);
        text_add(t, "}");
}

void etcd_lease_grant(struct text *t, uint32_t ttl_s)
{
        text_addf(t, "{\"TTL\":\"%u\"}", ttl_s);
}

void etcd_lease_request(struct text *t, uint64_t lease)
{
        text_add(t, "{");
        add_number(t, "ID", lease);
        text_add(t, "}");
}

void etcd_login_request(struct text *t, const char *user, const char *password)
{
        text_add(t, "{\"name\":");
        text_add_json(t, user);
        text_add(t, ",\"password\":");
        text_add_json(t, password);
        text_add(t, "}");
}

void etcd_watch_request(struct text *t, const char *key, const char *end, uint64_t from)
{
        text_add(t, "{\"create_request\":{");
        add_key(t, "key", key);
        text_add(t, ",");
        add_key(t, "range_end", end);
        text_add(t, ",");
        add_number(t, "start_revision", from);
        text_add(t, "}}");
}

char *etcd_prefix_end(const char *key)
{
        char *end = xstrdup(key);
        for (size_t i = strlen(end); i-- > 0; end[i] = 0)
                if ((unsigned char)end[i] < 0xff) {
                        end[i]++;
                        return end;
                }
        return end;
}

/* ---- replies ---- */

static void kv_done(struct etcd_kv *kv)
{
        free(kv->key);
        text_clear(&kv->value);
}

void etcd_reply_done(struct etcd_reply *r)
{
        for (size_t i = 0; i < r->count; i++)
                kv_done(&r->kvs[i]);
        free(r->kvs);
        free(r->message);
        secret_free(r->token);
        *r = (struct etcd_reply){ 0 };
}

void etcd_watch_reply_done(struct etcd_watch_reply *r)
{
        for (size_t i = 0; i < r->count; i++)
                kv_done(&r->changes[i].kv);
        free(r->changes);
        free(r->reason);
        *r = (struct etcd_watch_reply){ 0 };
}

/* 64 bits, as a string or as a number; leases may be negative to some, and are kept as their bits. */
static int read_number(const struct json_place *at, void *into, struct error *e)
{
        const struct json_node *n = at->value;
        bool negative = n->type == JSON_STRING && n->text[0] == '-';
        uint64_t value;
        if ((n->type != JSON_STRING && n->type != JSON_NUMBER) || n->has_nul || n->length > 24)
                return json_fail(at, e, "this is no number");
        char digits[32];
        memcpy(digits, n->text + negative, n->length - negative);
        digits[n->length - negative] = 0;
        if (text_parse_uint(digits, negative ? (uint64_t)INT64_MAX + 1 : UINT64_MAX, &value) < 0)
                return json_fail(at, e, "this is no number of 64 bits");
        *(uint64_t *)into = negative ? -value : value;
        return 0;
}

static int read_bytes(const struct json_place *at, struct text *ret, struct error *e)
{
        const struct json_node *n = at->value;
        if (n->type != JSON_STRING || n->has_nul)
                return json_fail(at, e, "this is no string");
        text_clear(ret);
        return base64_decode(n->text, n->length, ret) < 0 ? json_fail(at, e, "this is no base64") : 0;
}

static int read_value(const struct json_place *at, void *into, struct error *e)
{
        return read_bytes(at, into, e);
}

/* Keys are ours, and text. */
static int read_key(const struct json_place *at, void *into, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = read_bytes(at, &t, e);
        if (r < 0)
                return r;
        if (memchr(t.data, 0, t.length))
                return json_fail(at, e, "a key with a NUL byte");
        free(*(char **)into);
        *(char **)into = t.data;
        t = (struct text){ 0 };
        return 0;
}

static int read_kv(const struct json_place *at, struct etcd_kv *kv, struct error *e)
{
        static const struct json_field fields[] = {
                { "key", read_key, offsetof(struct etcd_kv, key), JSON_REQUIRED },
                { "value", read_value, offsetof(struct etcd_kv, value), 0 },
                { "create_revision", read_number, offsetof(struct etcd_kv, created), 0 },
                { "mod_revision", read_number, offsetof(struct etcd_kv, modified), 0 },
                { "lease", read_number, offsetof(struct etcd_kv, lease), 0 },
                { 0 },
        };
        text_add(&kv->value, "");
        return json_object(at, fields, kv, e);
}

static int read_kv_into_reply(const struct json_place *at, void *into, struct error *e)
{
        struct etcd_reply *r = into;
        if (r->count == ETCD_KEYS_MAX)
                return json_fail(at, e, "more than %d keys", ETCD_KEYS_MAX);
        r->kvs = xgrow(r->kvs, &r->room, r->count + 1, sizeof *r->kvs);
        struct etcd_kv *kv = &r->kvs[r->count++];
        *kv = (struct etcd_kv){ 0 };
        return read_kv(at, kv, e);
}

static int read_kvs(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_kv_into_reply, into, e);
}

static int read_header(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = { { "revision", read_number, 0, 0 }, { 0 } };
        return json_object(at, fields, into, e);
}

static int read_range_part(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = { { "kvs", read_kvs, 0, 0 }, { 0 } };
        return json_object(at, fields, into, e);
}

static int read_response(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = { { "response_range", read_range_part, 0, 0 }, { 0 } };
        return json_object(at, fields, into, e);
}

static int read_responses(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_response, into, e);
}

/* "error" is words, with "message" and "code" beside it; in a stream it is an object of its own. */
struct refusal {
        char *message;
        uint64_t code, stream_code;
};
static int read_refusal(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "message", json_string, offsetof(struct refusal, message), 0 },
                { "code", read_number, offsetof(struct refusal, code), 0 },
                { "grpc_code", read_number, offsetof(struct refusal, stream_code), 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

/* What was refused, if anything: 1 and the words and code. */
static int find_refusal(const struct json_place *top, char **ret_message, int64_t *ret_code, struct error *e)
{
        const struct json_node *error = json_member(top->value, "error");
        const struct json_node *message = json_member(top->value, "message");
        if (!error && (!message || !json_member(top->value, "code")))
                return 0;
        struct json_place inner = { .value = error, .up = top, .key = "error" };
        struct refusal refusal = { 0 };
        int r = read_refusal(error && error->type == JSON_OBJECT ? &inner : top, &refusal, e);
        if (r < 0) {
                free(refusal.message);
                return r;
        }
        if (!refusal.message)
                refusal.message = xstrdup(error && error->type == JSON_STRING ? error->text : "refused");
        *ret_message = refusal.message;
        *ret_code = (int64_t)(refusal.stream_code ? refusal.stream_code : refusal.code);
        return 1;
}

/* Streams wrap what they say in "result". */
static struct json_place unwrap(const struct json_place *top)
{
        const struct json_node *result = json_member(top->value, "result");
        return result ? (struct json_place){ .value = result, .up = top, .key = "result" } : *top;
}

static int read_token(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        size_t size = 0;
        while (s[size] > ' ' && s[size] < 0x7f)
                size++;
        if (!size || s[size] || size > ETCD_TOKEN_MAX)
                return json_fail(at, e, "this is no token");
        return json_string(at, into, e);
}

static int read_reply(const struct json_place *top, struct etcd_reply *ret, struct error *e)
{
        static const struct json_field fields[] = {
                { "header", read_header, offsetof(struct etcd_reply, revision), 0 },
                { "succeeded", json_bool, offsetof(struct etcd_reply, succeeded), 0 },
                { "kvs", read_kvs, 0, 0 },
                { "responses", read_responses, 0, 0 },
                { "more", json_bool, offsetof(struct etcd_reply, more), 0 },
                { "ID", read_number, offsetof(struct etcd_reply, lease), 0 },
                { "TTL", read_number, offsetof(struct etcd_reply, ttl_s), 0 },
                { "token", read_token, offsetof(struct etcd_reply, token), 0 },
                { 0 },
        };
        int r = find_refusal(top, &ret->message, &ret->code, e);
        ret->failed = r > 0;
        if (r)
                return r < 0 ? r : 0;
        struct json_place at = unwrap(top);
        return json_object(&at, fields, ret, e);
}

static int bad_reply(struct error *e, const struct error *why)
{
        return error_set(e, EPROTO, "etcd.reply", "%s", why->cause);
}

int etcd_read_reply(const char *text, size_t size, struct etcd_reply *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_ETCD_REPLY struct etcd_reply reply = { 0 };
        struct error why = { 0 };
        if (json_parse("etcd's answer", text, size, &d, &why) < 0)
                return bad_reply(e, &why);
        struct json_place top = json_top(&d, "etcd's answer");
        if (read_reply(&top, &reply, &why) < 0)
                return bad_reply(e, &why);
        *ret = reply;
        reply = (struct etcd_reply){ 0 };
        return 0;
}

/* Words, because the codes do not tell these from others. The second is of 3.4. */
static const char *const old_revision[] = { "revision of auth store is old", "revision in header is old" };
static const char *const nobody[] = { "user name is empty", "user name not found" };

static bool has_words(const struct etcd_reply *r, const char *const *words, size_t count)
{
        for (size_t i = 0; r->message && i < count; i++)
                if (strstr(r->message, words[i]))
                        return true;
        return false;
}

bool etcd_reply_wants_login(const struct etcd_reply *r)
{
        return r->failed && (r->code == ETCD_UNAUTHENTICATED || has_words(r, old_revision, ELEMENTS(old_revision)));
}

int etcd_reply_denied(const struct etcd_reply *r, const char *doing, struct error *e)
{
        if (!r->failed)
                return 0;
        if (r->code == ETCD_PERMISSION) {
                (void)error_set(e, EACCES, "etcd.permission", "%s: %.200s", doing, r->message);
                error_hint(e, "grant a role of the user readwrite on the prefix: etcdctl role grant-permission ROLE --prefix=true readwrite PREFIX/");
                return -EACCES;
        }
        if (!etcd_reply_wants_login(r) && !has_words(r, nobody, ELEMENTS(nobody)))
                return 0;
        (void)error_set(e, EACCES, "etcd.login", "%s: %.200s", doing, r->message);
        error_hint(e, "this etcd asks for users: --etcd-user and --etcd-password-file");
        return -EACCES;
}

static int read_change_type(const struct json_place *at, void *into, struct error *e)
{
        static const char *const words[] = { "PUT", "DELETE", NULL };
        int word = json_word(at, words, e);
        if (word >= 0)
                *(bool *)into = word == 1;
        return word < 0 ? word : 0;
}

static int read_change_kv(const struct json_place *at, void *into, struct error *e)
{
        return read_kv(at, into, e);
}

static int read_change(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "type", read_change_type, offsetof(struct etcd_change, deleted), 0 },
                { "kv", read_change_kv, offsetof(struct etcd_change, kv), JSON_REQUIRED },
                { 0 },
        };
        struct etcd_watch_reply *r = into;
        if (r->count == ETCD_KEYS_MAX)
                return json_fail(at, e, "more than %d changes", ETCD_KEYS_MAX);
        r->changes = xgrow(r->changes, &r->room, r->count + 1, sizeof *r->changes);
        struct etcd_change *c = &r->changes[r->count++];
        *c = (struct etcd_change){ 0 };
        return json_object(at, fields, c, e);
}

static int read_changes(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_change, into, e);
}

static int read_watch(const struct json_place *top, struct etcd_watch_reply *ret, struct error *e)
{
        static const struct json_field fields[] = {
                { "header", read_header, offsetof(struct etcd_watch_reply, revision), 0 },
                { "created", json_bool, offsetof(struct etcd_watch_reply, created), 0 },
                { "canceled", json_bool, offsetof(struct etcd_watch_reply, canceled), 0 },
                { "compact_revision", read_number, offsetof(struct etcd_watch_reply, compacted), 0 },
                { "cancel_reason", json_string, offsetof(struct etcd_watch_reply, reason), 0 },
                { "events", read_changes, 0, 0 },
                { 0 },
        };
        int r = find_refusal(top, &ret->reason, &ret->code, e);
        ret->canceled = r > 0;
        if (r)
                return r < 0 ? r : 0;
        struct json_place at = unwrap(top);
        return json_object(&at, fields, ret, e);
}

int etcd_read_watch(const char *text, size_t size, struct etcd_watch_reply *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_ETCD_WATCH_REPLY struct etcd_watch_reply reply = { 0 };
        struct error why = { 0 };
        if (json_parse("a line of etcd's watch", text, size, &d, &why) < 0)
                return bad_reply(e, &why);
        struct json_place top = json_top(&d, "a line of etcd's watch");
        if (read_watch(&top, &reply, &why) < 0)
                return bad_reply(e, &why);
        *ret = reply;
        reply = (struct etcd_watch_reply){ 0 };
        return 0;
}
