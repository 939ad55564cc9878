/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/etcd_keys.h"

#include <string.h>

/* ---- keys ---- */

static void add_escaped(struct text *t, const char *s)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
        for (; *s; s++)
                if (strchr(plain, *s))
                        text_add_bytes(t, s, 1);
                else
                        text_addf(t, "%%%02X", (unsigned)(unsigned char)*s);
}

static int hex_of(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *etcd_key(const char *prefix, const char *name)
{
        return xprintf("%s/%s", prefix, name);
}

char *etcd_key_of_group(const char *prefix, const char *folder, const char *group)
{
        struct text t = { 0 };
        text_addf(&t, "%s/%s/", prefix, folder);
        add_escaped(&t, group);
        return t.data;
}

char *etcd_key_of_revision(const char *prefix, const char *group, uint64_t revision)
{
        struct text t = { 0 };
        text_addf(&t, "%s/revisions/", prefix);
        add_escaped(&t, group);
        text_addf(&t, "/%016llx", (unsigned long long)revision);
        return t.data;
}

char *etcd_key_of_number(const char *prefix, const char *folder, uint64_t number)
{
        return xprintf("%s/%s/%016llx", prefix, folder, (unsigned long long)number);
}

/* What follows "PREFIX/FOLDER/"; NULL in another's key. */
static const char *rest_of(const char *prefix, const char *folder, const char *key)
{
        CLEAN_FREE char *start = xprintf("%s/%s/", prefix, folder);
        return text_starts(key, start) ? key + strlen(start) : NULL;
}

char *etcd_group_of_key(const char *prefix, const char *folder, const char *key)
{
        const char *s = rest_of(prefix, folder, key);
        if (!s || !*s || strlen(s) > 3 * STORE_ID_MAX)
                return NULL;
        CLEAN_TEXT struct text t = { 0 }, again = { 0 };
        for (const char *at = s; *at; at++) {
                char c = *at;
                if (c == '%') {
                        int high = hex_of(at[1]), low = high < 0 ? -1 : hex_of(at[2]);
                        if (low < 0 || !(high | low))
                                return NULL;
                        c = (char)(high << 4 | low);
                        at += 2;
                }
                text_add_bytes(&t, &c, 1);
        }
        /* Each ID has one way to be written. */
        add_escaped(&again, t.data);
        return text_equal(again.data, s) ? TAKE_PTR(t.data) : NULL;
}

int etcd_number_of_key(const char *prefix, const char *folder, const char *key, uint64_t *ret)
{
        const char *s = rest_of(prefix, folder, key);
        if (!s || strlen(s) != 16 || strspn(s, "0123456789abcdef") != 16)
                return -EINVAL;
        *ret = strtoull(s, NULL, 16);
        return 0;
}

/* ---- values ---- */

void etcd_leader_done(struct etcd_leader *l)
{
        free(l->name);
        free(l->address);
        *l = (struct etcd_leader){ 0 };
}

/* A member of an object, unless it is NULL; the first one has no comma before it. */
static void add_words(struct text *t, const char *before, const char *name, const char *value)
{
        if (!value)
                return;
        text_addf(t, "%s\"%s\":", before, name);
        text_add_json(t, value);
}

static void add_number(struct text *t, const char *before, const char *name, uint64_t value)
{
        text_addf(t, "%s\"%s\":%llu", before, name, (unsigned long long)value);
}

void etcd_format_head(struct text *t, const struct etcd_head *h)
{
        add_number(t, "{", "revision", h->revision);
        add_number(t, ",", "flags", h->flags);
        add_number(t, ",", "writer", h->writer);
        text_add(t, "}");
}

void etcd_format_leader(struct text *t, const char *name, const char *address)
{
        add_words(t, "{", "name", name);
        add_words(t, ",", "address", address);
        text_add(t, "}");
}

void etcd_format_revision(struct text *t, const struct store_revision *r)
{
        add_number(t, "{", "at", r->at_usec);
        add_words(t, ",", "document", r->document);
        add_words(t, ",", "actor", r->actor);
        add_words(t, ",", "reason", r->reason);
        text_add(t, "}");
}

void etcd_format_event(struct text *t, const struct store_event *v)
{
        add_number(t, "{", "at", v->at_usec);
        add_words(t, ",", "topic", v->topic);
        add_words(t, ",", "group", v->group);
        add_words(t, ",", "id", v->id);
        add_words(t, ",", "message", v->message);
        text_add(t, "}");
}

void etcd_format_audit(struct text *t, const struct store_audit *a)
{
        add_number(t, "{", "at", a->at_usec);
        add_number(t, ",", "uid", a->uid);
        add_number(t, ",", "pid", (uint64_t)a->pid);
        add_words(t, ",", "actor", a->actor);
        add_words(t, ",", "role", a->role);
        add_words(t, ",", "method", a->method);
        add_words(t, ",", "object", a->object);
        add_words(t, ",", "reason", a->reason);
        add_words(t, ",", "outcome", a->outcome);
        text_add(t, "}");
}

/* Parses a value and hands it to its reader; whatever is wrong names the key. */
static int read_with(const char *key, const struct text *value, json_reader read, void *into, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        struct error why = { 0 };
        int r = json_parse(key, value->data ? value->data : "", value->length, &d, &why);
        if (r >= 0) {
                struct json_place top = json_top(&d, key);
                r = read(&top, into, &why);
        }
        return r < 0 ? error_set(e, EIO, "store.damaged", "%s", why.cause) : 0;
}

static int head_reader(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "revision", json_u64, offsetof(struct etcd_head, revision), JSON_REQUIRED },
                { "flags", json_u32, offsetof(struct etcd_head, flags), 0 },
                { "writer", json_u64, offsetof(struct etcd_head, writer), 0 },
                { 0 },
        };
        struct etcd_head *h = into;
        int r = json_object(at, fields, h, e);
        if (r >= 0 && (!h->revision || h->revision > INT64_MAX))
                r = json_fail(at, e, "this is no revision");
        return r;
}

static int leader_reader(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "name", json_string, offsetof(struct etcd_leader, name), 0 },
                { "address", json_string, offsetof(struct etcd_leader, address), 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

static int revision_reader(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "at", json_u64, offsetof(struct store_revision, at_usec), 0 },
                { "document", json_string, offsetof(struct store_revision, document), JSON_REQUIRED },
                { "actor", json_string, offsetof(struct store_revision, actor), 0 },
                { "reason", json_string, offsetof(struct store_revision, reason), 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

/* An array whose elements are numbered; what is read goes to the log. */
struct chunk {
        struct store_log *log;
        uint64_t first;
};

static int event_reader(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "at", json_u64, offsetof(struct store_event, at_usec), 0 },
                { "topic", json_string, offsetof(struct store_event, topic), JSON_REQUIRED },
                { "group", json_string, offsetof(struct store_event, group), 0 },
                { "id", json_string, offsetof(struct store_event, id), 0 },
                { "message", json_string, offsetof(struct store_event, message), 0 },
                { 0 },
        };
        struct chunk *c = into;
        if (at->index >= ETCD_CHUNK_MAX)
                return json_fail(at, e, "more than %d under one key", ETCD_CHUNK_MAX);
        struct store_event *v = store_log_add_event(c->log);
        v->sequence = c->first + at->index;
        return json_object(at, fields, v, e);
}

static int audit_reader(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "at", json_u64, offsetof(struct store_audit, at_usec), 0 },
                { "uid", json_u32, offsetof(struct store_audit, uid), 0 },
                { "pid", json_i32, offsetof(struct store_audit, pid), 0 },
                { "actor", json_string, offsetof(struct store_audit, actor), JSON_REQUIRED },
                { "role", json_string, offsetof(struct store_audit, role), JSON_REQUIRED },
                { "method", json_string, offsetof(struct store_audit, method), JSON_REQUIRED },
                { "object", json_string, offsetof(struct store_audit, object), JSON_REQUIRED },
                { "reason", json_string, offsetof(struct store_audit, reason), 0 },
                { "outcome", json_string, offsetof(struct store_audit, outcome), JSON_REQUIRED },
                { 0 },
        };
        struct chunk *c = into;
        if (at->index >= ETCD_CHUNK_MAX)
                return json_fail(at, e, "more than %d under one key", ETCD_CHUNK_MAX);
        struct store_audit *a = store_log_add_audit(c->log);
        a->sequence = c->first + at->index;
        return json_object(at, fields, a, e);
}

static int events_reader(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, event_reader, into, e);
}

static int audits_reader(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, audit_reader, into, e);
}

int etcd_read_head(const char *key, const struct text *value, struct etcd_head *ret, struct error *e)
{
        *ret = (struct etcd_head){ 0 };
        return read_with(key, value, head_reader, ret, e);
}

int etcd_read_leader(const char *key, const struct text *value, struct etcd_leader *ret, struct error *e)
{
        struct etcd_leader l = { 0 };
        int r = read_with(key, value, leader_reader, &l, e);
        if (r < 0)
                etcd_leader_done(&l);
        else
                *ret = l;
        return r;
}

int etcd_read_revision(const char *key, const struct text *value, struct store_revision *ret, struct error *e)
{
        return read_with(key, value, revision_reader, ret, e);
}

int etcd_read_events(const char *key, const struct text *value, uint64_t first, struct store_log *into, struct error *e)
{
        struct chunk c = { into, first };
        return read_with(key, value, events_reader, &c, e);
}

int etcd_read_audits(const char *key, const struct text *value, uint64_t first, struct store_log *into, struct error *e)
{
        struct chunk c = { into, first };
        return read_with(key, value, audits_reader, &c, e);
}
