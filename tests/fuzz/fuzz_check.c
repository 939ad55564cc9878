/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as a health check, for an instance whose tags are any text: what is read can be aimed, or says why it cannot. */
#include <string.h>

#include "group/check.h"
#include "group/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const uint8_t *nul = memchr(data, 0, size);
        size_t n = nul ? (size_t)(nul - data) : size;
        CLEAN_FREE char *text = xstrndup((const char *)data, n), *value = xstrndup(nul ? (const char *)nul + 1 : "80", nul ? size - n - 1 : 2);
        struct instance i = { .id = xstrdup("web-1"), .logical_id = xstrdup("10.0.0.1") };
        CLEAN_CHECK struct check c = { 0 };
        CLEAN_CHECK_TARGET struct check_target t = { 0 };
        struct error e = { 0 };
        tags_set(&i.tags, TAG_PORT, value);
        tags_set(&i.tags, "a", value);
        if (check_parse(text, &c, &e) == 0) {
                if (c.kind == CHECK_EXEC ? !c.command.count : !c.status_count || !c.timeout_usec)
                        __builtin_trap();
                if (check_aim(&c, &i, &t, &e) == 0 && c.kind != CHECK_EXEC && (strpbrk(t.path, "\r\n \t") || t.path[0] != '/' || strpbrk(t.address, "\r\n /")))
                        __builtin_trap();
        } else if (!e.code || !e.id[0])
                __builtin_trap();
        instance_done(&i);
        return 0;
}
