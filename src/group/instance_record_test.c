/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "group/instance_record.h"

static void a_name_follows_from_the_token_alone(void **state)
{
        char a[INSTANCE_NAME_SIZE], b[INSTANCE_NAME_SIZE], c[INSTANCE_NAME_SIZE], none[INSTANCE_NAME_SIZE];
        (void)state;
        instance_name("t", a);
        instance_name("t", b);
        instance_name("u", c);
        assert_string_equal(a, b);
        assert_string_not_equal(a, c);
        /* Instances that are there keep their names across versions. */
        assert_string_equal(a, "6b075eb762a691edf8b5a4686e89ab0f");
        instance_name(NULL, none);
        instance_name(NULL, c);
        assert_string_not_equal(none, c);
        assert_int_equal(strlen(none), INSTANCE_NAME_SIZE - 1);
}

static void begin(struct instance_record *r, const char *token)
{
        CLEAN_INSTANCE_SPEC struct instance_spec spec = { .properties = xstrdup("{\"a\":1}"), .logical_id = xstrdup("10.0.0.3") };
        tags_set(&spec.tags, TAG_GROUP, "web");
        if (token)
                tags_set(&spec.tags, TAG_TOKEN, token);
        instance_record_begin(r, &spec);
}

static void a_record_is_read_as_it_was_written(void **state)
{
        CLEAN_INSTANCE_RECORD struct instance_record r = { 0 }, back = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        (void)state;
        begin(&r, "t");
        r.stage = STAGE_REMOVING;
        instance_record_format(&t, &r);
        assert_int_equal(instance_record_parse("it", t.data, t.length, &back, &e), 0);
        assert_int_equal(back.stage, STAGE_REMOVING);
        assert_string_equal(back.name, r.name);
        assert_string_equal(back.token, "t");
        assert_string_equal(back.logical_id, "10.0.0.3");
        assert_string_equal(back.properties, "{\"a\":1}");
        assert_true(tags_equal(&back.tags, &r.tags));
}

static void what_is_damaged_is_refused(void **state)
{
        static const char *const bad[] = {
                "", "{}", "{\"Version\":1}", "[1]",
                "{\"Version\":2,\"Stage\":\"ready\",\"Name\":\"6b075eb762a691edf8b5a4686e89ab0f\",\"Tags\":{}}",
                "{\"Version\":1,\"Stage\":\"gone\",\"Name\":\"6b075eb762a691edf8b5a4686e89ab0f\",\"Tags\":{}}",
                "{\"Version\":1,\"Stage\":\"ready\",\"Name\":\"../../etc\",\"Tags\":{}}",
                "{\"Version\":1,\"Stage\":\"ready\",\"Name\":\"6b075eb762a691edf8b5a4686e89ab0f\",\"Tags\":{\"a\":1}}",
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                struct instance_record r = { 0 };
                struct error e = { 0 };
                assert_true(instance_record_parse("it", bad[i], strlen(bad[i]), &r, &e) < 0);
                assert_string_equal(e.id, "instance.record");
        }
}

static void another_token_is_not_believed(void **state)
{
        CLEAN_INSTANCE_RECORD struct instance_record r = { 0 }, without = { 0 };
        CLEAN_INSTANCE_SPEC struct instance_spec spec = { 0 };
        struct error e = { 0 };
        (void)state;
        begin(&r, "t");
        begin(&without, NULL);
        tags_set(&spec.tags, TAG_TOKEN, "t");
        assert_int_equal(instance_record_check(&r, &spec, &e), 0);
        assert_int_equal(instance_record_check(&without, &spec, &e), -EEXIST);
        tags_set(&spec.tags, TAG_TOKEN, "u");
        assert_int_equal(instance_record_check(&r, &spec, &e), -EEXIST);
}

static void what_has_failed_is_not_listed(void **state)
{
        CLEAN_INSTANCES struct instances l = { 0 };
        CLEAN_TAGS struct tags match = { 0 };
        CLEAN_INSTANCE_RECORD struct instance_record r = { 0 };
        (void)state;
        begin(&r, "t");
        for (int stage = 0; stage < STAGES; stage++) {
                r.stage = (enum instance_stage)stage;
                instance_record_list(&r, "i", &match, stage == STAGE_READY, &l);
        }
        assert_int_equal(l.count, 3);
        assert_null(l.items[0].properties);
        assert_string_equal(l.items[1].properties, "{\"a\":1}");
        tags_set(&match, TAG_GROUP, "db");
        instance_record_list(&r, "i", &match, true, &l);
        assert_int_equal(l.count, 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_name_follows_from_the_token_alone), cmocka_unit_test(a_record_is_read_as_it_was_written),
                cmocka_unit_test(what_is_damaged_is_refused),          cmocka_unit_test(another_token_is_not_believed),
                cmocka_unit_test(what_has_failed_is_not_listed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
