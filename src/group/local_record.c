/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/local_record.h"

#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "os/file.h"

enum { GROUP_PART_MAX = 60, HASH_LETTERS = 13 };

/* ---- names ---- */

uint64_t local_token_hash(const char *token)
{
        static const uint8_t key[16] = "bulkhead.token.1"; /* tells apart, protects nothing: the token stands in the record and is compared */
        uint64_t hash = hash_sip24(token, strlen(token), key);
        return hash ? hash : 1;
}

static void format_hash(uint64_t hash, char ret[HASH_LETTERS + 1])
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
        for (int i = HASH_LETTERS - 1; i >= 0; i--, hash >>= 5)
                ret[i] = letters[hash & 31];
        ret[HASH_LETTERS] = 0;
}

static uint64_t random_hash(void)
{
        char digits[17] = "";
        file_random_hex(digits, 16);
        return strtoull(digits, NULL, 16);
}

char *local_id(const char *token, const char *group)
{
        char hash[HASH_LETTERS + 1], name[GROUP_PART_MAX + 1];
        size_t n = 0;
        format_hash(token ? local_token_hash(token) : random_hash(), hash);
        for (const char *c = group ? group : ""; *c && n < GROUP_PART_MAX; c++)
                if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || (n && (*c == '-' || *c == '_')))
                        name[n++] = *c;
        name[n] = 0;
        return xprintf("%s-%s", n ? name : "instance", hash);
}

/* ---- text ---- */

void local_record_format(struct text *t, const struct instance *i)
{
        text_addf(t, "{\"Version\":%d,\"Instance\":", LOCAL_RECORD_VERSION);
        instance_format(t, i);
        text_add(t, "}\n");
}

struct record {
        uint32_t version;
        struct instance instance;
};

int local_record_parse(const char *text, size_t size, const char *id, struct instance *ret, struct error *e)
{
        static const struct json_field fields[] = {
                { "Version", json_u32, offsetof(struct record, version), JSON_REQUIRED },
                { "Instance", instance_read, offsetof(struct record, instance), JSON_REQUIRED },
                { 0 },
        };
        CLEAN_JSON struct json_document d = { 0 };
        struct record record = { 0 };
        int r = json_parse("record.json", text, size, &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, "record.json");
        r = json_object(&top, fields, &record, e);
        if (r == 0 && record.version > LOCAL_RECORD_VERSION)
                r = error_set(e, EPROTONOSUPPORT, "local.record", "the record has version %u, and %d is the newest known", record.version, LOCAL_RECORD_VERSION);
        if (r == 0 && !text_equal(record.instance.id, id))
                r = error_set(e, EBADMSG, "local.record", "the record is of %s", record.instance.id);
        if (r < 0) {
                instance_done(&record.instance);
                return r;
        }
        *ret = record.instance;
        return 0;
}

/* ---- files ---- */

int local_record_save(int dir_fd, const struct instance *i, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *path = xprintf("%s/record.json", i->id);
        if (mkdirat(dir_fd, i->id, 0700) < 0 && errno != EEXIST)
                return error_errno(e, errno, "local.record", "making the folder of %s", i->id);
        local_record_format(&t, i);
        int r = file_replace(dir_fd, path, t.data, t.length, 0600);
        return r < 0 ? error_errno(e, r, "local.record", "writing the record of %s", i->id) : 0;
}

int local_record_load(int dir_fd, const char *id, struct instance *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *path = xprintf("%s/record.json", id);
        int r = file_read(dir_fd, path, LOCAL_RECORD_MAX, &t);
        if (r == -ENOENT)
                return r;
        if (r < 0)
                return error_errno(e, r, "local.record", "reading the record of %s", id);
        r = local_record_parse(t.data ? t.data : "", t.length, id, ret, e);
        if (r < 0) {
                (void)error_while(e, "reading the record of %s", id);
                error_hint(e, "remove its folder when nothing of it runs any more");
        }
        return r;
}
