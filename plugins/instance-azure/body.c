/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "body.h"

#include <arpa/inet.h>
#include <nettle/sha2.h>
#include <string.h>

#include "base/base64.h"
#include "reply.h"

void azure_bodies_done(struct azure_bodies *b)
{
        free(b->name);
        free(b->interface_name);
        secret_clear(&b->machine);
        free(b->interface);
        free(b->password_secret);
        *b = (struct azure_bodies){ 0 };
}

/* ---- names ---- */

enum { NAME_GROUP_MAX = 40, NAME_HASH_BYTES = 10, NAME_HASH_LETTERS = 16, WINDOWS_NAME_MAX = 15 };

/* Base 32 of a SHA-256 over both, cut to 80 bits: case is no matter in Azure's names. */
static void hash_letters(const char *group, const char *token, char ret[NAME_HASH_LETTERS + 1])
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
        uint8_t digest[SHA256_DIGEST_SIZE];
        struct sha256_ctx sha;
        sha256_init(&sha);
        sha256_update(&sha, strlen(group) + 1, (const uint8_t *)group); /* with its NUL: no other pair makes the same bytes */
        sha256_update(&sha, strlen(token), (const uint8_t *)token);
        sha256_digest(&sha, sizeof digest, digest);
        uint32_t bits = 0, have = 0;
        for (size_t in = 0, out = 0; out < NAME_HASH_LETTERS; out++) {
                if (have < 5) {
                        bits = bits << 8 | digest[in++];
                        have += 8;
                }
                have -= 5;
                ret[out] = letters[bits >> have & 31];
        }
        ret[NAME_HASH_LETTERS] = 0;
}

char *azure_machine_name(const char *group, const char *token)
{
        char hash[NAME_HASH_LETTERS + 1], kept[NAME_GROUP_MAX + 1];
        size_t n = 0;
        hash_letters(group, token, hash);
        for (const char *s = group; *s && n < NAME_GROUP_MAX; s++) {
                bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9');
                if (plain)
                        kept[n++] = *s;
                else if (n && kept[n - 1] != '-')
                        kept[n++] = '-';
        }
        while (n && kept[n - 1] == '-')
                n--;
        kept[n] = 0;
        return xprintf("%s-%s", n ? kept : "bulkhead", hash);
}

char *azure_interface_name(const char *machine)
{
        return xprintf("%s-nic", machine);
}

/* ---- tags ---- */

static int check_tag_name(const char *name, struct error *e)
{
        static const char *const reserved[] = { "azure", "microsoft", "windows" };
        if (strlen(name) > AZURE_TAG_NAME_MAX)
                return error_set(e, EINVAL, "azure.tags", "the tag \"%.60s\" has a name of more than %d bytes", name, AZURE_TAG_NAME_MAX);
        if (strpbrk(name, "<>%&\\?/"))
                return error_set(e, EINVAL, "azure.tags", "the name of the tag \"%.60s\" has one of <>%%&\\?/ in it, which Azure takes in no name", name);
        for (size_t i = 0; i < ELEMENTS(reserved); i++)
                if (strncasecmp(name, reserved[i], strlen(reserved[i])) == 0)
                        return error_set(e, EINVAL, "azure.tags", "the name of the tag \"%.60s\" begins with \"%s\", which Azure keeps for itself", name, reserved[i]);
        return 0;
}

int azure_tags_check(const struct tags *t, struct error *e)
{
        if (t->count > AZURE_TAGS_MAX)
                return error_set(e, EINVAL, "azure.tags", "%zu tags, and Azure takes at most %d on one resource", t->count, AZURE_TAGS_MAX);
        for (size_t i = 0; i < t->count; i++) {
                const struct tag *tag = t->items + i;
                int r = check_tag_name(tag->name, e);
                if (r < 0)
                        return r;
                if (strlen(tag->value) > AZURE_TAG_VALUE_MAX)
                        return error_set(e, EINVAL, "azure.tags", "the value of the tag \"%.60s\" has more than %d bytes", tag->name, AZURE_TAG_VALUE_MAX);
                for (size_t k = 0; k < i; k++)
                        if (strcasecmp(t->items[k].name, tag->name) == 0)
                                return error_set(e, EINVAL, "azure.tags", "the tags \"%.60s\" and \"%.60s\" are one to Azure, which takes no notice of case",
                                                 t->items[k].name, tag->name);
        }
        return 0;
}

/* ---- merging JSON ---- */

static bool has_member(const struct json_node *object, const struct json_node *name)
{
        return json_member(object, name->text) != NULL;
}

static void add_name(struct text *t, const struct json_node *name, bool *first)
{
        if (!*first)
                text_add(t, ",");
        *first = false;
        json_add(t, name);
        text_add(t, ":");
}

/* Objects are joined member by member; of all else, upper stands. */
static void add_merged(struct text *t, const struct json_node *lower, const struct json_node *upper)
{
        bool first = true;
        if (!lower || lower->type != JSON_OBJECT || upper->type != JSON_OBJECT) {
                json_add(t, upper);
                return;
        }
        text_add(t, "{");
        const struct json_node *name = lower + 1;
        for (uint32_t i = 0; i < lower->count; i++, name = name + 1 + name[1].span)
                if (!has_member(upper, name)) {
                        add_name(t, name, &first);
                        json_add(t, name + 1);
                }
        name = upper + 1;
        for (uint32_t i = 0; i < upper->count; i++, name = name + 1 + name[1].span) {
                if (name[1].type == JSON_NULL && has_member(lower, name))
                        continue;
                add_name(t, name, &first);
                add_merged(t, json_member(lower, name->text), name + 1);
        }
        text_add(t, "}");
}

/* The text of both, merged. They are texts of ours or were parsed before, so they parse. */
static char *merge_texts(const char *lower, const char *upper)
{
        CLEAN_JSON struct json_document a = { 0 }, b = { 0 };
        struct text t = { 0 };
        if (json_parse("lower", lower, strlen(lower), &a, NULL) < 0 || json_parse("upper", upper, strlen(upper), &b, NULL) < 0)
                abort(); /* only a text that we wrote wrong gets here */
        add_merged(&t, a.nodes, b.nodes);
        explicit_bzero(b.text, strlen(upper));
        return t.data;
}

/* ---- the document ---- */

struct properties {
        char *location, *machine, *interface, *password_secret;
        bool os_profile, windows, network_profile, data_disks;
};

static void properties_done(struct properties *p)
{
        free(p->location);
        free(p->machine);
        free(p->interface);
        free(p->password_secret);
}

static const struct json_node *member_at(const struct json_node *n, const char *const *path)
{
        for (; n && *path; path++)
                n = json_member(n, *path);
        return n;
}

/* What is ours to say, at the places where it could stand, and why it may not stand there. */
struct forbidden {
        const char *path[4], *why;
};

static const struct forbidden forbidden_of_machine[] = {
        { { "name" }, "the name is made from group and token" },
        { { "tags" }, "tags are the group's, and come from flavor and controller" },
        { { "location" }, "it is Location, beside VM" },
        { { "properties", "osProfile", "adminPassword" }, "a password in a document is kept, shown and hashed with it: name a file by AdminPasswordSecret" },
        { { "properties", "osProfile", "customData" }, "what runs at the first boot is the flavor's Init" },
        { { "properties", "osProfile", "secrets" }, "secrets in a document are kept and shown with it" },
};
static const struct forbidden forbidden_of_interface[] = {
        { { "name" }, "the name is made from that of the machine" },
        { { "tags" }, "tags are the group's, and come from flavor and controller" },
        { { "location" }, "it is Location, beside NetworkInterface" },
};

static int check_forbidden(const struct json_place *at, const struct forbidden *rows, size_t count, struct error *e)
{
        if (at->value->type != JSON_OBJECT)
                return json_fail(at, e, "expected an object");
        for (size_t i = 0; i < count; i++)
                if (member_at(at->value, rows[i].path)) {
                        CLEAN_FREE char *pointer = json_pointer(at);
                        CLEAN_TEXT struct text where = { 0 };
                        text_add(&where, pointer);
                        for (const char *const *p = rows[i].path; *p; p++)
                                text_addf(&where, "/%s", *p);
                        return error_set(e, EINVAL, "azure.document", "%s may not stand there: %s", where.data, rows[i].why);
                }
        return 0;
}

/*
 * Azure takes no notice of case in names of members, so "OSProfile" would be one more osProfile beside ours, and a password in it not be
 * seen. What we look for or add is therefore written as Azure documents it, or refused.
 */
static int check_case(const struct json_place *at, void *into, struct error *e)
{
        static const char *const names[] = {
                "name", "tags", "location", "properties", "osProfile", "storageProfile", "osDisk", "dataDisks", "networkProfile", "networkInterfaces",
                "adminPassword", "customData", "secrets", "computerName", "windowsConfiguration", "createOption", "deleteOption", "ipConfigurations",
                "privateIPAddress", "privateIPAddressVersion", "privateIPAllocationMethod",
        };
        for (size_t i = 0; at->key && i < ELEMENTS(names); i++)
                if (strcasecmp(names[i], at->key) == 0 && !text_equal(names[i], at->key))
                        return error_set(e, EINVAL, "azure.document", "the member \"%s\" is to be written \"%s\"", at->key, names[i]);
        if (at->value->type == JSON_OBJECT)
                return json_each_member(at, check_case, into, e);
        return at->value->type == JSON_ARRAY ? json_each(at, check_case, into, e) : 0;
}

static int read_machine_body(const struct json_place *at, void *into, struct error *e)
{
        static const char *const os[] = { "properties", "osProfile", NULL };
        static const char *const windows[] = { "properties", "osProfile", "windowsConfiguration", NULL };
        static const char *const network[] = { "properties", "networkProfile", NULL };
        static const char *const disks[] = { "properties", "storageProfile", "dataDisks", NULL };
        struct properties *p = into;
        int r = check_forbidden(at, forbidden_of_machine, ELEMENTS(forbidden_of_machine), e);
        if (r == 0)
                r = check_case(at, NULL, e);
        if (r < 0)
                return r;
        p->os_profile = member_at(at->value, os);
        p->windows = member_at(at->value, windows);
        p->network_profile = member_at(at->value, network);
        const struct json_node *list = member_at(at->value, disks);
        if (list && list->type != JSON_ARRAY)
                return json_fail(at, e, "properties.storageProfile.dataDisks: expected an array");
        p->data_disks = list;
        return json_raw(at, &p->machine, e);
}

static int read_interface_body(const struct json_place *at, void *into, struct error *e)
{
        static const char *const configurations[] = { "properties", "ipConfigurations", NULL };
        struct properties *p = into;
        int r = check_forbidden(at, forbidden_of_interface, ELEMENTS(forbidden_of_interface), e);
        if (r == 0)
                r = check_case(at, NULL, e);
        if (r < 0)
                return r;
        const struct json_node *list = member_at(at->value, configurations);
        if (!list || list->type != JSON_ARRAY || !list->count || list[1].type != JSON_OBJECT)
                return json_fail(at, e, "has no properties.ipConfigurations with an object in it");
        return json_raw(at, &p->interface, e);
}

/* A file name below the folder of secrets, and no way out of it. */
static int read_secret_name(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s || *s == '.' || strchr(s, '/') || strlen(s) > 255)
                return json_fail(at, e, "is no name of a file");
        return json_string(at, into, e);
}

static int read_location(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!azure_name_valid(s))
                return json_fail(at, e, "is no location such as \"westeurope\"");
        return json_string(at, into, e);
}

static const struct json_field document_fields[] = {
        { "Location", read_location, offsetof(struct properties, location), 0 },
        { "VM", read_machine_body, 0, JSON_REQUIRED },
        { "NetworkInterface", read_interface_body, 0, 0 },
        { "AdminPasswordSecret", read_secret_name, offsetof(struct properties, password_secret), 0 },
        { 0 },
};

/* A member that is misspelt would be passed over, and the machine be another than was meant. */
static int refuse_unknown(const struct json_place *at, void *into, struct error *e)
{
        (void)into;
        for (const struct json_field *f = document_fields; f->name; f++)
                if (text_equal(f->name, at->key))
                        return 0;
        (void)error_set(e, EINVAL, "azure.document", "there is no member \"%.60s\"", at->key);
        error_hint(e, "Location, VM, NetworkInterface, AdminPasswordSecret");
        return -EINVAL;
}

static int read_properties(const struct json_place *at, struct properties *ret, struct error *e)
{
        int r = json_each_member(at, refuse_unknown, NULL, e);
        if (r == 0)
                r = json_object(at, document_fields, ret, e);
        if (r < 0)
                return r;
        if (!ret->interface == !ret->network_profile)
                return error_set(e, EINVAL, "azure.document", ret->interface ? "NetworkInterface and VM/properties/networkProfile: one of them, not both"
                                                                             : "neither NetworkInterface nor VM/properties/networkProfile: the machine would have no network");
        return 0;
}

static int check_location(const struct properties *p, const struct azure_scope *scope, struct error *e)
{
        if (p->location || scope->location)
                return 0;
        return error_set(e, EINVAL, "azure.document", "neither the document has a Location, nor was the plugin started with one");
}

int azure_properties_check(const struct json_place *properties, const struct azure_scope *scope, struct error *e)
{
        __attribute__((cleanup(properties_done))) struct properties p = { 0 };
        int r = read_properties(properties, &p, e);
        return r < 0 ? r : check_location(&p, scope, e);
}

static int parse_properties(const char *text, struct properties *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        if (!text)
                return error_set(e, EINVAL, "azure.document", "there are no Properties: a machine cannot be made of nothing");
        int r = json_parse("Properties", text, strlen(text), &d, e);
        struct json_place top = json_top(&d, "Properties");
        return r < 0 ? r : read_properties(&top, ret, e);
}

int azure_properties_secret(const char *properties, char **ret_name, struct error *e)
{
        __attribute__((cleanup(properties_done))) struct properties p = { 0 };
        int r = parse_properties(properties, &p, e);
        if (r == 0)
                *ret_name = TAKE_PTR(p.password_secret);
        return r;
}

/* ---- bodies ---- */

/* The first configuration with the address, the others as they are. */
static void add_configurations(struct text *t, const char *interface, const char *address)
{
        static const char *const path[] = { "properties", "ipConfigurations", NULL };
        CLEAN_JSON struct json_document d = { 0 }, above = { 0 };
        CLEAN_TEXT struct text own = { 0 };
        text_add(&own, "{\"properties\":{\"privateIPAllocationMethod\":\"Static\",\"privateIPAddress\":");
        text_add_json(&own, address);
        text_addf(&own, ",\"privateIPAddressVersion\":\"%s\"}}", strchr(address, ':') ? "IPv6" : "IPv4");
        if (json_parse("interface", interface, strlen(interface), &d, NULL) < 0 || json_parse("own", own.data, own.length, &above, NULL) < 0)
                abort();
        const struct json_node *list = member_at(d.nodes, path), *next = list + 1;
        text_add(t, "[");
        for (uint32_t i = 0; i < list->count; i++, next += next->span) {
                if (i)
                        text_add(t, ",");
                if (i == 0)
                        add_merged(t, next, above.nodes);
                else
                        json_add(t, next);
        }
        text_add(t, "]");
}

static char *make_interface(const struct properties *p, const char *location, const struct tags *tags, const char *address)
{
        CLEAN_TEXT struct text own = { 0 };
        text_add(&own, "{\"location\":");
        text_add_json(&own, location);
        text_add(&own, ",\"tags\":");
        tags_format(&own, tags);
        if (address) {
                text_add(&own, ",\"properties\":{\"ipConfigurations\":");
                add_configurations(&own, p->interface, address);
                text_add(&own, "}");
        }
        text_add(&own, "}");
        return merge_texts(p->interface, own.data);
}

/* Disks that are made with the machine go with it; those that were there before stay. */
static void add_data_disks(struct text *t, const struct properties *p)
{
        static const char *const path[] = { "properties", "storageProfile", "dataDisks", NULL };
        static const char rule[] = "{\"deleteOption\":\"Delete\"}";
        CLEAN_JSON struct json_document d = { 0 }, below = { 0 };
        if (json_parse("machine", p->machine, strlen(p->machine), &d, NULL) < 0 || json_parse("rule", rule, strlen(rule), &below, NULL) < 0)
                abort();
        const struct json_node *list = member_at(d.nodes, path), *next = list + 1;
        text_add(t, "[");
        for (uint32_t i = 0; i < list->count; i++, next += next->span) {
                const struct json_node *from = json_member(next, "createOption");
                bool was_there = from && from->type == JSON_STRING && strcasecmp(from->text, "Attach") == 0;
                if (i)
                        text_add(t, ",");
                add_merged(t, was_there ? NULL : below.nodes, next);
        }
        text_add(t, "]");
}

/* A machine from a specialised image has none, and Azure refuses an empty one for it. */
static bool has_os_profile(const struct properties *p, const struct instance_spec *spec, const char *password)
{
        return p->os_profile || spec->init || password;
}

static void add_os_profile(struct text *t, const struct instance_spec *spec, const char *password)
{
        const char *between = "";
        text_add(t, "{");
        if (spec->init) {
                text_add(t, "\"customData\":\"");
                base64_add(t, spec->init, strlen(spec->init));
                text_add(t, "\"");
                between = ",";
        }
        if (password) {
                text_addf(t, "%s\"adminPassword\":", between);
                text_add_json(t, password);
        }
        text_add(t, "}");
}

static void add_profiles(struct text *t, const struct properties *p, const struct azure_bodies *b, const struct instance_spec *spec, const char *password,
                         const struct azure_scope *scope)
{
        text_add(t, ",\"properties\":{");
        const char *between = "";
        if (b->interface_name) {
                CLEAN_FREE char *id = xprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/networkInterfaces/%s", scope->subscription,
                                              scope->resource_group, b->interface_name);
                text_add(t, "\"networkProfile\":{\"networkInterfaces\":[{\"id\":");
                text_add_json(t, id);
                text_add(t, ",\"properties\":{\"primary\":true,\"deleteOption\":\"Delete\"}}]}");
                between = ",";
        }
        if (p->data_disks) {
                text_addf(t, "%s\"storageProfile\":{\"dataDisks\":", between);
                add_data_disks(t, p);
                text_add(t, "}");
                between = ",";
        }
        if (has_os_profile(p, spec, password)) {
                text_addf(t, "%s\"osProfile\":", between);
                add_os_profile(t, spec, password);
        }
        text_add(t, "}");
}

/* What the document may say otherwise: disks go with the machine, and it is called within as without, as far as Windows can be. */
static char *machine_defaults(const struct properties *p, const char *name, bool os_profile)
{
        static const char disk[] = "{\"createOption\":\"FromImage\",\"deleteOption\":\"Delete\"}";
        const char *computer = p->windows ? name + strlen(name) - WINDOWS_NAME_MAX : name;
        if (!os_profile)
                return xprintf("{\"properties\":{\"storageProfile\":{\"osDisk\":%s}}}", disk);
        return xprintf("{\"properties\":{\"storageProfile\":{\"osDisk\":%s},\"osProfile\":{\"computerName\":\"%s\"}}}", disk, computer);
}

static char *make_machine(const struct properties *p, const struct azure_bodies *b, const struct instance_spec *spec, const char *location, const struct tags *tags,
                          const char *password, const struct azure_scope *scope)
{
        CLEAN_FREE char *defaults = machine_defaults(p, b->name, has_os_profile(p, spec, password)), *wanted = merge_texts(defaults, p->machine);
        CLEAN_TEXT struct text own = { 0 };
        text_add(&own, "{\"location\":");
        text_add_json(&own, location);
        text_add(&own, ",\"tags\":");
        tags_format(&own, tags);
        add_profiles(&own, p, b, spec, password, scope);
        text_add(&own, "}");
        char *merged = merge_texts(wanted, own.data);
        explicit_bzero(own.data, own.length);
        return merged;
}

static int check_spec(const struct instance_spec *spec, const struct properties *p, struct error *e)
{
        struct in6_addr address;
        if (spec->attachment_count)
                return error_set(e, EOPNOTSUPP, "azure.document", "attachments are not supported: write disks into VM/properties/storageProfile/dataDisks");
        if (spec->init && strlen(spec->init) > AZURE_INIT_MAX)
                return error_set(e, EFBIG, "azure.document", "Init has %zu bytes, and Azure takes at most %d", strlen(spec->init), AZURE_INIT_MAX);
        if (!spec->logical_id)
                return 0;
        if (!p->interface)
                return error_set(e, EINVAL, "azure.document", "a LogicalID is the address of NetworkInterface, and there is none");
        if (inet_pton(strchr(spec->logical_id, ':') ? AF_INET6 : AF_INET, spec->logical_id, &address) != 1)
                return error_set(e, EINVAL, "azure.document", "the LogicalID \"%.60s\" is no IP address", spec->logical_id);
        return 0;
}

int azure_bodies_make(const struct instance_spec *spec, const char *token, const char *password, const struct azure_scope *scope, struct azure_bodies *ret,
                      struct error *e)
{
        __attribute__((cleanup(properties_done))) struct properties p = { 0 };
        CLEAN_TAGS struct tags tags = { 0 };
        CLEAN_BODIES struct azure_bodies b = { 0 };
        int r = parse_properties(spec->properties, &p, e);
        if (r == 0)
                r = check_location(&p, scope, e);
        if (r == 0)
                r = check_spec(spec, &p, e);
        if (r < 0)
                return r;
        tags_copy(&tags, &spec->tags);
        tags_set(&tags, TAG_TOKEN, token);
        if (spec->logical_id)
                tags_set(&tags, TAG_LOGICAL_ID, spec->logical_id);
        r = azure_tags_check(&tags, e);
        if (r < 0)
                return r;
        const char *location = p.location ? p.location : scope->location, *group = tags_get(&tags, TAG_GROUP);
        b.name = azure_machine_name(group ? group : "", token);
        if (p.interface) {
                b.interface_name = azure_interface_name(b.name);
                b.interface = make_interface(&p, location, &tags, spec->logical_id);
        }
        b.machine = make_machine(&p, &b, spec, location, &tags, password, scope);
        b.password_secret = TAKE_PTR(p.password_secret);
        *ret = b;
        b = (struct azure_bodies){ 0 };
        return 0;
}
