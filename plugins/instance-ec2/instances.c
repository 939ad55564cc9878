/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "instances.h"

#include <ctype.h>
#include <string.h>

#include "base/hash.h"

enum { MEMBERS_MAX = 128 };

bool ec2_id_is_valid(const char *id)
{
        size_t n = text_starts(id, "i-") ? strspn(id + 2, "0123456789abcdef") : 0;
        return n >= 8 && n <= 32 && !id[2 + n];
}

bool ec2_state_counts(const char *state)
{
        return state && (text_equal(state, "pending") || text_equal(state, "running"));
}

/* ---- what EC2 says, as JSON ---- */

/*
 * Elements whose member is not called as they are with a capital letter, or is no string. in: the member around it; NULL: any.
 */
enum kind { STRING, BARE, LIST, STRUCT };
static const struct {
        const char *in, *element, *member;
        enum kind kind;
} members[] = {
        { NULL, "amiLaunchIndex", "AmiLaunchIndex", BARE },
        { NULL, "blockDeviceMapping", "BlockDeviceMappings", LIST },
        { NULL, "configured", "Configured", BARE },
        { NULL, "coreCount", "CoreCount", BARE },
        { NULL, "deleteOnTermination", "DeleteOnTermination", BARE },
        { NULL, "deviceIndex", "DeviceIndex", BARE },
        { "", "dnsName", "PublicDnsName", STRING },
        { NULL, "ebsOptimized", "EbsOptimized", BARE },
        { NULL, "elasticGpuAssociationSet", "ElasticGpuAssociations", LIST },
        { NULL, "elasticInferenceAcceleratorAssociationSet", "ElasticInferenceAcceleratorAssociations", LIST },
        { NULL, "enaSupport", "EnaSupport", BARE },
        { NULL, "enableResourceNameDnsAAAARecord", "EnableResourceNameDnsAAAARecord", BARE },
        { NULL, "enableResourceNameDnsARecord", "EnableResourceNameDnsARecord", BARE },
        { "EnclaveOptions", "enabled", "Enabled", BARE },
        { "NetworkInterfaces", "groupSet", "Groups", LIST },
        { "", "groupSet", "SecurityGroups", LIST },
        { NULL, "httpPutResponseHopLimit", "HttpPutResponseHopLimit", BARE },
        { "", "instanceState", "State", STRUCT },
        { "State", "code", "Code", BARE },
        { "", "ipAddress", "PublicIpAddress", STRING },
        { NULL, "ipv4PrefixSet", "Ipv4Prefixes", LIST },
        { NULL, "ipv6AddressesSet", "Ipv6Addresses", LIST },
        { NULL, "ipv6PrefixSet", "Ipv6Prefixes", LIST },
        { NULL, "licenseSet", "Licenses", LIST },
        { NULL, "networkCardIndex", "NetworkCardIndex", BARE },
        { NULL, "networkInterfaceSet", "NetworkInterfaces", LIST },
        { NULL, "partitionNumber", "PartitionNumber", BARE },
        { NULL, "primary", "Primary", BARE },
        { NULL, "privateIpAddressesSet", "PrivateIpAddresses", LIST },
        { "ProductCodes", "productCode", "ProductCodeId", STRING },
        { "ProductCodes", "type", "ProductCodeType", STRING },
        { NULL, "productCodes", "ProductCodes", LIST },
        { "", "reason", "StateTransitionReason", STRING },
        { NULL, "sourceDestCheck", "SourceDestCheck", BARE },
        { "", "tagSet", "Tags", LIST },
        { NULL, "threadsPerCore", "ThreadsPerCore", BARE },
};

struct member {
        char name[64];
        enum kind kind;
};

static struct member find_member(const struct xml_document *d, const char *in, const struct xml_node *n)
{
        const char *element = xml_name(d, n);
        struct member m = { .kind = STRING };
        const struct xml_node *first = xml_first(n);
        for (size_t i = 0; i < ELEMENTS(members); i++)
                if (text_equal(members[i].element, element) && (!members[i].in || text_equal(members[i].in, in))) {
                        (void)snprintf(m.name, sizeof m.name, "%s", members[i].member);
                        m.kind = members[i].kind;
                        return m;
                }
        if (first)
                m.kind = text_equal(xml_name(d, first), "item") ? LIST : STRUCT;
        (void)snprintf(m.name, sizeof m.name, "%c%s", toupper((unsigned char)*element), element + 1);
        return m;
}

/* A whole number or a boolean, as JSON writes it too. */
static bool is_bare(const char *s)
{
        size_t n = strspn(s, "0123456789");
        if (text_equal(s, "true") || text_equal(s, "false"))
                return true;
        return n && n < 19 && !s[n] && (n == 1 || *s != '0');
}

static void add_struct(struct text *t, const struct xml_document *d, const struct xml_node *n, const char *in);

static void add_list(struct text *t, const struct xml_document *d, const struct xml_node *n, const char *in)
{
        const char *comma = "";
        text_add(t, "[");
        for (const struct xml_node *c = xml_first(n); c; c = xml_next(n, c), comma = ",") {
                text_add(t, comma);
                if (xml_first(c))
                        add_struct(t, d, c, in);
                else
                        text_add_json(t, xml_value(d, c));
        }
        text_add(t, "]");
}

static void add_value(struct text *t, const struct xml_document *d, const struct xml_node *n, const struct member *m)
{
        if (m->kind == LIST)
                add_list(t, d, n, m->name);
        else if (m->kind == STRUCT || xml_first(n))
                add_struct(t, d, n, m->name);
        else if (m->kind == BARE && is_bare(xml_value(d, n)))
                text_add(t, xml_value(d, n));
        else
                text_add_json(t, xml_value(d, n));
}

/* JSON has each name once: what a reply says a second time is left out. */
static bool is_new(uint64_t *seen, size_t *count, const char *name)
{
        static const uint8_t key[16] = { 0 };
        uint64_t hash = hash_sip24(name, strlen(name), key);
        for (size_t i = 0; i < *count; i++)
                if (seen[i] == hash)
                        return false;
        if (*count == MEMBERS_MAX)
                return false;
        seen[(*count)++] = hash;
        return true;
}

static void add_struct(struct text *t, const struct xml_document *d, const struct xml_node *n, const char *in)
{
        uint64_t seen[MEMBERS_MAX];
        size_t count = 0;
        text_add(t, "{");
        for (const struct xml_node *c = xml_first(n); c; c = xml_next(n, c)) {
                struct member m = find_member(d, in, c);
                if (!is_new(seen, &count, m.name))
                        continue;
                text_add(t, count > 1 ? "," : "");
                text_add_json(t, m.name);
                text_add(t, ":");
                add_value(t, d, c, &m);
        }
        text_add(t, "}");
}

/* ---- instances ---- */

void ec2_tags_read(const struct xml_document *d, const struct xml_node *item, struct tags *ret)
{
        const struct xml_node *set = xml_find(d, item, "tagSet");
        for (const struct xml_node *c = set ? xml_first(set) : NULL; c && ret->count < TAGS_MAX; c = xml_next(set, c)) {
                const char *key = xml_text(d, c, "key"), *value = xml_text(d, c, "value");
                if (key && *key)
                        tags_set(ret, key, value ? value : "");
        }
}

static const char *logical_id(const struct xml_document *d, const struct xml_node *item, const struct tags *tags)
{
        const char *tag = tags_get(tags, TAG_LOGICAL_ID), *address = xml_text(d, item, "privateIpAddress");
        return tag ? tag : address && *address ? address : NULL;
}

static void begin_member(struct text *t, const char *name)
{
        text_addf(t, "%s\"%s\":", t->data[t->length - 1] == '{' ? "" : ",", name);
}

/*
 * The members of the document that can change, under RunInstancesInput as documents have them: drift is looked for there. The image is none: a
 * document may name it by a parameter. What EC2 is still changing is not said.
 */
static void add_text_member(struct text *t, const struct xml_document *d, const struct xml_node *item, const char *path, const char *name)
{
        const char *value = xml_text(d, item, path);
        if (!value || !*value)
                return;
        begin_member(t, name);
        text_add_json(t, value);
}

static void add_groups(struct text *t, const struct xml_document *d, const struct xml_node *item)
{
        const struct xml_node *set = xml_find(d, item, "groupSet");
        const char *comma = "";
        if (!set)
                return;
        begin_member(t, "SecurityGroupIds");
        text_add(t, "[");
        for (const struct xml_node *c = xml_first(set); c; c = xml_next(set, c), comma = ",") {
                const char *id = xml_text(d, c, "groupId");
                text_add(t, comma);
                text_add_json(t, id ? id : "");
        }
        text_add(t, "]");
}

static void add_metadata(struct text *t, const struct xml_document *d, const struct xml_node *item)
{
        const char *state = xml_text(d, item, "metadataOptions/state");
        if (!state || !text_equal(state, "applied"))
                return;
        begin_member(t, "MetadataOptions");
        text_add(t, "{");
        add_text_member(t, d, item, "metadataOptions/httpTokens", "HttpTokens");
        add_text_member(t, d, item, "metadataOptions/httpEndpoint", "HttpEndpoint");
        add_text_member(t, d, item, "metadataOptions/httpPutResponseHopLimit", "HttpPutResponseHopLimit");
        text_add(t, "}");
}

/* A document says its name or its ARN; the name is the ARN's end. */
static void add_profile(struct text *t, const struct xml_document *d, const struct xml_node *item)
{
        const char *arn = xml_text(d, item, "iamInstanceProfile/arn"), *slash = arn ? strrchr(arn, '/') : NULL;
        if (!slash)
                return;
        begin_member(t, "IamInstanceProfile");
        text_add(t, "{\"Arn\":");
        text_add_json(t, arn);
        text_add(t, ",\"Name\":");
        text_add_json(t, slash + 1);
        text_add(t, "}");
}

static void add_input(struct text *t, const struct xml_document *d, const struct xml_node *item)
{
        text_add(t, ",\"RunInstancesInput\":{");
        add_text_member(t, d, item, "instanceType", "InstanceType");
        add_text_member(t, d, item, "subnetId", "SubnetId");
        add_text_member(t, d, item, "keyName", "KeyName");
        add_text_member(t, d, item, "ebsOptimized", "EbsOptimized");
        add_groups(t, d, item);
        add_metadata(t, d, item);
        add_profile(t, d, item);
        text_add(t, "}");
}

static int read_instance(const struct xml_document *d, const struct xml_node *item, const struct tags *match, bool properties,
                         struct instances *ret, struct error *e)
{
        const char *id = xml_text(d, item, "instanceId");
        CLEAN_TAGS struct tags tags = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        if (!id || !ec2_id_is_valid(id))
                return error_set(e, EBADMSG, "aws.reply", "the reply has an instance without an id that is one");
        ec2_tags_read(d, item, &tags);
        if (!ec2_state_counts(xml_text(d, item, "instanceState/name")) || !tags_match(&tags, match))
                return 0;
        struct instance *i = instances_add(ret, id);
        const char *logical = logical_id(d, item, &tags);
        i->logical_id = logical ? xstrdup(logical) : NULL;
        i->tags = tags;
        tags = (struct tags){ 0 };
        if (properties) {
                add_struct(&t, d, item, "");
                t.length--; /* its closing brace; there is a member before, the id */
                add_input(&t, d, item);
                text_add(&t, "}");
                i->properties = TAKE_PTR(t.data);
        }
        return 0;
}

int ec2_page_read(const struct xml_document *d, const struct tags *match, bool properties, struct instances *ret, char **ret_next,
                  struct error *e)
{
        const struct xml_node *reservations = xml_find(d, d->nodes, "reservationSet");
        const char *next = xml_text(d, d->nodes, "nextToken");
        if (!reservations)
                return error_set(e, EBADMSG, "aws.reply", "the reply has no list of instances in it");
        for (const struct xml_node *r = xml_first(reservations); r; r = xml_next(reservations, r)) {
                const struct xml_node *set = xml_find(d, r, "instancesSet");
                for (const struct xml_node *item = set ? xml_first(set) : NULL; item; item = xml_next(set, item)) {
                        int result = read_instance(d, item, match, properties, ret, e);
                        if (result < 0)
                                return result;
                }
        }
        *ret_next = next && *next ? xstrdup(next) : NULL;
        return 0;
}

const struct xml_node *ec2_first_instance(const struct xml_document *d)
{
        const struct xml_node *n = xml_find(d, d->nodes, "instancesSet/item");
        return n ? n : xml_find(d, d->nodes, "reservationSet/item/instancesSet/item");
}
