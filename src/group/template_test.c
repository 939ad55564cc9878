/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int fetch(void *context, const char *url, const char *base, struct text *ret, char **ret_name, struct error *e)
{
        (void)context;
        if (text_equal(url, "missing"))
                return error_set(e, ENOENT, "file.read", "reading missing");
        text_addf(ret, text_equal(url, "self") ? "{{ include \"self\" }}" : "<%s of %s: {{ var \"v\" }}>", url, base);
        *ret_name = xstrdup(url);
        return 0;
}

static const char *environment(void *context, const char *name)
{
        (void)context;
        return text_equal(name, "STAGE") ? "live" : NULL;
}

static bool is_foreign(void *context, const char *text, size_t length)
{
        (void)context;
        return (length == 4 && !memcmp(text, "port", 4)) || (length == 5 && !memcmp(text, " port", 5));
}

static const struct template_host host = { .fetch = fetch, .environment = environment, .is_foreign = is_foreign };

static int expand(const char *source, struct text *ret, struct error *e)
{
        struct strings variables = { 0 };
        strings_add(&variables, "v=one");
        strings_add(&variables, "n=3");
        strings_add(&variables, "empty=");
        strings_add(&variables, "list=a,b,c");
        int r = template_expand("t", source, strlen(source), &variables, &host, ret, e);
        strings_clear(&variables);
        return r;
}

static const struct {
        const char *source, *result;
} rows[] = {
        { "", "" },
        { "plain { } }} text", "plain { } }} text" },
        { "{{ var \"v\" }}", "one" },
        { "{{var \"v\"}}", "one" },
        { "a {{- var \"v\" -}} b", "aoneb" },
        { "a {{- /* c */ -}} b", "ab" },
        { "{{/* }} {{ */}}x", "x" },
        { "a {{port}} {{- port}}{{ if false }}{{port}}{{ end }} {{ quote \"port\" }}{{ `{{port}}` }}", "a {{port}}{{ port}} \"port\"{{port}}" },
        { "{{ 3 }}{{ -4 }}{{ true }}", "3-4true" },
        { "{{ `raw \\n \"` }}{{ \"a\\tb\\\"\" }}", "raw \\n \"a\tb\"" },
        { "{{ var \"none\" | default \"d\" }}", "d" },
        { "{{ var \"empty\" | default 7 }}", "7" },
        { "{{ default \"d\" (var \"v\") }}", "one" },
        { "{{ env \"STAGE\" }}", "live" },
        { "{{ var \"x\" \"set\" }}{{ var \"x\" }}", "set" },
        { "{{ if eq (env \"STAGE\") \"live\" }}A{{ else }}B{{ end }}", "A" },
        { "{{ if ne (env \"STAGE\") \"live\" }}A{{ else if eq (var \"n\") 3 }}B{{ else }}C{{ end }}", "B" },
        { "{{ if false }}A{{ else if false }}B{{ else }}C{{ end }}", "C" },
        { "{{ if false }}{{ if true }}A{{ else }}B{{ end }}{{ end }}.", "." },
        { "{{ if true }}A{{ else if var \"none\" }}B{{ end }}", "A" },
        { "{{ if var \"none\" }}A{{ end }}.", "." },
        { "{{ range list \"a\" 2 true }}<{{ . }}>{{ end }}", "<a><2><true>" },
        { "{{ range $x := splitList \",\" (var \"list\") }}{{ $x }};{{ end }}", "a;b;c;" },
        { "{{ range $i, $x := list \"a\" \"b\" }}{{ if $i }},{{ end }}{{ $i }}={{ quote $x }}{{ end }}", "0=\"a\",1=\"b\"" },
        { "{{ range list }}x{{ else }}none{{ end }}", "none" },
        { "{{ range until 2 }}{{ range until 2 }}{{ . }}{{ end }}|{{ end }}", "01|01|" },
        { "{{ $a := list 1 2 }}{{ range $a }}{{ . }}{{ end }}{{ len $a }}{{ index $a 1 }}", "1222" },
        { "{{ $a := 1 }}{{ if true }}{{ $a := 2 }}{{ $a }}{{ end }}{{ $a }}", "21" },
        { "{{ include \"p\" }}", "<p of t: one>" },
        { "{{ include \"p\" | upper }}", "<P OF T: ONE>" },
        { "{{ \"a\\nb\\n\" | lines | json }}", "[\"a\",\"b\"]" },
        { "{{ list 1 \"x\" nil (list) | json }}", "[1,\"x\",null,[]]" },
        { "{{ join \"-\" (list 1 2) }}{{ trim \" x \" }}{{ replace \"a\" \"bb\" \"aca\" }}", "1-2xbbcbb" },
        { "{{ squote \"it's\" }} {{ escape \"a\\\"b\" }} {{ b64enc \"hi\" }}", "'it'\\''s' a\\\"b aGk=" },
        { "{{ add (var \"n\") 2 }} {{ sub 1 5 }} {{ lt 1 2 }} {{ gt 1 2 }}", "5 -4 true false" },
        { "{{ and 1 0 2 }} {{ or 0 \"\" \"z\" }} {{ not 0 }}", "0 z true" },
        { "{{\n  var\n  \"v\"\n}}", "one" },
};

static void templates_become_what_go_would_make_of_them(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_TEXT struct text t = { 0 };
                struct error e = { 0 };
                if (expand(rows[i].source, &t, &e) < 0)
                        fail_msg("%s: %s", rows[i].source, e.cause);
                assert_string_equal(t.length ? t.data : "", rows[i].result);
        }
}

static const struct {
        const char *source, *id, *cause;
} bad[] = {
        { "{{ var \"none\" }}", "template.value", "t:1: \"none\" is not set" },
        { "a\nb {{ env \"NONE\" }}", "template.value", "t:2: \"NONE\" is not set" },
        { "{{ list 1 }}", "template.value", "t:1: a list cannot be printed: use join or json" },
        { "{{ vra \"x\" }}", "template.syntax", "t:1: there is no function \"vra\"" },
        { "{{ if false }}{{ vra }}{{ end }}", "template.syntax", "t:1: there is no function \"vra\"" },
        { "{{ exec \"id\" }}", "template.syntax", "t:1: there is no function \"exec\"" },
        { "{{ if true }}", "template.syntax", "t:1: an {{ end }} is missing" },
        { "{{ end }}", "template.syntax", "t:1: {{ end }} or {{ else }} without a beginning" },
        { "{{ if true }}{{ else }}{{ else }}{{ end }}", "template.syntax", "t:1: an {{ else }} follows the last one" },
        { "{{ var \"v\" ", "template.syntax", "t:1: an action is open" },
        { "{{ \"v }}", "template.syntax", "t:1: a quote is open" },
        { "{{ \"\\x00\" }}", "template.syntax", "t:1: an escape in a text is bad" },
        { "{{ ( 1 }}", "template.syntax", "t:1: a parenthesis is open" },
        { "{{ 1 ) }}", "template.syntax", "t:1: a parenthesis is closed that was not opened" },
        { "{{ 1 2 }}", "template.syntax", "t:1: a value is followed by another" },
        { "{{ 1 | 2 }}", "template.syntax", "t:1: what stands after a bar must be a function" },
        { "{{ .Field }}", "template.syntax", "t:1: values have no members" },
        { "{{ $x }}", "template.syntax", "t:1: a name with $ stands for nothing here" },
        { "{{ range $x := list 1 }}{{ end }}{{ $x }}", "template.syntax", "t:1: a name with $ stands for nothing here" },
        { "{{ /* open }}", "template.syntax", "t:1: a comment is open" },
        { "{{ quote }}", "template.value", "t:1: quote does not take 0 values" },
        { "{{ range 3 }}{{ end }}", "template.value", "t:1: range goes through a list" },
        { "{{ index (list 1) 1 }}", "template.value", "t:1: index 1 of a list of 1" },
        { "{{ add \"x\" 1 }}", "template.value", "t:1: expected a whole number" },
        { "{{ include \"missing\" }}", "file.read", "reading missing" },
        { "{{ include \"self\" }}", "template.limit", "self:1: its includes are too deep" },
        { "{{ until 100001 }}", "template.limit", "t:1: a list is too long" },
        { "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}", "template.limit", NULL },
        { "{{ var \"x\" \"0123456789abcdef\" }}{{ range until 40 }}{{ var \"x\" (join \"\" (list (var \"x\") (var \"x\"))) }}{{ end }}", "template.limit", NULL },
        { "{{ ((((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))) }}", "template.limit", NULL },
};

static void what_is_wrong_is_told_with_its_place(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_TEXT struct text t = { 0 };
                struct error e = { 0 };
                if (expand(bad[i].source, &t, &e) == 0)
                        fail_msg("%s is taken", bad[i].source);
                if (!text_equal(e.id, bad[i].id) || (bad[i].cause && !text_equal(e.cause, bad[i].cause)))
                        fail_msg("%s: %s: %s", bad[i].source, e.id, e.cause);
        }
}

static void variables_are_names_with_values(void **state)
{
        struct strings variables = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        (void)state;
        strings_add(&variables, "=x");
        assert_int_equal(template_expand("t", "", 0, &variables, &host, &t, NULL), -EINVAL);
        strings_clear(&variables);
        assert_true(template_needed("a {{", 4));
        assert_false(template_needed("a { {", 5));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(templates_become_what_go_would_make_of_them),
                cmocka_unit_test(what_is_wrong_is_told_with_its_place),
                cmocka_unit_test(variables_are_names_with_values),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
