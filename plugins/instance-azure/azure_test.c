/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "body.h"
#include "config.h"
#include "credential.h"
#include "reply.h"
#include "retry.h"
#include "transfer.h"

static const struct azure_scope scope = { "sub", "fleet", "westeurope" };

#define MACHINE "{\"properties\":{\"hardwareProfile\":{\"vmSize\":\"S\"}}}"
#define INTERFACE "{\"properties\":{\"ipConfigurations\":[{\"name\":\"p\",\"properties\":{\"subnet\":{\"id\":\"/s\"}}},{\"name\":\"q\"}]}}"

static int check(const char *properties, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        assert_int_equal(json_parse("Properties", properties, strlen(properties), &d, e), 0);
        struct json_place top = json_top(&d, "Properties");
        return azure_properties_check(&top, &scope, e);
}

static int make(const char *properties, const char *init, const char *logical_id, const char *password, struct azure_bodies *ret, struct error *e)
{
        CLEAN_INSTANCE_SPEC struct instance_spec s = { .properties = xstrdup(properties), .init = init ? xstrdup(init) : NULL,
                                                       .logical_id = logical_id ? xstrdup(logical_id) : NULL };
        tags_set(&s.tags, TAG_GROUP, "web");
        return azure_bodies_make(&s, "t1", password, &scope, ret, e);
}

/* ---- names ---- */

static void a_group_and_a_token_give_one_name_and_no_others_give_it(void **state)
{
        (void)state;
        static const char *const pairs[][2] = { { "web", "t1" }, { "web", "t2" }, { "we", "bt1" }, { "", "t1" }, { "WEB", "t1" }, { "web.", "t1" } };
        char *names[ELEMENTS(pairs)];
        for (size_t i = 0; i < ELEMENTS(pairs); i++) {
                names[i] = azure_machine_name(pairs[i][0], pairs[i][1]);
                CLEAN_FREE char *again = azure_machine_name(pairs[i][0], pairs[i][1]);
                assert_string_equal(names[i], again);
                assert_true(azure_name_valid(names[i]));
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(names[i], names[k]);
        }
        assert_string_equal(names[0], "web-ykmux2mykdytmj6v"); /* never another: it finds what an older version made */
        for (size_t i = 0; i < ELEMENTS(pairs); i++)
                free(names[i]);
}

static void a_name_is_within_limits_whatever_the_group_is_called(void **state)
{
        (void)state;
        static const char *const groups[] = { "../../x", "---", "a/b?c#d", "\xc3\xa9t\xc3\xa9",
                                              "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz" };
        for (size_t i = 0; i < ELEMENTS(groups); i++) {
                CLEAN_FREE char *name = azure_machine_name(groups[i], "t"), *interface = azure_interface_name(name);
                assert_true(azure_name_valid(interface));
                assert_true(strlen(name) <= 64);
                assert_true(*name != '-');
                assert_null(strchr(name, '.'));
        }
}

/* ---- tags ---- */

static void tags_within_azures_limits_are_taken_and_others_are_not(void **state)
{
        (void)state;
        char long_value[300];
        memset(long_value, 'v', sizeof long_value - 1);
        long_value[sizeof long_value - 1] = 0;
        const char *const bad[][3] = {
                { "a/b", "", NULL }, { "a%", "", NULL }, { "q?", "", NULL }, { "MicrosoftX", "", NULL }, { "azure-x", "", NULL }, { "x", long_value, NULL },
                { "Team", "a", "team" },
        };
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_TAGS struct tags t = { 0 };
                struct error e = { 0 };
                tags_set(&t, bad[i][0], bad[i][1]);
                if (bad[i][2])
                        tags_set(&t, bad[i][2], "b");
                assert_int_equal(azure_tags_check(&t, &e), -EINVAL);
                assert_string_equal(e.id, "azure.tags");
        }
        CLEAN_TAGS struct tags t = { 0 };
        for (int i = 0; i < AZURE_TAGS_MAX; i++) {
                CLEAN_FREE char *name = xprintf("infrakit.%d", i);
                tags_set(&t, name, "\xc3\xa9");
        }
        assert_int_equal(azure_tags_check(&t, NULL), 0);
        tags_set(&t, "one more", "");
        assert_int_equal(azure_tags_check(&t, NULL), -EINVAL);
}

/* ---- documents and bodies ---- */

static void a_document_that_is_not_as_it_should_be_is_refused(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "{}",
                "[]",
                "{\"VM\":" MACHINE "}", /* no network */
                "{\"VM\":" MACHINE ",\"NetworkInterface\":{}}",
                "{\"VM\":" MACHINE ",\"NetworkInterface\":{\"properties\":{\"ipConfigurations\":[]}}}",
                "{\"VM\":{\"properties\":{\"networkProfile\":{}}},\"NetworkInterface\":" INTERFACE "}",
                "{\"VM\":" MACHINE ",\"NetworkInterface\":" INTERFACE ",\"Loccation\":\"x\"}",
                "{\"VM\":" MACHINE ",\"NetworkInterface\":" INTERFACE ",\"Location\":\"a/../b\"}",
                "{\"VM\":" MACHINE ",\"NetworkInterface\":" INTERFACE ",\"AdminPasswordSecret\":\"../x\"}",
                "{\"VM\":" MACHINE ",\"NetworkInterface\":" INTERFACE ",\"AdminPasswordSecret\":\".\"}",
                "{\"VM\":{\"name\":\"x\"},\"NetworkInterface\":" INTERFACE "}",
                "{\"VM\":{\"tags\":{}},\"NetworkInterface\":" INTERFACE "}",
                "{\"VM\":{\"location\":\"x\"},\"NetworkInterface\":" INTERFACE "}",
                "{\"VM\":{\"properties\":{\"osProfile\":{\"adminPassword\":\"p\"}}},\"NetworkInterface\":" INTERFACE "}",
                "{\"VM\":{\"properties\":{\"osProfile\":{\"customData\":\"p\"}}},\"NetworkInterface\":" INTERFACE "}",
                "{\"VM\":{\"properties\":{\"storageProfile\":{\"dataDisks\":{}}}},\"NetworkInterface\":" INTERFACE "}",
                "{\"VM\":" MACHINE ",\"NetworkInterface\":{\"tags\":{}}}",
                "{\"VM\":{\"properties\":{\"OSProfile\":{\"AdminPassword\":\"p\"}}},\"NetworkInterface\":" INTERFACE "}",
                "{\"VM\":{\"Tags\":{}},\"NetworkInterface\":" INTERFACE "}",
                "{\"VM\":" MACHINE ",\"NetworkInterface\":{\"properties\":{\"ipConfigurations\":[{\"properties\":{\"privateIpAddress\":\"10.0.0.9\"}}]}}}",
        };
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                struct error e = { 0 };
                assert_int_equal(check(bad[i], &e), -EINVAL);
                assert_true(text_equal(e.id, "azure.document") || text_equal(e.id, "json.value"));
        }
        assert_int_equal(check("{\"VM\":" MACHINE ",\"NetworkInterface\":" INTERFACE "}", NULL), 0);
        assert_int_equal(check("{\"VM\":{\"properties\":{\"networkProfile\":{\"networkApiVersion\":\"2020-11-01\"}}},\"Location\":\"northeurope\"}", NULL), 0);
}

static void a_machine_gets_name_tags_interface_and_first_boot(void **state)
{
        (void)state;
        CLEAN_BODIES struct azure_bodies b = { 0 };
        assert_int_equal(make("{\"VM\":{\"zones\":[\"1\"],\"properties\":{\"osProfile\":{\"adminUsername\":\"u\"},\"storageProfile\":{\"osDisk\":{\"diskSizeGB\":30}}}},"
                              "\"NetworkInterface\":" INTERFACE "}",
                              "#!/bin/sh\n", "10.0.0.4", "pass", &b, NULL),
                         0);
        assert_string_equal(b.name, "web-ykmux2mykdytmj6v");
        assert_string_equal(b.interface_name, "web-ykmux2mykdytmj6v-nic");
        static const char *const parts[] = {
                "\"zones\":[\"1\"]", "\"location\":\"westeurope\"", "\"bulkhead.token\":\"t1\"", "\"infrakit.group\":\"web\"", "\"infrakit.logical_id\":\"10.0.0.4\"",
                "\"createOption\":\"FromImage\"", "\"deleteOption\":\"Delete\"", "\"diskSizeGB\":30", "\"adminUsername\":\"u\"", "\"adminPassword\":\"pass\"",
                "\"customData\":\"IyEvYmluL3NoCg==\"", "\"computerName\":\"web-ykmux2mykdytmj6v\"",
                "/subscriptions/sub/resourceGroups/fleet/providers/Microsoft.Network/networkInterfaces/web-ykmux2mykdytmj6v-nic",
        };
        for (size_t i = 0; i < ELEMENTS(parts); i++)
                assert_non_null(strstr(b.machine, parts[i]));
        assert_non_null(strstr(b.interface, "\"privateIPAddress\":\"10.0.0.4\""));
        assert_non_null(strstr(b.interface, "\"privateIPAllocationMethod\":\"Static\""));
        assert_non_null(strstr(b.interface, "\"subnet\":{\"id\":\"/s\"}"));
        assert_non_null(strstr(b.interface, "{\"name\":\"q\"}"));
        assert_null(strstr(b.interface, "pass"));
}

static void what_the_document_says_stands_before_the_defaults(void **state)
{
        (void)state;
        CLEAN_BODIES struct azure_bodies b = { 0 };
        assert_int_equal(make("{\"VM\":{\"properties\":{\"storageProfile\":{\"osDisk\":{\"deleteOption\":\"Detach\"},\"dataDisks\":["
                              "{\"lun\":0,\"createOption\":\"Empty\"},{\"lun\":1,\"createOption\":\"Attach\"},{\"lun\":2,\"createOption\":\"Empty\",\"deleteOption\":\"Detach\"}]}}},"
                              "\"NetworkInterface\":" INTERFACE "}",
                              NULL, NULL, NULL, &b, NULL),
                         0);
        assert_non_null(strstr(b.machine, "\"osDisk\":{\"createOption\":\"FromImage\",\"deleteOption\":\"Detach\"}"));
        assert_non_null(strstr(b.machine, "[{\"deleteOption\":\"Delete\",\"lun\":0,\"createOption\":\"Empty\"},{\"lun\":1,\"createOption\":\"Attach\"},"
                                          "{\"lun\":2,\"createOption\":\"Empty\",\"deleteOption\":\"Detach\"}]"));
        assert_null(strstr(b.machine, "osProfile")); /* a specialised image: Azure refuses one */
        assert_null(strstr(b.interface, "privateIPAddress"));
}

static void windows_gets_a_name_that_it_can_have(void **state)
{
        (void)state;
        CLEAN_BODIES struct azure_bodies b = { 0 };
        assert_int_equal(make("{\"VM\":{\"properties\":{\"osProfile\":{\"windowsConfiguration\":{}}}},\"NetworkInterface\":" INTERFACE "}", NULL, NULL, NULL, &b, NULL), 0);
        assert_non_null(strstr(b.machine, "\"computerName\":\"kmux2mykdytmj6v\""));
}

static void what_azure_would_refuse_is_refused_before(void **state)
{
        (void)state;
        static const char with[] = "{\"VM\":" MACHINE ",\"NetworkInterface\":" INTERFACE "}";
        CLEAN_FREE char *large = xalloc(AZURE_INIT_MAX + 2, 1);
        memset(large, 'x', AZURE_INIT_MAX + 1);
        CLEAN_BODIES struct azure_bodies b = { 0 };
        assert_int_equal(make(with, large, NULL, NULL, &b, NULL), -EFBIG);
        assert_int_equal(make(with, NULL, "10.0.0", NULL, &b, NULL), -EINVAL);
        assert_int_equal(make("{\"VM\":{\"properties\":{\"networkProfile\":{}}}}", NULL, "10.0.0.4", NULL, &b, NULL), -EINVAL);
        large[AZURE_INIT_MAX] = 0;
        assert_int_equal(make(with, large, "fd00::1", NULL, &b, NULL), 0);
        assert_non_null(strstr(b.interface, "\"privateIPAddressVersion\":\"IPv6\""));
}

/* ---- replies ---- */

static void words_of_states_are_known_in_any_case(void **state)
{
        (void)state;
        assert_int_equal(azure_state_of("Succeeded"), AZURE_SUCCEEDED);
        assert_int_equal(azure_state_of("FAILED"), AZURE_FAILED);
        assert_int_equal(azure_state_of("Canceled"), AZURE_CANCELED);
        assert_int_equal(azure_state_of("Deleting"), AZURE_DELETING);
        assert_int_equal(azure_state_of("Creating"), AZURE_BUSY);
        assert_int_equal(azure_state_of("Succeeded "), AZURE_BUSY);
        assert_int_equal(azure_state_of(""), AZURE_BUSY);
}

static void a_token_is_read_in_both_forms_and_never_with_a_line_break(void **state)
{
        (void)state;
        static const char *const good[] = { "{\"access_token\":\"a.b\",\"expires_in\":3599}", "{\"access_token\":\"a.b\",\"expires_in\":\"3599\"}" };
        static const char *const bad[] = { "", "{}", "{\"access_token\":\"a\\r\\nX: y\",\"expires_in\":1}", "{\"access_token\":\"\",\"expires_in\":1}",
                                           "{\"access_token\":\"a\",\"expires_in\":\"soon\"}", "{\"access_token\":\"a\"}" };
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                CLEAN_TOKEN struct azure_token t = { 0 };
                assert_int_equal(azure_token_read(good[i], strlen(good[i]), &t, NULL), 0);
                assert_string_equal(t.secret, "a.b");
                assert_int_equal(t.lifetime_s, 3599);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                struct azure_token t = { 0 };
                struct error e = { 0 };
                assert_int_equal(azure_token_read(bad[i], strlen(bad[i]), &t, &e), -EPROTO);
                assert_string_equal(e.id, "azure.reply");
        }
}

static void faults_are_read_in_both_forms_and_others_are_none(void **state)
{
        (void)state;
        static const char *const rows[][3] = {
                { "{\"error\":{\"code\":\"A\",\"message\":\"m\"}}", "A", "m" },
                { "{\"error\":\"invalid_client\",\"error_description\":\"d\"}", "invalid_client", "d" },
                { "<html>", NULL, NULL }, { "", NULL, NULL }, { "{\"error\":7}", NULL, NULL },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FAULT struct azure_fault f = { 0 };
                azure_fault_read(rows[i][0], strlen(rows[i][0]), &f);
                assert_true(rows[i][1] ? f.code && text_equal(f.code, rows[i][1]) : !f.code);
                assert_true(rows[i][2] ? f.message && text_equal(f.message, rows[i][2]) : !f.message);
        }
}

static void what_could_be_secret_is_left_out_of_a_machines_text(void **state)
{
        (void)state;
        static const char text[] = "{\"name\":\"m\",\"tags\":null,\"properties\":{\"provisioningState\":\"Succeeded\",\"osProfile\":{\"adminPassword\":\"p\","
                                   "\"computerName\":\"c\",\"customData\":\"d\"},\"x\":[{\"secrets\":[1]},2]}}";
        CLEAN_MACHINE struct azure_machine m = { 0 };
        assert_int_equal(azure_machine_read(text, strlen(text), &m, NULL), 0);
        assert_int_equal(m.state, AZURE_SUCCEEDED);
        assert_string_equal(m.text, "{\"name\":\"m\",\"tags\":null,\"properties\":{\"provisioningState\":\"Succeeded\",\"osProfile\":{\"computerName\":\"c\"},\"x\":[{},2]}}");
}

static void pages_are_read_with_their_next_one(void **state)
{
        (void)state;
        static const char machines[] = "{\"value\":[{\"name\":\"a\",\"tags\":{\"infrakit.group\":\"g\"}},{\"name\":\"b\"}],\"nextLink\":\"https://x/y\"}";
        static const char interfaces[] = "{\"value\":[{\"name\":\"n\",\"etag\":\"W/1\",\"properties\":{\"virtualMachine\":{\"id\":\"x\"}}},{\"name\":\"o\"}],\"nextLink\":\"\"}";
        CLEAN_PAGE struct azure_page p = { 0 }, q = { 0 };
        assert_int_equal(azure_page_read_machines(machines, strlen(machines), &p, NULL), 0);
        assert_int_equal(p.machine_count, 2);
        assert_string_equal(p.next, "https://x/y");
        assert_string_equal(tags_get(&p.machines[0].tags, "infrakit.group"), "g");
        assert_int_equal(azure_page_read_interfaces(interfaces, strlen(interfaces), &q, NULL), 0);
        assert_true(q.interfaces[0].attached && !q.interfaces[1].attached);
        assert_null(q.next);
}

/* ---- again ---- */

static void waits_are_as_said_or_double_up_to_a_bound(void **state)
{
        (void)state;
        for (uint32_t random = 0; random < 100000; random += 977) {
                uint64_t said = retry_delay_ms(1, "7", random), own = retry_delay_ms(3, NULL, random), late = retry_delay_ms(20, "Wed, 21 Oct 2026 07:28:00 GMT", random);
                assert_true(said >= 7000 && said <= 8500);
                assert_true(own >= 1 && own <= 2000);
                assert_true(late >= 1 && late <= RETRY_CAP_MS);
        }
        uint64_t s;
        assert_false(retry_after_parse("-1", &s));
        assert_false(retry_after_parse("99999999999", &s));
        assert_true(retry_after_parse("0", &s));
        assert_true(retry_status(429) && retry_status(503) && !retry_status(400) && !retry_status(409));
        assert_true(retry_code("NicReservedForAnotherVm") && !retry_code("QuotaExceeded") && !retry_code(NULL));
}

static void a_secret_that_is_repeated_to_us_is_covered(void **state)
{
        (void)state;
        char words[] = "no hunter22 and hunter22!";
        credential_scrub(words, "hunter22");
        assert_string_equal(words, "no ******** and ********!");
        credential_scrub(words, NULL);
        credential_scrub(words, "a"); /* too short to be one: it would cover everything */
        assert_string_equal(words, "no ******** and ********!");
}

/* ---- addresses and options ---- */

static void only_addresses_of_the_same_origin_are_the_same(void **state)
{
        (void)state;
        static const char *const rows[][2] = {
                { "https://Management.Azure.com/x?y", "https://management.azure.com" }, { "https://management.azure.com:443/", "https://management.azure.com" },
                { "http://127.0.0.1:80/a", "http://127.0.0.1" },                         { "https://h:444/", "https://h:444" },
                { "https://management.azure.com@evil/", NULL },                          { "ftp://h/", NULL },
                { "/relative", NULL },                                                   { "file:///etc/passwd", NULL },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FREE char *origin = web_origin(rows[i][0]);
                assert_true(rows[i][1] ? origin && text_equal(origin, rows[i][1]) : !origin);
        }
        assert_true(transfer_is_private("https://h") && transfer_is_private("http://127.0.0.1:8") && transfer_is_private("http://localhost"));
        assert_false(transfer_is_private("http://h"));
        assert_false(transfer_is_private("http://127.0.0.1.evil"));
        assert_false(transfer_is_private("http://localhost.evil:80"));
}

static int options(struct azure_config *ret, struct error *e, const char *first, ...)
{
        CLEAN_STRINGS struct strings words = { 0 };
        va_list ap;
        va_start(ap, first);
        for (const char *w = first; w; w = va_arg(ap, const char *))
                strings_add(&words, w);
        va_end(ap);
        return azure_config_read(&words, ret, e);
}

static void options_are_read_and_what_is_unsafe_is_refused(void **state)
{
        (void)state;
        struct error e = { 0 };
        CLEAN_CONFIG struct azure_config c = { 0 }, d = { 0 };
        assert_int_equal(options(&c, &e, "subscription=s", "--resource-group=g(1)", "wait=5min", NULL), 0);
        assert_string_equal(c.endpoint, "https://management.azure.com");
        assert_string_equal(c.audience, "https://management.azure.com");
        assert_int_equal(c.credential, CREDENTIAL_MANAGED);
        assert_int_equal(c.wait_usec, 300000000);
        assert_int_equal(options(&d, &e, "subscription=s", NULL), -EINVAL);
        assert_int_equal(options(&d, &e, "subscription=s", "resource-group=a/b", NULL), -EINVAL);
        assert_int_equal(options(&d, &e, "subscription=..", "resource-group=g", NULL), -EINVAL);
        assert_int_equal(options(&d, &e, "subscription=s", "resource-group=g", "endpoint=http://management.example", NULL), -EINVAL);
        assert_string_equal(e.id, "azure.endpoint");
        assert_int_equal(options(&d, &e, "subscription=s", "resource-group=g", "endpoint=https://h/path", NULL), -EINVAL);
        assert_int_equal(options(&d, &e, "subscription=s", "resource-group=g", "client-secret=x", NULL), -EINVAL);
        assert_string_equal(e.id, "azure.option");
        assert_null(strstr(e.cause, "=x")); /* what may be a secret is not repeated */
        assert_int_equal(options(&d, &e, "subscription=s", "resource-group=g", "credential=secret", NULL), -EINVAL);
        assert_string_equal(e.id, "azure.credential");
}

static void the_secret_is_gone_from_the_environment_once_it_is_read(void **state)
{
        (void)state;
        CLEAN_CONFIG struct azure_config c = { 0 };
        struct error e = { 0 };
        setenv("AZURE_CLIENT_SECRET", "hunter22", 1);
        const char *where = getenv("AZURE_CLIENT_SECRET");
        assert_int_equal(options(&c, &e, "subscription=s", "resource-group=g", "tenant=t", "client-id=c", NULL), 0);
        assert_int_equal(c.credential, CREDENTIAL_SECRET);
        assert_string_equal(c.client_secret, "hunter22");
        assert_string_equal(where, "");
        unsetenv("AZURE_CLIENT_SECRET");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_group_and_a_token_give_one_name_and_no_others_give_it),
                cmocka_unit_test(a_name_is_within_limits_whatever_the_group_is_called),
                cmocka_unit_test(tags_within_azures_limits_are_taken_and_others_are_not),
                cmocka_unit_test(a_document_that_is_not_as_it_should_be_is_refused),
                cmocka_unit_test(a_machine_gets_name_tags_interface_and_first_boot),
                cmocka_unit_test(what_the_document_says_stands_before_the_defaults),
                cmocka_unit_test(windows_gets_a_name_that_it_can_have),
                cmocka_unit_test(what_azure_would_refuse_is_refused_before),
                cmocka_unit_test(words_of_states_are_known_in_any_case),
                cmocka_unit_test(a_token_is_read_in_both_forms_and_never_with_a_line_break),
                cmocka_unit_test(faults_are_read_in_both_forms_and_others_are_none),
                cmocka_unit_test(what_could_be_secret_is_left_out_of_a_machines_text),
                cmocka_unit_test(pages_are_read_with_their_next_one),
                cmocka_unit_test(waits_are_as_said_or_double_up_to_a_bound),
                cmocka_unit_test(a_secret_that_is_repeated_to_us_is_covered),
                cmocka_unit_test(only_addresses_of_the_same_origin_are_the_same),
                cmocka_unit_test(options_are_read_and_what_is_unsafe_is_refused),
                cmocka_unit_test(the_secret_is_gone_from_the_environment_once_it_is_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
