/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/unit_name.h"

static const struct {
        const char *name, *prefix, *instance;
        enum unit_type type;
} good[] = {
        { "a.service", "a", NULL, UNIT_SERVICE },
        { "a.b.socket", "a.b", NULL, UNIT_SOCKET },
        { "a@.service", "a", "", UNIT_SERVICE },
        { "a@b.service", "a", "b", UNIT_SERVICE },
        { "a@b@c.d.service", "a", "b@c.d", UNIT_SERVICE },
        { "-.mount", "-", NULL, UNIT_MOUNT },
        { "a\\x2db:c_.timer", "a\\x2db:c_", NULL, UNIT_TIMER },
        { "..service", ".", NULL, UNIT_SERVICE },
        { "dev-disk.swap", "dev-disk", NULL, UNIT_SWAP },
};

static void test_names(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                CLEAN_UNIT_NAME struct unit_name n = { 0 };
                assert_int_equal(unit_name_parse(good[i].name, &n, NULL), 0);
                assert_string_equal(n.whole, good[i].name);
                assert_string_equal(n.prefix, good[i].prefix);
                assert_int_equal(n.type, good[i].type);
                if (good[i].instance)
                        assert_string_equal(n.instance, good[i].instance);
                else
                        assert_null(n.instance);
        }
}

static void test_what_is_no_name(void **state)
{
        static const char *const bad[] = { "", ".", ".service", "a", "a.", "a.conf", "@.service", "@b.service", "a b.service", "a/b.service", "a.Service",
                                           "\xc3\xbc.service", "a\n.service", "a%.service", "a+.service" };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_UNIT_NAME struct unit_name n = { 0 };
                struct error e = { 0 };
                assert_int_equal(unit_name_parse(bad[i], &n, &e), -EINVAL);
                assert_string_equal(e.id, "unit.file-name");
                assert_null(n.whole);
        }
}

static void test_the_longest_name(void **state)
{
        (void)state;
        char name[300];
        for (int extra = 0; extra < 2; extra++) {
                CLEAN_UNIT_NAME struct unit_name n = { 0 };
                size_t length = (size_t)(UNIT_FILE_NAME_MAX + extra) - strlen(".service");
                memset(name, 'a', length);
                strcpy(name + length, ".service");
                assert_int_equal(unit_name_parse(name, &n, NULL), extra ? -EINVAL : 0);
        }
}

static void test_templates(void **state)
{
        (void)state;
        CLEAN_UNIT_NAME struct unit_name instance = { 0 }, plain = { 0 };
        assert_int_equal(unit_name_parse("a@b.service", &instance, NULL), 0);
        assert_int_equal(unit_name_parse("a.service", &plain, NULL), 0);
        CLEAN_FREE char *of_instance = unit_name_template(&instance), *of_plain = unit_name_template(&plain), *other = unit_name_instance(&instance, "c");
        assert_string_equal(of_instance, "a@.service");
        assert_null(of_plain);
        assert_string_equal(other, "a@c.service");
        assert_true(unit_name_is_instance(&instance) && !unit_name_is_template(&instance));
        assert_false(unit_name_is_instance(&plain) || unit_name_is_template(&plain));
}

static const struct {
        const char *name, *expected;
} drop_ins[] = {
        { "a.service", "a.service" },
        { "a-b.service", "a-b.service a-.service" },
        { "a-b-c.service", "a-b-c.service a-b-.service a-.service" },
        { "a--b.service", "a--b.service a--.service a-.service" },
        { "a-.service", "a-.service" },
        { "-.slice", "-.slice" },
        { "a@b-c.service", "a@b-c.service a@.service" },
        { "a@.service", "a@.service" },
        { "a-b@c.service", "a-b@c.service a-b@.service a-.service a-@c.service a-@.service" },
        { "a-b@.service", "a-b@.service a-.service" },
        { "a-b-c@d.service", "a-b-c@d.service a-b-c@.service a-b-.service a-.service a-b-@d.service a-b-@.service a-@d.service a-@.service" },
};

static void test_names_of_drop_ins(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(drop_ins); i++) {
                CLEAN_UNIT_NAME struct unit_name n = { 0 };
                CLEAN_STRINGS struct strings l = { 0 };
                CLEAN_TEXT struct text t = { 0 };
                assert_int_equal(unit_name_parse(drop_ins[i].name, &n, NULL), 0);
                unit_name_drop_in_names(&n, &l);
                for (size_t k = 0; k < l.count; k++)
                        text_addf(&t, "%s%s", k ? " " : "", l.items[k]);
                assert_string_equal(t.data, drop_ins[i].expected);
        }
}

static const struct {
        const char *text, *escaped;
} escapes[] = {
        { "", "" },
        { "a b/c-d\\e@.", "a\\x20b-c\\x2dd\\x5ce\\x40." },
        { ".x", "\\x2ex" },
        { "x.", "x." },
        { "/", "-" },
        { "/a//b/./c/", "-a--b-.-c-" },
        { "\xc3\xbc", "\\xc3\\xbc" },
        { "\x01", "\\x01" },
};

static void test_escaping_and_back(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(escapes); i++) {
                CLEAN_FREE char *escaped = unit_escape(escapes[i].text), *back = NULL;
                assert_string_equal(escaped, escapes[i].escaped);
                assert_int_equal(unit_unescape(escaped, &back), 0);
                assert_string_equal(back, escapes[i].text);
        }
        for (int c = 1; c < 256; c++) {
                char text[3] = { 'a', (char)c, 0 };
                CLEAN_FREE char *escaped = unit_escape(text), *back = NULL;
                assert_int_equal(unit_unescape(escaped, &back), 0);
                assert_string_equal(back, text);
        }
}

static const struct {
        const char *path, *escaped, *back;
} paths[] = {
        { "/", "-", "/" },           { "", "-", "/" },     { "/a//b/./c/", "a-b-c", "/a/b/c" }, { "a/b/", "a-b", "/a/b" },
        { "/.x", "\\x2ex", "/.x" },  { "///", "-", "/" },  { "/a-b", "a\\x2db", "/a-b" },       { "/../a", NULL, NULL },
        { "/a/..", NULL, NULL },
};

static void test_escaping_paths(void **state)
{
        static const char *const bad[] = { "", "-a", "a-", "a--b", "a-..-b", "\\x2e\\x2e", "a-.-b", "\\x2f", "a\\x", "a\\x4", "a\\xzz", "a\\n", "\\x00" };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                CLEAN_FREE char *escaped = NULL, *back = NULL;
                assert_int_equal(unit_escape_path(paths[i].path, &escaped), paths[i].escaped ? 0 : -EINVAL);
                if (!escaped)
                        continue;
                assert_string_equal(escaped, paths[i].escaped);
                assert_int_equal(unit_unescape_path(escaped, &back), 0);
                assert_string_equal(back, paths[i].back);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_FREE char *back = NULL;
                assert_int_equal(unit_unescape_path(bad[i], &back), -EINVAL);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_what_is_no_name),
                cmocka_unit_test(test_the_longest_name),
                cmocka_unit_test(test_templates),
                cmocka_unit_test(test_names_of_drop_ins),
                cmocka_unit_test(test_escaping_and_back),
                cmocka_unit_test(test_escaping_paths),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
