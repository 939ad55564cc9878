/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/instance_record.h"

#include <string.h>

#include "base/hash.h"
#include "os/file.h"

enum { RECORD_VERSION = 1 };

const char *const instance_stage_names[STAGES + 1] = {
        [STAGE_MAKING] = "making",
        [STAGE_READY] = "ready",
        [STAGE_REMOVING] = "removing",
        [STAGE_FAILED] = "failed",
};

void instance_record_done(struct instance_record *r)
{
        free(r->name);
        free(r->token);
        free(r->logical_id);
        free(r->properties);
        tags_done(&r->tags);
        *r = (struct instance_record){ 0 };
}

void instance_name(const char *token, char ret[INSTANCE_NAME_SIZE])
{
        static const uint8_t keys[2][16] = { "bulkhead.token/1", "bulkhead.token/2" };
        if (token)
                (void)snprintf(ret, INSTANCE_NAME_SIZE, "%016llx%016llx",
                               (unsigned long long)hash_sip24(token, strlen(token), keys[0]),
                               (unsigned long long)hash_sip24(token, strlen(token), keys[1]));
        else
                file_random_hex(ret, INSTANCE_NAME_SIZE - 1);
        ret[INSTANCE_NAME_SIZE - 1] = 0;
}

static char *copy(const char *s)
{
        return s ? xstrdup(s) : NULL;
}

void instance_record_begin(struct instance_record *ret, const struct instance_spec *spec)
{
        char name[INSTANCE_NAME_SIZE];
        const char *token = tags_get(&spec->tags, TAG_TOKEN);
        instance_name(token, name);
        *ret = (struct instance_record){ .stage = STAGE_MAKING, .name = xstrdup(name), .token = copy(token),
                                         .logical_id = copy(spec->logical_id), .properties = copy(spec->properties) };
        tags_copy(&ret->tags, &spec->tags);
}

int instance_record_check(const struct instance_record *r, const struct instance_spec *spec, struct error *e)
{
        const char *token = tags_get(&spec->tags, TAG_TOKEN);
        if (token && r->token && text_equal(token, r->token))
                return 0;
        return error_set(e, EEXIST, "instance.token", "%s was made for another token", r->name);
}

/* ---- writing and reading ---- */

static void add_member(struct text *t, const char *key, const char *s)
{
        if (!s)
                return;
        text_addf(t, ",\"%s\":", key);
        text_add_json(t, s);
}

void instance_record_format(struct text *t, const struct instance_record *r)
{
        text_addf(t, "{\"Version\":%d,\"Stage\":\"%s\"", RECORD_VERSION, instance_stage_names[r->stage]);
        add_member(t, "Name", r->name);
        add_member(t, "Token", r->token);
        add_member(t, "LogicalID", r->logical_id);
        text_add(t, ",\"Tags\":");
        tags_format(t, &r->tags);
        if (r->properties) {
                text_add(t, ",\"Properties\":");
                text_add(t, r->properties);
        }
        text_add(t, "}");
}

static int read_version(const struct json_place *at, void *into, struct error *e)
{
        uint32_t version = 0;
        (void)into;
        int r = json_u32(at, &version, e);
        if (r == 0 && version != RECORD_VERSION)
                return json_fail(at, e, "only version %d is known", RECORD_VERSION);
        return r;
}

static int read_stage(const struct json_place *at, void *into, struct error *e)
{
        int r = json_word(at, instance_stage_names, e);
        if (r < 0)
                return r;
        *(enum instance_stage *)into = (enum instance_stage)r;
        return 0;
}

static int read_name(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (strspn(s, "0123456789abcdef") != INSTANCE_NAME_SIZE - 1 || s[INSTANCE_NAME_SIZE - 1])
                return json_fail(at, e, "is not a name");
        return json_string(at, into, e);
}

static int read_record(const struct json_place *at, struct instance_record *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Version", read_version, 0, JSON_REQUIRED },
                { "Stage", read_stage, offsetof(struct instance_record, stage), JSON_REQUIRED },
                { "Name", read_name, offsetof(struct instance_record, name), JSON_REQUIRED },
                { "Token", json_string, offsetof(struct instance_record, token), 0 },
                { "LogicalID", json_string, offsetof(struct instance_record, logical_id), 0 },
                { "Tags", tags_read, offsetof(struct instance_record, tags), JSON_REQUIRED },
                { "Properties", json_raw, offsetof(struct instance_record, properties), 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

int instance_record_parse(const char *where, const char *text, size_t size, struct instance_record *ret, struct error *e)
{
        CLEAN_JSON struct json_document document = { 0 };
        CLEAN_INSTANCE_RECORD struct instance_record record = { 0 };
        struct error why = { 0 };
        if (size > INSTANCE_RECORD_MAX)
                return error_set(e, EFBIG, "instance.record", "%s has more than %d bytes", where, INSTANCE_RECORD_MAX);
        int r = json_parse(where, text ? text : "", size, &document, &why);
        if (r == 0) {
                struct json_place top = json_top(&document, where);
                r = read_record(&top, &record, &why);
        }
        if (r < 0)
                return error_set(e, EBADMSG, "instance.record", "%s", why.cause);
        *ret = record;
        record = (struct instance_record){ 0 };
        return 0;
}

void instance_record_list(const struct instance_record *r, const char *id, const struct tags *match, bool properties, struct instances *ret)
{
        if (r->stage == STAGE_FAILED || !tags_match(&r->tags, match))
                return;
        struct instance *i = instances_add(ret, id);
        i->logical_id = copy(r->logical_id);
        tags_copy(&i->tags, &r->tags);
        if (properties)
                i->properties = copy(r->properties);
}
