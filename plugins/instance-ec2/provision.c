/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "document.h"
#include "ec2.h"
#include "instances.h"
#include "os/file.h"

/* ---- the instance of a token ---- */

static bool is_over(const char *state)
{
        return state && (text_equal(state, "terminated") || text_equal(state, "shutting-down"));
}

/*
 * The instance in a reply that answers to our token. One that has ended already is still the one that the token made: who asks sees
 * then that it is not there, and asks with another token. An error would make them ask with this one again.
 */
static int take_instance(struct ec2 *c, const struct xml_document *d, const struct ec2_launch *l, char **ret_id, struct error *e)
{
        const struct xml_node *n = ec2_first_instance(d);
        const char *id = xml_text(d, n, "instanceId"), *address = xml_text(d, n, "privateIpAddress");
        CLEAN_TAGS struct tags tags = { 0 };
        if (!id || !ec2_id_is_valid(id))
                return error_set(e, EBADMSG, "aws.reply", "the reply has no instance in it");
        *ret_id = xstrdup(id);
        if (is_over(xml_text(d, n, "instanceState/name"))) {
                recent_gone(c->recent, id);
                return 0;
        }
        ec2_tags_read(d, n, &tags); /* those of then, which may be others than those of this call */
        recent_made(c->recent, id, l->logical_id ? l->logical_id : address && *address ? address : NULL, tags.count ? &tags : &l->tags);
        return 0;
}

static int find_by_token(struct ec2 *c, const struct ec2_launch *l, char **ret_id, struct error *e)
{
        CLEAN_QUERY struct query q = { 0 };
        CLEAN_AWS_ANSWER struct aws_answer a = { 0 };
        const struct error refusal = *e;
        query_start(&q, "DescribeInstances", EC2_API_VERSION);
        query_add(&q, "Filter.1.Name", "client-token");
        query_add(&q, "Filter.1.Value.1", l->client_token);
        int r = ec2_call(c, &q, &a, e);
        if (r < 0 || a.verdict != AWS_DONE)
                return e->code;
        if (!ec2_first_instance(&a.xml)) {
                *e = refusal;
                return refusal.code;
        }
        return take_instance(c, &a.xml, l, ret_id, e);
}

/*
 * The token makes EC2 give the instance that it made before.  It refuses where the rest of the call is another than then, as after a
 * change of the document, or where that instance has ended: then we look for it ourselves.
 */
static int run(struct ec2 *c, const struct ec2_launch *l, char **ret_id, struct error *e)
{
        CLEAN_AWS_ANSWER struct aws_answer a = { 0 };
        int r = ec2_call(c, &l->query, &a, e);
        if (r < 0)
                return r;
        if (a.verdict == AWS_DONE)
                return take_instance(c, &a.xml, l, ret_id, e);
        if (text_equal(a.code, "IdempotentParameterMismatch") || text_equal(a.code, "IdempotentInstanceTerminated"))
                return find_by_token(c, l, ret_id, e);
        return e->code;
}

/* An instance without its volumes is none that was asked for: it must not be left to count as one. */
static int attach_or_end(struct ec2 *c, const char *id, const struct strings *volumes, struct error *e)
{
        struct error second = { 0 };
        int r = ec2_attach(c, id, volumes, e);
        if (r < 0 && ec2_terminate(c, id, &second) < 0)
                error_hint(e, "%s could not be ended either: %s", id, second.cause);
        return r;
}

static int provision(struct ec2 *c, const struct json_place *properties, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        CLEAN_EC2_LAUNCH struct ec2_launch l = { 0 };
        CLEAN_FREE char *id = NULL;
        const char *token = tags_get(&spec->tags, TAG_TOKEN);
        char once[33] = "";
        if (!token || !*token) /* so that at least our own attempts make one instance together */
                file_random_hex(once, sizeof once - 1);
        int r = ec2_launch_read(properties, spec, *once ? once : token, &l, e);
        if (r == 0)
                r = run(c, &l, &id, e);
        if (r == 0 && l.volumes.count && recent_has(c->recent, id))
                r = attach_or_end(c, id, &l.volumes, e);
        if (r == 0)
                *ret_id = TAKE_PTR(id);
        return r;
}

int ec2_provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        static const char name[] = "Properties";
        CLEAN_JSON struct json_document d = { 0 };
        const char *text = spec->properties ? spec->properties : "null";
        struct error own = { 0 };
        (void)type;
        e = e ? e : &own;
        int r = json_parse(name, text, strlen(text), &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, name);
        return provision(self, &top, spec, ret_id, e);
}
