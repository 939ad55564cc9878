/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/base64.h"

#include <string.h>

static int digit_of(char c)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *p = c ? strchr(digits, c) : NULL;
        return p ? (int)(p - digits) : -1;
}

int base64_decode(const char *s, size_t n, struct text *t)
{
        unsigned bits = 0, count = 0, padding = 0;
        text_add(t, "");
        for (const char *end = s + n; s < end; s++) {
                int d = digit_of(*s);
                if (*s && strchr(" \t\n\r", *s))
                        continue;
                if (*s == '=')
                        padding++, d = 0;
                else if (d < 0 || padding)
                        return -EINVAL;
                bits = (bits << 6 | (unsigned)d) & 0xffffff;
                if (++count % 4)
                        continue;
                if (padding > 2)
                        return -EINVAL;
                const char bytes[] = { (char)(bits >> 16), (char)(bits >> 8), (char)bits };
                text_add_bytes(t, bytes, 3 - padding);
        }
        return count % 4 || padding > 2 ? -EINVAL : 0;
}
