/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aws_endpoint.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

void aws_endpoint_done(struct aws_endpoint *p)
{
        free(p->url);
        free(p->host);
        *p = (struct aws_endpoint){ 0 };
}

bool region_is_valid(const char *region)
{
        size_t n = strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-");
        return n && n <= 32 && !region[n] && *region != '-' && region[n - 1] != '-';
}

void aws_endpoint_of(const char *service, const char *region, struct aws_endpoint *ret)
{
        ret->host = xprintf("%s.%s.amazonaws.com%s", service, region, text_starts(region, "cn-") ? ".cn" : "");
        ret->url = xprintf("https://%s/", ret->host);
}

/* 127.0.0.0/8, ::1 and the name for them. */
static bool is_this_machine(const char *host)
{
        struct in_addr v4;
        if (inet_pton(AF_INET, host, &v4) == 1)
                return (ntohl(v4.s_addr) >> 24) == 127;
        return text_equal(host, "localhost") || text_equal(host, "[::1]");
}

/* The length of "name", "1.2.3.4" or "[::1]"; 0 where it is none. */
static size_t host_length(const char *s)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
        if (*s != '[')
                return strspn(s, plain);
        size_t n = strspn(s + 1, "0123456789abcdefABCDEF:.");
        return n && s[1 + n] == ']' ? n + 2 : 0;
}

/* "host", "host:port", and "/" behind it. */
static int split(const char *s, char **ret_host, uint64_t *ret_port)
{
        size_t n = host_length(s);
        CLEAN_FREE char *host = xstrndup(s, n), *port = NULL;
        if (!n || n > 253)
                return -EINVAL;
        s += n;
        *ret_port = 0;
        if (*s == ':') {
                size_t digits = strcspn(s + 1, "/");
                port = xstrndup(s + 1, digits);
                if (text_parse_uint(port, 65535, ret_port) < 0 || !*ret_port)
                        return -EINVAL;
                s += 1 + digits;
        }
        if (*s && !text_equal(s, "/"))
                return -EINVAL;
        *ret_host = TAKE_PTR(host);
        return 0;
}

int aws_endpoint_parse(const char *url, bool plain, struct aws_endpoint *ret, struct error *e)
{
        bool tls = text_starts(url, "https://");
        CLEAN_FREE char *host = NULL;
        uint64_t port = 0;
        if ((!tls && !text_starts(url, "http://")) || split(strchr(url, ':') + 3, &host, &port) < 0)
                return error_set(e, EINVAL, "aws.endpoint", "\"%.200s\" is not an endpoint, such as https://host:port", url);
        if (!tls && !plain && !is_this_machine(host)) {
                (void)error_set(e, EPERM, "aws.endpoint", "%s is another machine, and http:// hides nothing on the way there", host);
                error_hint(e, "use https://, or say --plain-http where the network itself is trusted");
                return -EPERM;
        }
        bool usual = !port || port == (tls ? 443 : 80);
        ret->host = usual ? xstrdup(host) : xprintf("%s:%u", host, (unsigned)port);
        ret->url = xprintf("%s://%s/", tls ? "https" : "http", ret->host);
        return 0;
}
