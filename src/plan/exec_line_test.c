/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/exec_line.h"

static const struct facts facts = {
        .unit = "web@one.service", .boot_id = "b00t", .machine_id = "mach1ne", .hostname = "host", .user_name = "alice", .home = "/home/my own",
        .shell = "/bin/zsh", .runtime_folder = "/run", .state_folder = "/var/lib", .cache_folder = "/var/cache", .logs_folder = "/var/log",
        .configuration_folder = "/etc",
};

/* "FLAGS PROGRAM [ARGUMENT]...; ..." */
static char *text_of(const struct exec_lines *l)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < l->count; i++) {
                text_addf(&t, "%s%x %s", i ? "; " : "", l->items[i].flags, l->items[i].program ? l->items[i].program : "-");
                for (size_t k = 0; k < l->items[i].argv.count; k++)
                        text_addf(&t, " [%s]", l->items[i].argv.items[k]);
        }
        return TAKE_PTR(t.data);
}

static const struct {
        const char *value, *expected;
} good[] = {
        { "/bin/true", "0 /bin/true [/bin/true]" },
        { "  true\ta  b ", "0 true [true] [a] [b]" },
        /* Prefixes, in any order, and within quotes. */
        { "-/bin/true", "1 /bin/true [/bin/true]" },
        { "@/bin/sh -sh -c x", "2 /bin/sh [-sh] [-c] [x]" },
        { ":/bin/true $A", "4 /bin/true [/bin/true] [$A]" },
        { "+/bin/true", "8 /bin/true [/bin/true]" },
        { "!/bin/true", "10 /bin/true [/bin/true]" },
        { "!!/bin/true", "20 /bin/true [/bin/true]" },
        { "|/bin/true x", "40 /bin/true [/bin/true] [x]" },
        { "|", "40 -" },
        { "|@true x", "42 true [true] [x]" },
        { "-:+@|a b", "4f a [a] [b]" },
        { "!!-a", "21 a [a]" },
        { ":@-/bin/true x", "7 /bin/true [x]" },
        { "\"-/bin/true\"", "1 /bin/true [/bin/true]" },
        { "-- a", NULL },
        /* Quotes and escapes. */
        { "a 'b c' \"d e\" f'g h'i", "0 a [a] [b c] [d e] [fg hi]" },
        { "a '' \"\"", "0 a [a] [] []" },
        { "a \\x41\\101\\u0041\\U00000041 b\\sc \\\\ \\\" '\\''", "0 a [a] [AAAA] [b c] [\\] [\"] [']" },
        { "a \\q '[^ ]+?\\-x\\\\' \\x4 \\x00 \\400 \\ud800 b\\", "0 a [a] [\\q] [[^ ]+?\\-x\\] [\\x4] [\\x00] [\\400] [\\ud800] [b\\]" },
        { "'/bin/a b' c", "0 /bin/a b [/bin/a b] [c]" },
        /* Several commands. */
        { "a b ; c ; -d e", "0 a [a] [b]; 0 c [c]; 1 d [d] [e]" },
        { "a \\; b \";\" c; ;d \\;e", "0 a [a] [;] [b] [;] [c;] [;d] [\\;e]" },
        { "a \\; b \";\" c; ;d", "0 a [a] [;] [b] [;] [c;] [;d]" },
        { "; a ; ; b ;", "0 a [a]; 0 b [b]" },
        { ";", "" },
        { "a ;", "0 a [a]" },
        /* Specifiers are words of one piece. */
        { "/bin/%p %i %% x%ny", "0 /bin/web [/bin/web] [one] [%] [xweb@one.servicey]" },
        { "a %h", "0 a [a] [/home/my own]" },
        /* What is a variable is found out later. */
        { "a $B ${C} $$", "0 a [a] [$B] [${C}] [$$]" },
        /* A program's path is kept as it is written. */
        { "/bin/../bin//true", "0 /bin/../bin//true [/bin/../bin//true]" },
};

static void test_what_is_read(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                CLEAN_EXEC_LINES struct exec_lines l = { 0 };
                struct error e = { 0 };
                assert_int_equal(exec_lines_assign(&l, good[i].value, &facts, &e), good[i].expected ? 0 : -EINVAL);
                CLEAN_FREE char *text = text_of(&l);
                assert_string_equal(text, good[i].expected ? good[i].expected : "");
        }
}

static const struct {
        const char *value, *id, *cause;
} bad[] = {
        { "--/bin/true", "unit.exec", "prefixes that exclude each other begin \"--/bin/true\"" },
        { "+!/bin/true", "unit.exec", "prefixes that exclude each other begin \"+!/bin/true\"" },
        { "!+/bin/true", "unit.exec", "prefixes that exclude each other begin \"!+/bin/true\"" },
        { "!!!/bin/true", "unit.exec", "prefixes that exclude each other begin \"!!!/bin/true\"" },
        { "!!-!a", "unit.exec", "prefixes that exclude each other begin \"!!-!a\"" },
        { "::a", "unit.exec", "prefixes that exclude each other begin \"::a\"" },
        { "-", "unit.exec", "no program stands behind \"-\"" },
        { "a ; -", "unit.exec", "no program stands behind \"-\"" },
        { "''", "unit.exec", "no program stands behind \"\"" },
        { "@/bin/true", "unit.exec", "is given no name of its own: \"/bin/true\"" },
        { "@/bin/true ''", "unit.exec", "is given no name of its own: \"/bin/true\"" },
        { "@/bin/true ; a", "unit.exec", "is given no name of its own: \"/bin/true\"" },
        { "./true", "unit.exec", "names no program: \"./true\"" },
        { "bin/true", "unit.exec", "names no program: \"bin/true\"" },
        { "/bin/true/", "unit.exec", "names no program: \"/bin/true/\"" },
        { "..", "unit.exec", "names no program: \"..\"" },
        { "\"a\\nb\"", "unit.exec", "names no program: \"a\nb\"" },
        { "\"/a\\\\b\"", "unit.exec", "names no program: \"/a\\b\"" },
        { "'/a\"b'", "unit.exec", "names no program: \"/a\"b\"" },
        { "a 'b", "unit.exec", "a quote is open in \"'b\"" },
        { "a \\q 'b", "unit.exec", "a quote is open in \"'b\"" },
        { "a 'b\\", "unit.exec", "a quote is open in \"'b\\\"" },
        { "\\;", "unit.exec", "names no program: \"\\;\"" },
        { "a %", "directive.specifier", "unknown specifier % " },
        { "/bin/%Z", "directive.specifier", "unknown specifier %Z" },
};

static void test_what_is_refused_leaves_nothing(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_EXEC_LINES struct exec_lines l = { 0 };
                struct error e = { 0 };
                CLEAN_FREE char *second = xprintf("first ; %s", bad[i].value);
                assert_int_equal(exec_lines_assign(&l, "/bin/kept", &facts, &e), 0);
                assert_int_equal(exec_lines_assign(&l, bad[i].value, &facts, &e), -EINVAL);
                assert_string_equal(e.id, bad[i].id);
                assert_string_equal(e.cause, bad[i].cause);
                assert_int_equal(exec_lines_assign(&l, second, &facts, NULL), -EINVAL);
                CLEAN_FREE char *text = text_of(&l);
                assert_string_equal(text, "0 /bin/kept [/bin/kept]");
        }
}

static void test_unknown_escapes_are_told(void **state)
{
        (void)state;
        CLEAN_EXEC_LINES struct exec_lines l = { 0 };
        assert_int_equal(exec_lines_assign(&l, "a \\n \\\\. b ; c d\\.e", &facts, NULL), 0);
        assert_int_equal(l.notes.count, 1);
        assert_string_equal(l.notes.items[0], "\"d\\.e\" has escapes that are unknown: their backslashes stay; a backslash is written \\\\");
        assert_int_equal(exec_lines_assign(&l, "a \\. 'b", &facts, NULL), -EINVAL);
        assert_int_equal(l.notes.count, 1);
        for (int i = 0; i < EXEC_NOTES_MAX * 2; i++)
                assert_int_equal(exec_lines_assign(&l, "a \\.", &facts, NULL), 0);
        assert_int_equal(l.notes.count, EXEC_NOTES_MAX);
        assert_int_equal(exec_lines_assign(&l, "", &facts, NULL), 0);
        assert_int_equal(l.notes.count, 0);
}

static void test_assignments_add_up_until_an_empty_one(void **state)
{
        (void)state;
        CLEAN_EXEC_LINES struct exec_lines l = { 0 };
        static const struct {
                const char *value, *expected;
        } steps[] = { { "a", "0 a [a]" }, { "b ; c", "0 a [a]; 0 b [b]; 0 c [c]" }, { "  ", "" }, { "d", "0 d [d]" } };
        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                assert_int_equal(exec_lines_assign(&l, steps[i].value, &facts, NULL), 0);
                CLEAN_FREE char *text = text_of(&l);
                assert_string_equal(text, steps[i].expected);
        }
}

static const char *const environment[] = { "ONE=one", "TWO=two  words", "QUOTED='a b' \"c\\\"d\" e\\ f", "EMPTY=", "BLANK=  ", "OPEN='a b", "LAST=a\\", "A-B=odd", NULL };

static const struct {
        const char *value, *expected, *unset;
} expansions[] = {
        { "a $ONE ${ONE} $TWO ${TWO}", "[a] [one] [one] [two] [words] [two  words]", "" },
        { "a x${ONE}y${TWO}z", "[a] [xoneytwo  wordsz]", "" },
        { "a x$ONE $ONEx", "[a] [x$ONE]", "ONEx " },
        { "a $QUOTED", "[a] [a b] [c\"d] [e f]", "" },
        { "a $EMPTY $BLANK ${EMPTY} ${BLANK}", "[a] [] [  ]", "" },
        { "a $OPEN $LAST", "[a] [a b] [a]", "" },
        { "a $NONE ${NONE} x${NONE}y", "[a] [] [xy]", "NONE " },
        { "a $$ $$ONE $${ONE} x$$y $$$$ $$$", "[a] [$] [$ONE] [${ONE}] [x$y] [$$] [$$]", "" },
        { "a ${ONE", "[a] [${ONE]", "" },
        { "a x$", "[a] [x$]", "" },
        { "a $", "[a]", " " },
        { "a '$ONE' \"$TWO\"", "[a] [one] [two] [words]", "" },
        { "a $A-B $ONE/x", "[a] [odd]", "ONE/x " },
        { ":a $ONE ${ONE} $$", "[a] [$ONE] [${ONE}] [$$]", "" },
        { "/bin/${ONE}", "[/bin/one]", "" },
};

static void test_variables(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(expansions); i++) {
                CLEAN_EXEC_LINES struct exec_lines l = { 0 };
                CLEAN_STRINGS struct strings words = { 0 }, unset = { 0 };
                CLEAN_TEXT struct text t = { 0 }, missing = { 0 };
                assert_int_equal(exec_lines_assign(&l, expansions[i].value, &facts, NULL), 0);
                assert_int_equal(exec_line_expand(&l.items[0], environment, &words, &unset, NULL), 0);
                text_add(&t, "");
                text_add(&missing, "");
                for (size_t k = 0; k < words.count; k++)
                        text_addf(&t, "%s[%s]", k ? " " : "", words.items[k]);
                for (size_t k = 0; k < unset.count; k++)
                        text_addf(&missing, "%s ", unset.items[k]);
                assert_string_equal(t.data, expansions[i].expected);
                assert_string_equal(missing.data, expansions[i].unset);
        }
}

/* count times the text, behind a first word. */
static char *repeat(const char *first, const char *s, size_t count)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, first);
        for (size_t i = 0; i < count; i++)
                text_add(&t, s);
        return TAKE_PTR(t.data);
}

static void test_limits(void **state)
{
        (void)state;
        const struct {
                char *value;
                int result;
        } rows[] = { { repeat("a", " b", EXEC_WORDS_MAX - 1), 0 },       { repeat("a", " b", EXEC_WORDS_MAX), -E2BIG },
                     { repeat("a", " ; a", EXEC_COMMANDS_MAX - 1), 0 },  { repeat("a", " ; a", EXEC_COMMANDS_MAX), -E2BIG },
                     { repeat("a ", "x", EXEC_VALUE_MAX - 2), 0 },       { repeat("a ", "x", EXEC_VALUE_MAX - 1), -E2BIG },
                     { repeat("a ", "%h", EXEC_VALUE_MAX / 2 - 1), -E2BIG }, { repeat("/", "x", EXEC_PROGRAM_MAX - 1), 0 },
                     { repeat("/", "x", EXEC_PROGRAM_MAX), -EINVAL },    { repeat("", "x", 256), -EINVAL } };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_EXEC_LINES struct exec_lines l = { 0 };
                assert_int_equal(exec_lines_assign(&l, rows[i].value, &facts, NULL), rows[i].result);
                assert_true(rows[i].result == 0 || l.count == 0);
                free(rows[i].value);
        }
}

static void test_limits_of_variables(void **state)
{
        (void)state;
        CLEAN_FREE char *big = repeat("BIG=", "x ", 1 << 15), *line = repeat("a ", "${BIG}", 65), *words = repeat("a", " $BIG", 2);
        const char *const env[] = { big, NULL };
        const char *const values[] = { line, words };
        for (size_t i = 0; i < ELEMENTS(values); i++) {
                CLEAN_EXEC_LINES struct exec_lines l = { 0 };
                CLEAN_STRINGS struct strings ret = { 0 };
                struct error e = { 0 };
                assert_int_equal(exec_lines_assign(&l, values[i], &facts, NULL), 0);
                assert_int_equal(exec_line_expand(&l.items[0], env, &ret, NULL, &e), -E2BIG);
                assert_string_equal(e.id, "unit.limit");
                assert_int_equal(ret.count, 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_read),
                cmocka_unit_test(test_what_is_refused_leaves_nothing),
                cmocka_unit_test(test_unknown_escapes_are_told),
                cmocka_unit_test(test_assignments_add_up_until_an_empty_one),
                cmocka_unit_test(test_variables),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_limits_of_variables),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
