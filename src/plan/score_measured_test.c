/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/score_measured.h"
#include "plan/suggest.h"

static void score_lines(const char *lines, struct score *ret)
{
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        CLEAN_FREE char *text = xprintf("[Service]\n%s\n", lines);
        struct error e = { 0 };
        assert_int_equal(unit_file_parse(&u, "f", text, strlen(text), NULL, false, &e), 0);
        assert_int_equal(score_unit(&u, "a.service", false, ret, &e), 0);
}

static const struct score_measured_row *row_of(const struct score *s, const struct score_measured *m, const char *check)
{
        for (size_t i = 0; i < s->count; i++)
                if (text_equal(s->rows[i].check, check))
                        return &m->rows[i];
        fail_msg("no check %s", check);
        return NULL;
}

/* ---- the report ---- */

static void test_reports_are_read(void **state)
{
        static const char text[] = "user 10 user 0\nmount ?\ncapabilities 18446744073709551615\ndoor 1 /run/a b.sock\nend 1\n";
        CLEAN_SCORE_REPORT struct score_report r = { 0 };
        (void)state;
        assert_int_equal(score_report_parse(&r, text, sizeof text - 1, NULL), 0);
        assert_int_equal(r.count, 5);
        assert_true(r.whole && r.lines[0].known && !r.lines[1].known);
        assert_int_equal(r.lines[0].value, 10);
        assert_string_equal(r.lines[0].detail, "user 0");
        assert_true(r.lines[2].value == UINT64_MAX);
        assert_string_equal(r.lines[3].detail, "/run/a b.sock");
}

static void test_what_is_no_report_is_refused(void **state)
{
        static const char *const bad[] = { "user 10", "user\n", "User 1\n", " 1\n", "user  1\n", "user x\n", "user -1\n", "user 18446744073709551616\n", "user 1\n\n",
                                           "a-name-that-is-longer-than-any-attempt-has 1\n" };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_SCORE_REPORT struct score_report r = { 0 };
                struct error e = { 0 };
                if (score_report_parse(&r, bad[i], strlen(bad[i]), &e) != -EINVAL)
                        fail_msg("\"%s\" was read", bad[i]);
                assert_string_equal(e.id, "score.report");
        }
        CLEAN_SCORE_REPORT struct score_report r = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        for (int i = 0; i <= SCORE_REPORT_LINES; i++)
                text_add(&t, "a 1\n");
        assert_int_equal(score_report_parse(&r, t.data, t.length, NULL), -E2BIG);
        assert_int_equal(score_report_parse(&r, "a 1 \0\n", 6, NULL), -EINVAL);
}

/* ---- rows ---- */

static const struct {
        const char *lines, *report, *check;
        enum score_effect effect;
        unsigned badness;
} rows[] = {
        { "", "host-net 1\n", "PrivateNetwork", SCORE_SAME, 1 },
        { "PrivateNetwork=yes", "host-net 0\n", "PrivateNetwork", SCORE_SAME, 0 },
        { "PrivateNetwork=yes", "host-net 1\n", "PrivateNetwork", SCORE_WEAKER, 1 },
        { "", "host-net 0\n", "PrivateNetwork", SCORE_STRONGER, 0 },
        { "", "host-net ? no /proc\n", "PrivateNetwork", SCORE_NOT_MEASURED, 1 },
        { "", "", "PrivateNetwork", SCORE_NOT_MEASURED, 1 },
        /* Levels, and no more than the worst of them. */
        { "ProtectSystem=strict", "system 5 /etc\n", "ProtectSystem", SCORE_WEAKER, 5 },
        { "ProtectHome=read-only", "home 5 /home\n", "ProtectHome", SCORE_SAME, 5 },
        { "ProtectHome=yes", "home 99 /home\n", "ProtectHome", SCORE_WEAKER, 10 },
        /* A filter that lets a part through. */
        { "SystemCallFilter=@system-service", "calls-resources 1\n", "SystemCallFilter_resources", SCORE_SAME, 9 },
        { "SystemCallFilter=@system-service", "calls-resources 0\n", "SystemCallFilter_resources", SCORE_STRONGER, 0 },
        { "SystemCallFilter=~@resources", "calls-resources 1\n", "SystemCallFilter_resources", SCORE_WEAKER, 10 },
        /* Sets of capabilities: CAP_KILL is 5, CAP_SETUID 7. */
        { "CapabilityBoundingSet=", "capabilities 32\n", "CapabilityBoundingSet_CAP_KILL", SCORE_WEAKER, 1 },
        { "", "capabilities 32\n", "CapabilityBoundingSet_CAP_SET_UID_GID_PCAP", SCORE_STRONGER, 0 },
        { "", "capabilities 128\n", "CapabilityBoundingSet_CAP_SET_UID_GID_PCAP", SCORE_SAME, 1 },
        /* Whoever may mount undoes what is mounted, and only that. */
        { "ProtectSystem=strict", "system 0\nmount 1\n", "ProtectSystem", SCORE_WEAKER, 10 },
        { "ProtectSystem=strict", "system 0\nmount 0\n", "ProtectSystem", SCORE_SAME, 0 },
        { "", "system 0\nmount 1\n", "ProtectSystem", SCORE_STRONGER, 0 },
        { "PrivateNetwork=yes", "host-net 0\nmount 1\n", "PrivateNetwork", SCORE_SAME, 0 },
        /* Degrees of addresses. */
        { "IPAddressDeny=any\nIPAddressAllow=10.0.0.0/8", "addresses 10\n", "IPAddressDeny", SCORE_SAME, 5 },
        { "IPAddressDeny=any", "addresses 10\n", "IPAddressDeny", SCORE_WEAKER, 10 },
        { "IPAddressDeny=any\nIPAddressAllow=localhost", "addresses 10\n", "IPAddressDeny", SCORE_WEAKER, 10 },
        /* What does not apply. */
        { "", "groups 1\n", "SupplementaryGroups", SCORE_NOT_MEASURED, 0 },
        { "NotifyAccess=all", "user 10\n", "NotifyAccess", SCORE_NOT_MEASURED, 1 },
};

static void test_rows_are_judged_by_what_was_done(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_SCORE struct score s = { 0 };
                CLEAN_SCORE_REPORT struct score_report r = { 0 };
                CLEAN_SCORE_MEASURED struct score_measured m = { 0 };
                score_lines(rows[i].lines, &s);
                assert_int_equal(score_report_parse(&r, rows[i].report, strlen(rows[i].report), NULL), 0);
                score_measure(&s, &r, &m);
                const struct score_measured_row *x = row_of(&s, &m, rows[i].check);
                if (x->effect != rows[i].effect || x->badness != rows[i].badness)
                        fail_msg("%s, %s: %s is %s %u", rows[i].lines, rows[i].report, rows[i].check, score_effect_word(x->effect), x->badness);
        }
}

static void test_without_a_report_the_number_is_the_texts(void **state)
{
        CLEAN_SCORE struct score s = { 0 };
        CLEAN_SCORE_MEASURED struct score_measured m = { 0 };
        const struct score_report none = { 0 };
        (void)state;
        score_lines("DynamicUser=yes", &s);
        score_measure(&s, &none, &m);
        assert_int_equal(m.exposure, s.exposure);
        assert_int_equal(m.measured, 0);
        assert_string_equal(m.rating, s.rating);
}

static void test_a_door_to_root_is_the_worst_number(void **state)
{
        static const char report[] = "door 1 /run/docker.sock\nsockets 0\nseen 1 /srv/a\nmovable 1 /srv/b\nhost-ipc 0\n";
        CLEAN_SCORE struct score s = { 0 };
        CLEAN_SCORE_REPORT struct score_report r = { 0 };
        CLEAN_SCORE_MEASURED struct score_measured m = { 0 };
        (void)state;
        score_lines("DynamicUser=yes", &s);
        assert_int_equal(score_report_parse(&r, report, sizeof report - 1, NULL), 0);
        score_measure(&s, &r, &m);
        assert_int_equal(m.exposure, 100);
        assert_int_equal(m.finding_count, 3);
        assert_true(m.findings[0].is_door && !m.findings[1].is_door && !m.findings[2].is_door);
}

/* ---- suggestions ---- */

static void test_every_suggestion_is_a_line_that_gains(void **state)
{
        CLEAN_SCORE struct score open_one = { 0 };
        const char *assignment;
        (void)state;
        score_lines("", &open_one);
        for (unsigned i = 0; (assignment = suggest_assignment(i)); i++) {
                CLEAN_SCORE struct score s = { 0 };
                score_lines(assignment, &s);
                bool smaller = suggest_points(&s) < suggest_points(&open_one);
                /* What is the default already gains only where it was changed. */
                if (!smaller && !text_equal(assignment, "KeyringMode=private"))
                        fail_msg("%s gains nothing", assignment);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reports_are_read),
                cmocka_unit_test(test_what_is_no_report_is_refused),
                cmocka_unit_test(test_rows_are_judged_by_what_was_done),
                cmocka_unit_test(test_without_a_report_the_number_is_the_texts),
                cmocka_unit_test(test_a_door_to_root_is_the_worst_number),
                cmocka_unit_test(test_every_suggestion_is_a_line_that_gains),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
