/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the plugins of this host read, by the first byte: records; properties of services and containers and the units and configurations
 * that become of them; what members of etcd answer.
 */
#include <stdlib.h>
#include <string.h>

#include "../../plugins/flavor-etcd/members.h"
#include "../../plugins/instance-container/config.h"
#include "../../plugins/instance-service/unit.h"
#include "group/expand.h"
#include "group/local_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void make_instance(struct instance *i, const char *tag)
{
        *i = (struct instance){ .id = xstrdup("web-abc"), .logical_id = xstrdup("10.0.0.1") };
        tags_set(&i->tags, TAG_PORT, "8080");
        tags_set(&i->tags, "a", tag);
}

/* A record is the same when it was written and read again. */
static void fuzz_record(const char *text, size_t size)
{
        struct instance i, again;
        struct error e = { 0 };
        if (local_record_parse(text, size, "web-abc", &i, &e) < 0) {
                check(e.code && e.id[0]);
                return;
        }
        CLEAN_TEXT struct text one = { 0 }, two = { 0 };
        local_record_format(&one, &i);
        check(local_record_parse(one.data, one.length, "web-abc", &again, &e) == 0);
        local_record_format(&two, &again);
        check(text_equal(one.data, two.data));
        instance_done(&i);
        instance_done(&again);
}

/* No tag adds a line to a unit. */
static size_t count_lines(const struct unit *u)
{
        size_t lines = 0;
        for (size_t i = 0; i < u->count; i++)
                for (const char *s = u->sources[i].text.data; (s = strchr(s, '\n')); s++)
                        lines++;
        return lines;
}

static void fuzz_service(const char *text, const char *tag)
{
        CLEAN_SERVICE_PROPERTIES struct service_properties p = { 0 };
        CLEAN_UNIT struct unit u = { 0 }, plain = { 0 };
        struct instance i, other;
        if (service_properties_parse(text, &p, NULL) < 0)
                return;
        make_instance(&i, tag);
        make_instance(&other, "x");
        if (service_unit_make(&p, &i, "/run/x", true, &u, NULL) == 0 && service_unit_make(&p, &other, "/run/x", true, &plain, NULL) == 0)
                check(count_lines(&u) == count_lines(&plain));
        instance_done(&i);
        instance_done(&other);
}

/* What is made is JSON, with a root that cannot be written and no terminal. */
static void fuzz_config(const char *text, const char *tag)
{
        static char port[] = "{{port}}", place[] = "{{tag a}}", *words[] = { port, place };
        const struct container_properties p = { .bundle = (char *)"/srv/bundle", .args = { words, 2, 2 }, .tmpfs = { words, 1, 1 } };
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        struct instance i;
        make_instance(&i, tag);
        if (container_config_make(text, strlen(text), &p, &i, "true", &t, NULL) == 0) {
                check(json_parse("made", t.data, t.length, &d, NULL) == 0);
                check(json_member(json_member(d.nodes, "root"), "readonly")->type == JSON_TRUE);
                check(!json_member(json_member(d.nodes, "process"), "terminal"));
        }
        instance_done(&i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        const uint8_t *nul = memchr(data + 1, 0, size - 1);
        const size_t n = nul ? (size_t)(nul - data - 1) : size - 1;
        CLEAN_FREE char *text = xstrndup((const char *)data + 1, n), *tag = xstrndup(nul ? (const char *)nul + 1 : "v", nul ? size - n - 2 : 1);
        CLEAN_ETCD_MEMBERS struct etcd_members members = { .count = 0 };
        CLEAN_CONTAINER_PROPERTIES struct container_properties p = { 0 };
        switch (data[0] % 5) {
        case 0: fuzz_record(text, n); return 0;
        case 1: fuzz_service(text, tag); return 0;
        case 2: fuzz_config(text, tag); return 0;
        case 3: (void)container_properties_parse(text, &p, NULL); return 0;
        default: (void)etcd_members_parse(text, n, &members, NULL); return 0;
        }
}
