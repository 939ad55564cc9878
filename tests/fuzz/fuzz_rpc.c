/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes as a request and as an answer of JSON-RPC: an id comes back as a value that reads the same, a result is written and read again as it was,
 * and what another process says of its error stays within the limits of ours.
 */
#include <stdlib.h>
#include <string.h>

#include "group/instance.h"
#include "group/rpc_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void check_id(const char *id)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        check(json_parse("id", id, strlen(id), &d, NULL) == 0);
        json_add(&t, d.nodes);
        check(!strcmp(t.data, id));
}

static void try_request(const char *text, size_t size)
{
        CLEAN_RPC_REQUEST struct rpc_request q = { 0 };
        struct error e = { 0 };
        int code = 0, r = rpc_request_parse(text, size, &q, &code, &e);
        check(r == 0 || code == RPC_PARSE || code == RPC_INVALID);
        if (*q.id)
                check_id(q.id);
        if (r < 0)
                return;
        check(*q.interface && *q.method && (!q.params || q.params->type == JSON_OBJECT));
        CLEAN_INSTANCE_SPEC struct instance_spec spec = { 0 }, again = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_place at = { .value = q.params, .key = "params" };
        if (!q.params || instance_spec_read(&at, &spec, NULL) < 0)
                return;
        instance_spec_format(&t, &spec);
        check(json_parse("spec", t.data, t.length, &d, NULL) == 0);
        const struct json_place top = json_top(&d, "spec");
        check(instance_spec_read(&top, &again, NULL) == 0 && tags_equal(&spec.tags, &again.tags) && spec.attachment_count == again.attachment_count);
}

static void try_reply(const char *text, size_t size)
{
        CLEAN_JSON struct json_document d = { 0 }, again = { 0 };
        CLEAN_TEXT struct text result = { 0 }, t = { 0 };
        const struct json_node *node = NULL, *second = NULL;
        struct error e = { 0 };
        if (rpc_reply_parse(text, size, &d, &node, &e) < 0) {
                check(*e.id && e.code < 0 && e.code >= -4095 && e.lines <= ERROR_WHILE_MAX);
                return;
        }
        json_add(&result, node);
        rpc_result_format(&t, "1", result.data, result.length);
        check(rpc_reply_parse(t.data, t.length, &again, &second, NULL) == 0);
        check(second->span == node->span);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        try_request((const char *)data, size);
        try_reply((const char *)data, size);
        return 0;
}
