/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes as answers of Azure and as the properties of a machine: what is read is within limits, what fails has an id, and what is made of
 * properties is JSON again that holds neither more nor less than it should.
 */
#include <stdlib.h>
#include <string.h>

#include "../../plugins/instance-azure/body.h"
#include "../../plugins/instance-azure/reply.h"
#include "../../plugins/instance-azure/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is)
{
        if (!is)
                abort();
}

static void check_failure(int r, const struct error *e)
{
        must(r == 0 || (r == -EPROTO && text_equal(e->id, "azure.reply")));
}

static void read_values(const char *text, size_t size)
{
        CLEAN_FAULT struct azure_fault f = { 0 };
        CLEAN_TOKEN struct azure_token t = { 0 };
        struct azure_operation o = { 0 };
        struct error e = { 0 };
        bool runs;
        azure_fault_read(text, size, &f);
        check_failure(azure_operation_read(text, size, &o, &e), &e);
        azure_operation_done(&o);
        check_failure(azure_power_read(text, size, &runs, &e), &e);
        int r = azure_token_read(text, size, &t, &e);
        check_failure(r, &e);
        must(r < 0 || (*t.secret && !strpbrk(t.secret, "\r\n \t")));
}

static void check_json(const char *text)
{
        CLEAN_JSON struct json_document d = { 0 };
        must(json_parse("made", text, strlen(text), &d, NULL) == 0);
        must(!json_member(d.nodes, "adminPassword"));
}

static void read_resources(const char *text, size_t size)
{
        CLEAN_MACHINE struct azure_machine m = { 0 };
        CLEAN_INTERFACE struct azure_interface n = { 0 };
        CLEAN_PAGE struct azure_page p = { 0 }, q = { 0 };
        struct error e = { 0 };
        int r = azure_machine_read(text, size, &m, &e);
        check_failure(r, &e);
        if (r == 0)
                check_json(m.text);
        check_failure(azure_interface_read(text, size, &n, &e), &e);
        check_failure(azure_page_read_machines(text, size, &p, &e), &e);
        check_failure(azure_page_read_interfaces(text, size, &q, &e), &e);
}

static void check_machine(const struct azure_bodies *b)
{
        CLEAN_JSON struct json_document d = { 0 };
        must(azure_name_valid(b->name) && strlen(b->name) <= 64);
        must(json_parse("made", b->machine, strlen(b->machine), &d, NULL) == 0);
        const struct json_node *tags = json_member(d.nodes, "tags"), *location = json_member(d.nodes, "location");
        must(tags && location && tags->count == 2 && text_equal(json_member(tags, TAG_TOKEN)->text, "token"));
        must(json_member(json_member(json_member(d.nodes, "properties"), "osProfile"), "customData")->type == JSON_STRING);
        if (b->interface)
                check_json(b->interface);
}

static void make_bodies(const char *text)
{
        static const struct azure_scope scope = { "s", "g", "l" };
        CLEAN_INSTANCE_SPEC struct instance_spec s = { .properties = xstrdup(text), .init = xstrdup("init"), .logical_id = xstrdup("10.0.0.4") };
        CLEAN_BODIES struct azure_bodies b = { 0 }, c = { 0 };
        struct error e = { 0 };
        int r = azure_bodies_make(&s, "token", NULL, &scope, &b, &e);
        if (r == 0)
                check_machine(&b);
        must(r == 0 || *e.id);
        free(s.logical_id);
        s.logical_id = NULL;
        r = azure_bodies_make(&s, "token", "password", &scope, &c, &e);
        must(r == 0 || *e.id);
        CLEAN_FREE char *name = azure_machine_name(text, text);
        must(azure_name_valid(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_FREE char *text = xstrndup((const char *)data, size);
        uint64_t seconds;
        must(!retry_after_parse(text, &seconds) || seconds <= RETRY_AFTER_MAX_S);
        must(retry_delay_ms((unsigned)size, text, (uint32_t)size) <= RETRY_AFTER_MAX_S * UINT64_C(1200) + 100);
        read_values((const char *)data, size);
        read_resources((const char *)data, size);
        make_bodies(text);
        return 0;
}
