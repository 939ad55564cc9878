/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the EC2 plugin reads. The first byte says as what: a reply of EC2, a file of profiles, or a document. What it makes of them is what it
 * should be: valid JSON, valid ids, a form with nothing in it that could be read as another.
 */
#include <stdlib.h>
#include <string.h>

#include "../../plugins/instance-ec2/document.h"
#include "../../plugins/instance-ec2/instances.h"
#include "../../plugins/instance-ec2/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void check_instance(const struct instance *i)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        check(ec2_id_is_valid(i->id) && i->tags.count <= TAGS_MAX);
        instance_format(&t, i);
        check(json_parse("instance", t.data, t.length, &d, NULL) == 0);
}

static void try_reply(const char *data, size_t size)
{
        CLEAN_XML struct xml_document d = { 0 };
        CLEAN_INSTANCES struct instances l = { 0 };
        CLEAN_FREE char *next = NULL;
        const struct tags none = { 0 };
        struct error e = { 0 };
        if (xml_parse(data, size, &d, &e) < 0) {
                check(!strcmp(e.id, "aws.reply") && !d.nodes);
                return;
        }
        check(d.nodes->span == d.count && d.count <= XML_NODES_MAX);
        (void)ec2_first_instance(&d);
        (void)ec2_page_read(&d, &none, true, &l, &next, &e);
        for (size_t i = 0; i < l.count; i++)
                check_instance(&l.items[i]);
}

static void try_profile(const char *data, size_t size)
{
        CLEAN_FREE char *text = xstrndup(data, size);
        for (int config = 0; config < 2; config++) {
                CLEAN_PROFILE struct profile p = { 0 };
                struct error e = { 0 };
                if (profile_read("file", text, config, "default", &p, &e) < 0)
                        check(!strcmp(e.id, "aws.credentials-file"));
                else
                        check(p.found || !p.access_key);
        }
}

static void try_document(const char *data, size_t size)
{
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%=&";
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_EC2_LAUNCH struct ec2_launch l = { 0 };
        const struct instance_spec spec = { .logical_id = (char *)"10.0.0.1" };
        struct error e = { 0 };
        if (json_parse("p", data, size, &d, NULL) < 0)
                return;
        const struct json_place top = json_top(&d, "p");
        if (ec2_launch_read(&top, &spec, "token", &l, &e) < 0) {
                check(*e.id && !l.query.body.data);
                return;
        }
        check(strspn(l.query.body.data, allowed) == l.query.body.length && l.tags.count <= EC2_TAGS_MAX);
        check(strstr(l.query.body.data, "&MaxCount=1&") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static void (*const readers[])(const char *data, size_t size) = { try_reply, try_profile, try_document };
        if (size > 0)
                readers[data[0] % ELEMENTS(readers)]((const char *)data + 1, size - 1);
        return 0;
}
