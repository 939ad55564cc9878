/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/flavor.h"

void allocation_done(struct allocation *a)
{
        strings_clear(&a->logical_ids);
}

static int read_size(const struct json_place *at, void *into, struct error *e)
{
        uint32_t *size = into;
        int r = json_u32(at, size, e);
        if (r == 0 && *size > GROUP_SIZE_MAX)
                return json_fail(at, e, "is not from 0 to %d", GROUP_SIZE_MAX);
        return r;
}

static int read_logical_id(const struct json_place *at, void *into, struct error *e)
{
        struct strings *ids = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s || at->value->length > INSTANCE_ID_MAX)
                return json_fail(at, e, "a logical ID has 1 to %d bytes", INSTANCE_ID_MAX);
        if (ids->count >= GROUP_SIZE_MAX)
                return json_fail(at, e, "there are at most %d logical IDs", GROUP_SIZE_MAX);
        strings_add(ids, s);
        return 0;
}

static int read_logical_ids(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_logical_id, into, e);
}

int allocation_read(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Size", read_size, offsetof(struct allocation, size), 0 },
                { "LogicalIDs", read_logical_ids, offsetof(struct allocation, logical_ids), 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

void allocation_format(struct text *t, const struct allocation *a)
{
        text_addf(t, "{\"Size\":%u,\"LogicalIDs\":", a->size);
        text_add(t, a->logical_ids.count ? "[" : "null");
        for (size_t i = 0; i < a->logical_ids.count; i++) {
                text_add(t, i ? "," : "");
                text_add_json(t, a->logical_ids.items[i]);
        }
        text_add(t, a->logical_ids.count ? "]}" : "}");
}
