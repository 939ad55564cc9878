/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interpreter walks the source as it stands: a block that is not wanted is read and not carried out, so that its errors of syntax
 * are told all the same; the body of a range is read once for each item.
 */
#include "group/template.h"

#include <errno.h>
#include <string.h>

#include "group/template_token.h"

enum { ARGS_MAX = 256, LOCALS_MAX = 256 };

static int deeper(struct reader *r, size_t *depth, struct error *e)
{
        return ++*depth > TEMPLATE_DEPTH_MAX ? template_limit_fail(&r->place, e, "its blocks, parentheses or includes are too deep") : 0;
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
        return template_syntax(r, e, "a name with $ stands for nothing here");
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
                x = template_next(r, e);
        if (x == 0)
                x = pipeline(r, active, ret, e);
        if (x == 0 && r->token.kind != TOKEN_CLOSE)
                x = template_syntax(r, e, "a parenthesis is open");
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
        default: return template_syntax(r, e, "a value is missing");
        }
        return x < 0 ? x : template_next(r, e);
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
                int x = piped ? template_syntax(r, e, "what stands after a bar must be a function") : operand(r, active, ret, e);
                return x == 0 && !ends_command(r->token.kind) ? template_syntax(r, e, "a value is followed by another") : x;
        }
        int x = template_next(r, e);
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
                x = template_next(r, e);
                if (x == 0)
                        x = command(r, active, &before, ret, e);
        }
        return x;
}

static int whole_pipeline(struct reader *r, bool active, struct value *ret, struct error *e)
{
        int x = pipeline(r, active, ret, e);
        return x == 0 && r->token.kind != TOKEN_END ? template_syntax(r, e, "a parenthesis is closed that was not opened") : x;
}

/* ---- blocks ---- */

enum block_end { BLOCK_SOURCE, BLOCK_END, BLOCK_ELSE, BLOCK_ELSE_IF };

static int block(struct reader *r, bool active, enum block_end *ret_end, struct error *e);

static int end_of_action(struct reader *r, struct error *e)
{
        int x = template_next(r, e);
        return x == 0 && r->token.kind != TOKEN_END ? template_syntax(r, e, "this word stands alone") : x;
}

/* A block within another; what is named in it is forgotten after it. */
static int inner_block(struct reader *r, bool active, enum block_end *ret_end, struct error *e)
{
        size_t locals = r->local_count;
        int x = deeper(r, &r->depth, e);
        if (x == 0)
                x = block(r, active, ret_end, e);
        if (x == 0 && *ret_end == BLOCK_SOURCE)
                x = template_syntax(r, e, "an {{ end }} is missing");
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
                        return template_syntax(r, e, "an {{ else }} follows the last one");
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
                x = template_next(r, e);
                if (x == 0 && r->token.kind == TOKEN_COMMA)
                        x = template_next(r, e);
                else
                        break;
        }
        if (x == 0 && range->count && r->token.kind == TOKEN_ASSIGN)
                return template_next(r, e);
        if (x == 0 && range->count > 1)
                return template_syntax(r, e, ":= is missing");
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
        return x == 0 && end != BLOCK_END ? template_syntax(r, e, "an {{ else }} is out of place") : x;
}

/* ---- actions ---- */

static int do_assign(struct reader *r, const char *name, bool active, struct error *e)
{
        struct value v = { 0 };
        int x = template_next(r, e);
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
        int x = template_next(r, e);
        if (x < 0)
                return x;
        *ret_end = BLOCK_ELSE;
        if (r->token.kind == TOKEN_END)
                return 0;
        if (r->token.kind != TOKEN_WORD || !text_equal(r->token.word, "if"))
                return template_syntax(r, e, "{{ else }} or {{ else if ... }}");
        *ret_end = BLOCK_ELSE_IF;
        return template_next(r, e);
}

/* Behind "{{". ret_end is set when the block ends with it; ret_over: whether it does. */
static int action(struct reader *r, bool active, enum block_end *ret_end, bool *ret_over, struct error *e)
{
        int x = template_next(r, e);
        struct token first = r->token;
        if (x < 0)
                return x;
        if (first.kind == TOKEN_LOCAL) {
                size_t at = r->at, line = r->place.line;
                x = template_next(r, e);
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
                x = template_next(r, e);
                return x < 0 ? x : (opens_if ? do_if : do_range)(r, active, e);
        }
        return do_print(r, active, e);
}

/* Behind "{{" or "{{-": passes over a comment. */
static int comment(struct reader *r, bool *ret_was, struct error *e)
{
        size_t n = 0;
        while (template_blank(template_peek(r, n)))
                n++;
        *ret_was = template_peek(r, n) == '/' && template_peek(r, n + 1) == '*';
        if (!*ret_was)
                return 0;
        template_advance(r, n + 2);
        const char *end = memmem(r->text + r->at, r->size - r->at, "*/", 2);
        if (!end)
                return template_syntax(r, e, "a comment is open");
        template_advance(r, (size_t)(end - r->text) - r->at + 2);
        int x = template_next(r, e);
        return x == 0 && r->token.kind != TOKEN_END ? template_syntax(r, e, "a comment ends with its action") : x;
}

/* The text up to the next action, and its opening. ret_found: whether one follows. */
static int plain(struct reader *r, bool active, bool *ret_found, struct error *e)
{
        const char *from = r->text + r->at, *found = memmem(from, r->size - r->at, "{{", 2);
        size_t n = found ? (size_t)(found - from) : r->size - r->at, first = 0, last = n;
        bool before = found && r->size - r->at - n > 3 && found[2] == '-' && template_blank(found[3]);
        while (r->trim && first < n && template_blank(from[first]))
                first++;
        while (before && last > first && template_blank(from[last - 1]))
                last--;
        if (active)
                text_add_bytes(r->out, from + first, last - first);
        template_advance(r, n + (found ? 2 + before : 0));
        r->trim = false;
        *ret_found = found;
        if (r->out->length > TEMPLATE_OUTPUT_MAX)
                return template_limit_fail(&r->place, e, "what it becomes is too large");
        return template_step(r, e);
}

/* Behind "{{": passes over what is another's, braces and all. */
static bool foreign(struct reader *r, bool active)
{
        const struct template_host *host = r->place.run->host;
        const char *from = r->text + r->at, *end = memmem(from, r->size - r->at, "}}", 2);
        if (!end || !host->is_foreign || !host->is_foreign(host->context, from, (size_t)(end - from)))
                return false;
        if (active) {
                text_add(r->out, "{{");
                text_add_bytes(r->out, from, (size_t)(end - from) + 2);
        }
        template_advance(r, (size_t)(end - from) + 2);
        return true;
}

static int block(struct reader *r, bool active, enum block_end *ret_end, struct error *e)
{
        *ret_end = BLOCK_SOURCE;
        while (r->at < r->size) {
                bool over = false, was_comment = false, found = false;
                int x = plain(r, active, &found, e);
                if (x < 0 || !found)
                        return x;
                if (foreign(r, active))
                        continue;
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
                return template_syntax(&r, e, "it holds a NUL byte");
        int x = block(&r, true, &end, e);
        if (x == 0 && end != BLOCK_SOURCE)
                x = template_syntax(&r, e, "{{ end }} or {{ else }} without a beginning");
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
