/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a group's document: what is read is written, and read again as the same; with another size and configuration too. */
#include <stdlib.h>
#include <string.h>

#include "group/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static int read_text(const char *text, size_t size, struct group_spec *ret)
{
        CLEAN_JSON struct json_document d = { 0 };
        struct error e = { 0 };
        int r = json_parse("document", text, size, &d, &e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, "document");
        r = group_spec_read(&top, ret, &e);
        check(r == 0 || e.code == r);
        return r;
}

static void check_again(const struct group_spec *s)
{
        CLEAN_GROUP_SPEC struct group_spec again = { 0 };
        CLEAN_TEXT struct text t = { 0 }, u = { 0 };
        group_spec_format(&t, s);
        check(read_text(t.data, t.length, &again) == 0);
        group_spec_format(&u, &again);
        check(!strcmp(t.data, u.data) && !strcmp(s->hash, again.hash) && strlen(s->hash) == 32);
        check(group_spec_count(s) == group_spec_count(&again));
}

static void check_duration(const uint8_t *data, size_t size)
{
        CLEAN_FREE char *s = xstrndup((const char *)data, size);
        char formatted[32];
        uint64_t usec, again;
        if (duration_parse(s, &usec) < 0)
                return;
        duration_format(usec, formatted);
        check(duration_parse(formatted, &again) == 0 && again == usec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_GROUP_SPEC struct group_spec s = { 0 }, other = { 0 };
        static const char plain[] = "{\"ID\":\"o\",\"Properties\":{\"Allocation\":{\"Size\":1},\"Instance\":{\"Plugin\":\"a\"},\"Flavor\":{\"Plugin\":\"b\"}}}";
        check_duration(data, size);
        if (read_text((const char *)data, size, &s) < 0)
                return 0;
        check_again(&s);
        check(read_text(plain, strlen(plain), &other) == 0);
        group_spec_set_size(&s, 7);
        group_spec_set_configuration(&s, &other);
        check(!strcmp(s.hash, other.hash));
        check_again(&s);
        return 0;
}
