/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "document.h"

#include <arpa/inet.h>
#include <string.h>

#include "sigv4.h"

/*
 * The Query API counts the elements of a list from 1 behind the list's name, which for these lists is not that of the member.
 * All others, and all structures, keep the name of the member.
 */
static const struct {
        const char *in, *member, *name;
} lists[] = {
        { "", "BlockDeviceMappings", "BlockDeviceMapping" },
        { "", "ElasticInferenceAccelerators", "ElasticInferenceAccelerator" },
        { "", "Ipv6Addresses", "Ipv6Address" },
        { "", "LicenseSpecifications", "LicenseSpecification" },
        { "", "NetworkInterfaces", "NetworkInterface" },
        { "", "SecurityGroupIds", "SecurityGroupId" },
        { "", "SecurityGroups", "SecurityGroup" },
        { "", "TagSpecifications", "TagSpecification" },
        { "NetworkInterfaces", "Groups", "SecurityGroupId" },
        { "NetworkInterfaces", "Ipv4Prefixes", "Ipv4Prefix" },
        { "NetworkInterfaces", "Ipv6Prefixes", "Ipv6Prefix" },
        { "TagSpecifications", "Tags", "Tag" },
};

struct builder {
        struct ec2_launch *launch;
        const struct instance_spec *spec;
        const char *address; /* the logical id, where it is an address that EC2 can give */
        size_t parameters;
        bool user_data, metadata_options, http_tokens, launch_template, interfaces;
        size_t tag_specifications;
};

void ec2_launch_done(struct ec2_launch *l)
{
        query_done(&l->query);
        tags_done(&l->tags);
        free(l->logical_id);
        strings_clear(&l->volumes);
        *l = (struct ec2_launch){ 0 };
}

/* ---- tags ---- */

static size_t characters(const char *s)
{
        size_t n = 0;
        for (; *s; s++)
                n += (*s & 0xc0) != 0x80;
        return n;
}

int ec2_tags_check(const struct tags *tags, struct error *e)
{
        if (tags->count > EC2_TAGS_MAX)
                return error_set(e, EINVAL, "aws.tag", "%zu tags, and EC2 takes %d", tags->count, EC2_TAGS_MAX);
        for (size_t i = 0; i < tags->count; i++) {
                const struct tag *t = &tags->items[i];
                if (!strncasecmp(t->name, "aws:", 4))
                        return error_set(e, EINVAL, "aws.tag", "the tag %s: names that begin with aws: are EC2's own", t->name);
                if (characters(t->name) > EC2_TAG_NAME_MAX || characters(t->value) > EC2_TAG_VALUE_MAX)
                        return error_set(e, EINVAL, "aws.tag", "the tag %.64s: EC2 takes %d characters of name and %d of value", t->name,
                                         EC2_TAG_NAME_MAX, EC2_TAG_VALUE_MAX);
        }
        return 0;
}

void ec2_tags_add(struct query *q, const char *prefix, const struct tags *tags)
{
        for (size_t i = 0; i < tags->count; i++) {
                CLEAN_FREE char *key = xprintf("%sTag.%zu.Key", prefix, i + 1), *value = xprintf("%sTag.%zu.Value", prefix, i + 1);
                query_add(q, key, tags->items[i].name);
                query_add(q, value, tags->items[i].value);
        }
}

/* ---- JSON to parameters ---- */

static const char *list_name(const char *in, const char *member)
{
        for (size_t i = 0; i < ELEMENTS(lists); i++)
                if (text_equal(lists[i].in, in) && text_equal(lists[i].member, member))
                        return lists[i].name;
        return NULL;
}

static bool is_whole(const char *s, size_t n)
{
        size_t at = n && *s == '-';
        if (at == n)
                return false;
        while (at < n && s[at] >= '0' && s[at] <= '9')
                at++;
        return at == n;
}

static int add_scalar(struct builder *b, const struct json_place *at, const char *name, struct error *e)
{
        const struct json_node *v = at->value;
        const char *value = v->type == JSON_TRUE ? "true" : v->type == JSON_FALSE ? "false" : NULL;
        CLEAN_FREE char *number = NULL;
        if (v->type == JSON_NUMBER) {
                if (!is_whole(v->text, v->length))
                        return json_fail(at, e, "EC2 takes whole numbers only");
                value = number = xstrndup(v->text, v->length);
        } else if (!value && !(value = json_text(at, e)))
                return -EINVAL;
        if (b->parameters++ == EC2_PARAMETERS_MAX)
                return json_fail(at, e, "there are more than %d values", EC2_PARAMETERS_MAX);
        query_add(&b->launch->query, name, value);
        return 0;
}

/* Where the walk is: the parameter's name so far, and the list around it. */
struct walk {
        struct builder *b;
        const char *name, *in;
};

static int add_value(struct builder *b, const struct json_place *at, const char *name, const char *in, const char *list, struct error *e);

static int check_name(const struct json_place *at, struct error *e)
{
        size_t n = strspn(at->key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
        if (!n || at->key[n] || n > 64)
                return json_fail(at, e, "no parameter of EC2 has such a name");
        return 0;
}

static int add_member(const struct json_place *at, void *into, struct error *e)
{
        struct walk *w = into;
        const char *list = list_name(w->in, at->key);
        int r = check_name(at, e);
        if (r < 0)
                return r;
        CLEAN_FREE char *name = xprintf("%s.%s", w->name, list ? list : at->key);
        return add_value(w->b, at, name, at->key, list, e);
}

static int add_element(const struct json_place *at, void *into, struct error *e)
{
        struct walk *w = into;
        if (at->value->type == JSON_ARRAY || at->value->type == JSON_NULL)
                return json_fail(at, e, "a list of EC2 has no %s in it", at->value->type == JSON_ARRAY ? "lists" : "null");
        CLEAN_FREE char *name = xprintf("%s.%zu", w->name, at->index + 1);
        return add_value(w->b, at, name, w->in, NULL, e);
}

/* in: the member whose value this is; list: its name as a list, where it must be one. */
static int add_value(struct builder *b, const struct json_place *at, const char *name, const char *in, const char *list, struct error *e)
{
        struct walk w = { b, name, in };
        switch (at->value->type) {
        case JSON_NULL:
                return 0;
        case JSON_ARRAY:
                return json_each(at, add_element, &w, e);
        case JSON_OBJECT:
                return list ? json_fail(at, e, "must be a list") : json_each_member(at, add_member, &w, e);
        default:
                return list ? json_fail(at, e, "must be a list") : add_scalar(b, at, name, e);
        }
}

/* ---- members that mean something to us ---- */

static int add_reserved(struct builder *b, const struct json_place *at, struct error *e)
{
        (void)b;
        return json_fail(at, e, "the plugin sets it itself: leave it out");
}

static int add_count(struct builder *b, const struct json_place *at, struct error *e)
{
        uint32_t n = 0;
        (void)b;
        int r = json_u32(at, &n, e);
        if (r == 0 && n != 1)
                r = json_fail(at, e, "must be 1: the group decides how many instances there are");
        return r;
}

static int add_user_data(struct builder *b, const struct json_place *at, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (b->spec->init && *b->spec->init)
                return 0; /* as InfraKit does: what the flavor prepared stands */
        if (strlen(s) > EC2_USER_DATA_MAX)
                return json_fail(at, e, "has more than %d bytes", EC2_USER_DATA_MAX);
        b->user_data = true;
        query_add_base64(&b->launch->query, "UserData", s, strlen(s));
        return 0;
}

static int add_metadata_options(struct builder *b, const struct json_place *at, struct error *e)
{
        b->http_tokens = json_member(at->value, "HttpTokens") != NULL;
        return add_value(b, at, at->key, at->key, NULL, e);
}

static int add_launch_template(struct builder *b, const struct json_place *at, struct error *e)
{
        b->launch_template = true;
        return add_value(b, at, at->key, at->key, NULL, e);
}

static int add_private_address(struct builder *b, const struct json_place *at, struct error *e)
{
        if (b->spec->logical_id)
                return json_fail(at, e, "the logical id decides the address: leave it out");
        return add_value(b, at, at->key, at->key, NULL, e);
}

static int add_interfaces(struct builder *b, const struct json_place *at, struct error *e)
{
        b->interfaces = at->value->count > 0;
        if (b->address && b->interfaces && at->value->type == JSON_ARRAY && json_member(at->value + 1, "PrivateIpAddress"))
                return json_fail(at, e, "the logical id decides the first address: leave it out");
        return add_value(b, at, "NetworkInterface", at->key, "NetworkInterface", e);
}

/* A list of {Key, Value} that are to be on the instance itself. */
static int read_tag(const struct json_place *at, void *into, struct error *e)
{
        struct pair {
                char *key, *value;
        } p = { 0 };
        static const struct json_field fields[] = {
                { "Key", json_string, offsetof(struct pair, key), JSON_REQUIRED },
                { "Value", json_string, offsetof(struct pair, value), 0 },
                { 0 },
        };
        struct tags *tags = into;
        int r = json_object(at, fields, &p, e);
        if (r == 0 && !*p.key)
                r = json_fail(at, e, "the name of a tag is empty");
        if (r == 0)
                tags_set(tags, p.key, p.value ? p.value : "");
        free(p.key);
        free(p.value);
        return r;
}

static int add_tag_specification(const struct json_place *at, void *into, struct error *e)
{
        struct builder *b = into;
        const struct json_node *type = json_member(at->value, "ResourceType");
        if (!type || type->type != JSON_STRING)
                return json_fail(at, e, "must have a ResourceType");
        if (text_equal(type->text, "instance")) {
                const struct json_place tags = { .value = json_member(at->value, "Tags"), .up = at, .key = "Tags" };
                return tags.value ? json_each(&tags, read_tag, &b->launch->tags, e) : 0;
        }
        CLEAN_FREE char *name = xprintf("TagSpecification.%zu", ++b->tag_specifications);
        return add_value(b, at, name, "TagSpecifications", NULL, e);
}

static int add_tag_specifications(struct builder *b, const struct json_place *at, struct error *e)
{
        return json_each(at, add_tag_specification, b, e);
}

static const struct {
        const char *member;
        int (*add)(struct builder *b, const struct json_place *at, struct error *e);
} special[] = {
        { "ClientToken", add_reserved },
        { "DryRun", add_reserved },
        { "LaunchTemplate", add_launch_template },
        { "MaxCount", add_count },
        { "MetadataOptions", add_metadata_options },
        { "MinCount", add_count },
        { "NetworkInterfaces", add_interfaces },
        { "PrivateIpAddress", add_private_address },
        { "TagSpecifications", add_tag_specifications },
        { "UserData", add_user_data },
};

static int add_top(const struct json_place *at, void *into, struct error *e)
{
        struct builder *b = into;
        if (at->value->type == JSON_NULL)
                return 0;
        for (size_t i = 0; i < ELEMENTS(special); i++)
                if (text_equal(special[i].member, at->key))
                        return special[i].add(b, at, e);
        const char *list = list_name("", at->key);
        int r = check_name(at, e);
        return r < 0 ? r : add_value(b, at, list ? list : at->key, at->key, list, e);
}

/* ---- the whole ---- */

static int read_volume(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        strings_add(into, s);
        return 0;
}

static int read_volumes(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_volume, into, e);
}

static int read_input(const struct json_place *at, void *into, struct error *e)
{
        return json_each_member(at, add_top, into, e);
}

struct target {
        struct builder b;
        struct tags tags;
        struct strings volumes;
};

static int check_volumes(const struct strings *volumes, struct error *e)
{
        if (volumes->count > EC2_VOLUMES_MAX)
                return error_set(e, EINVAL, "aws.volume", "%zu volumes to attach, at most %d are", volumes->count, EC2_VOLUMES_MAX);
        for (size_t i = 0; i < volumes->count; i++) {
                const char *id = volumes->items[i];
                size_t n = text_starts(id, "vol-") ? strspn(id + 4, "0123456789abcdef") : 0;
                if (!n || id[4 + n] || n > 32)
                        return error_set(e, EINVAL, "aws.volume", "\"%.64s\" is not the id of a volume, such as vol-0123456789abcdef0", id);
        }
        return 0;
}

/* All tags in one place: those of the input, of the document, of the spec; the later win. */
static int settle_tags(struct target *t, struct error *e)
{
        struct ec2_launch *l = t->b.launch;
        const struct instance_spec *spec = t->b.spec;
        tags_merge(&l->tags, &t->tags);
        tags_merge(&l->tags, &spec->tags);
        if (spec->logical_id && !tags_get(&l->tags, TAG_LOGICAL_ID))
                tags_set(&l->tags, TAG_LOGICAL_ID, spec->logical_id);
        int r = ec2_tags_check(&l->tags, e);
        if (r < 0 || !l->tags.count)
                return r;
        CLEAN_FREE char *prefix = xprintf("TagSpecification.%zu.", ++t->b.tag_specifications);
        CLEAN_FREE char *type = xprintf("%sResourceType", prefix);
        query_add(&l->query, type, "instance");
        ec2_tags_add(&l->query, prefix, &l->tags);
        return 0;
}

static int settle_init(struct builder *b, struct error *e)
{
        const char *init = b->spec->init;
        if (!init || !*init)
                return 0;
        size_t n = strlen(init);
        if (n > EC2_USER_DATA_MAX)
                return error_set(e, E2BIG, "aws.init", "what is to run at the first boot has %zu bytes, and EC2 takes %d", n, EC2_USER_DATA_MAX);
        query_add_base64(&b->launch->query, "UserData", init, n);
        return 0;
}

static void settle_address(struct builder *b)
{
        if (b->address)
                query_add(&b->launch->query, b->interfaces ? "NetworkInterface.1.PrivateIpAddress" : "PrivateIpAddress", b->address);
}

/* Whoever reaches a web service on an instance must not get at its role's keys: only version 2 of the metadata service answers. */
static void settle_metadata(struct builder *b)
{
        if (!b->http_tokens && !b->launch_template)
                query_add(&b->launch->query, "MetadataOptions.HttpTokens", "required");
}

/* EC2 takes 64 characters of ASCII. What is longer, or other, goes by its hash. */
static void set_client_token(struct ec2_launch *l, const char *token)
{
        bool plain = *token && strlen(token) <= EC2_CLIENT_TOKEN_MAX;
        for (const char *c = token; *c; c++)
                plain &= *c > ' ' && *c < 0x7f;
        if (plain)
                (void)stpcpy(l->client_token, token);
        else
                sha256_hex(token, strlen(token), l->client_token);
}

static bool is_address(const char *s)
{
        struct in_addr address;
        return s && inet_pton(AF_INET, s, &address) == 1;
}

static int read_document(const struct json_place *properties, struct target *t, struct error *e)
{
        static const struct json_field fields[] = {
                { "RunInstancesInput", read_input, offsetof(struct target, b), JSON_REQUIRED },
                { "Tags", tags_read, offsetof(struct target, tags), 0 },
                { "AttachedVolumeIDs", read_volumes, offsetof(struct target, volumes), 0 },
                { 0 },
        };
        int r = json_object(properties, fields, t, e);
        for (size_t i = 0; i < t->b.spec->attachment_count; i++)
                strings_add(&t->volumes, t->b.spec->attachments[i].id);
        return r < 0 ? r : check_volumes(&t->volumes, e);
}

static int build(const struct json_place *properties, struct target *t, const char *token, struct error *e)
{
        struct ec2_launch *l = t->b.launch;
        query_start(&l->query, "RunInstances", EC2_API_VERSION);
        set_client_token(l, token);
        query_add(&l->query, "ClientToken", l->client_token);
        query_add(&l->query, "MinCount", "1");
        query_add(&l->query, "MaxCount", "1");
        int r = read_document(properties, t, e);
        if (r == 0)
                r = settle_tags(t, e);
        if (r == 0)
                r = settle_init(&t->b, e);
        if (r < 0)
                return r;
        settle_address(&t->b);
        settle_metadata(&t->b);
        if (t->b.spec->logical_id)
                l->logical_id = xstrdup(t->b.spec->logical_id);
        l->volumes = t->volumes;
        t->volumes = (struct strings){ 0 };
        return 0;
}

int ec2_launch_read(const struct json_place *properties, const struct instance_spec *spec, const char *token, struct ec2_launch *ret,
                    struct error *e)
{
        struct ec2_launch l = { 0 };
        struct target t = { .b = { .launch = &l, .spec = spec, .address = is_address(spec->logical_id) ? spec->logical_id : NULL } };
        int r = build(properties, &t, token, e);
        tags_done(&t.tags);
        strings_clear(&t.volumes);
        if (r < 0)
                ec2_launch_done(&l);
        else
                *ret = l;
        return r;
}
