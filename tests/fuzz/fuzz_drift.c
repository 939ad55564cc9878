/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as what a document asks for and what a provider describes, after the byte 0: what is found is short, valid UTF-8, and nothing between a value and itself. */
#include <stdlib.h>
#include <string.h>

#include "group/drift.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void check_text(const char *s)
{
        check(strlen(s) <= DRIFT_TEXT_MAX);
        for (size_t n; *s; s += n)
                check((n = text_utf8_length(s)) > 0);
}

static void compare(const struct json_node *wanted, const struct json_node *there, const char *prepared)
{
        CLEAN_FREE char *found = drift_find(wanted, there, prepared), *all = drift_find(wanted, there, "*");
        check(!all);
        if (found)
                check_text(found);
}

static void check_prepared(const char *a, const char *b, const struct json_document *x, const struct json_document *y)
{
        CLEAN_FREE char *tag = drift_prepared(a, b);
        if (!tag)
                return;
        check(strlen(tag) <= DRIFT_PREPARED_MAX);
        /* What a flavor has made of the properties has not drifted. */
        CLEAN_FREE char *found = drift_find(x->nodes, y->nodes, tag);
        check(!found || !*found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_FREE char *text = xstrndup((const char *)data, size);
        size_t first = strlen(text), rest = size > first ? size - first - 1 : 0;
        CLEAN_FREE char *other = xstrndup((const char *)data + size - rest, rest);
        CLEAN_JSON struct json_document a = { 0 }, b = { 0 };
        if (json_parse("wanted", text, first, &a, NULL) < 0)
                return 0;
        CLEAN_FREE char *same = drift_find(a.nodes, a.nodes, NULL);
        check(!same || !*same);
        if (json_parse("there", other, strlen(other), &b, NULL) < 0)
                return 0;
        compare(a.nodes, b.nodes, NULL);
        compare(b.nodes, a.nodes, "/A /B/0");
        check_prepared(text, other, &a, &b);
        return 0;
}
