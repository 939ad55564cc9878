/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plan/extension_release.h"

static const struct row {
        const char *extension, *system;
        const char *word; /* of the refusal; NULL: it is taken */
} rows[] = {
        { "ID=debian VERSION_ID=12", "ID=debian VERSION_ID=12", NULL },
        { "ID=debian VERSION_ID=11", "ID=debian VERSION_ID=12", "VERSION_ID=11" },
        { "ID=debian", "ID=debian VERSION_ID=12", "VERSION_ID=(nothing)" },
        { "ID=fedora VERSION_ID=12", "ID=debian VERSION_ID=12", "ID=fedora" },
        { "VERSION_ID=12", "ID=debian VERSION_ID=12", "ID=(nothing)" },
        { "", "ID=debian", "ID=(nothing)" },
        { "", "", "ID=(nothing)" },
        { "ID=_any", "ID=debian VERSION_ID=12", NULL },
        { "ID=_any ARCHITECTURE=x86-64", "ID=debian", NULL },
        { "ID=_any ARCHITECTURE=_any", "ID=debian", NULL },
        { "ID=_any ARCHITECTURE=arm64", "ID=debian", "ARCHITECTURE=arm64" },
        { "ID=arch", "ID=arch", NULL },
        /* A level that both name decides alone. */
        { "ID=a SYSEXT_LEVEL=2 VERSION_ID=9", "ID=a SYSEXT_LEVEL=2 VERSION_ID=12", NULL },
        { "ID=a SYSEXT_LEVEL=1 VERSION_ID=12", "ID=a SYSEXT_LEVEL=2 VERSION_ID=12", "SYSEXT_LEVEL=1" },
        { "ID=a VERSION_ID=12", "ID=a SYSEXT_LEVEL=2 VERSION_ID=12", NULL },
        { "ID=a SYSEXT_LEVEL=2", "ID=a VERSION_ID=12", "VERSION_ID=(nothing)" },
        { "ID=a", "ID=a SYSEXT_LEVEL=2", NULL },
        /* The later of two holds. */
        { "ID=a ID=b", "ID=b", NULL },
};

static void the_rows_hold(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_STRINGS struct strings extension = { 0 }, system = { 0 };
                struct error e = { 0 };
                assert_int_equal(text_split_words(rows[i].extension, &extension), 0);
                assert_int_equal(text_split_words(rows[i].system, &system), 0);
                int r = extension_release_check(&extension, &system, "x86_64", &e);
                assert_int_equal(r, rows[i].word ? -EINVAL : 0);
                assert_true(!rows[i].word || strstr(e.cause, rows[i].word));
        }
}

static void a_name_is_the_files_own(void **state)
{
        (void)state;
        static const struct {
                const char *path;
                bool folder;
                const char *name;
        } names[] = { { "/srv/one.raw", false, "one" }, { "/srv/one.raw", true, "one.raw" }, { "/srv/one", false, "one" }, { "/srv/.raw", false, ".raw" } };
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                CLEAN_FREE char *name = extension_release_name(names[i].path, names[i].folder);
                assert_string_equal(name, names[i].name);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(the_rows_hold), cmocka_unit_test(a_name_is_the_files_own) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
