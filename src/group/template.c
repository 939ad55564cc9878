/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interpreter walks the source as it stands: a block that is not wanted is read and not carried out, so that its errors of syntax
 * are told all the same; the body of a range is read once for each item.
 */
#include "group/template.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "group/template_value.h"

enum { WORD_MAX = 64, ARGS_MAX = 256, LOCALS_MAX = 256 };

enum token_kind { TOKEN_END, TOKEN_PIPE, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_ASSIGN, TOKEN_COMMA, TOKEN_DOT, TOKEN_LOCAL, TOKEN_WORD, TOKEN_VALUE };

struct token {
        enum token_kind kind;
        char word[WORD_MAX]; /* of a word, or of a local without its $ */
        struct value value;
};

struct local {
        char name[WORD_MAX];
        struct value value;
};

/* Reads one source. */
struct reader {
        struct template_place place;
        const char *text;
        size_t size, at;
        bool trim; /* the blanks that follow are not wanted */
        struct token token; /* the one that is next, within an action */
        struct text *out;
        struct local *locals;
        size_t local_count, local_room;
        struct value dot;
        size_t depth;
};

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

static int syntax(const struct reader *r, struct error *e, const char *what)
{
        return error_set(e, EINVAL, "template.syntax", "%.200s:%zu: %s", r->place.name, r->place.line, what);
}

static int step(struct reader *r, struct error *e)
{
        return ++r->place.run->steps > TEMPLATE_STEPS_MAX ? template_limit_fail(&r->place, e, "it takes too many steps") : 0;
}

static int deeper(struct reader *r, size_t *depth, struct error *e)
{
        return ++*depth > TEMPLATE_DEPTH_MAX ? template_limit_fail(&r->place, e, "its blocks, parentheses or includes are too deep") : 0;
}

/* ---- tokens ---- */

static bool blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool letter(char c)
{
        return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static char peek(const struct reader *r, size_t ahead)
{
        return r->at + ahead < r->size ? r->text[r->at + ahead] : 0;
}

static void advance(struct reader *r, size_t n)
{
        for (; n && r->at < r->size; n--)
                r->place.line += r->text[r->at++] == '\n';
}

static int read_word(struct reader *r, enum token_kind kind, struct error *e)
{
        size_t n = 0;
        while (letter(peek(r, n)))
                n++;
        if (n >= WORD_MAX)
                return syntax(r, e, "a name is too long");
        r->token = (struct token){ .kind = kind };
        memcpy(r->token.word, r->text + r->at, n);
        advance(r, n);
        return 0;
}

/* Up to the closing quote; ret_n: bytes between both. */
static int find_quote(struct reader *r, char quote, size_t *ret_n, struct error *e)
{
        size_t n = 1;
        for (; r->at + n < r->size; n++) {
                char c = peek(r, n);
                if (c == 0 || (c == '\n' && quote == '"'))
                        break;
                if (c == '\\' && quote == '"')
                        n++;
                else if (c == quote) {
                        *ret_n = n - 1;
                        return 0;
                }
        }
        return syntax(r, e, "a quote is open");
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
                return syntax(r, e, "an escape in a text is bad");
        r->token = (struct token){ .kind = TOKEN_VALUE };
        x = value_text(&r->place, t.length ? t.data : "", t.length, &r->token.value, e);
        advance(r, n + 2);
        return x;
}

static int read_number(struct reader *r, struct error *e)
{
        char digits[32];
        uint64_t number;
        bool minus = peek(r, 0) == '-';
        size_t n = 0;
        while (letter(peek(r, minus + n)) && n < sizeof digits - 1)
                n++;
        memcpy(digits, r->text + r->at + minus, n);
        digits[n] = 0;
        if (text_parse_uint(digits, INT64_MAX, &number) < 0)
                return syntax(r, e, "bad number");
        r->token = (struct token){ .kind = TOKEN_VALUE, .value = { .type = VALUE_NUMBER, .number = minus ? -(int64_t)number : (int64_t)number } };
        advance(r, minus + n);
        return 0;
}

/* "}}", or "-}}" with a blank before it: how long it is. */
static size_t closing(const struct reader *r)
{
        if (peek(r, 0) == '}' && peek(r, 1) == '}')
                return 2;
        return peek(r, 0) == '-' && peek(r, 1) == '}' && peek(r, 2) == '}' && r->at && blank(r->text[r->at - 1]) ? 3 : 0;
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
                advance(r, n);
                return marks[i].kind == TOKEN_DOT && letter(peek(r, 0)) ? syntax(r, e, "values have no members") : 0;
        }
        return syntax(r, e, r->at < r->size ? "a character is out of place" : "an action is open");
}

/* The next token of the action into r->token. */
static int next(struct reader *r, struct error *e)
{
        int x = step(r, e);
        if (x < 0)
                return x;
        while (r->at < r->size && blank(r->text[r->at]))
                advance(r, 1);
        size_t end = closing(r);
        char c = peek(r, 0);
        if (end) {
                advance(r, end);
                r->token = (struct token){ .kind = TOKEN_END };
                r->trim = end == 3;
                return 0;
        }
        if (c == '"' || c == '`')
                return read_text(r, c, e);
        if ((c >= '0' && c <= '9') || (c == '-' && peek(r, 1) >= '0' && peek(r, 1) <= '9'))
                return read_number(r, e);
        if (c == '$') {
                advance(r, 1);
                return read_word(r, TOKEN_LOCAL, e);
        }
        return letter(c) ? read_word(r, TOKEN_WORD, e) : read_mark(r, e);
}

/* ---- values ---- */

static int pipeline(struct reader *r, bool active, struct value *ret, struct error *e);

static int local_get(struct reader *r, const char *name, struct value *ret, struct error *e)
{
        for (size_t i = r->local_count; i-- > 0;)
                if (text_equal(r->locals[i].name, name)) {
                        *ret = r->locals[i].value;
                        return 0;
                }
        return syntax(r, e, "a name with $ stands for nothing here");
}

static int local_add(struct reader *r, const char *name, const struct value *v, struct error *e)
{
        if (r->local_count == LOCALS_MAX)
                return template_limit_fail(&r->place, e, "there are too many names with $");
        r->locals = xgrow(r->locals, &r->local_room, r->local_count + 1, sizeof *r->locals);
        struct local *l = &r->locals[r->local_count++];
        (void)snprintf(l->name, sizeof l->name, "%s", name);
        l->value = *v;
        return 0;
}

static bool constant(const char *word, struct value *ret)
{
        if (text_equal(word, "true") || text_equal(word, "false"))
                *ret = (struct value){ .type = VALUE_BOOL, .truth = *word == 't' };
        else if (text_equal(word, "nil"))
                *ret = (struct value){ 0 };
        else
                return false;
        return true;
}

static int call(struct reader *r, const char *name, const struct value *args, size_t count, bool active, struct value *ret, struct error *e)
{
        *ret = (struct value){ 0 };
        if (!template_function_known(name)) {
                error_set(e, EINVAL, "template.syntax", "%.200s:%zu: there is no function \"%.60s\"", r->place.name, r->place.line, name);
                error_hint(e, "a text stands in quotes; bulkhead-group(1) lists the functions");
                return -EINVAL;
        }
        return active ? template_call(&r->place, name, args, count, ret, e) : 0;
}

static int parenthesis(struct reader *r, bool active, struct value *ret, struct error *e)
{
        int x = deeper(r, &r->depth, e);
        if (x == 0)
                x = next(r, e);
        if (x == 0)
                x = pipeline(r, active, ret, e);
        if (x == 0 && r->token.kind != TOKEN_CLOSE)
                x = syntax(r, e, "a parenthesis is open");
        r->depth--;
        return x;
}

/* One value: r->token is its first token, and then the one after it. */
static int operand(struct reader *r, bool active, struct value *ret, struct error *e)
{
        char word[WORD_MAX];
        int x = 0;
        switch (r->token.kind) {
        case TOKEN_VALUE: *ret = r->token.value; break;
        case TOKEN_DOT: *ret = r->dot; break;
        case TOKEN_LOCAL: x = local_get(r, r->token.word, ret, e); break;
        case TOKEN_OPEN: x = parenthesis(r, active, ret, e); break;
        case TOKEN_WORD:
                if (constant(r->token.word, ret))
                        break;
                memcpy(word, r->token.word, sizeof word); /* as an argument a function has none itself */
                x = call(r, word, NULL, 0, active, ret, e);
                break;
        default: return syntax(r, e, "a value is missing");
        }
        return x < 0 ? x : next(r, e);
}

static bool ends_command(enum token_kind kind)
{
        return kind == TOKEN_END || kind == TOKEN_PIPE || kind == TOKEN_CLOSE;
}

static int arguments(struct reader *r, bool active, struct value *args, size_t *count, struct error *e)
{
        int x = 0;
        while (x == 0 && !ends_command(r->token.kind)) {
                if (*count + 1 >= ARGS_MAX)
                        return template_limit_fail(&r->place, e, "a function has too many values");
                x = operand(r, active, &args[(*count)++], e);
        }
        return x;
}

/* A function with its values, or a value. piped: what stood before the bar, which becomes the last value; NULL: nothing. */
static int command(struct reader *r, bool active, const struct value *piped, struct value *ret, struct error *e)
{
        CLEAN_FREE struct value *args = NULL;
        struct token first = r->token;
        size_t count = 0;
        if (first.kind != TOKEN_WORD || constant(first.word, ret)) {
                int x = piped ? syntax(r, e, "what stands after a bar must be a function") : operand(r, active, ret, e);
                return x == 0 && !ends_command(r->token.kind) ? syntax(r, e, "a value is followed by another") : x;
        }
        int x = next(r, e);
        if (x < 0)
                return x;
        args = xalloc(ARGS_MAX, sizeof *args);
        x = arguments(r, active, args, &count, e);
        if (x < 0)
                return x;
        if (piped)
                args[count++] = *piped;
        return call(r, first.word, args, count, active, ret, e);
}

/* Ends before "}}" or ")", which is then r->token. */
static int pipeline(struct reader *r, bool active, struct value *ret, struct error *e)
{
        struct value before = { 0 };
        int x = command(r, active, NULL, ret, e);
        while (x == 0 && r->token.kind == TOKEN_PIPE) {
                before = *ret;
                x = next(r, e);
                if (x == 0)
                        x = command(r, active, &before, ret, e);
        }
        return x;
}

static int whole_pipeline(struct reader *r, bool active, struct value *ret, struct error *e)
{
        int x = pipeline(r, active, ret, e);
        return x == 0 && r->token.kind != TOKEN_END ? syntax(r, e, "a parenthesis is closed that was not opened") : x;
}

/* ---- blocks ---- */

enum block_end { BLOCK_SOURCE, BLOCK_END, BLOCK_ELSE, BLOCK_ELSE_IF };

static int block(struct reader *r, bool active, enum block_end *ret_end, struct error *e);

static int end_of_action(struct reader *r, struct error *e)
{
        int x = next(r, e);
        return x == 0 && r->token.kind != TOKEN_END ? syntax(r, e, "this word stands alone") : x;
}

/* A block within another; what is named in it is forgotten after it. */
static int inner_block(struct reader *r, bool active, enum block_end *ret_end, struct error *e)
{
        size_t locals = r->local_count;
        int x = deeper(r, &r->depth, e);
        if (x == 0)
                x = block(r, active, ret_end, e);
        if (x == 0 && *ret_end == BLOCK_SOURCE)
                x = syntax(r, e, "an {{ end }} is missing");
        r->depth--;
        r->local_count = locals;
        return x;
}

/* r->token is the first one after "if". */
static int do_if(struct reader *r, bool active, struct error *e)
{
        bool done = !active;
        enum block_end end = BLOCK_ELSE_IF;
        while (end == BLOCK_ELSE_IF || end == BLOCK_ELSE) {
                struct value v = { .type = VALUE_BOOL, .truth = true };
                bool last = end == BLOCK_ELSE;
                int x = last ? 0 : whole_pipeline(r, !done, &v, e);
                bool taken = !done && (last || value_true(&v));
                if (x == 0)
                        x = inner_block(r, taken, &end, e);
                if (x < 0)
                        return x;
                if (last && end != BLOCK_END)
                        return syntax(r, e, "an {{ else }} follows the last one");
                done = done || taken;
        }
        return 0;
}

struct range {
        char names[2][WORD_MAX]; /* of the index and of the item; empty: none */
        size_t count;
};

/* "$i, $x :=" before what is gone through. A single local without ":=" is the value itself. */
static int range_names(struct reader *r, struct range *range, struct error *e)
{
        size_t at = r->at, line = r->place.line;
        struct token first = r->token;
        int x = 0;
        while (x == 0 && r->token.kind == TOKEN_LOCAL && range->count < 2) {
                memcpy(range->names[range->count++], r->token.word, WORD_MAX);
                x = next(r, e);
                if (x == 0 && r->token.kind == TOKEN_COMMA)
                        x = next(r, e);
                else
                        break;
        }
        if (x == 0 && range->count && r->token.kind == TOKEN_ASSIGN)
                return next(r, e);
        if (x == 0 && range->count > 1)
                return syntax(r, e, ":= is missing");
        range->count = 0;
        r->at = at;
        r->place.line = line;
        r->token = first;
        return x;
}

static int range_item(struct reader *r, const struct range *range, const struct value *list, size_t i, enum block_end *end, struct error *e)
{
        size_t locals = r->local_count;
        struct value index = { .type = VALUE_NUMBER, .number = (int64_t)i }, dot = r->dot;
        int x = 0;
        if (range->count == 2)
                x = local_add(r, range->names[0], &index, e);
        if (x == 0 && range->count)
                x = local_add(r, range->names[range->count - 1], &list->items[i], e);
        r->dot = list->items[i];
        if (x == 0)
                x = inner_block(r, true, end, e);
        r->dot = dot;
        r->local_count = locals;
        return x;
}

/* The body without being carried out: the names mean something in it all the same. */
static int range_skip(struct reader *r, const struct range *range, enum block_end *end, struct error *e)
{
        size_t locals = r->local_count;
        int x = 0;
        for (size_t i = 0; x == 0 && i < range->count; i++)
                x = local_add(r, range->names[i], &(struct value){ 0 }, e);
        if (x == 0)
                x = inner_block(r, false, end, e);
        r->local_count = locals;
        return x;
}

static int do_range(struct reader *r, bool active, struct error *e)
{
        struct range range = { 0 };
        struct value list = { 0 };
        enum block_end end = BLOCK_END;
        int x = range_names(r, &range, e);
        if (x == 0)
                x = whole_pipeline(r, active, &list, e);
        if (x == 0 && active && list.type != VALUE_LIST && list.type != VALUE_NOTHING)
                x = template_value_fail(&r->place, e, "range goes through a list");
        if (x < 0)
                return x;
        const size_t at = r->at, line = r->place.line;
        const bool trim = r->trim, any = active && list.count;
        for (size_t i = 0; x == 0 && any && i < list.count; i++) {
                r->at = at, r->place.line = line, r->trim = trim;
                x = range_item(r, &range, &list, i, &end, e);
        }
        if (!any)
                x = range_skip(r, &range, &end, e);
        if (x == 0 && end == BLOCK_ELSE)
                x = inner_block(r, active && !any, &end, e);
        return x == 0 && end != BLOCK_END ? syntax(r, e, "an {{ else }} is out of place") : x;
}

/* ---- actions ---- */

static int do_assign(struct reader *r, const char *name, bool active, struct error *e)
{
        struct value v = { 0 };
        int x = next(r, e);
        if (x == 0)
                x = whole_pipeline(r, active, &v, e);
        return x < 0 ? x : local_add(r, name, &v, e);
}

static int do_print(struct reader *r, bool active, struct error *e)
{
        struct value v = { 0 };
        int x = whole_pipeline(r, active, &v, e);
        if (x == 0 && active)
                x = value_print(&r->place, &v, r->out, e);
        return x == 0 && r->out->length > TEMPLATE_OUTPUT_MAX ? template_limit_fail(&r->place, e, "what it becomes is too large") : x;
}

static int do_else(struct reader *r, enum block_end *ret_end, struct error *e)
{
        int x = next(r, e);
        if (x < 0)
                return x;
        *ret_end = BLOCK_ELSE;
        if (r->token.kind == TOKEN_END)
                return 0;
        if (r->token.kind != TOKEN_WORD || !text_equal(r->token.word, "if"))
                return syntax(r, e, "{{ else }} or {{ else if ... }}");
        *ret_end = BLOCK_ELSE_IF;
        return next(r, e);
}

/* Behind "{{". ret_end is set when the block ends with it; ret_over: whether it does. */
static int action(struct reader *r, bool active, enum block_end *ret_end, bool *ret_over, struct error *e)
{
        int x = next(r, e);
        struct token first = r->token;
        if (x < 0)
                return x;
        if (first.kind == TOKEN_LOCAL) {
                size_t at = r->at, line = r->place.line;
                x = next(r, e);
                if (x < 0 || r->token.kind == TOKEN_ASSIGN)
                        return x < 0 ? x : do_assign(r, first.word, active, e);
                r->at = at, r->place.line = line, r->token = first;
        }
        const char *word = first.kind == TOKEN_WORD ? first.word : "";
        *ret_over = text_equal(word, "end") || text_equal(word, "else");
        if (text_equal(word, "end")) {
                *ret_end = BLOCK_END;
                return end_of_action(r, e);
        }
        if (text_equal(word, "else"))
                return do_else(r, ret_end, e);
        bool opens_if = text_equal(word, "if"), opens_range = text_equal(word, "range");
        if (opens_if || opens_range) {
                x = next(r, e);
                return x < 0 ? x : (opens_if ? do_if : do_range)(r, active, e);
        }
        return do_print(r, active, e);
}

/* Behind "{{" or "{{-": passes over a comment. */
static int comment(struct reader *r, bool *ret_was, struct error *e)
{
        size_t n = 0;
        while (blank(peek(r, n)))
                n++;
        *ret_was = peek(r, n) == '/' && peek(r, n + 1) == '*';
        if (!*ret_was)
                return 0;
        advance(r, n + 2);
        const char *end = memmem(r->text + r->at, r->size - r->at, "*/", 2);
        if (!end)
                return syntax(r, e, "a comment is open");
        advance(r, (size_t)(end - r->text) - r->at + 2);
        int x = next(r, e);
        return x == 0 && r->token.kind != TOKEN_END ? syntax(r, e, "a comment ends with its action") : x;
}

/* The text up to the next action, and its opening. ret_found: whether one follows. */
static int plain(struct reader *r, bool active, bool *ret_found, struct error *e)
{
        const char *from = r->text + r->at, *found = memmem(from, r->size - r->at, "{{", 2);
        size_t n = found ? (size_t)(found - from) : r->size - r->at, first = 0, last = n;
        bool before = found && r->size - r->at - n > 3 && found[2] == '-' && blank(found[3]);
        while (r->trim && first < n && blank(from[first]))
                first++;
        while (before && last > first && blank(from[last - 1]))
                last--;
        if (active)
                text_add_bytes(r->out, from + first, last - first);
        advance(r, n + (found ? 2 + before : 0));
        r->trim = false;
        *ret_found = found;
        if (r->out->length > TEMPLATE_OUTPUT_MAX)
                return template_limit_fail(&r->place, e, "what it becomes is too large");
        return step(r, e);
}

static int block(struct reader *r, bool active, enum block_end *ret_end, struct error *e)
{
        *ret_end = BLOCK_SOURCE;
        while (r->at < r->size) {
                bool over = false, was_comment = false, found = false;
                int x = plain(r, active, &found, e);
                if (x < 0 || !found)
                        return x;
                x = comment(r, &was_comment, e);
                if (x == 0 && !was_comment)
                        x = action(r, active, ret_end, &over, e);
                if (x < 0 || over)
                        return x;
        }
        return 0;
}

/* ---- sources ---- */

static int expand(struct template_run *run, const char *name, const char *source, size_t size, struct text *ret, struct error *e)
{
        struct reader r = { .place = { run, name, 1 }, .text = source, .size = size, .out = ret };
        enum block_end end;
        if (size > TEMPLATE_SIZE_MAX)
                return template_limit_fail(&r.place, e, "it is too large");
        if (memchr(source, 0, size))
                return syntax(&r, e, "it holds a NUL byte");
        int x = block(&r, true, &end, e);
        if (x == 0 && end != BLOCK_SOURCE)
                x = syntax(&r, e, "{{ end }} or {{ else }} without a beginning");
        free(r.locals);
        return x;
}

int template_include(const struct template_place *at, const char *url, struct value *ret, struct error *e)
{
        struct template_run *run = at->run;
        CLEAN_TEXT struct text source = { 0 }, t = { 0 };
        CLEAN_FREE char *name = NULL;
        if (run->depth >= TEMPLATE_DEPTH_MAX)
                return template_limit_fail(at, e, "its includes are too deep");
        if (!run->host->fetch)
                return template_value_fail(at, e, "nothing can be included here");
        int x = run->host->fetch(run->host->context, url, at->name, &source, &name, e);
        if (x < 0)
                return error_while(e, "including it in %.160s, line %zu", at->name, at->line);
        run->depth++;
        x = expand(run, name, source.length ? source.data : "", source.length, &t, e);
        run->depth--;
        return x < 0 ? x : value_text(at, t.length ? t.data : "", t.length, ret, e);
}

static void run_done(struct template_run *r)
{
        for (size_t i = 0; i < r->memory_count; i++)
                free(r->memory[i]);
        free(r->memory);
        free(r->variables);
}

static int set_variables(struct template_run *run, const char *name, const struct strings *variables, struct error *e)
{
        const struct template_place at = { run, name, 1 };
        for (size_t i = 0; i < variables->count; i++) {
                const char *word = variables->items[i], *equals = strchr(word, '=');
                struct value key, v;
                if (!equals || equals == word)
                        return error_set(e, EINVAL, "template.value", "\"%.80s\" is no NAME=VALUE", word);
                int x = value_text(&at, word, (size_t)(equals - word), &key, e);
                if (x == 0)
                        x = value_text(&at, equals + 1, strlen(equals + 1), &v, e);
                if (x < 0)
                        return x;
                template_variable_set(run, key.text, &v);
        }
        return 0;
}

int template_expand(const char *name, const char *source, size_t size, const struct strings *variables, const struct template_host *host, struct text *ret,
                    struct error *e)
{
        CLEAN(run_done) struct template_run run = { .host = host };
        int x = set_variables(&run, name, variables, e);
        return x < 0 ? x : expand(&run, name, source, size, ret, e);
}

bool template_needed(const char *source, size_t size)
{
        return size && memmem(source, size, "{{", 2);
}
