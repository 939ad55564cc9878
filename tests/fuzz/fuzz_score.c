/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a unit file to be scored: what is strictly scored has the same number leniently, and no number is beyond its scale. */
#include <stdlib.h>
#include <string.h>

#include "plan/score.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void check_score(const struct score *s)
{
        check(s->count <= SCORE_ROWS_MAX && s->exposure <= 100 && s->rating && s->unit);
        for (size_t i = 0; i < s->count; i++)
                check(s->rows[i].badness <= s->rows[i].range && s->rows[i].description && s->rows[i].applies == (s->rows[i].weight > 0));
}

/* The first byte chooses the name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const names[] = { "a.service", "a@.service", "root.service", "a-b@root.service" };
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        CLEAN_SCORE struct score strict = { 0 }, lenient = { 0 };
        struct error e = { 0 };
        if (!size || unit_file_parse(&u, "f", (const char *)data + 1, size - 1, NULL, true, &e) < 0)
                return 0;
        const char *name = names[*data % ELEMENTS(names)];
        int r = score_unit(&u, name, false, &strict, &e), k = score_unit(&u, name, true, &lenient, &e);
        check(r <= 0 && k <= 0 && (r < 0 || k == 0));
        if (k == 0)
                check_score(&lenient);
        if (r == 0) {
                check_score(&strict);
                check(strict.exposure == lenient.exposure);
        }
        return 0;
}
