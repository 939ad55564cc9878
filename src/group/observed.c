/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/observed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "os/file.h"

enum { DIGITS = 16 };

static void add_others(struct text *t, const struct json_node *object, const char *member)
{
        const struct json_node *name = object + 1;
        for (uint32_t i = 0; object->type == JSON_OBJECT && i < object->count; i++, name = name + 1 + name[1].span) {
                if (text_equal(name->text, member))
                        continue;
                json_add(t, name);
                text_add(t, ":");
                json_add(t, name + 1);
                text_add(t, ",");
        }
}

char *observed_with(const char *properties, const char *member, const char *value)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "{");
        if (properties && json_parse("properties", properties, strlen(properties), &d, NULL) == 0)
                add_others(&t, d.nodes, member);
        text_add_json(&t, member);
        text_addf(&t, ":%s}", value);
        return TAKE_PTR(t.data);
}

void observed_set(char **properties, const char *member, const char *value)
{
        char *now = observed_with(*properties, member, value);
        free(*properties);
        *properties = now;
}

void observed_set_text(char **properties, const char *member, const char *text)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add_json(&t, text);
        observed_set(properties, member, t.data);
}

/* It tells a change by a person's hand, and protects nothing. */
static void digest(const char *data, size_t size, char ret[DIGITS + 1])
{
        static const uint8_t key[16] = "bulkhead.noted.1";
        (void)snprintf(ret, DIGITS + 1, "%016llx", (unsigned long long)hash_sip24(size ? data : "", size, key));
}

int observed_note(int dir_fd, const char *note, const char *data, size_t size)
{
        char digits[DIGITS + 1];
        digest(data, size, digits);
        return file_replace(dir_fd, note, digits, DIGITS, 0600);
}

bool observed_changed(int dir_fd, const char *note, const char *path, size_t max, struct text *ret)
{
        CLEAN_TEXT struct text noted = { 0 };
        char digits[DIGITS + 1];
        if (file_read_short(dir_fd, note, DIGITS, &noted) < 0 || noted.length != DIGITS)
                return false;
        int r = file_read_short(dir_fd, path, max, ret);
        if (r < 0 && r != -ENOENT)
                return false;
        if (r == -ENOENT)
                text_clear(ret);
        digest(ret->data, ret->length, digits);
        return memcmp(digits, noted.data, DIGITS) != 0;
}
