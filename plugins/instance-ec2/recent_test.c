/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "instances.h"
#include "recent.h"

static void what_was_made_is_missing_until_it_is_listed_or_forgotten(void **state)
{
        (void)state;
        struct recent *r = recent_new();
        CLEAN_TAGS struct tags web = { 0 }, other = { 0 };
        CLEAN_INSTANCES struct instances list = { 0 }, missing = { 0 };
        const struct tags none = { 0 };
        tags_set(&web, "g", "web");
        tags_set(&other, "g", "other");
        recent_made(r, "i-b", "10.0.0.1", &web);
        recent_made(r, "i-a", NULL, &web);
        recent_made(r, "i-c", NULL, &other);
        recent_made(r, "i-a", NULL, &web); /* once more, for the same token */
        assert_true(recent_has(r, "i-a") && !recent_has(r, "i-x"));
        (void)instances_add(&list, "i-z");
        (void)instances_add(&list, "i-b");
        recent_drop_gone(r, &list);
        assert_string_equal(list.items[0].id, "i-b");
        recent_missing(r, &web, &list, &missing);
        assert_int_equal(missing.count, 1);
        assert_string_equal(missing.items[0].id, "i-a");
        assert_true(tags_equal(&missing.items[0].tags, &web));
        instances_done(&missing);
        recent_missing(r, &none, &list, &missing);
        assert_int_equal(missing.count, 2);
        instances_done(&missing);
        recent_forget(r, "i-a");
        recent_missing(r, &web, &list, &missing);
        assert_int_equal(missing.count, 0);
        recent_free(r);
}

static void what_was_destroyed_is_dropped(void **state)
{
        (void)state;
        struct recent *r = recent_new();
        CLEAN_INSTANCES struct instances list = { 0 }, missing = { 0 };
        const struct tags none = { 0 };
        recent_made(r, "i-a", NULL, &none);
        recent_gone(r, "i-a");
        recent_gone(r, "i-c");
        assert_false(recent_has(r, "i-a"));
        static const char *const ids[] = { "i-d", "i-c", "i-b", "i-a" };
        for (size_t i = 0; i < ELEMENTS(ids); i++)
                (void)instances_add(&list, ids[i]);
        recent_drop_gone(r, &list);
        assert_int_equal(list.count, 2);
        assert_string_equal(list.items[0].id, "i-b");
        assert_string_equal(list.items[1].id, "i-d");
        recent_missing(r, &none, &list, &missing);
        assert_int_equal(missing.count, 0);
        recent_free(r);
}

static void memory_is_bounded(void **state)
{
        (void)state;
        struct recent *r = recent_new();
        for (int i = 0; i < RECENT_MAX + 10; i++) {
                CLEAN_FREE char *id = xprintf("i-%d", i);
                recent_gone(r, id);
        }
        recent_made(r, "i-x", NULL, &(const struct tags){ 0 });
        assert_true(recent_has(r, "i-x"));
        recent_free(r);
}

static void ids_have_their_form(void **state)
{
        (void)state;
        static const char *const bad[] = { "", "i-", "i-1234567", "i-0123456789ABCDEF0", "i-0123456789abcdef0 ", "vol-0123456789abcdef0", "i-../../x" };
        assert_true(ec2_id_is_valid("i-0123456789abcdef0") && ec2_id_is_valid("i-12345678"));
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_false(ec2_id_is_valid(bad[i]));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_made_is_missing_until_it_is_listed_or_forgotten),
                cmocka_unit_test(what_was_destroyed_is_dropped),
                cmocka_unit_test(memory_is_bounded),
                cmocka_unit_test(ids_have_their_form),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
