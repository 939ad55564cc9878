/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of mounts as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "os/mount.h"

enum { MOST = 5 };

/* The options that text makes after the one that is there, as "key<value> ...". */
static char *split(const char *text, int *ret)
{
        struct mount_option options[MOST] = { { "first", NULL } };
        CLEAN_FREE char *data = text ? xstrdup(text) : NULL;
        CLEAN_TEXT struct text t = { 0 };
        *ret = mount_split_options(data, options, MOST, 1);
        for (int i = 0; i < *ret; i++)
                text_addf(&t, "%s%s%s%s%s", i ? " " : "", options[i].key, options[i].value ? "<" : "", options[i].value ? options[i].value : "",
                          options[i].value ? ">" : "");
        if (*ret >= 0)
                assert_null(options[*ret].key);
        return TAKE_PTR(t.data);
}

static void options_follow_those_that_are_there(void **state)
{
        static const struct {
                const char *text, *options;
        } rows[] = {
                { NULL, "first" },
                { "", "first" },
                { ",,", "first" },
                { "mode=755", "first mode<755>" },
                { "a,b=,c=d=e", "first a b<> c<d=e>" },
                { ",a,,b,", "first a b" },
                { "context=u:r:t:s0", "first context<u:r:t:s0>" },
                { "context=\"u:r:t:s0:c1,c2\",size=1k", "first context<u:r:t:s0:c1,c2> size<1k>" },
                { "rootcontext=\"\",a", "first rootcontext<> a" },
                { "lowerdir=\"a,b\"", "first lowerdir<\"a> b\"" }, /* only labels are quoted */
                { "a,b,c", "first a b c" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int n;
                CLEAN_FREE char *seen = split(rows[i].text, &n);
                assert_string_equal(seen, rows[i].options);
        }
}

static void too_many_and_open_quotes_are_refused(void **state)
{
        static const struct {
                const char *text;
                int result;
        } rows[] = { { "a,b,c,d", -E2BIG }, { "context=\"u:r:t", -EINVAL }, { "context=\"u:r:t\"x", -EINVAL }, { "context=\"", -EINVAL } };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int n;
                CLEAN_FREE char *seen = split(rows[i].text, &n);
                assert_int_equal(n, rows[i].result);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(options_follow_those_that_are_there),
                cmocka_unit_test(too_many_and_open_quotes_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
