/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/store_address.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <string.h>

void store_address_done(struct store_address *a)
{
        for (size_t i = 0; i < a->count; i++)
                free(a->endpoints[i].host);
        free(a->path);
        free(a->prefix);
        *a = (struct store_address){ 0 };
}

void store_endpoint_format(struct text *t, const struct store_endpoint *p)
{
        text_addf(t, strchr(p->host, ':') ? "[%s]:%u" : "%s:%u", p->host, p->port);
}

__attribute__((format(printf, 3, 4))) static int refuse(struct error *e, const char *where, const char *format, ...)
{
        char words[ERROR_CAUSE_MAX];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(words, sizeof words, format, ap);
        va_end(ap);
        return error_set(e, EINVAL, "store.address", "\"%.128s\": %s", where, words);
}

static bool is_name(const char *s)
{
        static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
        return *s && *s != '-' && *s != '.' && strspn(s, known) == strlen(s);
}

/* Says what kind of host it is; false where it is none. */
static bool look_at_host(struct store_endpoint *p)
{
        struct in_addr v4;
        struct in6_addr v6;
        if (inet_pton(AF_INET, p->host, &v4) == 1) {
                p->loopback = ntohl(v4.s_addr) >> 24 == 127;
                return true;
        }
        if (inet_pton(AF_INET6, p->host, &v6) == 1) {
                p->loopback = IN6_IS_ADDR_LOOPBACK(&v6);
                return true;
        }
        /* What ends with a number is an address to some resolvers, and a name to others. */
        const char *last = strrchr(p->host, '.');
        last = last ? last + 1 : p->host;
        if (!is_name(p->host) || (*last >= '0' && *last <= '9'))
                return false;
        p->loopback = text_equal(p->host, "localhost");
        p->name = !p->loopback;
        return true;
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT. */
static int read_endpoint(const char *where, const char *s, size_t size, struct store_address *a, struct error *e)
{
        CLEAN_FREE char *one = xstrndup(s, size);
        if (a->count == STORE_ENDPOINTS_MAX)
                return refuse(e, where, "more than %d endpoints", STORE_ENDPOINTS_MAX);
        char *host = one, *port = NULL;
        if (*one == '[') {
                char *end = strchr(one, ']');
                if (!end || (end[1] && end[1] != ':'))
                        return refuse(e, where, "\"%.64s\" is no address in brackets", one);
                port = end[1] ? end + 2 : NULL;
                *end = 0;
                host++;
        } else if ((port = strchr(one, ':'))) {
                *port++ = 0;
        }
        uint64_t number = 2379;
        if (port && (text_parse_uint(port, 65535, &number) < 0 || !number))
                return refuse(e, where, "\"%.64s\" is no port", port);
        struct store_endpoint *p = &a->endpoints[a->count++];
        *p = (struct store_endpoint){ .host = xstrdup(host), .port = (uint16_t)number };
        if (strlen(host) > STORE_HOST_MAX || !look_at_host(p) || (*one == '[') != !!strchr(host, ':'))
                return refuse(e, where, "\"%.64s\" is neither an address nor the name of a host", host);
        return 0;
}

static int check_plain(const char *where, bool plain, const struct store_address *a, struct error *e)
{
        for (size_t i = 0; !a->tls && i < a->count; i++) {
                const struct store_endpoint *p = &a->endpoints[i];
                if (p->name) {
                        int r = refuse(e, where, "\"%s\" is a name, and names are only looked up with TLS", p->host);
                        error_hint(e, "use its address, or etcds://");
                        return r;
                }
                if (!p->loopback && !plain) {
                        int r = refuse(e, where, "%s is not on this machine, and etcd:// has no TLS", p->host);
                        error_hint(e, "use etcds:// with certificates; --etcd-plain sends everything readable and changeable by who is on the network");
                        return r;
                }
        }
        return 0;
}

static int read_prefix(const char *where, const char *s, struct store_address *a, struct error *e)
{
        static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/";
        size_t length = strlen(s);
        while (length && s[length - 1] == '/')
                length--;
        if (length > STORE_PREFIX_MAX || strspn(s, known) != strlen(s) || strstr(s, "//"))
                return refuse(e, where, "a prefix has letters, digits, \"-\", \".\", \"_\" and single \"/\", at most %d", STORE_PREFIX_MAX);
        a->prefix = length ? xstrndup(s, length) : xstrdup(STORE_PREFIX);
        return 0;
}

static int read_cluster(const char *where, const char *s, bool plain, struct store_address *a, struct error *e)
{
        a->kind = STORE_ETCD;
        if (strchr(s, '@')) { /* and the words are not repeated: a password may be among them */
                (void)error_set(e, EINVAL, "store.address", "a user has no place in an address");
                error_hint(e, "--etcd-user NAME and --etcd-password-file FILE");
                return -EINVAL;
        }
        size_t end = strcspn(s, "/");
        for (const char *at = s;;) {
                size_t size = strcspn(at, ",/");
                int r = read_endpoint(where, at, size, a, e);
                if (r < 0)
                        return r;
                at += size;
                if (*at != ',')
                        break;
                at++;
        }
        int r = read_prefix(where, s + end, a, e);
        return r < 0 ? r : check_plain(where, plain, a, e);
}

static int read_path(const char *where, const char *s, struct store_address *a, struct error *e)
{
        size_t length = strlen(s);
        if (*s != '/' || length >= 4000 || s[length - 1] == '/')
                return refuse(e, where, "this is neither an absolute path of a file nor etcd:// or etcds://");
        a->kind = STORE_FILE;
        a->path = xstrdup(s);
        return 0;
}

int store_address_parse(const char *where, bool plain, struct store_address *ret, struct error *e)
{
        CLEAN_STORE_ADDRESS struct store_address a = { 0 };
        int r;
        if (text_starts(where, "etcd://"))
                r = read_cluster(where, where + 7, plain, &a, e);
        else if (text_starts(where, "etcds://"))
                a.tls = true, r = read_cluster(where, where + 8, plain, &a, e);
        else
                r = read_path(where, text_starts(where, "sqlite://") ? where + 9 : where, &a, e);
        if (r < 0)
                return r;
        *ret = a;
        a = (struct store_address){ 0 };
        return 0;
}
