/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_of(char c)
{
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

void base64_add(struct text *t, const void *data, size_t n)
{
        const unsigned char *s = data;
        for (; n > 2; n -= 3, s += 3) {
                const char four[] = { digits[s[0] >> 2], digits[(s[0] & 3) << 4 | s[1] >> 4], digits[(s[1] & 15) << 2 | s[2] >> 6], digits[s[2] & 63] };
                text_add_bytes(t, four, 4);
        }
        if (n) {
                unsigned char last = n > 1 ? s[1] : 0;
                const char four[] = { digits[s[0] >> 2], digits[(s[0] & 3) << 4 | last >> 4], n > 1 ? digits[(last & 15) << 2] : '=', '=' };
                text_add_bytes(t, four, 4);
        }
}
