/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts and pools as documents name them. */
#include <stdio.h>
#include <string.h>

#include "ssh.h"

#define DEFAULT_FOLDER ".bulkhead"
/* Without a command of its own a pool's hosts run the Init. */
#define DEFAULT_PROVISION "[ ! -s \"$BULKHEAD_INIT\" ] || exec sh \"$BULKHEAD_INIT\""
enum { PORT_DEFAULT = 22, COMMAND_MAX = 1 << 16, LIMIT_DEFAULT_USEC = 600000000, ADDRESS_MAX = 128, WORD_MAX = 1024 };

/* ---- hosts ---- */

void host_done(struct host *h)
{
        free(h->address);
        free(h->user);
        free(h->host_key);
        free(h->folder);
        *h = (struct host){ 0 };
}

void host_copy(struct host *ret, const struct host *from)
{
        *ret = (struct host){ xstrdup(from->address), xstrdup(from->user), xstrdup(from->host_key), xstrdup(from->folder), from->port };
}

void host_key_of(const struct host *h, char ret[HOST_KEY_SIZE])
{
        CLEAN_FREE char *words = xprintf("%s@%s:%u/%s", h->user, h->address, h->port, h->folder);
        instance_name(words, ret);
}

char *host_instance_id(const struct host *h, const char *name)
{
        return h->port == PORT_DEFAULT ? xprintf("%s-%s", h->address, name) : xprintf("%s:%u-%s", h->address, h->port, name);
}

/* ---- reading ---- */

static int read_checked(const struct json_place *at, void *into, const char *allowed, size_t max, const char *what, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        /* A leading dash would be an option of ssh. */
        if (!*s || *s == '-' || strlen(s) > max || s[strspn(s, allowed)])
                return json_fail(at, e, "is no %s", what);
        return json_string(at, into, e);
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static int read_address(const struct json_place *at, void *into, struct error *e)
{
        return read_checked(at, into, LETTERS ".:_-%", ADDRESS_MAX, "name or address of a host", e);
}

static int read_user(const struct json_place *at, void *into, struct error *e)
{
        return read_checked(at, into, LETTERS "._-", 64, "name of a user", e);
}

static int read_folder(const struct json_place *at, void *into, struct error *e)
{
        return read_checked(at, into, LETTERS "._-/", WORD_MAX, "folder: letters, digits and . _ - / are allowed", e);
}

/* "ssh-ed25519 AAAA...", as in known_hosts and in /etc/ssh/ssh_host_*_key.pub; a comment behind it is passed over. */
static int read_host_key(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        size_t type = strspn(s, LETTERS "-.@"), key = s[type] == ' ' ? strspn(s + type + 1, LETTERS "+/=") : 0, all = type + 1 + key;
        if (!type || key < 16 || all > 8192 || (s[all] && s[all] != ' '))
                return json_fail(at, e, "is no public key of a host, as in /etc/ssh/ssh_host_ed25519_key.pub");
        char **target = into;
        free(*target);
        *target = xstrndup(s, all);
        return 0;
}

static int read_port(const struct json_place *at, void *into, struct error *e)
{
        uint32_t *port = into;
        int r = json_u32(at, port, e);
        return r < 0 ? r : *port && *port <= 65535 ? 0 : json_fail(at, e, "is no port");
}

static int read_host(const struct json_place *at, struct host *h, struct error *e)
{
        static const struct json_field fields[] = {
                { "Address", read_address, offsetof(struct host, address), JSON_REQUIRED },
                { "Port", read_port, offsetof(struct host, port), 0 },
                { "User", read_user, offsetof(struct host, user), 0 },
                { "HostKey", read_host_key, offsetof(struct host, host_key), JSON_REQUIRED },
                { "Folder", read_folder, offsetof(struct host, folder), 0 },
                { 0 },
        };
        *h = (struct host){ .port = PORT_DEFAULT };
        int r = json_object(at, fields, h, e);
        if (r == 0 && !h->address)
                return json_fail(at, e, "an object with Address and HostKey is wanted");
        if (!h->user)
                h->user = xstrdup("root");
        if (!h->folder)
                h->folder = xstrdup(DEFAULT_FOLDER);
        return r;
}

static int read_one(const struct json_place *at, void *into, struct error *e)
{
        struct pool *p = into;
        if (p->count >= HOSTS_MAX)
                return json_fail(at, e, "there are at most %d hosts", HOSTS_MAX);
        p->hosts = xgrow(p->hosts, &p->room, p->count + 1, sizeof *p->hosts);
        return read_host(at, p->hosts + p->count++, e);
}

static int read_hosts(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_one, into, e);
}

static int read_command(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (strlen(s) > COMMAND_MAX)
                return json_fail(at, e, "has more than %d bytes", COMMAND_MAX);
        return json_string(at, into, e);
}

static int read_limit(const struct json_place *at, void *into, struct error *e)
{
        uint64_t *usec = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (text_parse_span_usec(s, usec) < 0 || *usec < 1000000 || *usec > 86400000000)
                return json_fail(at, e, "is no time between a second and a day");
        return 0;
}

void pool_done(struct pool *p)
{
        for (size_t i = 0; i < p->count; i++)
                host_done(p->hosts + i);
        free(p->hosts);
        free(p->provision);
        free(p->destroy);
        *p = (struct pool){ 0 };
}

int pool_read(const struct json_place *at, struct pool *ret, struct error *e)
{
        static const struct json_field fields[] = {
                { "Hosts", read_hosts, 0, JSON_REQUIRED },
                { "Provision", read_command, offsetof(struct pool, provision), 0 },
                { "Destroy", read_command, offsetof(struct pool, destroy), 0 },
                { "Limit", read_limit, offsetof(struct pool, limit_usec), 0 },
                { 0 },
        };
        CLEAN_POOL struct pool p = { .limit_usec = LIMIT_DEFAULT_USEC };
        int r = json_object(at, fields, &p, e);
        if (r < 0)
                return r;
        if (!p.count)
                return json_fail(at, e, "there are no Hosts");
        if (!p.provision)
                p.provision = xstrdup(DEFAULT_PROVISION);
        *ret = p;
        p = (struct pool){ 0 };
        return 0;
}

int pool_parse(const char *text, struct pool *ret, struct error *e)
{
        CLEAN_JSON struct json_document document = { 0 };
        const char *own = text ? text : "{}";
        int r = json_parse("Properties", own, strlen(own), &document, e);
        if (r < 0)
                return r;
        struct json_place top = json_top(&document, "Properties");
        return pool_read(&top, ret, e);
}

/* ---- what we know of a host, as a file ---- */

void known_done(struct known *k)
{
        host_done(&k->host);
        free(k->intent);
        instance_record_done(&k->claim);
        *k = (struct known){ 0 };
}

void knowns_done(struct knowns *l)
{
        for (size_t i = 0; i < l->count; i++)
                known_done(l->items + i);
        free(l->items);
        *l = (struct knowns){ 0 };
}

struct known *knowns_add(struct knowns *l)
{
        l->items = xgrow(l->items, &l->room, l->count + 1, sizeof *l->items);
        l->items[l->count] = (struct known){ 0 };
        return l->items + l->count++;
}

void known_format(struct text *t, const struct known *k)
{
        text_add(t, "{\"Version\":1,\"Host\":{\"Address\":");
        text_add_json(t, k->host.address);
        text_addf(t, ",\"Port\":%u,\"User\":", k->host.port);
        text_add_json(t, k->host.user);
        text_add(t, ",\"HostKey\":");
        text_add_json(t, k->host.host_key);
        text_add(t, ",\"Folder\":");
        text_add_json(t, k->host.folder);
        text_addf(t, "},\"LimitSeconds\":%llu", (unsigned long long)(k->limit_usec / 1000000));
        if (k->intent) {
                text_add(t, ",\"Intent\":");
                text_add_json(t, k->intent);
        }
        if (k->claimed) {
                text_add(t, ",\"Claim\":");
                instance_record_format(t, &k->claim);
        }
        text_add(t, "}");
}

static int read_known_host(const struct json_place *at, void *into, struct error *e)
{
        return read_host(at, into, e);
}

static int read_seconds(const struct json_place *at, void *into, struct error *e)
{
        uint32_t seconds;
        int r = json_u32(at, &seconds, e);
        if (r == 0)
                *(uint64_t *)into = (uint64_t)seconds * 1000000;
        return r;
}

static int read_known_version(const struct json_place *at, void *into, struct error *e)
{
        uint32_t version = 0;
        (void)into;
        int r = json_u32(at, &version, e);
        return r < 0 ? r : version == 1 ? 0 : json_fail(at, e, "only version 1 is known");
}

static int read_known(const struct json_place *at, struct known *k, struct error *e)
{
        static const struct json_field fields[] = {
                { "Version", read_known_version, 0, JSON_REQUIRED },
                { "Host", read_known_host, offsetof(struct known, host), JSON_REQUIRED },
                { "LimitSeconds", read_seconds, offsetof(struct known, limit_usec), JSON_REQUIRED },
                { "Intent", json_string, offsetof(struct known, intent), 0 },
                { 0 },
        };
        int r = json_object(at, fields, k, e);
        return r < 0 ? r : k->host.address ? 0 : json_fail(at, e, "there is no host");
}

int known_parse(const char *where, const char *text, size_t size, struct known *ret, struct error *e)
{
        CLEAN_JSON struct json_document document = { 0 };
        CLEAN_KNOWN struct known k = { 0 };
        struct error why = { 0 };
        int r = json_parse(where, text ? text : "", size, &document, &why);
        if (r == 0) {
                struct json_place top = json_top(&document, where);
                r = read_known(&top, &k, &why);
        }
        const struct json_node *claim = r == 0 ? json_member(document.nodes, "Claim") : NULL;
        if (claim) {
                CLEAN_TEXT struct text own = { 0 };
                json_add(&own, claim);
                r = instance_record_parse(where, own.data, own.length, &k.claim, &why);
                k.claimed = true;
        }
        if (r < 0)
                return error_set(e, EBADMSG, "ssh.state", "%s", why.cause);
        *ret = k;
        k = (struct known){ 0 };
        return 0;
}
