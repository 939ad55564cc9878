/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a unit file: what is strictly read is read leniently as the same, and reads the same when written out again; what holds of it holds when that alone is read. */
#include <stdlib.h>
#include <string.h>

#include "plan/unit_file.h"
#include "plan/unit_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void check_same(const struct unit_file *a, const struct unit_file *b)
{
        check(a->count == b->count);
        for (size_t i = 0; i < a->count; i++)
                check(!strcmp(a->lines[i].section, b->lines[i].section) && !strcmp(a->lines[i].name, b->lines[i].name) &&
                      !strcmp(a->lines[i].value, b->lines[i].value));
}

static void write_out(const struct unit_file *u, struct text *t)
{
        text_add(t, "");
        for (size_t i = 0; i < u->count; i++)
                text_addf(t, "[%s]\n%s=%s\n", u->lines[i].section, u->lines[i].name, u->lines[i].value);
}

/* A value that ends with a backslash was continued by nothing: written out it would be by the next line. */
static bool is_writable(const struct unit_file *u)
{
        for (size_t i = 0; i < u->count; i++) {
                size_t n = strlen(u->lines[i].value);
                if (n && u->lines[i].value[n - 1] == '\\')
                        return false;
        }
        return true;
}

/* The lines that hold, as a unit of their own. */
static void merge(const struct unit_file *u, struct unit_file *ret)
{
        size_t count = 0;
        CLEAN_FREE size_t *kept = unit_merge(u, &count);
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < count; i++) {
                const struct unit_line *l = &u->lines[kept[i]];
                check(i == 0 || kept[i - 1] < kept[i]);
                text_addf(&t, "[%s]\n%s=%s\n", l->section, l->name, l->value);
        }
        check(unit_file_parse(ret, "m", t.data, t.length, NULL, false, NULL) == 0 && ret->count == count);
}

static void check_merge(const struct unit_file *u)
{
        CLEAN_UNIT_FILE struct unit_file once = { 0 }, twice = { 0 };
        merge(u, &once);
        merge(&once, &twice);
        check_same(&once, &twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const sections[] = { "Unit", "Service", "Install", NULL };
        CLEAN_UNIT_FILE struct unit_file strict = { 0 }, lenient = { 0 }, again = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        int r = unit_file_parse(&strict, "f", (const char *)data, size, sections, false, &e), k = unit_file_parse(&lenient, "f", (const char *)data, size, sections, true, &e);
        check(r <= 0 && k <= 0 && (r < 0 || k == 0));
        if (r < 0)
                return 0;
        check_same(&strict, &lenient);
        check(lenient.notes.count == 0);
        write_out(&strict, &t);
        if (is_writable(&strict)) {
                check(unit_file_parse(&again, "g", t.data, t.length, sections, false, &e) == 0);
                check_same(&strict, &again);
                check_merge(&strict);
        }
        return 0;
}
