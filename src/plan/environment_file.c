/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/environment_file.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Where in a file the next byte stands. */
enum state { BEFORE_NAME, NAME, BEFORE_VALUE, VALUE, VALUE_ESCAPE, SINGLE_QUOTES, DOUBLE_QUOTES, DOUBLE_QUOTES_ESCAPE, COMMENT, COMMENT_ESCAPE };

struct reading {
        struct strings *ret, *notes;
        const char *path;
        bool lenient;
        struct error *e;
        unsigned line, began; /* of the byte, and of the variable */
        enum state state;
        struct text name, value;
        size_t name_end, value_end; /* without the blanks behind */
};

static bool is_newline(char c) { return c == '\n' || c == '\r'; }
static bool is_blank(char c) { return c == ' ' || c == '\t' || is_newline(c); }

/* 0 when it may be passed over. */
static int problem(struct reading *r, const char *what)
{
        if (r->lenient) {
                strings_take(r->notes, xprintf("%s:%u: %s; ignored", r->path, r->began, what));
                return 0;
        }
        error_set(r->e, EINVAL, "environment.syntax", "%s", what);
        error_hint(r->e, "lines are NAME=VALUE, with quotes closed; # and ; begin comments");
        error_while(r->e, "reading %s:%u", r->path, r->began);
        return -EINVAL;
}

bool environment_name_valid(const char *name, size_t length)
{
        if (!length || isdigit((unsigned char)*name))
                return false;
        for (size_t i = 0; i < length; i++)
                if (!isalnum((unsigned char)name[i]) && name[i] != '_')
                        return false;
        return true;
}

static bool is_text(const char *s)
{
        while (*s) {
                size_t n = text_utf8_length(s);
                if (!n || (iscntrl((unsigned char)*s) && *s != '\t' && *s != '\n'))
                        return false;
                s += n;
        }
        return true;
}

static void begin(struct reading *r)
{
        text_clear(&r->name);
        text_clear(&r->value);
        text_add(&r->name, "");
        text_add(&r->value, "");
        r->name_end = r->value_end = 0;
}

static int end_variable(struct reading *r)
{
        int k = 0;
        r->name.data[r->name_end] = 0;
        r->value.data[r->value_end] = 0;
        if (!environment_name_valid(r->name.data, r->name_end))
                k = problem(r, "no valid variable name stands before =");
        else if (!is_text(r->value.data))
                k = problem(r, "the value has control characters or is not UTF-8");
        else if (r->ret->count >= ENVIRONMENT_FILE_VARIABLES_MAX) {
                error_set(r->e, E2BIG, "environment.limit", "more than %d variables", ENVIRONMENT_FILE_VARIABLES_MAX);
                error_while(r->e, "reading %s:%u", r->path, r->began);
                k = -E2BIG;
        } else
                strings_take(r->ret, xprintf("%s=%s", r->name.data, r->value.data));
        begin(r);
        return k;
}

static void add_to_name(struct reading *r, char c)
{
        text_add_bytes(&r->name, &c, 1);
        if (!is_blank(c))
                r->name_end = r->name.length;
}

/* Blanks count when something follows, or when they are quoted or escaped. */
static void add_to_value(struct reading *r, char c, bool plain)
{
        text_add_bytes(&r->value, &c, 1);
        if (!plain || !is_blank(c))
                r->value_end = r->value.length;
}

static void read_before_name(struct reading *r, char c)
{
        if (c == '#' || c == ';')
                r->state = COMMENT;
        else if (!is_blank(c)) {
                r->state = NAME;
                r->began = r->line;
                if (c == '=')
                        r->state = BEFORE_VALUE;
                else
                        add_to_name(r, c);
        }
}

static int read_name(struct reading *r, char c)
{
        if (is_newline(c)) {
                int k = problem(r, "a line without =");
                begin(r);
                r->state = BEFORE_NAME;
                return k;
        }
        if (c == '=')
                r->state = BEFORE_VALUE;
        else
                add_to_name(r, c);
        return 0;
}

static int read_value(struct reading *r, char c)
{
        if (is_newline(c)) {
                r->state = BEFORE_NAME;
                return end_variable(r);
        }
        /* Quotes mean something at the beginning, or right behind other quotes, alone. */
        if (r->state == BEFORE_VALUE && (c == '\'' || c == '"'))
                r->state = c == '"' ? DOUBLE_QUOTES : SINGLE_QUOTES;
        else if (c == '\\')
                r->state = VALUE_ESCAPE;
        else if (r->state == VALUE || !is_blank(c)) {
                r->state = VALUE;
                add_to_value(r, c, true);
        }
        return 0;
}

static void read_quoted(struct reading *r, char c)
{
        if (c == (r->state == SINGLE_QUOTES ? '\'' : '"'))
                r->state = BEFORE_VALUE;
        else if (c == '\\' && r->state == DOUBLE_QUOTES)
                r->state = DOUBLE_QUOTES_ESCAPE;
        else
                add_to_value(r, c, false);
}

/* As a shell: a backslash stays one before all but these; before a newline both go. */
static void read_double_escape(struct reading *r, char c)
{
        r->state = DOUBLE_QUOTES;
        if (c == '\n')
                return;
        if (!strchr("\"\\`$", c))
                add_to_value(r, '\\', false);
        add_to_value(r, c, false);
}

static int read_byte(struct reading *r, char c)
{
        int k = 0;
        switch (r->state) {
        case BEFORE_NAME: read_before_name(r, c); break;
        case NAME: k = read_name(r, c); break;
        case BEFORE_VALUE:
        case VALUE: k = read_value(r, c); break;
        case VALUE_ESCAPE:
                r->state = VALUE;
                if (!is_newline(c))
                        add_to_value(r, c, false);
                break;
        case SINGLE_QUOTES:
        case DOUBLE_QUOTES: read_quoted(r, c); break;
        case DOUBLE_QUOTES_ESCAPE: read_double_escape(r, c); break;
        case COMMENT:
        case COMMENT_ESCAPE:
                /* A backslash does not continue a comment. */
                r->state = is_newline(c) ? BEFORE_NAME : c == '\\' && r->state == COMMENT ? COMMENT_ESCAPE : COMMENT;
        }
        r->line += c == '\n';
        return k;
}

/* The file may end without a newline. */
static int read_end(struct reading *r)
{
        if (r->state == NAME)
                return problem(r, "a line without =");
        if (r->state == SINGLE_QUOTES || r->state == DOUBLE_QUOTES || r->state == DOUBLE_QUOTES_ESCAPE) {
                int k = problem(r, "a quote that stays open");
                return k < 0 ? k : end_variable(r);
        }
        return r->state == BEFORE_VALUE || r->state == VALUE || r->state == VALUE_ESCAPE ? end_variable(r) : 0;
}

int environment_file_parse(struct strings *ret, const char *path, const char *data, size_t size, bool lenient, struct strings *notes, struct error *e)
{
        struct reading r = { .ret = ret, .notes = notes, .path = path, .lenient = lenient, .e = e, .line = 1, .began = 1 };
        int k = 0;
        if (size > ENVIRONMENT_FILE_MAX) {
                error_set(e, E2BIG, "environment.limit", "%s is longer than %d bytes", path, ENVIRONMENT_FILE_MAX);
                return -E2BIG;
        }
        begin(&r);
        for (size_t i = 0; k == 0 && i < size; i++) {
                if (!data[i]) {
                        error_set(e, EINVAL, "environment.syntax", "a NUL byte");
                        error_while(e, "reading %s:%u", path, r.line);
                        k = -EINVAL;
                } else
                        k = read_byte(&r, data[i]);
        }
        if (k == 0)
                k = read_end(&r);
        text_clear(&r.name);
        text_clear(&r.value);
        return k;
}
