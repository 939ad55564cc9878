/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "group/spec.h"

#define NEEDED "\"Instance\":{\"Plugin\":\"file\"},\"Flavor\":{\"Plugin\":\"vanilla\"}"
#define SIZED "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":3}," NEEDED

static int read_text(const char *text, struct group_spec *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        int r = json_parse("group", text, strlen(text), &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, "group");
        return group_spec_read(&top, ret, e);
}

static void durations_are_those_of_go(void **state)
{
        static const struct {
                const char *text;
                int r;
                uint64_t usec;
                const char *formatted;
        } rows[] = {
                { "0", 0, 0, "0s" },
                { "30s", 0, 30000000, "30s" },
                { "1m30s", 0, 90000000, "1m30s" },
                { "1h", 0, UINT64_C(3600000000), "1h0m0s" },
                { "1h2m3.5s", 0, UINT64_C(3723500000), "1h2m3.5s" },
                { "300ms", 0, 300000, "300ms" },
                { "1.5ms", 0, 1500, "1.5ms" },
                { "7us", 0, 7, "7\xc2\xb5s" },
                { "7\xc2\xb5s", 0, 7, "7\xc2\xb5s" },
                { "7\xce\xbcs", 0, 7, "7\xc2\xb5s" },
                { "1999ns", 0, 1, "1\xc2\xb5s" },
                { ".5s", 0, 500000, "500ms" },
                { "1.s", 0, 1000000, "1s" },
                { "+5s", 0, 5000000, "5s" },
                { "1.0000001s", 0, 1000000, "1s" },
                { "2562047h", 0, UINT64_C(2562047) * 3600000000, "2562047h0m0s" },
                { "2562048h", -ERANGE, 0, NULL },
                { "99999999999999999999s", -ERANGE, 0, NULL },
                { "", -EINVAL, 0, NULL },
                { "+", -EINVAL, 0, NULL },
                { "3", -EINVAL, 0, NULL },
                { "s", -EINVAL, 0, NULL },
                { ".s", -EINVAL, 0, NULL },
                { "-1s", -EINVAL, 0, NULL },
                { "1 s", -EINVAL, 0, NULL },
                { "1d", -EINVAL, 0, NULL },
                { "1sec", -EINVAL, 0, NULL },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                uint64_t usec = 1;
                char formatted[32];
                assert_int_equal(duration_parse(rows[i].text, &usec), rows[i].r);
                if (rows[i].r < 0)
                        continue;
                assert_int_equal(usec, rows[i].usec);
                duration_format(usec, formatted);
                assert_string_equal(formatted, rows[i].formatted);
        }
        char longest[32];
        duration_format(UINT64_MAX, longest);
        assert_true(strlen(longest) < sizeof longest);
}

static void hash_of(const char *instance, const char *flavor, char ret[33])
{
        CLEAN_JSON struct json_document i = { 0 }, f = { 0 };
        assert_int_equal(json_parse("instance", instance, strlen(instance), &i, NULL), 0);
        assert_int_equal(json_parse("flavor", flavor, strlen(flavor), &f, NULL), 0);
        group_hash(i.nodes, f.nodes, ret);
}

static void the_hash_is_that_of_infrakit(void **state)
{
        char hash[33];
        (void)state;
        hash_of("{\"Plugin\":\"file\",\"Properties\":{\"Note\":\"v1\"}}", "{\"Plugin\":\"vanilla\",\"Properties\":{\"Init\":[\"echo hi\"]}}", hash);
        assert_string_equal(hash, "exemksx4tnkcpagwrtbbvcsjvys6otrk");
        hash_of("{\"Properties\":{\"Note\":\"v2\"},\"Plugin\":\"file\"}",
                "{\"Properties\":{\"Tags\":{\"tier\":\"web\"},\"Init\":[\"echo hi\"]},\"Plugin\":\"vanilla\"}", hash);
        assert_string_equal(hash, "gpl7rxknme4yis3dulln7tjphjeya57l");
}

static void the_hash_depends_on_what_is_said_and_not_on_how(void **state)
{
        static const struct {
                const char *a, *b;
                bool equal;
        } rows[] = {
                { "{\"a\":1,\"b\":2}", "{ \"b\" : 2.0, \"a\" : 1e0 }", true },
                { "{\"a\":0.1}", "{\"a\":0.10000000000000000555}", true },
                { "{\"a\":1e21}", "{\"a\":1000000000000000000000}", true },
                { "{\"a\":9007199254740993}", "{\"a\":9007199254740992}", true }, /* as doubles they are one */
                { "{\"a\":\"<\"}", "{\"a\":\"\\u003c\"}", true },
                { "{\"a\":\"\xe2\x80\xa8\"}", "{\"a\":\"\\u2028\"}", true },
                { "{\"a\":null}", "{}", false },
                { "{\"a\":[1,2]}", "{\"a\":[2,1]}", false },
                { "{\"a\":0}", "{\"a\":-0.0}", false },
                { "{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\u0000z\"}", false },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FREE char *a = xprintf("{\"Plugin\":\"p\",\"Properties\":%s}", rows[i].a), *b = xprintf("{\"Plugin\":\"p\",\"Properties\":%s}", rows[i].b);
                char x[33], y[33];
                hash_of(a, "{\"Plugin\":\"f\"}", x);
                hash_of(b, "{\"Plugin\":\"f\"}", y);
                assert_int_equal(!strcmp(x, y), rows[i].equal);
        }
}

static void a_document_is_read_whole(void **state)
{
        CLEAN_GROUP_SPEC struct group_spec s = { 0 };
        struct error e = { 0 };
        (void)state;
        assert_int_equal(read_text("{\"ID\":\"web\",\"Other\":1,\"Properties\":{\"Allocation\":{\"Size\":10,\"LogicalIDs\":null},"
                                   "\"Instance\":{\"Plugin\":\"aws/ec2-instance\",\"Properties\":{\"Note\":\"v1\"}},\"Flavor\":{\"Plugin\":\"vanilla\"},"
                                   "\"Updating\":{\"Duration\":\"30s\",\"SkipBeforeInstanceDestroy\":\"drain\",\"Surge\":\"25%\",\"Unavailable\":1,\"Batch\":\"2\","
                                   "\"Canary\":\"5%\",\"Checkpoints\":[\"25%\",\"50%\"],\"Bake\":\"10m\",\"Deadline\":\"0\",\"OnFailure\":\"rollback\"},"
                                   "\"Health\":{\"Interval\":\"1s\",\"Grace\":\"5s\",\"Failures\":2,\"Budget\":1,\"Check\":{\"Kind\":\"http\"}},"
                                   "\"Drift\":{\"Interval\":\"2m\",\"Action\":\"replace\"},"
                                   "\"Limits\":{\"Parallel\":32,\"Attempts\":4,\"Backoff\":\"2s\",\"BackoffMax\":\"1m\",\"Rate\":\"100/1m\",\"Reset\":\"3m\"},"
                                   "\"Poll\":\"10s\",\"Protection\":{\"Group\":true,\"Instances\":[\"i-1\"]}}}",
                                   &s, &e),
                         0);
        assert_string_equal(s.id, "web");
        assert_int_equal(group_spec_count(&s), 10);
        assert_string_equal(s.instance.plugin, "aws/ec2-instance");
        assert_string_equal(s.instance.properties, "{\"Note\":\"v1\"}");
        assert_null(s.flavor.properties);
        assert_int_equal(s.updating.duration_usec, 30000000);
        assert_true(s.updating.skip_drain);
        assert_int_equal(share_up(s.updating.surge, 10), 3);
        assert_int_equal(share_down(s.updating.surge, 10), 2);
        assert_int_equal(s.updating.unavailable.value, 1);
        assert_int_equal(s.updating.batch.value, 2);
        assert_int_equal(share_up(s.updating.canary, 10), 1);
        assert_int_equal(s.updating.checkpoint_count, 2);
        assert_int_equal(s.updating.bake_usec, 600000000);
        assert_int_equal(s.updating.deadline_usec, 0);
        assert_int_equal(s.updating.on_failure, ON_FAILURE_ROLLBACK);
        assert_int_equal(s.health.interval_usec, 1000000);
        assert_int_equal(s.health.failures, 2);
        assert_string_equal(s.health.check, "{\"Kind\":\"http\"}");
        assert_int_equal(s.drift.interval_usec, 120000000);
        assert_int_equal(s.drift.action, DRIFT_REPLACE);
        assert_int_equal(s.limits.parallel, 32);
        assert_int_equal(s.limits.rate, 100);
        assert_int_equal(s.limits.rate_usec, 60000000);
        assert_int_equal(s.limits.reset_usec, 180000000);
        assert_int_equal(s.poll_usec, 10000000);
        assert_true(s.protect_group);
        assert_string_equal(s.protect_instances.items[0], "i-1");
        assert_int_equal(strlen(s.hash), 32);
}

static void what_is_not_said_has_a_default(void **state)
{
        CLEAN_GROUP_SPEC struct group_spec s = { 0 }, checked = { 0 };
        (void)state;
        assert_int_equal(read_text("{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":0}," NEEDED ",\"Updating\":null}}", &s, NULL), 0);
        assert_int_equal(s.updating.surge.value, 1);
        assert_int_equal(s.updating.unavailable.value, 0);
        assert_int_equal(s.updating.batch.value, 1);
        assert_int_equal(s.updating.deadline_usec, 600000000);
        assert_int_equal(s.health.interval_usec, 0);
        assert_int_equal(s.health.grace_usec, 30000000);
        assert_int_equal(s.health.failures, 3);
        assert_int_equal(share_up(s.health.budget, 10), 2);
        assert_int_equal(s.drift.interval_usec, 300000000);
        assert_int_equal(s.drift.action, DRIFT_TELL);
        assert_int_equal(s.limits.attempts, 5);
        assert_int_equal(s.limits.backoff_usec, 1000000);
        assert_int_equal(s.limits.backoff_max_usec, 300000000);
        assert_int_equal(s.limits.reset_usec, 600000000);
        assert_int_equal(read_text(SIZED ",\"Health\":{\"Check\":{}}}}", &checked, NULL), 0);
        assert_int_equal(checked.health.interval_usec, 10000000);
}

static void what_is_wrong_is_named(void **state)
{
        static const struct {
                const char *text, *said;
        } rows[] = {
                { "[]", "group: /: expected an object" },
                { "{\"Properties\":{}}", "/Properties/Allocation: is missing" },
                { "{\"ID\":\"\",\"Properties\":{}}", "/ID: the ID of a group has 1 to" },
                { "{\"ID\":\"a/b\",\"Properties\":{}}", "/ID: the ID of a group has letters" },
                { "{\"ID\":\".a\",\"Properties\":{}}", "no point at the beginning" },
                { "{\"ID\":\"web\"}", "/Properties: is missing" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{}," NEEDED "}}", "/Properties/Allocation: Size or LogicalIDs is missing" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"LogicalIDs\":[]}," NEEDED "}}", "Size or LogicalIDs is missing" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":1,\"LogicalIDs\":[\"a\"]}," NEEDED "}}", "either Size or LogicalIDs" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"LogicalIDs\":[\"a\",\"b\",\"a\"]}," NEEDED "}}", "\"a\" stands twice" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":-1}," NEEDED "}}", "/Properties/Allocation/Size: is not from 0" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":100001}," NEEDED "}}", "is not from 0 to 100000" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":1},\"Flavor\":{\"Plugin\":\"v\"}}}", "/Properties/Instance: is missing" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":1},\"Instance\":{},\"Flavor\":{\"Plugin\":\"v\"}}}", "/Instance/Plugin: is missing" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":1},\"Instance\":{\"Plugin\":\"../x\"}}}", "\"../x\" names no plugin" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":1},\"Instance\":{\"Plugin\":\"x\",\"Properties\":1e999}}}", "1e999 is out of range" },
                { SIZED ",\"Updating\":{\"Durration\":\"3s\"}}}", "/Properties/Updating/Durration: is no member that is known" },
                { SIZED ",\"Updating\":{\"surge\":1}}}", "/Properties/Updating/surge: is no member" },
                { SIZED ",\"Updating\":{\"Duration\":\"3 s\"}}}", "/Updating/Duration: \"3 s\" is no duration" },
                { SIZED ",\"Updating\":{\"Duration\":3}}}", "/Updating/Duration: expected a string" },
                { SIZED ",\"Updating\":{\"Duration\":\"3s\",\"Count\":3}}}", "either Duration or Count" },
                { SIZED ",\"Updating\":{\"Surge\":0}}}", "cannot both be 0" },
                { SIZED ",\"Updating\":{\"Surge\":\"101%\"}}}", "/Updating/Surge: is not from 0 to 100%" },
                { SIZED ",\"Updating\":{\"Surge\":\"%\"}}}", "/Updating/Surge: expected a number" },
                { SIZED ",\"Updating\":{\"Surge\":-1}}}", "/Updating/Surge: is not from 0" },
                { SIZED ",\"Updating\":{\"Surge\":[]}}}", "/Updating/Surge: expected" },
                { SIZED ",\"Updating\":{\"Batch\":0}}}", "Batch cannot be 0" },
                { SIZED ",\"Updating\":{\"Checkpoints\":[\"50%\",\"25%\"]}}}", "Checkpoints must ascend" },
                { SIZED ",\"Updating\":{\"Checkpoints\":[1,\"25%\"]}}}", "Checkpoints must ascend" },
                { SIZED ",\"Updating\":{\"OnFailure\":\"explode\"}}}", "unknown word \"explode\"" },
                { SIZED ",\"Updating\":{\"SkipBeforeInstanceDestroy\":\"x\"}}}", "unknown word \"x\"" },
                { SIZED ",\"Health\":{\"Failures\":0}}}", "Failures must be at least 1" },
                { SIZED ",\"Health\":{\"Interval\":\"1ms\"}}}", "Interval is 0, or at least 10ms" },
                { SIZED ",\"Health\":{\"Check\":\"http\"}}}", "/Health/Check: expected an object" },
                { SIZED ",\"Drift\":{\"Interval\":\"10ms\"}}}", "Interval is 0, or at least 1s" },
                { SIZED ",\"Drift\":{\"Action\":\"explode\"}}}", "unknown word \"explode\"" },
                { SIZED ",\"Drift\":{\"Interval\":\"0s\",\"Action\":\"replace\"}}}", "Action takes an Interval" },
                { SIZED ",\"Drift\":{\"Actions\":\"tell\"}}}", "/Drift/Actions: is no member that is known" },
                { SIZED ",\"Limits\":{\"Attempts\":0}}}", "Attempts must be" },
                { SIZED ",\"Limits\":{\"Backoff\":\"0\"}}}", "Backoff is at least" },
                { SIZED ",\"Limits\":{\"Backoff\":\"10m\"}}}", "BackoffMax at least as long" },
                { SIZED ",\"Limits\":{\"Rate\":\"0/1m\"}}}", "/Limits/Rate: expected a number and a time" },
                { SIZED ",\"Limits\":{\"Rate\":\"5\"}}}", "/Limits/Rate: expected a number and a time" },
                { SIZED ",\"Limits\":{\"Reset\":\"1ms\"}}}", "Reset must be" },
                { SIZED ",\"Protection\":{\"Grup\":true}}}", "/Protection/Grup: is no member" },
                { SIZED ",\"Protection\":{\"Instances\":[\"\"]}}}", "/Protection/Instances/0: the ID of an instance" },
                { "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":0}," NEEDED ",\"Protection\":{\"Group\":true}}}", "cannot have the size 0" },
                { SIZED ",\"Poll\":\"1ms\"}}", "Poll is 0, or at least 100ms" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_GROUP_SPEC struct group_spec s = { 0 };
                struct error e = { 0 };
                assert_int_equal(read_text(rows[i].text, &s, &e), -EINVAL);
                assert_string_equal(e.id, "json.value");
                if (!strstr(e.cause, rows[i].said))
                        fail_msg("row %zu: \"%s\" does not say \"%s\"", i, e.cause, rows[i].said);
        }
}

static void a_misspelled_member_is_answered_with_those_that_are_known(void **state)
{
        CLEAN_GROUP_SPEC struct group_spec s = { 0 };
        struct error e = { 0 };
        (void)state;
        assert_int_equal(read_text(SIZED ",\"Health\":{\"Budgets\":1}}}", &s, &e), -EINVAL);
        assert_string_equal(e.hint, "known are Interval, Grace, Failures, Budget, Check");
}

static void a_document_is_written_in_infrakits_form(void **state)
{
        CLEAN_GROUP_SPEC struct group_spec s = { 0 }, again = { 0 };
        CLEAN_TEXT struct text t = { 0 }, u = { 0 };
        (void)state;
        assert_int_equal(read_text("{\"Properties\":{\"Poll\":\"5s\",\"Flavor\":{\"Plugin\":\"vanilla\",\"Properties\":{\"Init\":[\"echo hi\"]}},"
                                   "\"Instance\":{\"Plugin\":\"file\",\"Properties\":{\"Note\":\"v1\"}},\"Allocation\":{\"Size\":3},\"Mine\":{\"a\":1},"
                                   "\"Updating\":{\"Surge\":\"25%\",\"Duration\":\"90s\"}},\"ID\":\"web\"}",
                                   &s, NULL),
                         0);
        group_spec_format(&t, &s);
        assert_string_equal(t.data, "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":3,\"LogicalIDs\":null},"
                                    "\"Instance\":{\"Plugin\":\"file\",\"Properties\":{\"Note\":\"v1\"}},"
                                    "\"Flavor\":{\"Plugin\":\"vanilla\",\"Properties\":{\"Init\":[\"echo hi\"]}},"
                                    "\"Updating\":{\"Duration\":\"1m30s\",\"Count\":0,\"SkipBeforeInstanceDestroy\":null,\"Surge\":\"25%\"},"
                                    "\"Poll\":\"5s\",\"Mine\":{\"a\":1}}}");
        assert_int_equal(read_text(t.data, &again, NULL), 0);
        assert_string_equal(again.hash, s.hash);
        assert_string_equal(s.hash, "exemksx4tnkcpagwrtbbvcsjvys6otrk");
        group_spec_format(&u, &again);
        assert_string_equal(u.data, t.data);
}

static void size_and_configuration_are_exchanged_in_the_text_too(void **state)
{
        CLEAN_GROUP_SPEC struct group_spec s = { 0 }, other = { 0 }, again = { 0 };
        (void)state;
        assert_int_equal(read_text(SIZED ",\"Poll\":\"5s\"}}", &s, NULL), 0);
        assert_int_equal(read_text("{\"ID\":\"other\",\"Properties\":{\"Allocation\":{\"Size\":9},\"Instance\":{\"Plugin\":\"file\",\"Properties\":{\"Note\":\"v1\"}},"
                                   "\"Flavor\":{\"Plugin\":\"vanilla\",\"Properties\":{\"Init\":[\"echo hi\"]}}}}",
                                   &other, NULL),
                         0);
        group_spec_set_size(&s, 7);
        group_spec_set_configuration(&s, &other);
        assert_int_equal(read_text(s.text, &again, NULL), 0);
        assert_string_equal(again.id, "web");
        assert_int_equal(again.allocation.size, 7);
        assert_int_equal(again.poll_usec, 5000000);
        assert_string_equal(again.hash, other.hash);
        assert_string_equal(s.hash, other.hash);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(durations_are_those_of_go),
                cmocka_unit_test(the_hash_is_that_of_infrakit),
                cmocka_unit_test(the_hash_depends_on_what_is_said_and_not_on_how),
                cmocka_unit_test(a_document_is_read_whole),
                cmocka_unit_test(what_is_not_said_has_a_default),
                cmocka_unit_test(what_is_wrong_is_named),
                cmocka_unit_test(a_misspelled_member_is_answered_with_those_that_are_known),
                cmocka_unit_test(a_document_is_written_in_infrakits_form),
                cmocka_unit_test(size_and_configuration_are_exchanged_in_the_text_too),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
