/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/run_profile.h"

static const struct facts facts = { .unit = "a.service", .boot_id = "0", .machine_id = "0", .hostname = "h", .user_name = "root", .home = "/root", .shell = "/bin/sh",
                                    .runtime_folder = "/run", .state_folder = "/var/lib", .cache_folder = "/var/cache", .logs_folder = "/var/log",
                                    .configuration_folder = "/etc", .capabilities = (UINT64_C(1) << 41) - 1 };

/* The profile, then one line more, or none. */
static void compile(const char *profile, const char *more, bool user_mode, struct plan *ret)
{
        CLEAN_SETTINGS struct settings s = { 0 };
        struct facts f = facts;
        struct error e = { 0 };
        f.user_mode = user_mode;
        assert_int_equal(run_profile_assign(profile, &f, &s, &e), 0);
        if (more)
                assert_int_equal(settings_assign(&s, &f, more, &e), 0);
        assert_int_equal(settings_compile(&s, &f, ret, &e), 0);
}

static void test_every_profile_compiles(void **state)
{
        const char *name, *summary;
        (void)state;
        for (unsigned i = 0; (name = run_profile_name(i, &summary)); i++)
                for (int user = 0; user < 2; user++) {
                        CLEAN_PLAN struct plan p = { 0 };
                        compile(name, NULL, user, &p);
                        assert_true(*summary && !(user && p.dynamic_user));
                }
}

static void test_origins_name_the_profile(void **state)
{
        CLEAN_PLAN struct plan p = { 0 };
        (void)state;
        compile("strict", "RestrictRealtime=no", false, &p);
        assert_string_equal(p.no_new_privileges_origin, "NoNewPrivileges=yes (profile strict)");
        assert_false(p.restrictions[RESTRICTION_REALTIME].set);
        assert_true(p.root_read_only && p.dynamic_user && p.bounding == 0);
}

static void test_lists_are_opened_and_not_replaced(void **state)
{
        CLEAN_PLAN struct plan p = { 0 }, q = { 0 };
        (void)state;
        compile("strict", "CapabilityBoundingSet=CAP_KILL", false, &p);
        assert_true(p.bounding == 1 << 5);
        compile("strict", "SystemCallFilter=mount", false, &q);
        assert_int_equal(filter_verdict(&q.filter, "mount"), 0);
        assert_int_not_equal(filter_verdict(&q.filter, "umount2"), 0);
        assert_int_equal(filter_verdict(&q.filter, "read"), 0);
}

static void test_what_is_none_is_refused(void **state)
{
        CLEAN_SETTINGS struct settings s = { 0 };
        struct error e = { 0 };
        (void)state;
        assert_int_equal(run_profile_assign(NULL, &facts, &s, &e), 0);
        assert_int_equal(s.assignments, 0);
        assert_int_equal(run_profile_assign("Strict", &facts, &s, &e), -EINVAL);
        assert_string_equal(e.id, "profile.unknown");
        assert_null(run_profile_name(99, NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_profile_compiles),
                cmocka_unit_test(test_origins_name_the_profile),
                cmocka_unit_test(test_lists_are_opened_and_not_replaced),
                cmocka_unit_test(test_what_is_none_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
