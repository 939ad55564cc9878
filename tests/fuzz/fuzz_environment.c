/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a file of EnvironmentFile=: what is strictly read is read leniently as the same, and reads the same when written out again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plan/environment_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void check_same(const struct strings *a, const struct strings *b)
{
        check(a->count == b->count);
        for (size_t i = 0; i < a->count; i++)
                check(!strcmp(a->items[i], b->items[i]));
}

/* NAME='VALUE', and what no single quotes can hold in double ones. */
static void write_out(const struct strings *l, struct text *t)
{
        text_add(t, "");
        for (size_t i = 0; i < l->count; i++) {
                const char *eq = strchr(l->items[i], '=');
                check(eq && environment_name_valid(l->items[i], (size_t)(eq - l->items[i])));
                text_add_bytes(t, l->items[i], (size_t)(eq + 1 - l->items[i]));
                for (const char *p = eq + 1; *p; p++)
                        text_addf(t, *p == '\'' ? "\"%c\"" : "'%c'", *p);
                text_add(t, "\n");
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_STRINGS struct strings strict = { 0 }, lenient = { 0 }, again = { 0 }, notes = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        int r = environment_file_parse(&strict, "f", (const char *)data, size, false, &notes, &e);
        check(r <= 0 && notes.count == 0);
        int k = environment_file_parse(&lenient, "f", (const char *)data, size, true, &notes, &e);
        check(k <= 0 && (r < 0 || k == 0));
        if (r < 0)
                return 0;
        check(notes.count == 0);
        check_same(&strict, &lenient);
        write_out(&strict, &t);
        if (t.length <= ENVIRONMENT_FILE_MAX) {
                check(environment_file_parse(&again, "g", t.data, t.length, false, &notes, &e) == 0);
                check_same(&strict, &again);
        }
        return 0;
}
