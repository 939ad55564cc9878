/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "document.h"
#include "ec2.h"
#include "instances.h"

static void stop(void *self)
{
        struct ec2 *c = self;
        credential_chain_free(c->credentials);
        web_client_free(c->web);
        recent_free(c->recent);
        aws_endpoint_done(&c->service.endpoint);
        ec2_settings_done(&c->settings);
        free(c);
}

static int find_service(struct ec2 *c, struct error *e)
{
        const char *region = NULL;
        int r = credential_chain_region(c->credentials, &region, e);
        if (r < 0)
                return r;
        c->service = (struct aws_service){ .name = "ec2", .region = region, .web = c->web };
        if (c->settings.endpoint)
                return aws_endpoint_parse(c->settings.endpoint, c->settings.plain_http, &c->service.endpoint, e);
        aws_endpoint_of("ec2", region, &c->service.endpoint);
        return 0;
}

/* Credentials are not asked for yet: they may come later, and a plugin that waits is better than one that is not there. */
static int start(struct loop *loop, struct instance_events *events, const struct strings *options, void **ret_self, struct error *e)
{
        (void)loop, (void)events;
        struct ec2 *c = xalloc(1, sizeof *c);
        int r = ec2_settings_read(options, getenv, &c->settings, e);
        c->recent = recent_new();
        c->web = web_client_new(c->settings.ca_bundle);
        c->credentials = credential_chain_new(&c->settings, c->web);
        if (r == 0)
                r = find_service(c, e);
        if (r < 0)
                stop(c);
        else
                *ret_self = c;
        return r;
}

static int validate(void *self, const char *type, const struct json_place *properties, struct error *e)
{
        CLEAN_EC2_LAUNCH struct ec2_launch l = { 0 };
        const struct instance_spec none = { 0 };
        (void)self, (void)type;
        return ec2_launch_read(properties, &none, "validate", &l, e);
}

/* What has not the form of an id is no instance, and is not worth a call. */
static int check_id(const char *id, struct error *e)
{
        if (!ec2_id_is_valid(id))
                return error_set(e, ENOENT, "aws.missing", "\"%.64s\" is not the id of an instance, such as i-0123456789abcdef0", id);
        return 0;
}

static int label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e)
{
        CLEAN_QUERY struct query q = { 0 };
        CLEAN_AWS_ANSWER struct aws_answer a = { 0 };
        struct error own = { 0 };
        (void)type;
        e = e ? e : &own;
        int r = check_id(id, e);
        if (r == 0)
                r = ec2_tags_check(labels, e);
        if (r < 0 || !labels->count)
                return r;
        query_start(&q, "CreateTags", EC2_API_VERSION);
        query_add(&q, "ResourceId.1", id);
        ec2_tags_add(&q, "", labels);
        return ec2_call_on_instance(self, &q, id, &a, e);
}

int ec2_terminate(struct ec2 *c, const char *id, struct error *e)
{
        CLEAN_QUERY struct query q = { 0 };
        CLEAN_AWS_ANSWER struct aws_answer a = { 0 };
        query_start(&q, "TerminateInstances", EC2_API_VERSION);
        query_add(&q, "InstanceId.1", id);
        int r = ec2_call_on_instance(c, &q, id, &a, e);
        if (r < 0)
                return r;
        recent_gone(c->recent, id);
        const char *before = xml_text(&a.xml, a.xml.nodes, "instancesSet/item/previousState/name");
        if (before && text_equal(before, "terminated")) /* EC2 still shows it, for an hour or so */
                return error_set(e, ENOENT, "aws.missing", "%s was terminated before", id);
        return 0;
}

static int destroy(void *self, const char *type, const char *id, const char *reason, struct error *e)
{
        struct error own = { 0 };
        (void)type, (void)reason;
        e = e ? e : &own;
        int r = check_id(id, e);
        return r < 0 ? r : ec2_terminate(self, id, e);
}

static const char *const types[] = { "", "ec2-instance", NULL };

const struct instance_plugin ec2_plugin = {
        .name = "ec2",
        .version = BULKHEAD_VERSION,
        .summary = "virtual machines of Amazon EC2",
        .types = types,
        .concurrent = true,
        .late = true,
        .start = start,
        .stop = stop,
        .validate = validate,
        .provision = ec2_provision,
        .label = label,
        .destroy = destroy,
        .describe = ec2_describe,
};
