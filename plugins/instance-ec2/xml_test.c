/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "xml.h"

static int parse(const char *s, struct xml_document *d, struct error *e)
{
        return xml_parse(s, strlen(s), d, e);
}

static void elements_and_their_text_are_found_by_path(void **state)
{
        (void)state;
        CLEAN_XML struct xml_document d = { 0 };
        static const char text[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<r xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n <set>\n"
                                   "  <item><id>i-1</id><tag a='b'>x &lt;&amp;&#x20ac;<!-- c -->y</tag></item>\n  <item><id>i-2</id><none/></item>\n"
                                   " </set><next>t</next></r>";
        assert_int_equal(parse(text, &d, NULL), 0);
        assert_string_equal(xml_name(&d, d.nodes), "r");
        assert_string_equal(xml_value(&d, d.nodes), "");
        assert_string_equal(xml_text(&d, d.nodes, "set/item/id"), "i-1");
        assert_string_equal(xml_text(&d, d.nodes, "set/item/tag"), "x <&\xe2\x82\xacy");
        assert_string_equal(xml_text(&d, d.nodes, "next"), "t");
        assert_null(xml_text(&d, d.nodes, "set/item/i"));
        assert_null(xml_text(&d, d.nodes, "set/item/idd"));
        assert_null(xml_find(&d, NULL, "set"));
        const struct xml_node *set = xml_find(&d, d.nodes, "set"), *item = xml_next(set, xml_first(set));
        assert_string_equal(xml_text(&d, item, "id"), "i-2");
        assert_string_equal(xml_text(&d, item, "none"), "");
        assert_null(xml_next(set, item));
        assert_null(xml_first(xml_find(&d, item, "none")));
}

static void what_is_not_such_xml_is_refused(void **state)
{
        (void)state;
        static const struct {
                const char *text, *why;
        } bad[] = {
                { "", "no element found" },
                { "<r>", "no element found" },
                { "<r></s>", "mismatched tag" },
                { "<r/><r/>", "junk after document element" },
                { "<r>\xff</r>", "not well-formed" },
                { "<r>&e;</r>", "undefined entity" },
                { "<!DOCTYPE r [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><r>&e;</r>", "it has a document type" },
                { "<!DOCTYPE r><r/>", "it has a document type" },
        };
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                struct xml_document d = { 0 };
                struct error e = { 0 };
                assert_int_equal(parse(bad[i].text, &d, &e), -EBADMSG);
                assert_string_equal(e.id, "aws.reply");
                if (!strstr(e.cause, bad[i].why))
                        fail_msg("%s: %s", bad[i].text, e.cause);
                assert_null(d.nodes);
        }
}

static void depth_and_number_of_elements_are_bounded(void **state)
{
        (void)state;
        struct xml_document d = { 0 };
        struct error e = { 0 };
        for (int more = 0; more < 2; more++) {
                CLEAN_TEXT struct text t = { 0 };
                for (int i = 0; i < XML_DEPTH_MAX + more; i++)
                        text_add(&t, "<a>");
                for (int i = 0; i < XML_DEPTH_MAX + more; i++)
                        text_add(&t, "</a>");
                assert_int_equal(parse(t.data, &d, &e), more ? -EBADMSG : 0);
                xml_done(&d);
        }
        assert_non_null(strstr(e.cause, "nested too deep"));
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "<r>");
        for (int i = 0; i < XML_NODES_MAX; i++)
                text_add(&t, "<a/>");
        text_add(&t, "</r>");
        assert_int_equal(parse(t.data, &d, &e), -EBADMSG);
        assert_non_null(strstr(e.cause, "too many elements"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(elements_and_their_text_are_found_by_path),
                cmocka_unit_test(what_is_not_such_xml_is_refused),
                cmocka_unit_test(depth_and_number_of_elements_are_bounded),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
