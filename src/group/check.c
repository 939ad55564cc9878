/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Health checks: reading them, and what they become for an instance. */
#include "group/check.h"

#include <arpa/inet.h>
#include <string.h>

#include "group/expand.h"
#include "group/spec.h"

enum { DEFAULT_TIMEOUT_USEC = 5000000, PORT_MAX = 65535 };

void check_done(struct check *c)
{
        free(c->url);
        free(c->address);
        free(c->port);
        free(c->path);
        strings_clear(&c->command);
        *c = (struct check){ 0 };
}

void check_target_done(struct check_target *t)
{
        free(t->address);
        free(t->port);
        free(t->path);
        strings_clear(&t->command);
        *t = (struct check_target){ 0 };
}

/* ---- reading ---- */

static int read_text(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s || strlen(s) > CHECK_TEXT_MAX)
                return json_fail(at, e, "has 1 to %d bytes", CHECK_TEXT_MAX);
        int r = expand_check(s, e);
        return r < 0 ? r : json_string(at, into, e);
}

static int read_port(const struct json_place *at, void *into, struct error *e)
{
        uint16_t port = 0;
        if (at->value->type == JSON_STRING)
                return read_text(at, into, e);
        int r = json_u16(at, &port, e);
        if (r == 0 && !port)
                return json_fail(at, e, "a port is 1 to %d", PORT_MAX);
        if (r < 0)
                return r;
        free(*(char **)into);
        *(char **)into = xprintf("%u", port);
        return 0;
}

static int read_timeout(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        uint64_t usec;
        if (!s)
                return -EINVAL;
        if (duration_parse(s, &usec) < 0 || !usec || usec > CHECK_TIMEOUT_MAX_S * 1000000ULL)
                return json_fail(at, e, "is no time between 0 and %d s, such as \"5s\"", CHECK_TIMEOUT_MAX_S);
        *(uint64_t *)into = usec;
        return 0;
}

static int take_status(const char **s, uint16_t *ret)
{
        unsigned value = 0;
        int digits = 0;
        for (; **s >= '0' && **s <= '9' && digits < 4; (*s)++, digits++)
                value = value * 10 + (unsigned)(**s - '0');
        *ret = (uint16_t)value;
        return digits == 3 && value >= 100 && value <= 599 ? 0 : -EINVAL;
}

static int read_statuses(const struct json_place *at, void *into, struct error *e)
{
        struct check *c = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        c->status_count = 0;
        for (;;) {
                struct status_range range;
                if (take_status(&s, &range.low) < 0)
                        break;
                range.high = range.low;
                if (*s == '-' && (s++, take_status(&s, &range.high) < 0))
                        break;
                if (range.high < range.low || c->status_count == CHECK_STATUS_RANGES_MAX)
                        break;
                c->statuses[c->status_count++] = range;
                if (!*s)
                        return 0;
                if (*s++ != ',')
                        break;
        }
        return json_fail(at, e, "is no status of HTTP, range or list of them, such as \"200-299,304\"");
}

static int read_command_word(const struct json_place *at, void *into, struct error *e)
{
        struct strings *l = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (strlen(s) > CHECK_TEXT_MAX)
                return json_fail(at, e, "has at most %d bytes", CHECK_TEXT_MAX);
        if (l->count == CHECK_COMMAND_MAX)
                return json_fail(at, e, "a command has at most %d words", CHECK_COMMAND_MAX);
        if (!l->count && *s != '/')
                return json_fail(at, e, "a command begins with the absolute path of a program");
        int r = expand_check(s, e);
        if (r == 0)
                strings_add(l, s);
        return r;
}

static int read_command(const struct json_place *at, void *into, struct error *e)
{
        struct strings *l = into;
        strings_clear(l);
        int r = json_each(at, read_command_word, l, e);
        return r == 0 && !l->count ? json_fail(at, e, "is empty") : r;
}

#define AT(member) offsetof(struct check, member)
static const struct json_field http_fields[] = {
        { "URL", read_text, AT(url), 0 },   { "Address", read_text, AT(address), 0 }, { "Port", read_port, AT(port), 0 },
        { "Path", read_text, AT(path), 0 }, { "Status", read_statuses, 0, 0 },        { "Timeout", read_timeout, AT(timeout_usec), 0 },
        { 0 },
};
static const struct json_field tcp_fields[] = {
        { "Address", read_text, AT(address), 0 }, { "Port", read_port, AT(port), 0 }, { "Timeout", read_timeout, AT(timeout_usec), 0 }, { 0 },
};
static const struct json_field exec_fields[] = {
        { "Command", read_command, AT(command), JSON_REQUIRED }, { "Timeout", read_timeout, AT(timeout_usec), 0 }, { 0 },
};

static const struct {
        const char *name;
        const struct json_field *fields;
} kinds[] = {
        [CHECK_HTTP] = { "HTTP", http_fields }, [CHECK_TCP] = { "TCP", tcp_fields }, [CHECK_EXEC] = { "Exec", exec_fields },
};

/* A member that is not known is a typing error here: what is not checked would count as checked. */
static int refuse_unknown(const struct json_place *at, void *into, struct error *e)
{
        const enum check_kind *kind = into;
        for (const struct json_field *f = kinds[*kind].fields; f->name; f++)
                if (text_equal(f->name, at->key))
                        return 0;
        return json_fail(at, e, "is not known here");
}

static void set_defaults(struct check *c)
{
        static const struct status_range good = { 200, 399 };
        if (!c->status_count)
                c->statuses[c->status_count++] = good;
        if (!c->address)
                c->address = xstrdup("{{address}}");
        if (!c->port)
                c->port = xstrdup("{{port}}");
        if (!c->path)
                c->path = xstrdup("/");
}

struct reading {
        struct check check;
        unsigned count;
};

static int find_kind(const struct json_place *at, enum check_kind *ret, struct error *e)
{
        for (size_t k = 0; k < ELEMENTS(kinds); k++)
                if (text_equal(kinds[k].name, at->key)) {
                        *ret = (enum check_kind)k;
                        return 0;
                }
        return json_fail(at, e, "is not known here: HTTP, TCP or Exec");
}

static int read_kind(const struct json_place *at, void *into, struct error *e)
{
        struct reading *r = into;
        struct check *c = &r->check;
        int x = find_kind(at, &c->kind, e);
        if (x == 0 && r->count++)
                return json_fail(at, e, "a check has one of HTTP, TCP and Exec");
        if (x == 0)
                x = json_object(at, kinds[c->kind].fields, c, e);
        if (x == 0)
                x = json_each_member(at, refuse_unknown, &c->kind, e);
        if (x < 0)
                return x;
        if (c->url && (c->address || c->port || c->path))
                return json_fail(at, e, "has a URL and its parts");
        if (c->path && c->path[0] != '/')
                return json_fail(at, e, "the Path does not begin with \"/\"");
        set_defaults(c);
        return 0;
}

int check_read(const struct json_place *at, void *into, struct error *e)
{
        struct reading r = { .check.timeout_usec = DEFAULT_TIMEOUT_USEC };
        int x = json_each_member(at, read_kind, &r, e);
        if (x == 0 && !r.count)
                x = json_fail(at, e, "a check has one of HTTP, TCP and Exec");
        if (x < 0) {
                check_done(&r.check);
                return x;
        }
        check_done(into);
        *(struct check *)into = r.check;
        return 0;
}

int check_parse(const char *text, struct check *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        int r = json_parse("Check", text, strlen(text), &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, "Check");
        return check_read(&top, ret, e);
}

bool check_status_good(const struct check *c, int status)
{
        for (uint32_t i = 0; i < c->status_count; i++)
                if (status >= c->statuses[i].low && status <= c->statuses[i].high)
                        return true;
        return false;
}

/* ---- aiming ---- */

/* Visible ASCII alone: nothing that could end a line of the request. */
static bool is_target(const char *s)
{
        if (*s != '/')
                return false;
        for (; *s; s++)
                if (*s <= ' ' || *s >= 127)
                        return false;
        return true;
}

static int bad_url(const char *url, const char *what, struct error *e)
{
        return error_set(e, EINVAL, "check.url", "%s: %.200s", what, url);
}

/* "http://HOST[:PORT][/PATH]", HOST maybe in brackets. */
static int split_url(const char *url, struct check_target *t, struct error *e)
{
        if (!text_starts(url, "http://"))
                return bad_url(url, text_starts(url, "https://") ? "https is not spoken: use Exec" : "the URL of a check begins with \"http://\"", e);
        const char *host = url + strlen("http://"), *host_end, *rest;
        if (*host == '[') {
                host_end = strchr(++host, ']');
                rest = host_end ? host_end + 1 : NULL;
        } else {
                host_end = host + strcspn(host, ":/?#");
                rest = host_end;
        }
        if (!rest || host_end == host || memchr(host, '@', (size_t)(host_end - host)))
                return bad_url(url, "there is no address in the URL of a check", e);
        t->address = xstrndup(host, (size_t)(host_end - host));
        const char *port = *rest == ':' ? rest + 1 : "80";
        size_t digits = *rest == ':' ? strcspn(port, "/?#") : strlen(port);
        t->port = xstrndup(port, digits);
        const char *path = *rest == ':' ? port + digits : rest;
        t->path = *path && *path != '#' ? xprintf("%s%.*s", *path == '/' ? "" : "/", (int)strcspn(path, "#"), path) : xstrdup("/");
        return 0;
}

static int expand_to(const char *s, const struct instance *i, enum expand_into into, char **ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        int r = expand(s, i, into, &t, e);
        if (r == 0)
                *ret = TAKE_PTR(t.data);
        return r;
}

static int aim_url(const struct check *c, const struct instance *i, struct check_target *t, struct error *e)
{
        CLEAN_FREE char *url = NULL;
        int r = expand_to(c->url, i, EXPAND_NAME, &url, e);
        return r < 0 ? r : split_url(url, t, e);
}

static int aim_parts(const struct check *c, const struct instance *i, struct check_target *t, struct error *e)
{
        int r = expand_to(c->address, i, EXPAND_NAME, &t->address, e);
        if (r == 0)
                r = expand_to(c->port, i, EXPAND_NAME, &t->port, e);
        if (r == 0)
                r = expand_to(c->path, i, EXPAND_NAME, &t->path, e);
        return r;
}

static int aim_command(const struct check *c, const struct instance *i, struct check_target *t, struct error *e)
{
        for (size_t k = 0; k < c->command.count; k++) {
                char *word = NULL;
                int r = expand_to(c->command.items[k], i, EXPAND_WORD, &word, e);
                if (r < 0)
                        return r;
                strings_take(&t->command, word);
        }
        return 0;
}

static int check_address(struct check_target *t, struct error *e)
{
        unsigned char bytes[16];
        uint64_t port;
        if (text_equal(t->address, "localhost")) {
                free(t->address);
                t->address = xstrdup("127.0.0.1");
        }
        if (inet_pton(AF_INET, t->address, bytes) != 1 && inet_pton(AF_INET6, t->address, bytes) != 1)
                return error_set(e, EINVAL, "check.address", "\"%.100s\" is no IP address", t->address);
        if (text_parse_uint(t->port, PORT_MAX, &port) < 0 || !port)
                return error_set(e, EINVAL, "check.address", "\"%.100s\" is no port", t->port);
        return is_target(t->path) ? 0 : bad_url(t->path, "there are blanks or foreign characters in the path of a check", e);
}

int check_aim(const struct check *c, const struct instance *i, struct check_target *ret, struct error *e)
{
        CLEAN_CHECK_TARGET struct check_target t = { 0 };
        int r = c->kind == CHECK_EXEC ? aim_command(c, i, &t, e) : c->url ? aim_url(c, i, &t, e) : aim_parts(c, i, &t, e);
        if (r == 0 && c->kind != CHECK_EXEC)
                r = check_address(&t, e);
        if (r < 0)
                return r;
        *ret = t;
        t = (struct check_target){ 0 };
        return 0;
}
