/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/template_token.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* ---- errors ---- */

static int fail(const struct template_place *at, struct error *e, int errnum, const char *format, va_list args)
{
        char words[ERROR_CAUSE_MAX];
        (void)vsnprintf(words, sizeof words, format, args);
        return error_set(e, errnum, "template.value", "%.200s:%zu: %s", at->name, at->line, words);
}

int template_value_fail(const struct template_place *at, struct error *e, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        int r = fail(at, e, EINVAL, format, args);
        va_end(args);
        return r;
}

int template_limit_fail(const struct template_place *at, struct error *e, const char *what)
{
        return error_set(e, E2BIG, "template.limit", "%.200s:%zu: %s", at->name, at->line, what);
}

int template_syntax(const struct reader *r, struct error *e, const char *what)
{
        return error_set(e, EINVAL, "template.syntax", "%.200s:%zu: %s", r->place.name, r->place.line, what);
}

int template_step(struct reader *r, struct error *e)
{
        return ++r->place.run->steps > TEMPLATE_STEPS_MAX ? template_limit_fail(&r->place, e, "it takes too many steps") : 0;
}

/* ---- tokens ---- */

bool template_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool template_letter(char c)
{
        return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

char template_peek(const struct reader *r, size_t ahead)
{
        return r->at + ahead < r->size ? r->text[r->at + ahead] : 0;
}

void template_advance(struct reader *r, size_t n)
{
        for (; n && r->at < r->size; n--)
                r->place.line += r->text[r->at++] == '\n';
}

static int read_word(struct reader *r, enum token_kind kind, struct error *e)
{
        size_t n = 0;
        while (template_letter(template_peek(r, n)))
                n++;
        if (n >= WORD_MAX)
                return template_syntax(r, e, "a name is too long");
        r->token = (struct token){ .kind = kind };
        memcpy(r->token.word, r->text + r->at, n);
        template_advance(r, n);
        return 0;
}

/* Up to the closing quote; ret_n: bytes between both. */
static int find_quote(struct reader *r, char quote, size_t *ret_n, struct error *e)
{
        size_t n = 1;
        for (; r->at + n < r->size; n++) {
                char c = template_peek(r, n);
                if (c == 0 || (c == '\n' && quote == '"'))
                        break;
                if (c == '\\' && quote == '"')
                        n++;
                else if (c == quote) {
                        *ret_n = n - 1;
                        return 0;
                }
        }
        return template_syntax(r, e, "a quote is open");
}

static int read_text(struct reader *r, char quote, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        size_t n;
        int x = find_quote(r, quote, &n, e);
        if (x < 0)
                return x;
        CLEAN_FREE char *raw = xstrndup(r->text + r->at + 1, n);
        if (quote == '`')
                text_add(&t, raw);
        else if (text_unescape(raw, &t) < 0 || (t.length && memchr(t.data, 0, t.length)))
                return template_syntax(r, e, "an escape in a text is bad");
        r->token = (struct token){ .kind = TOKEN_VALUE };
        x = value_text(&r->place, t.length ? t.data : "", t.length, &r->token.value, e);
        template_advance(r, n + 2);
        return x;
}

static int read_number(struct reader *r, struct error *e)
{
        char digits[32];
        uint64_t number;
        bool minus = template_peek(r, 0) == '-';
        size_t n = 0;
        while (template_letter(template_peek(r, minus + n)) && n < sizeof digits - 1)
                n++;
        memcpy(digits, r->text + r->at + minus, n);
        digits[n] = 0;
        if (text_parse_uint(digits, INT64_MAX, &number) < 0)
                return template_syntax(r, e, "bad number");
        r->token = (struct token){ .kind = TOKEN_VALUE, .value = { .type = VALUE_NUMBER, .number = minus ? -(int64_t)number : (int64_t)number } };
        template_advance(r, minus + n);
        return 0;
}

/* "}}", or "-}}" with a blank before it: how long it is. */
static size_t closing(const struct reader *r)
{
        if (template_peek(r, 0) == '}' && template_peek(r, 1) == '}')
                return 2;
        return template_peek(r, 0) == '-' && template_peek(r, 1) == '}' && template_peek(r, 2) == '}' && r->at && template_blank(r->text[r->at - 1]) ? 3 : 0;
}

static int read_mark(struct reader *r, struct error *e)
{
        static const struct {
                const char *mark;
                enum token_kind kind;
        } marks[] = { { "|", TOKEN_PIPE }, { "(", TOKEN_OPEN }, { ")", TOKEN_CLOSE }, { ":=", TOKEN_ASSIGN }, { ",", TOKEN_COMMA }, { ".", TOKEN_DOT } };
        for (size_t i = 0; i < ELEMENTS(marks); i++) {
                size_t n = strlen(marks[i].mark);
                if (r->size - r->at < n || memcmp(r->text + r->at, marks[i].mark, n))
                        continue;
                r->token = (struct token){ .kind = marks[i].kind };
                template_advance(r, n);
                return marks[i].kind == TOKEN_DOT && template_letter(template_peek(r, 0)) ? template_syntax(r, e, "values have no members") : 0;
        }
        return template_syntax(r, e, r->at < r->size ? "a character is out of place" : "an action is open");
}

int template_next(struct reader *r, struct error *e)
{
        int x = template_step(r, e);
        if (x < 0)
                return x;
        while (r->at < r->size && template_blank(r->text[r->at]))
                template_advance(r, 1);
        size_t end = closing(r);
        char c = template_peek(r, 0);
        if (end) {
                template_advance(r, end);
                r->token = (struct token){ .kind = TOKEN_END };
                r->trim = end == 3;
                return 0;
        }
        if (c == '"' || c == '`')
                return read_text(r, c, e);
        if ((c >= '0' && c <= '9') || (c == '-' && template_peek(r, 1) >= '0' && template_peek(r, 1) <= '9'))
                return read_number(r, e);
        if (c == '$') {
                template_advance(r, 1);
                return read_word(r, TOKEN_LOCAL, e);
        }
        return template_letter(c) ? read_word(r, TOKEN_WORD, e) : read_mark(r, e);
}
