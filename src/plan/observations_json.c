/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Observations as JSON, written and read. */
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "os/capability.h"
#include "plan/observations.h"

enum { VERSION = 1, OUTCOME_MAX = 256 + 128 };

/* ---- writing ---- */

static bool is_utf8(const char *s)
{
        while (*s) {
                size_t n = text_utf8_length(s);
                if (!n)
                        return false;
                s += n;
        }
        return true;
}

static void add_names(struct text *t, unsigned bits, const char *(*name)(unsigned))
{
        const char *comma = "";
        for (unsigned i = 0; name(i); i++)
                if (bits >> i & 1) {
                        text_addf(t, "%s\"%s\"", comma, name(i));
                        comma = ",";
                }
}

static void add_call(struct text *t, const struct observed_call *c)
{
        const char *comma = "";
        text_add(t, "{\"name\":");
        text_add_json(t, c->name);
        text_addf(t, ",\"foreign\":%s,\"times\":%llu,\"succeeded\":%s,\"errors\":[", c->foreign ? "true" : "false",
                  (unsigned long long)c->times, c->succeeded ? "true" : "false");
        for (unsigned i = 0; i < OBSERVED_ERRNO_MAX; i++)
                if (c->errors[i / 64] >> i % 64 & 1) {
                        text_addf(t, "%s%u", comma, i);
                        comma = ",";
                }
        text_add(t, "]}");
}

/* JSON holds Unicode only; a name of other bytes is given as what holds it. */
static void add_path(struct text *t, const struct observed_path *p)
{
        CLEAN_FREE char *shown = xstrdup(p->path);
        unsigned uses = p->uses;
        while (!is_utf8(shown)) {
                char *slash = strrchr(shown, '/');
                slash[slash == shown] = 0;
                uses = (uses & (unsigned)~USE_MADE) | USE_BELOW | USE_FOLDER;
        }
        text_add(t, "{\"path\":");
        text_add_json(t, shown);
        text_add(t, ",\"uses\":[");
        add_names(t, uses, path_use_name);
        text_add(t, "]}");
}

static void add_lists(const struct observations *o, struct text *t)
{
        text_add(t, "],\n\"sockets\":[");
        for (size_t i = 0; i < o->socket_count; i++)
                text_addf(t, "%s{\"family\":%d,\"type\":%d,\"protocol\":%d}", i ? "," : "", o->sockets[i].family, o->sockets[i].type, o->sockets[i].protocol);
        text_add(t, "],\n\"ports\":[");
        for (size_t i = 0; i < o->port_count; i++)
                text_addf(t, "%s{\"family\":%d,\"protocol\":%d,\"port\":%u}", i ? "," : "", o->ports[i].family, o->ports[i].protocol, o->ports[i].port);
        text_add(t, "],\n\"peers\":[");
        for (size_t i = 0; i < o->peer_count; i++) {
                text_addf(t, "%s{\"address\":", i ? "," : "");
                text_add_json(t, o->peers[i].address);
                text_addf(t, ",\"protocol\":%d,\"port\":%u}", o->peers[i].protocol, o->peers[i].port);
        }
        text_add(t, "],\n\"users\":[");
        for (size_t i = 0; i < o->user_count; i++)
                text_addf(t, "%s%u", i ? "," : "", o->users[i]);
}

void observations_format(const struct observations *o, struct text *t)
{
        unsigned traits = 0;
        const char *comma = "";
        text_addf(t, "{\"version\":%d,\n\"command\":[", VERSION);
        for (size_t i = 0; i < o->command.count; i++) {
                text_add(t, i ? "," : "");
                text_add_json(t, o->command.items[i]);
        }
        text_addf(t, "],\n\"runs\":%u,\"outcomes\":[", o->runs);
        for (size_t i = 0; i < o->outcome_count; i++)
                text_addf(t, "%s%d", i ? "," : "", o->outcomes[i]);
        text_add(t, "],\n\"calls\":[");
        for (size_t i = 0; i < o->call_count; i++) {
                text_add(t, i ? ",\n" : "\n");
                add_call(t, &o->calls[i]);
        }
        text_add(t, "],\n\"paths\":[");
        for (size_t i = 0; i < o->path_count; i++) {
                text_add(t, i ? ",\n" : "\n");
                add_path(t, &o->paths[i]);
        }
        add_lists(o, t);
        for (unsigned i = 0; i < TRAIT_COUNT; i++)
                traits |= (unsigned)o->traits[i] << i;
        text_add(t, "],\n\"traits\":[");
        add_names(t, traits, trait_name);
        text_addf(t, "],\n\"namespaces\":%llu,\"capabilities\":[", (unsigned long long)o->namespaces);
        for (unsigned i = 0; i <= CAPABILITY_MAX; i++)
                if (o->capabilities >> i & 1 && capability_name(i)) {
                        text_addf(t, "%s\"%s\"", comma, capability_name(i));
                        comma = ",";
                }
        text_addf(t, "],\n\"made_modes\":%u,\"tasks\":%llu,\"memory_bytes\":%llu,\"lost\":%llu}\n", o->made_modes,
                  (unsigned long long)o->tasks, (unsigned long long)o->memory_bytes, (unsigned long long)o->lost);
}

/* ---- reading ---- */

static int too_many(const struct json_place *at, size_t limit, struct error *e)
{
        CLEAN_FREE char *pointer = json_pointer(at);
        return error_set(e, E2BIG, "learn.limit", "%.200s: more than %zu", pointer, limit);
}

static int read_bits(const struct json_place *at, const char *(*name)(unsigned), uint64_t *bits, struct error *e)
{
        const char *s = json_text(at, e);
        for (unsigned i = 0; s && name(i); i++)
                if (text_equal(s, name(i))) {
                        *bits |= 1ULL << i;
                        return 0;
                }
        return s ? json_fail(at, e, "unknown word \"%.40s\"", s) : -EINVAL;
}

static int read_errno(const struct json_place *at, void *into, struct error *e)
{
        struct observed_call *c = into;
        uint32_t n = 0;
        int r = json_u32(at, &n, e);
        if (r == 0 && n >= OBSERVED_ERRNO_MAX)
                return json_fail(at, e, "no error number");
        if (r == 0)
                c->errors[n / 64] |= 1ULL << n % 64;
        return r;
}

static int read_errors(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_errno, into, e);
}

static bool is_call_name(const char *s)
{
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");
        return n && n < 64 && !s[n];
}

static int read_call(const struct json_place *at, void *into, struct error *e)
{
        struct observations *o = into;
        CLEAN_FREE char *name = NULL;
        struct call {
                char *name;
                bool foreign, succeeded;
                uint64_t times;
                struct observed_call errors;
        } c = { 0 };
        static const struct json_field fields[] = {
                { "name", json_string, offsetof(struct call, name), JSON_REQUIRED },
                { "foreign", json_bool, offsetof(struct call, foreign), 0 },
                { "succeeded", json_bool, offsetof(struct call, succeeded), 0 },
                { "times", json_u64, offsetof(struct call, times), 0 },
                { "errors", read_errors, offsetof(struct call, errors), 0 },
                { 0 },
        };
        int r = json_object(at, fields, &c, e);
        name = c.name;
        if (r < 0)
                return r;
        if (!is_call_name(name))
                return json_fail(at, e, "no name of a system call");
        struct observed_call *row = observations_call(o, name, c.foreign);
        if (!row)
                return too_many(at, OBSERVED_CALLS_MAX, e);
        row->times += c.times < UINT64_MAX - row->times ? c.times : UINT64_MAX - row->times;
        row->succeeded |= c.succeeded;
        for (size_t i = 0; i < ELEMENTS(row->errors); i++)
                row->errors[i] |= c.errors.errors[i];
        return 0;
}

static int read_use(const struct json_place *at, void *into, struct error *e)
{
        return read_bits(at, path_use_name, into, e);
}

static int read_uses(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_use, into, e);
}

static int read_path(const struct json_place *at, void *into, struct error *e)
{
        struct observations *o = into;
        struct path {
                char *path;
                uint64_t uses;
        } p = { 0 };
        static const struct json_field fields[] = {
                { "path", json_string, offsetof(struct path, path), JSON_REQUIRED },
                { "uses", read_uses, offsetof(struct path, uses), JSON_REQUIRED },
                { 0 },
        };
        int r = json_object(at, fields, &p, e);
        CLEAN_FREE char *path = p.path, *clean = NULL;
        if (r < 0)
                return r;
        if (path_normalize(path, &clean) < 0)
                return json_fail(at, e, "no absolute path without \"..\"");
        observations_add_path(o, clean, (unsigned)p.uses);
        return 0;
}

static int read_socket(const struct json_place *at, void *into, struct error *e)
{
        struct observed_socket s = { 0 };
        static const struct json_field fields[] = {
                { "family", json_i32, offsetof(struct observed_socket, family), JSON_REQUIRED },
                { "type", json_i32, offsetof(struct observed_socket, type), JSON_REQUIRED },
                { "protocol", json_i32, offsetof(struct observed_socket, protocol), 0 },
                { 0 },
        };
        int r = json_object(at, fields, &s, e);
        if (r == 0)
                observations_add_socket(into, s.family, s.type, s.protocol);
        return r;
}

static int read_port(const struct json_place *at, void *into, struct error *e)
{
        struct observed_port p = { 0 };
        static const struct json_field fields[] = {
                { "family", json_i32, offsetof(struct observed_port, family), JSON_REQUIRED },
                { "protocol", json_i32, offsetof(struct observed_port, protocol), JSON_REQUIRED },
                { "port", json_u16, offsetof(struct observed_port, port), JSON_REQUIRED },
                { 0 },
        };
        int r = json_object(at, fields, &p, e);
        if (r == 0)
                observations_add_port(into, p.family, p.protocol, p.port);
        return r;
}

static int read_peer(const struct json_place *at, void *into, struct error *e)
{
        struct observed_peer p = { 0 };
        static const struct json_field fields[] = {
                { "address", json_string, offsetof(struct observed_peer, address), JSON_REQUIRED },
                { "protocol", json_i32, offsetof(struct observed_peer, protocol), JSON_REQUIRED },
                { "port", json_u16, offsetof(struct observed_peer, port), JSON_REQUIRED },
                { 0 },
        };
        int r = json_object(at, fields, &p, e);
        CLEAN_FREE char *address = p.address;
        if (r == 0 && (!*address || strlen(address) > 45 || strspn(address, "0123456789abcdef.:") != strlen(address)))
                r = json_fail(at, e, "no address");
        if (r == 0)
                observations_add_peer(into, address, p.protocol, p.port);
        return r;
}

static int read_user(const struct json_place *at, void *into, struct error *e)
{
        uint32_t uid = 0;
        int r = json_u32(at, &uid, e);
        if (r == 0)
                observations_add_user(into, uid);
        return r;
}

static int read_outcome(const struct json_place *at, void *into, struct error *e)
{
        int32_t n = 0;
        int r = json_i32(at, &n, e);
        if (r == 0 && (n < 0 || n > OUTCOME_MAX))
                return json_fail(at, e, "no exit status or signal");
        if (r == 0)
                observations_add_outcome(into, n);
        return r;
}

static int read_trait(const struct json_place *at, void *into, struct error *e)
{
        struct observations *o = into;
        uint64_t bits = 0;
        int r = read_bits(at, trait_name, &bits, e);
        for (unsigned i = 0; r == 0 && i < TRAIT_COUNT; i++)
                o->traits[i] |= bits >> i & 1;
        return r;
}

static int read_capability(const struct json_place *at, void *into, struct error *e)
{
        struct observations *o = into;
        const char *s = json_text(at, e);
        unsigned n = 0;
        if (!s || capability_parse(s, &n) < 0)
                return s ? json_fail(at, e, "unknown capability \"%.40s\"", s) : -EINVAL;
        o->capabilities |= 1ULL << n;
        return 0;
}

#define EACH(name, reader) \
        static int name(const struct json_place *at, void *into, struct error *e) { return json_each(at, reader, into, e); }
EACH(read_calls, read_call)
EACH(read_paths, read_path)
EACH(read_sockets, read_socket)
EACH(read_ports, read_port)
EACH(read_peers, read_peer)
EACH(read_users, read_user)
EACH(read_outcomes, read_outcome)
EACH(read_traits, read_trait)
EACH(read_capabilities, read_capability)
#undef EACH

static int check_version(const struct json_place *top, struct error *e)
{
        uint32_t version = 0;
        static const struct json_field fields[] = { { "version", json_u32, 0, JSON_REQUIRED }, { 0 } };
        int r = json_object(top, fields, &version, e);
        if (r == 0 && version > VERSION)
                return error_set(e, EPROTONOSUPPORT, "learn.version", "the observations have version %u; this Bulkhead reads up to %d", version, VERSION);
        return r;
}

int observations_parse(struct observations *ret, const char *name, const char *data, size_t size, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_OBSERVATIONS struct observations o = { 0 };
        static const struct json_field fields[] = {
                { "command", json_strings, offsetof(struct observations, command), 0 },
                { "runs", json_u32, offsetof(struct observations, runs), JSON_REQUIRED },
                { "outcomes", read_outcomes, 0, JSON_REQUIRED },
                { "calls", read_calls, 0, JSON_REQUIRED },
                { "paths", read_paths, 0, JSON_REQUIRED },
                { "sockets", read_sockets, 0, 0 },
                { "ports", read_ports, 0, 0 },
                { "peers", read_peers, 0, 0 },
                { "users", read_users, 0, 0 },
                { "traits", read_traits, 0, JSON_REQUIRED },
                { "namespaces", json_u64, offsetof(struct observations, namespaces), 0 },
                { "capabilities", read_capabilities, 0, JSON_REQUIRED },
                { "made_modes", json_u32, offsetof(struct observations, made_modes), 0 },
                { "tasks", json_u64, offsetof(struct observations, tasks), 0 },
                { "memory_bytes", json_u64, offsetof(struct observations, memory_bytes), 0 },
                { "lost", json_u64, offsetof(struct observations, lost), 0 },
                { 0 },
        };
        if (size > OBSERVED_JSON_MAX)
                return error_set(e, EFBIG, "learn.limit", "%.200s: more than %d bytes", name, OBSERVED_JSON_MAX);
        int r = json_parse(name, data, size, &d, e);
        if (r < 0)
                return r;
        struct json_place top = json_top(&d, name);
        r = check_version(&top, e);
        if (r == 0)
                r = json_object(&top, fields, &o, e);
        if (r == 0)
                observations_merge(ret, &o);
        return r;
}
