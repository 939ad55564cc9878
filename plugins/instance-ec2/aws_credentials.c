/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aws_credentials.h"

#include <string.h>
#include <time.h>

void aws_credentials_done(struct aws_credentials *c)
{
        secret_free(c->access_key);
        secret_free(c->secret_key);
        secret_free(c->session_token);
        *c = (struct aws_credentials){ 0 };
}

void aws_credentials_copy(struct aws_credentials *ret, const struct aws_credentials *from)
{
        *ret = (struct aws_credentials){
                .access_key = xstrdup(from->access_key),
                .secret_key = xstrdup(from->secret_key),
                .session_token = from->session_token ? xstrdup(from->session_token) : NULL,
                .expires_usec = from->expires_usec,
                .source = from->source,
        };
}

/* strptime would take blanks and signs where none belong. */
static bool has_shape(const char *s, const char *shape)
{
        for (; *shape; s++, shape++)
                if (*shape == '0' ? *s < '0' || *s > '9' : *s != *shape)
                        return false;
        return true;
}

int aws_time_parse(const char *s, uint64_t *ret_usec)
{
        static const char shape[] = "0000-00-00T00:00:00";
        struct tm tm = { 0 };
        if (!has_shape(s, shape) || strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) != s + strlen(shape))
                return -EINVAL;
        s += strlen(shape);
        if (*s == '.')
                s += 1 + strspn(s + 1, "0123456789");
        time_t at = timegm(&tm);
        if (strcmp(s, "Z") != 0 || at <= 0)
                return -EINVAL;
        *ret_usec = (uint64_t)at * 1000000;
        return 0;
}
