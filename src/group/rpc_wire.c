/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <time.h>

#include "group/rpc_wire.h"

void rpc_request_done(struct rpc_request *r)
{
        json_done(&r->document);
}

static int invalid(int *ret_code, struct error *e, const char *words)
{
        *ret_code = RPC_INVALID;
        return error_set(e, EINVAL, "rpc.request", "%s", words);
}

/* A number or a string, as it was written; anything else is no id. */
static int read_id(const struct json_node *top, struct rpc_request *ret)
{
        CLEAN_TEXT struct text t = { 0 };
        const struct json_node *id = json_member(top, "id");
        if (!id)
                return 0;
        if ((id->type != JSON_NUMBER && id->type != JSON_STRING) || id->length >= RPC_ID_MAX)
                return -EINVAL;
        json_add(&t, id);
        if (t.length >= RPC_ID_MAX)
                return -EINVAL;
        memcpy(ret->id, t.data, t.length + 1);
        return 0;
}

static int read_method(const struct json_node *top, struct rpc_request *ret)
{
        const struct json_node *method = json_member(top, "method");
        if (!method || method->type != JSON_STRING || method->has_nul || method->length >= RPC_METHOD_MAX)
                return -EINVAL;
        const char *dot = strchr(method->text, '.');
        if (!dot || dot == method->text || !dot[1])
                return -EINVAL;
        memcpy(ret->interface, method->text, (size_t)(dot - method->text));
        ret->interface[dot - method->text] = 0;
        memcpy(ret->method, dot + 1, strlen(dot + 1) + 1);
        return 0;
}

/* An object, or an array with one. */
static int read_params(const struct json_node *top, struct rpc_request *ret)
{
        const struct json_node *params = json_member(top, "params");
        if (params && params->type == JSON_ARRAY) {
                if (params->count > 1)
                        return -EINVAL;
                params = params->count && params[1].type != JSON_NULL ? params + 1 : NULL;
        }
        if (params && params->type != JSON_OBJECT)
                return -EINVAL;
        ret->params = params;
        return 0;
}

static bool is_version_2(const struct json_node *top)
{
        const struct json_node *version = json_member(top, "jsonrpc");
        return version && version->type == JSON_STRING && !version->has_nul && text_equal(version->text, "2.0");
}

int rpc_request_parse(const char *text, size_t size, struct rpc_request *ret, int *ret_code, struct error *e)
{
        *ret_code = RPC_PARSE;
        int r = json_parse("request", text, size, &ret->document, e);
        if (r < 0)
                return r;
        const struct json_node *top = ret->document.nodes;
        if (top->type != JSON_OBJECT)
                return invalid(ret_code, e, "a request is an object");
        if (read_id(top, ret) < 0)
                return invalid(ret_code, e, "the id is neither a number nor a short string");
        if (!is_version_2(top))
                return invalid(ret_code, e, "\"jsonrpc\" is not \"2.0\"");
        if (read_method(top, ret) < 0)
                return invalid(ret_code, e, "\"method\" is not \"INTERFACE.METHOD\"");
        return read_params(top, ret) < 0 ? invalid(ret_code, e, "\"params\" is neither an object nor an array with one") : 0;
}

void rpc_request_format(struct text *t, const char *method, const char *params, uint64_t id)
{
        text_add(t, "{\"jsonrpc\":\"2.0\",\"method\":");
        text_add_json(t, method);
        text_add(t, ",\"params\":");
        text_add(t, params ? params : "{}");
        text_addf(t, ",\"id\":%llu}", (unsigned long long)id);
}

void rpc_result_format(struct text *t, const char *id, const char *result, size_t result_size)
{
        text_add(t, "{\"jsonrpc\":\"2.0\",\"result\":");
        text_add_bytes(t, result, result_size);
        text_add(t, ",\"id\":");
        text_add(t, id);
        text_add(t, "}\n");
}

/* ---- errors ---- */

static void add_data(struct text *t, const struct error *e)
{
        text_addf(t, "{\"errno\":%d,\"id\":", -e->code);
        text_add_json(t, e->id);
        text_add(t, ",\"while\":[");
        for (int i = 0; i < e->lines; i++) {
                text_add(t, i ? "," : "");
                text_add_json(t, e->whiles[i]);
        }
        text_add(t, "],\"cause\":");
        text_add_json(t, e->cause);
        text_add(t, ",\"hint\":");
        text_add_json(t, e->hint);
        text_add(t, "}");
}

void rpc_error_format(struct text *t, const char *id, int code, const struct error *e)
{
        CLEAN_TEXT struct text message = { 0 };
        for (int i = e->lines; i-- > 0;)
                text_addf(&message, "%s: ", e->whiles[i]);
        text_add(&message, e->cause);
        if (*e->hint)
                text_addf(&message, " (%s)", e->hint);
        text_addf(t, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":%d,\"message\":", code);
        text_add_json(t, message.data);
        text_add(t, ",\"data\":");
        if (*e->id)
                add_data(t, e);
        else
                text_add(t, "null");
        text_addf(t, "},\"id\":%s}\n", id);
}

struct remote {
        int32_t number;
        char *id, *cause, *hint;
        struct strings whiles;
};

static void remote_done(struct remote *r)
{
        free(r->id);
        free(r->cause);
        free(r->hint);
        strings_clear(&r->whiles);
}

/* Ours come as they were; what a stranger says is only words. */
static int restore(const struct json_node *data, struct error *e)
{
        static const struct json_field fields[] = {
                { "errno", json_i32, offsetof(struct remote, number), JSON_REQUIRED }, { "id", json_string, offsetof(struct remote, id), JSON_REQUIRED },
                { "cause", json_string, offsetof(struct remote, cause), JSON_REQUIRED }, { "hint", json_string, offsetof(struct remote, hint), 0 },
                { "while", json_strings, offsetof(struct remote, whiles), 0 }, { 0 },
        };
        CLEAN(remote_done) struct remote r = { 0 };
        const struct json_place at = { .value = data, .key = "error" };
        if (data->type != JSON_OBJECT || json_object(&at, fields, &r, NULL) < 0)
                return -EINVAL;
        if (r.number <= 0 || r.number > 4095 || !*r.id || strspn(r.id, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != strlen(r.id))
                return -EINVAL;
        error_restore(e, r.number, r.id, r.cause);
        for (size_t i = 0; i < r.whiles.count && i < ERROR_WHILE_MAX; i++)
                error_while(e, "%s", r.whiles.items[i]);
        if (r.hint && *r.hint)
                error_hint(e, "%s", r.hint);
        return 0;
}

static int take_error(const struct json_node *error, struct error *e)
{
        struct error scratch = { 0 }; /* not every caller wants to know */
        e = e ? e : &scratch;
        const struct json_node *message = json_member(error, "message"), *data = json_member(error, "data");
        if (data && restore(data, e) == 0)
                return e->code;
        const char *words = error->type == JSON_STRING ? error->text : message && message->type == JSON_STRING ? message->text : "no message";
        return error_set(e, EREMOTEIO, "rpc.remote", "%s", words);
}

int rpc_reply_parse(const char *text, size_t size, struct json_document *ret, const struct json_node **ret_result, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        int r = json_parse("reply", text, size, &d, e);
        if (r < 0)
                return r;
        const struct json_node *error = json_member(d.nodes, "error"), *result = json_member(d.nodes, "result");
        if (error)
                return take_error(error, e);
        if (!result)
                return error_set(e, EPROTO, "rpc.reply", "the answer has neither result nor error");
        *ret_result = result;
        *ret = d;
        d = (struct json_document){ 0 };
        return 0;
}

void rpc_time_format(struct text *t, uint64_t usec)
{
        time_t seconds = (time_t)(usec / 1000000);
        struct tm tm;
        char s[32];
        (void)gmtime_r(&seconds, &tm);
        (void)strftime(s, sizeof s, "%Y-%m-%dT%H:%M:%S", &tm);
        text_addf(t, "\"%s.%06uZ\"", s, (unsigned)(usec % 1000000));
}
