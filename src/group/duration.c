/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as Go writes them: of parts with a unit each, as in "1h2m3.5s". */
#include <errno.h>
#include <string.h>

#include "group/spec.h"

static const struct {
        const char *word;
        uint64_t nsec;
} units[] = {
        { "ns", 1 },
        { "us", 1000 },
        { "\xc2\xb5s", 1000 }, /* the micro sign, and the Greek letter that looks like it */
        { "\xce\xbcs", 1000 },
        { "ms", 1000000 },
        { "s", 1000000000 },
        { "m", UINT64_C(60) * 1000000000 },
        { "h", UINT64_C(3600) * 1000000000 },
};

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* The unit at s: longest words come first where one begins another ("ms" before "m"). 0: none. */
static uint64_t take_unit(const char **s)
{
        size_t length = 0;
        while ((*s)[length] && !is_digit((*s)[length]) && (*s)[length] != '.')
                length++;
        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (strlen(units[i].word) == length && !memcmp(units[i].word, *s, length)) {
                        *s += length;
                        return units[i].nsec;
                }
        return 0;
}

/* Digits behind a point, as a fraction of scale. What is below a nanosecond is dropped, as Go does. */
static bool take_fraction(const char **s, uint64_t *ret, uint64_t *ret_scale)
{
        uint64_t value = 0, scale = 1;
        bool any = false;
        for (; is_digit(**s); (*s)++, any = true)
                if (scale < UINT64_C(1000000000000)) {
                        value = value * 10 + (uint64_t)(**s - '0');
                        scale *= 10;
                }
        *ret = value;
        *ret_scale = scale;
        return any;
}

/* One part: a number and its unit, added to *nsec. */
static int take_part(const char **s, uint64_t *nsec)
{
        uint64_t whole = 0, fraction = 0, scale = 1;
        bool any = false, too_large = false;
        for (; is_digit(**s); (*s)++, any = true)
                too_large |= __builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, (uint64_t)(**s - '0'), &whole);
        if (**s == '.') {
                (*s)++;
                any |= take_fraction(s, &fraction, &scale);
        }
        uint64_t unit = any ? take_unit(s) : 0, product;
        if (!unit)
                return -EINVAL;
        if (too_large || __builtin_mul_overflow(whole, unit, &product))
                return -ERANGE;
        product += (uint64_t)((unsigned __int128)fraction * unit / scale);
        return __builtin_add_overflow(*nsec, product, nsec) || *nsec > INT64_MAX ? -ERANGE : 0;
}

int duration_parse(const char *s, uint64_t *ret_usec)
{
        uint64_t nsec = 0;
        s += *s == '+';
        if (text_equal(s, "0")) {
                *ret_usec = 0;
                return 0;
        }
        if (!*s)
                return -EINVAL;
        while (*s) {
                int r = take_part(&s, &nsec);
                if (r < 0)
                        return r;
        }
        *ret_usec = nsec / 1000;
        return 0;
}

/* "1.5": value in units of scale, without zeros at the end. */
static size_t put_decimal(char *to, size_t room, uint64_t value, uint64_t scale)
{
        int n = snprintf(to, room, "%llu", (unsigned long long)(value / scale));
        size_t length = (size_t)n;
        uint64_t rest = value % scale;
        if (!rest)
                return length;
        to[length++] = '.';
        for (; rest; rest = rest * 10 % scale)
                to[length++] = (char)('0' + rest * 10 / scale);
        to[length] = 0;
        return length;
}

void duration_format(uint64_t usec, char ret[32])
{
        enum { SECOND = 1000000 };
        uint64_t minutes = usec / SECOND / 60;
        size_t at = 0;
        if (usec && usec < SECOND) {
                bool is_milli = usec >= 1000;
                at = put_decimal(ret, 32, usec, is_milli ? 1000 : 1);
                strcpy(ret + at, is_milli ? "ms" : "\xc2\xb5s");
                return;
        }
        if (minutes >= 60)
                at += (size_t)snprintf(ret, 32, "%lluh", (unsigned long long)(minutes / 60));
        if (minutes)
                at += (size_t)snprintf(ret + at, 32 - at, "%llum", (unsigned long long)(minutes % 60));
        at += put_decimal(ret + at, 32 - at, usec % (60 * (uint64_t)SECOND), SECOND);
        strcpy(ret + at, "s");
}
