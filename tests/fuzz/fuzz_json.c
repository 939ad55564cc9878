/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes as JSON: what parses is one tree that fills its array, with valid strings, and written out again it parses to
 * the same tree.  What jansson takes or refuses is taken or refused here too, but for the limits that the one has and the other has not.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "jansson_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes a node without what strings with NUL bytes lose; returns the next. */
static const struct json_node *render(const struct json_node *n, struct text *t)
{
        static const char *const words[] = { [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true" };
        const struct json_node *next = n + 1;
        if (n->type == JSON_STRING) {
                if (n->text[n->length] || (memchr(n->text, 0, n->length) != NULL) != n->has_nul)
                        abort();
                text_add_json(t, n->text);
        } else if (n->type == JSON_NUMBER)
                text_add_bytes(t, n->text, n->length);
        else if (n->type == JSON_ARRAY || n->type == JSON_OBJECT) {
                text_add(t, n->type == JSON_ARRAY ? "[" : "{");
                for (uint32_t i = 0; i < n->count; i++) {
                        text_add(t, i ? "," : "");
                        if (n->type == JSON_OBJECT) {
                                next = render(next, t);
                                text_add(t, ":");
                        }
                        next = render(next, t);
                }
                text_add(t, n->type == JSON_ARRAY ? "]" : "}");
        } else
                text_add(t, words[n->type]);
        if (next != n + n->span)
                abort();
        return next;
}

static bool any_nul(const struct json_document *d)
{
        for (size_t i = 0; i < d->count; i++)
                if (d->nodes[i].has_nul)
                        return true;
        return false;
}

static void read_all(const struct json_document *d)
{
        const struct json_place top = json_top(d, "fuzz");
        static const json_reader readers[] = { json_string, json_u16, json_u32, json_i32, json_u64, json_i64, json_bool };
        CLEAN_STRINGS struct strings l = { 0 };
        for (size_t i = 0; i < ELEMENTS(readers); i++) {
                struct error e = { 0 };
                union {
                        char *s;
                        uint64_t n;
                } target = { 0 };
                int r = readers[i](&top, &target, &e);
                if ((r < 0) != (e.code < 0) || (r < 0 && !e.id[0]))
                        abort();
                if (r == 0 && !i)
                        free(target.s);
        }
        (void)json_strings(&top, &l, NULL);
}

static void check_again(const struct json_document *d)
{
        CLEAN_TEXT struct text t = { 0 }, u = { 0 };
        CLEAN_JSON struct json_document again = { 0 };
        if (render(d->nodes, &t) != d->nodes + d->count)
                abort();
        if (any_nul(d))
                return;
        if (json_parse("again", t.data, t.length, &again, NULL) < 0 || again.count != d->count)
                abort();
        render(again.nodes, &u);
        if (strcmp(t.data, u.data))
                abort();
}

static void compare(const uint8_t *data, size_t size, bool taken, const struct error *e)
{
        enum judgement theirs = jansson_judge(data, size);
        if ((taken && theirs == REFUSED) || (!taken && theirs == TAKEN && !strstr(e->cause, "nested too deeply")))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_JSON struct json_document d = { 0 };
        struct error e = { 0 };
        int r = json_parse("fuzz", (const char *)data, size, &d, &e);
        if ((r < 0) != (e.code < 0) || (r < 0 && strcmp(e.id, "json.syntax")))
                abort();
        compare(data, size, r == 0, &e);
        if (r == 0) {
                check_again(&d);
                read_all(&d);
        }
        return 0;
}
