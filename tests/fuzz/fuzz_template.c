/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a template, which includes itself: it ends, within its limits, and means the same twice. */
#include <stdlib.h>
#include <string.h>

#include "group/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
        const uint8_t *data;
        size_t size;
        unsigned fetched;
};

static int fetch(void *context, const char *url, const char *base, struct text *ret, char **ret_name, struct error *e)
{
        struct source *s = context;
        (void)url, (void)base;
        if (++s->fetched > 64) /* two includes in a source make 2^32 of them, which only the steps would end */
                return error_set(e, E2BIG, "template.limit", "enough");
        text_add_bytes(ret, (const char *)s->data, s->size);
        *ret_name = xstrdup("again");
        return 0;
}

static const char *environment(void *context, const char *name)
{
        (void)context;
        return *name == 'A' ? name : NULL;
}

static int expand(const uint8_t *data, size_t size, struct text *ret, struct error *e)
{
        struct source s = { data, size, 0 };
        struct strings variables = { 0 };
        const struct template_host host = { .fetch = fetch, .environment = environment, .context = &s };
        strings_add(&variables, "v=a,b");
        int r = template_expand("fuzz", (const char *)data, size, &variables, &host, ret, e);
        strings_clear(&variables);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_TEXT struct text one = { 0 }, two = { 0 };
        struct error e = { 0 }, again = { 0 };
        int a = expand(data, size, &one, &e), b = expand(data, size, &two, &again);
        if (a != b || (a < 0 && (!*e.id || strcmp(e.id, again.id))))
                abort();
        if (a == 0 && (one.length != two.length || (one.length && memcmp(one.data, two.data, one.length))))
                abort();
        if (a == 0 && one.length > TEMPLATE_OUTPUT_MAX)
                abort();
        return 0;
}
