/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as the report of a probe: whatever it says, no number and no row is beyond its scale, and findings are bounded. */
#include <stdlib.h>
#include <string.h>

#include "plan/score_measured.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

/* The first byte chooses the unit. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const units[] = { "[Service]\n", "[Service]\nDynamicUser=yes\nPrivateNetwork=yes\nProtectHome=tmpfs\nSystemCallFilter=@system-service\n" };
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        CLEAN_SCORE struct score s = { 0 };
        CLEAN_SCORE_REPORT struct score_report r = { 0 };
        CLEAN_SCORE_MEASURED struct score_measured m = { 0 };
        struct error e = { 0 };
        if (!size)
                return 0;
        const char *unit = units[*data % ELEMENTS(units)];
        check(unit_file_parse(&u, "f", unit, strlen(unit), NULL, false, &e) == 0 && score_unit(&u, "a.service", false, &s, &e) == 0);
        if (score_report_parse(&r, (const char *)data + 1, size - 1, &e) < 0) {
                check(e.code < 0 && *e.id && !r.lines);
                return 0;
        }
        check(r.count <= SCORE_REPORT_LINES);
        score_measure(&s, &r, &m);
        check(m.exposure <= 100 && m.rating && m.measured <= s.count && m.finding_count <= SCORE_FINDINGS_MAX);
        for (size_t i = 0; i < s.count; i++)
                check(m.rows[i].badness <= s.rows[i].range);
        return 0;
}
