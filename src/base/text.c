/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

static _Noreturn void text_oom(void)
{
        static const char said[] = "bulkhead: out of memory\n";
        ssize_t n = write(STDERR_FILENO, said, sizeof said - 1);
        (void)n;
        _exit(1);
}

void *xalloc(size_t count, size_t size)
{
        void *p = calloc(count ? count : 1, size);
        if (!p)
                text_oom();
        return p;
}

void *xgrow(void *p, size_t *room, size_t need, size_t size)
{
        if (need <= *room)
                return p;
        size_t next = *room ? *room * 2 : 8, bytes;
        if (next < need)
                next = need;
        if (__builtin_mul_overflow(next, size, &bytes) || !(p = realloc(p, bytes)))
                text_oom();
        *room = next;
        return p;
}

char *xstrndup(const char *s, size_t n)
{
        char *copy = strndup(s, n);
        if (!copy)
                text_oom();
        return copy;
}

char *xstrdup(const char *s)
{
        return xstrndup(s, strlen(s));
}

char *xprintf(const char *format, ...)
{
        char *s = NULL;
        va_list ap;
        va_start(ap, format);
        int n = vasprintf(&s, format, ap);
        va_end(ap);
        if (n < 0)
                text_oom();
        return s;
}

void strings_take(struct strings *l, char *s)
{
        l->items = xgrow(l->items, &l->room, l->count + 2, sizeof *l->items);
        l->items[l->count++] = s;
        l->items[l->count] = NULL;
}

void strings_add(struct strings *l, const char *s)
{
        strings_take(l, xstrdup(s));
}

void strings_clear(struct strings *l)
{
        for (size_t i = 0; i < l->count; i++)
                free(l->items[i]);
        free(l->items);
        *l = (struct strings){ 0 };
}

bool strings_has(const struct strings *l, const char *s)
{
        for (size_t i = 0; i < l->count; i++)
                if (text_equal(l->items[i], s))
                        return true;
        return false;
}

void text_add_bytes(struct text *t, const char *s, size_t n)
{
        size_t need;
        if (__builtin_add_overflow(t->length, n + 1, &need))
                text_oom();
        t->data = xgrow(t->data, &t->room, need, 1);
        memcpy(t->data + t->length, s, n);
        t->length += n;
        t->data[t->length] = 0;
}

void text_add(struct text *t, const char *s)
{
        text_add_bytes(t, s, strlen(s));
}

void text_addf(struct text *t, const char *format, ...)
{
        CLEAN_FREE char *s = NULL;
        va_list ap;
        va_start(ap, format);
        int n = vasprintf(&s, format, ap);
        va_end(ap);
        if (n < 0)
                text_oom();
        text_add_bytes(t, s, (size_t)n);
}

size_t text_utf8_length(const char *text)
{
        const unsigned char *s = (const unsigned char *)text;
        static const struct {
                unsigned char mask, lead, least, most, length;
        } forms[] = {
                { 0x80, 0x00, 0x00, 0xff, 1 }, { 0xe0, 0xc0, 0xc2, 0xdf, 2 },
                { 0xf0, 0xe0, 0xe0, 0xef, 3 }, { 0xf8, 0xf0, 0xf0, 0xf4, 4 },
        };
        for (size_t i = 0; i < ELEMENTS(forms); i++) {
                if ((s[0] & forms[i].mask) != forms[i].lead)
                        continue;
                if (s[0] < forms[i].least || s[0] > forms[i].most)
                        return 0;
                for (size_t k = 1; k < forms[i].length; k++)
                        if ((s[k] & 0xc0) != 0x80)
                                return 0;
                if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
                    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
                        return 0;
                return forms[i].length;
        }
        return 0;
}

/* Bytes from s on that JSON takes as they are. */
static size_t plain_length(const char *s)
{
        size_t n = 0;
        while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
                n++;
        return n;
}

void text_add_json(struct text *t, const char *s)
{
        text_add(t, "\"");
        for (;;) {
                size_t plain = plain_length(s);
                text_add_bytes(t, s, plain);
                s += plain;
                if (!*s)
                        break;
                size_t n = text_utf8_length(s);
                if (*s == '"' || *s == '\\')
                        text_addf(t, "\\%c", *s);
                else if ((unsigned char)*s < 0x20 || *s == 0x7f)
                        text_addf(t, "\\u%04x", (unsigned)(unsigned char)*s);
                else if (n == 0)
                        text_add(t, "\\ufffd");
                else
                        text_add_bytes(t, s, n);
                s += n ? n : 1;
        }
        text_add(t, "\"");
}

void text_clear(struct text *t)
{
        free(t->data);
        *t = (struct text){ 0 };
}

void text_print_safe(FILE *f, const char *s)
{
        for (; *s; s++)
                if ((unsigned char)*s < 0x20 || *s == 0x7f)
                        fprintf(f, "\\x%02x", (unsigned)(unsigned char)*s);
                else
                        fputc(*s, f);
}

int text_parse_bool(const char *s, bool *ret)
{
        static const char *const words[2][6] = { { "0", "no", "n", "false", "f", "off" },
                                                 { "1", "yes", "y", "true", "t", "on" } };
        for (int value = 0; value < 2; value++)
                for (size_t i = 0; i < ELEMENTS(words[value]); i++)
                        if (!strcasecmp(s, words[value][i])) {
                                *ret = value;
                                return 0;
                        }
        return -EINVAL;
}

int text_parse_uint(const char *s, uint64_t max, uint64_t *ret)
{
        uint64_t value = 0;
        if (!*s)
                return -EINVAL;
        for (; *s; s++) {
                if (*s < '0' || *s > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
                        return -ERANGE;
        }
        if (value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}

struct unit_factor {
        const char *name;
        uint64_t factor;
};

/* Digits with an optional fraction at *s; scale is applied by the caller. */
static int parse_decimal(const char **s, uint64_t *ret_whole, double *ret_fraction)
{
        uint64_t whole = 0;
        double fraction = 0, place = 0.1;
        if (!isdigit((unsigned char)**s))
                return -EINVAL;
        for (; isdigit((unsigned char)**s); (*s)++)
                if (__builtin_mul_overflow(whole, 10, &whole) ||
                    __builtin_add_overflow(whole, (uint64_t)(**s - '0'), &whole))
                        return -ERANGE;
        if (**s == '.') {
                (*s)++;
                if (!isdigit((unsigned char)**s))
                        return -EINVAL;
                for (; isdigit((unsigned char)**s); (*s)++, place /= 10)
                        fraction += (**s - '0') * place;
        }
        *ret_whole = whole;
        *ret_fraction = fraction;
        return 0;
}

/* A sum of "NUMBER UNIT" terms; a bare number counts in plain units. */
static int parse_sum(const char *s, const struct unit_factor *units, size_t count, uint64_t plain, bool many,
                     uint64_t *ret)
{
        uint64_t sum = 0;
        bool any = false;
        for (;;) {
                uint64_t whole, factor = plain;
                double fraction;
                s += strspn(s, " \t");
                if (!*s)
                        break;
                if (any && !many)
                        return -EINVAL;
                int r = parse_decimal(&s, &whole, &fraction);
                if (r < 0)
                        return r;
                s += strspn(s, " \t");
                size_t letters = 0;
                while (isalpha((unsigned char)s[letters]))
                        letters++;
                if (letters) {
                        size_t i = 0;
                        while (i < count && (strlen(units[i].name) != letters || strncmp(units[i].name, s, letters) != 0))
                                i++;
                        if (i == count)
                                return -EINVAL;
                        factor = units[i].factor;
                        s += letters;
                }
                uint64_t part;
                if (__builtin_mul_overflow(whole, factor, &part) ||
                    __builtin_add_overflow(part, (uint64_t)(fraction * (double)factor), &part) ||
                    __builtin_add_overflow(sum, part, &sum))
                        return -ERANGE;
                any = true;
        }
        if (!any)
                return -EINVAL;
        *ret = sum;
        return 0;
}

int text_parse_size_bytes(const char *s, uint64_t *ret)
{
        static const struct unit_factor units[] = {
                { "B", 1 },           { "K", 1ULL << 10 }, { "M", 1ULL << 20 }, { "G", 1ULL << 30 },
                { "T", 1ULL << 40 },  { "P", 1ULL << 50 }, { "E", 1ULL << 60 },
        };
        if (text_equal(s, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        return parse_sum(s, units, ELEMENTS(units), 1, false, ret);
}

int text_parse_span_usec(const char *s, uint64_t *ret)
{
        static const uint64_t second = 1000000;
        const struct unit_factor units[] = {
                { "us", 1 },           { "usec", 1 },          { "ms", 1000 },         { "msec", 1000 },
                { "s", second },       { "sec", second },      { "second", second },   { "seconds", second },
                { "m", 60 * second },  { "min", 60 * second }, { "minute", 60 * second },
                { "minutes", 60 * second }, { "h", 3600 * second }, { "hr", 3600 * second },
                { "hour", 3600 * second },  { "hours", 3600 * second }, { "d", 86400 * second },
                { "day", 86400 * second },  { "days", 86400 * second }, { "w", 604800 * second },
                { "week", 604800 * second }, { "weeks", 604800 * second },
        };
        if (text_equal(s, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        return parse_sum(s, units, ELEMENTS(units), second, true, ret);
}

static int digit_of(char c, int base)
{
        int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
        return v < base ? v : -1;
}

static void add_utf8(struct text *t, unsigned c)
{
        static const unsigned firsts[] = { 0, 0x80, 0x800, 0x10000 };
        char bytes[4];
        size_t n = 1;
        while (n < ELEMENTS(firsts) && c >= firsts[n])
                n++;
        for (size_t i = n - 1; i > 0; i--, c >>= 6)
                bytes[i] = (char)(0x80 | (c & 0x3f));
        bytes[0] = (char)(n == 1 ? c : (0xf00U >> n & 0xff) | c);
        text_add_bytes(t, bytes, n);
}

static const struct number_escape {
        char letter; /* 0: none, and the last row */
        int base, digits;
        unsigned max;
} numbers[] = { { 'x', 16, 2, 255 }, { 'u', 16, 4, 0xffff }, { 'U', 16, 8, 0x10ffff }, { 0, 8, 3, 255 } };

static int decode_number(const char **s, const struct number_escape *form, struct text *word)
{
        unsigned value = 0;
        *s += form->letter != 0;
        for (int i = 0; i < form->digits; i++, (*s)++) {
                int d = digit_of(**s, form->base);
                if (d < 0)
                        return -EINVAL;
                value = value * (unsigned)form->base + (unsigned)d;
        }
        if (value == 0 || value > form->max || (form->max > 255 && value >= 0xd800 && value < 0xe000))
                return -EINVAL;
        if (form->max > 255)
                add_utf8(word, value);
        else
                text_add_bytes(word, &(char){ (char)value }, 1);
        return 0;
}

/* One escape after the backslash at *s. */
static int decode_escape(const char **s, struct text *word)
{
        static const char from[] = "abfnrtvs\\\"'", to[] = "\a\b\f\n\r\t\v \\\"'";
        const char *found = **s ? strchr(from, **s) : NULL;
        if (found) {
                text_add_bytes(word, &to[found - from], 1);
                (*s)++;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTS(numbers); i++)
                if (!numbers[i].letter || numbers[i].letter == **s)
                        return decode_number(s, &numbers[i], word);
        return -EINVAL;
}

/* As it is written: a backslash and the character behind it, or a backslash alone. */
static void keep_escape(const char **s, struct text *word)
{
        text_add(word, "\\");
        text_add_bytes(word, *s, **s != 0);
        *s += **s != 0;
}

/* ret_kept: how many escapes are unknown and stay; NULL: they are an error. */
static int next_word(const char **s, char **ret_word, size_t *ret_kept)
{
        static const char blank[] = " \t\n\r";
        CLEAN_TEXT struct text word = { 0 };
        char quote = 0;

        *s += strspn(*s, blank);
        if (!**s)
                return 0;
        text_add(&word, "");
        while (**s && (quote || !strchr(blank, **s))) {
                char c = *(*s)++;
                if (c == '\\') {
                        const char *escape = *s;
                        int r = decode_escape(s, &word);
                        if (r < 0 && !ret_kept)
                                return r;
                        if (r < 0) {
                                *s = escape;
                                keep_escape(s, &word);
                                ++*ret_kept;
                        }
                } else if (quote ? c == quote : c == '"' || c == '\'')
                        quote = quote ? 0 : c;
                else
                        text_add_bytes(&word, &c, 1);
        }
        if (quote)
                return -EINVAL;
        *ret_word = TAKE_PTR(word.data);
        return 1;
}

int text_next_word(const char **s, char **ret_word)
{
        return next_word(s, ret_word, NULL);
}

int text_next_word_relaxed(const char **s, char **ret_word, size_t *ret_kept)
{
        *ret_kept = 0;
        return next_word(s, ret_word, ret_kept);
}

int text_split_words(const char *s, struct strings *l)
{
        char *word;
        int r;
        while ((r = text_next_word(&s, &word)) > 0)
                strings_take(l, word);
        return r;
}

bool text_starts(const char *s, const char *prefix)
{
        return !strncmp(s, prefix, strlen(prefix));
}

bool text_ends(const char *s, const char *suffix)
{
        size_t n = strlen(s), k = strlen(suffix);
        return n >= k && text_equal(s + n - k, suffix);
}
