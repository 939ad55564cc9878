/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a service's denials: what reads is bounded, is written on one line a row, and reads again as the same. */
#include <stdlib.h>
#include <string.h>

#include "plan/denial_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_DENIALS struct denial_table t = { 0 }, again = { 0 };
        CLEAN_TEXT struct text text = { 0 }, second = { 0 }, lines = { 0 };
        struct error e = { 0 };
        size_t newlines = 0;
        if (denial_table_parse(&t, "f", (const char *)data, size, &e) < 0) {
                if (!e.id[0] || t.rows)
                        abort();
                return 0;
        }
        if (t.count > DENIAL_ROWS_MAX)
                abort();
        denial_table_text(&t, DENIAL_ROWS_MAX, &lines);
        for (const char *p = lines.data; *p; p++)
                newlines += *p == '\n';
        if (newlines != t.count + !t.count + !!t.lost)
                abort();
        denial_table_format(&t, &text);
        if (denial_table_parse(&again, "f", text.data, text.length, &e) < 0)
                abort();
        denial_table_format(&again, &second);
        if (again.count != t.count || again.lost != t.lost)
                abort();
        return 0;
}
