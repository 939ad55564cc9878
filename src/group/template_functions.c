/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "base/base64.h"
#include "group/template_value.h"

enum { ARGS_ANY = 1000 };

/* ---- values ---- */

void *template_memory(const struct template_place *at, size_t size, struct error *e)
{
        struct template_run *r = at->run;
        if (size > TEMPLATE_MEMORY_MAX - r->memory_bytes) {
                (void)template_limit_fail(at, e, "its values are too large together");
                return NULL;
        }
        r->memory_bytes += size;
        r->memory = xgrow(r->memory, &r->memory_room, r->memory_count + 1, sizeof *r->memory);
        return r->memory[r->memory_count++] = xalloc(size ? size : 1, 1);
}

int value_text(const struct template_place *at, const char *s, size_t n, struct value *ret, struct error *e)
{
        char *copy = template_memory(at, n + 1, e);
        if (!copy)
                return -E2BIG;
        if (n)
                memcpy(copy, s, n);
        copy[n] = 0;
        *ret = (struct value){ .type = VALUE_TEXT, .text = copy };
        return 0;
}

bool value_true(const struct value *v)
{
        switch (v->type) {
        case VALUE_BOOL: return v->truth;
        case VALUE_NUMBER: return v->number != 0;
        case VALUE_TEXT: return *v->text;
        case VALUE_LIST: return v->count > 0;
        default: return false;
        }
}

/* A variable of the command line is a text: "3" is 3. */
bool value_equal(const struct value *a, const struct value *b)
{
        char number[32];
        if (a->type == VALUE_TEXT && b->type == VALUE_NUMBER)
                return value_equal(b, a);
        if (a->type == VALUE_NUMBER && b->type == VALUE_TEXT) {
                (void)snprintf(number, sizeof number, "%lld", (long long)a->number);
                return text_equal(number, b->text);
        }
        if (a->type != b->type || a->count != b->count || a->truth != b->truth || a->number != b->number)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (!value_equal(&a->items[i], &b->items[i]))
                        return false;
        return a->type != VALUE_TEXT || text_equal(a->text, b->text);
}

int value_print(const struct template_place *at, const struct value *v, struct text *ret, struct error *e)
{
        switch (v->type) {
        case VALUE_BOOL: text_add(ret, v->truth ? "true" : "false"); return 0;
        case VALUE_NUMBER: text_addf(ret, "%lld", (long long)v->number); return 0;
        case VALUE_TEXT: text_add(ret, v->text); return 0;
        case VALUE_LIST: return template_value_fail(at, e, "a list cannot be printed: use join or json");
        default: break;
        }
        (void)template_value_fail(at, e, "%s%.80s%s is not set", v->text ? "\"" : "what is printed", v->text ? v->text : "", v->text ? "\"" : "");
        error_hint(e, "--var NAME=VALUE sets it; {{ ... | default \"...\" }} says what stands in its place");
        return -EINVAL;
}

static int value_json(const struct template_place *at, const struct value *v, struct text *ret, struct error *e)
{
        if (v->type == VALUE_TEXT)
                text_add_json(ret, v->text);
        else if (v->type == VALUE_NOTHING)
                text_add(ret, "null");
        else if (v->type != VALUE_LIST)
                return value_print(at, v, ret, e);
        if (v->type != VALUE_LIST)
                return 0;
        for (size_t i = 0; i < v->count; i++) {
                text_add(ret, i ? "," : "[");
                if (ret->length > TEMPLATE_OUTPUT_MAX)
                        return template_limit_fail(at, e, "a value is too large");
                int r = value_json(at, &v->items[i], ret, e);
                if (r < 0)
                        return r;
        }
        text_add(ret, v->count ? "]" : "[]");
        return 0;
}

static struct template_name *find_variable(struct template_run *r, const char *name)
{
        for (size_t i = 0; i < r->variable_count; i++)
                if (text_equal(r->variables[i].name, name))
                        return &r->variables[i];
        return NULL;
}

void template_variable_set(struct template_run *r, const char *name, const struct value *v)
{
        struct template_name *known = find_variable(r, name);
        if (!known) {
                r->variables = xgrow(r->variables, &r->variable_room, r->variable_count + 1, sizeof *r->variables);
                known = &r->variables[r->variable_count++];
                known->name = name;
        }
        known->value = *v;
}

/* ---- functions ---- */

struct call {
        const struct template_place *at;
        const struct value *args;
        size_t count;
        struct value *ret;
        struct error *e;
};

static int give_bool(struct call *c, bool truth)
{
        *c->ret = (struct value){ .type = VALUE_BOOL, .truth = truth };
        return 0;
}

static int give_number(struct call *c, int64_t number)
{
        *c->ret = (struct value){ .type = VALUE_NUMBER, .number = number };
        return 0;
}

static int give_text(struct call *c, const struct text *t)
{
        return value_text(c->at, t->length ? t->data : "", t->length, c->ret, c->e);
}

/* The text of an argument, as it would be printed. */
static int take_text(struct call *c, size_t i, const char **ret)
{
        CLEAN_TEXT struct text t = { 0 };
        struct value v;
        if (c->args[i].type == VALUE_TEXT) {
                *ret = c->args[i].text;
                return 0;
        }
        int r = value_print(c->at, &c->args[i], &t, c->e);
        if (r == 0)
                r = value_text(c->at, t.length ? t.data : "", t.length, &v, c->e);
        if (r == 0)
                *ret = v.text;
        return r;
}

static int take_number(struct call *c, size_t i, int64_t *ret)
{
        const struct value *v = &c->args[i];
        uint64_t n;
        if (v->type == VALUE_NUMBER) {
                *ret = v->number;
                return 0;
        }
        bool minus = v->type == VALUE_TEXT && *v->text == '-';
        if (v->type != VALUE_TEXT || text_parse_uint(v->text + minus, INT64_MAX, &n) < 0)
                return template_value_fail(c->at, c->e, "expected a whole number");
        *ret = minus ? -(int64_t)n : (int64_t)n;
        return 0;
}

static int give_items(struct call *c, const struct value *items, size_t count)
{
        if (count > TEMPLATE_LIST_MAX)
                return template_limit_fail(c->at, c->e, "a list is too long");
        struct value *copy = template_memory(c->at, count * sizeof *copy, c->e);
        if (!copy)
                return -E2BIG;
        if (count)
                memcpy(copy, items, count * sizeof *copy);
        *c->ret = (struct value){ .type = VALUE_LIST, .items = copy, .count = count };
        return 0;
}

static int do_var(struct call *c)
{
        const char *name;
        int r = take_text(c, 0, &name);
        if (r < 0)
                return r;
        if (c->count == 2) {
                template_variable_set(c->at->run, name, &c->args[1]);
                *c->ret = (struct value){ .type = VALUE_TEXT, .text = "" };
                return 0;
        }
        const struct template_name *known = find_variable(c->at->run, name);
        *c->ret = known ? known->value : (struct value){ .text = name };
        return 0;
}

static int do_env(struct call *c)
{
        const struct template_host *host = c->at->run->host;
        const char *name;
        int r = take_text(c, 0, &name);
        if (r < 0)
                return r;
        const char *value = host->environment ? host->environment(host->context, name) : NULL;
        if (value)
                return value_text(c->at, value, strlen(value), c->ret, c->e);
        *c->ret = (struct value){ .text = name };
        return 0;
}

static int do_include(struct call *c)
{
        const char *url;
        int r = take_text(c, 0, &url);
        return r < 0 ? r : template_include(c->at, url, c->ret, c->e);
}

static int do_default(struct call *c)
{
        const struct value *v = &c->args[1];
        bool empty = v->type == VALUE_NOTHING || (v->type == VALUE_TEXT && !*v->text) || (v->type == VALUE_LIST && !v->count);
        *c->ret = empty ? c->args[0] : *v;
        return 0;
}

static int do_list(struct call *c)
{
        return give_items(c, c->args, c->count);
}

/* Of a text, the pieces between the separators. */
static int split(struct call *c, const char *separator, const char *s)
{
        struct value *items = NULL;
        size_t count = 0, room = 0, n = strlen(separator);
        int r = n ? 0 : template_value_fail(c->at, c->e, "the separator is empty");
        while (r == 0 && s) {
                const char *end = strstr(s, separator);
                items = xgrow(items, &room, count + 1, sizeof *items);
                r = count < TEMPLATE_LIST_MAX ? value_text(c->at, s, end ? (size_t)(end - s) : strlen(s), &items[count], c->e)
                                              : template_limit_fail(c->at, c->e, "a list is too long");
                count++;
                s = end ? end + n : NULL;
        }
        if (r == 0)
                r = give_items(c, items, count);
        free(items);
        return r;
}

static int do_split(struct call *c)
{
        const char *separator, *s;
        int r = take_text(c, 0, &separator);
        if (r == 0)
                r = take_text(c, 1, &s);
        return r < 0 ? r : split(c, separator, s);
}

static int do_lines(struct call *c)
{
        const char *s;
        int r = take_text(c, 0, &s);
        if (r < 0)
                return r;
        size_t n = strlen(s);
        struct value whole;
        r = value_text(c->at, s, n && s[n - 1] == '\n' ? n - 1 : n, &whole, c->e);
        return r < 0 ? r : split(c, "\n", whole.text);
}

static int do_until(struct call *c)
{
        int64_t n;
        int r = take_number(c, 0, &n);
        if (r < 0)
                return r;
        if (n < 0 || n > TEMPLATE_LIST_MAX)
                return template_limit_fail(c->at, c->e, "a list is too long");
        struct value *items = xalloc((size_t)n + 1, sizeof *items);
        for (int64_t i = 0; i < n; i++)
                items[i] = (struct value){ .type = VALUE_NUMBER, .number = i };
        r = give_items(c, items, (size_t)n);
        free(items);
        return r;
}

static int take_list(struct call *c, size_t i, const struct value **ret)
{
        *ret = &c->args[i];
        return c->args[i].type == VALUE_LIST ? 0 : template_value_fail(c->at, c->e, "expected a list");
}

static int do_join(struct call *c)
{
        CLEAN_TEXT struct text t = { 0 };
        const struct value *list;
        const char *separator;
        int r = take_text(c, 0, &separator);
        if (r == 0)
                r = take_list(c, 1, &list);
        for (size_t i = 0; r == 0 && i < list->count; i++) {
                text_add(&t, i ? separator : "");
                r = value_print(c->at, &list->items[i], &t, c->e);
                if (r == 0 && t.length > TEMPLATE_OUTPUT_MAX)
                        r = template_limit_fail(c->at, c->e, "a value is too large");
        }
        return r < 0 ? r : give_text(c, &t);
}

static int do_index(struct call *c)
{
        const struct value *list;
        int64_t i;
        int r = take_list(c, 0, &list);
        if (r == 0)
                r = take_number(c, 1, &i);
        if (r < 0)
                return r;
        if (i < 0 || (uint64_t)i >= list->count)
                return template_value_fail(c->at, c->e, "index %lld of a list of %zu", (long long)i, list->count);
        *c->ret = list->items[i];
        return 0;
}

static int do_len(struct call *c)
{
        if (c->args[0].type == VALUE_LIST)
                return give_number(c, (int64_t)c->args[0].count);
        if (c->args[0].type != VALUE_TEXT)
                return template_value_fail(c->at, c->e, "len takes a list or a text");
        return give_number(c, (int64_t)strlen(c->args[0].text));
}

static int do_quote(struct call *c)
{
        CLEAN_TEXT struct text t = { 0 };
        const char *s;
        int r = take_text(c, 0, &s);
        if (r < 0)
                return r;
        text_add_json(&t, s);
        return give_text(c, &t);
}

/* Inside a JSON text that has its quotes already. */
static int do_escape(struct call *c)
{
        int r = do_quote(c);
        if (r < 0)
                return r;
        return value_text(c->at, c->ret->text + 1, strlen(c->ret->text) - 2, c->ret, c->e);
}

/* For a shell. */
static int do_squote(struct call *c)
{
        CLEAN_TEXT struct text t = { 0 };
        const char *s;
        int r = take_text(c, 0, &s);
        if (r < 0)
                return r;
        text_add(&t, "'");
        for (; *s; s++)
                if (*s == '\'')
                        text_add(&t, "'\\''");
                else
                        text_add_bytes(&t, s, 1);
        text_add(&t, "'");
        return give_text(c, &t);
}

static int do_json(struct call *c)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = value_json(c->at, &c->args[0], &t, c->e);
        return r < 0 ? r : give_text(c, &t);
}

static int do_base64(struct call *c)
{
        CLEAN_TEXT struct text t = { 0 };
        const char *s;
        int r = take_text(c, 0, &s);
        if (r < 0)
                return r;
        base64_add(&t, s, strlen(s));
        return give_text(c, &t);
}

static int change_case(struct call *c, int (*change)(int))
{
        const char *s;
        int r = take_text(c, 0, &s);
        if (r < 0)
                return r;
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, s);
        for (size_t i = 0; i < t.length; i++)
                if ((unsigned char)t.data[i] < 0x80)
                        t.data[i] = (char)change((unsigned char)t.data[i]);
        return give_text(c, &t);
}

static int do_upper(struct call *c)
{
        return change_case(c, toupper);
}

static int do_lower(struct call *c)
{
        return change_case(c, tolower);
}

static int do_trim(struct call *c)
{
        const char *s;
        int r = take_text(c, 0, &s);
        if (r < 0)
                return r;
        s += strspn(s, " \t\r\n");
        size_t n = strlen(s);
        while (n && strchr(" \t\r\n", s[n - 1]))
                n--;
        return value_text(c->at, s, n, c->ret, c->e);
}

static int do_replace(struct call *c)
{
        CLEAN_TEXT struct text t = { 0 };
        const char *from, *to, *s;
        int r = take_text(c, 0, &from);
        if (r == 0)
                r = take_text(c, 1, &to);
        if (r == 0)
                r = take_text(c, 2, &s);
        if (r == 0 && !*from)
                r = template_value_fail(c->at, c->e, "what is replaced is empty");
        if (r < 0)
                return r;
        for (const char *found; (found = strstr(s, from)); s = found + strlen(from)) {
                text_add_bytes(&t, s, (size_t)(found - s));
                text_add(&t, to);
                if (t.length > TEMPLATE_OUTPUT_MAX)
                        return template_limit_fail(c->at, c->e, "a value is too large");
        }
        text_add(&t, s);
        return give_text(c, &t);
}

/* As Go's: equal to any of the others. */
static int do_eq(struct call *c)
{
        for (size_t i = 1; i < c->count; i++)
                if (value_equal(&c->args[0], &c->args[i]))
                        return give_bool(c, true);
        return give_bool(c, false);
}

static int do_ne(struct call *c)
{
        return give_bool(c, !value_equal(&c->args[0], &c->args[1]));
}

/* Go's and, or: the argument that decided. */
static int decide(struct call *c, bool until)
{
        size_t i = 0;
        while (i + 1 < c->count && value_true(&c->args[i]) != until)
                i++;
        *c->ret = c->args[i];
        return 0;
}

static int do_and(struct call *c)
{
        return decide(c, false);
}

static int do_or(struct call *c)
{
        return decide(c, true);
}

static int do_not(struct call *c)
{
        return give_bool(c, !value_true(&c->args[0]));
}

static int compare(struct call *c, int64_t *ret_a, int64_t *ret_b)
{
        int r = take_number(c, 0, ret_a);
        return r < 0 ? r : take_number(c, 1, ret_b);
}

static int do_lt(struct call *c)
{
        int64_t a, b;
        int r = compare(c, &a, &b);
        return r < 0 ? r : give_bool(c, a < b);
}

static int do_gt(struct call *c)
{
        int64_t a, b;
        int r = compare(c, &a, &b);
        return r < 0 ? r : give_bool(c, a > b);
}

static int do_add(struct call *c)
{
        int64_t sum = 0, n;
        for (size_t i = 0; i < c->count; i++) {
                int r = take_number(c, i, &n);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, n, &sum))
                        return template_value_fail(c->at, c->e, "the sum does not fit");
        }
        return give_number(c, sum);
}

static int do_sub(struct call *c)
{
        int64_t a, b;
        int r = compare(c, &a, &b);
        if (r < 0)
                return r;
        if (__builtin_sub_overflow(a, b, &a))
                return template_value_fail(c->at, c->e, "the difference does not fit");
        return give_number(c, a);
}

static const struct function {
        const char *name;
        size_t least, most;
        int (*run)(struct call *c);
} functions[] = {
        { "add", 1, ARGS_ANY, do_add },        { "and", 1, ARGS_ANY, do_and },   { "b64enc", 1, 1, do_base64 },
        { "default", 2, 2, do_default },       { "env", 1, 1, do_env },          { "eq", 2, ARGS_ANY, do_eq },
        { "escape", 1, 1, do_escape },         { "gt", 2, 2, do_gt },            { "include", 1, 1, do_include },
        { "index", 2, 2, do_index },           { "join", 2, 2, do_join },        { "json", 1, 1, do_json },
        { "jsonEncode", 1, 1, do_json },       { "len", 1, 1, do_len },          { "lines", 1, 1, do_lines },
        { "list", 0, ARGS_ANY, do_list },      { "lower", 1, 1, do_lower },      { "lt", 2, 2, do_lt },
        { "ne", 2, 2, do_ne },                 { "not", 1, 1, do_not },          { "or", 1, ARGS_ANY, do_or },
        { "quote", 1, 1, do_quote },           { "replace", 3, 3, do_replace },  { "splitList", 2, 2, do_split },
        { "squote", 1, 1, do_squote },         { "sub", 2, 2, do_sub },          { "to_json", 1, 1, do_json },
        { "trim", 1, 1, do_trim },             { "until", 1, 1, do_until },      { "upper", 1, 1, do_upper },
        { "var", 1, 2, do_var },
};

static const struct function *find_function(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(functions); i++)
                if (text_equal(functions[i].name, name))
                        return &functions[i];
        return NULL;
}

bool template_function_known(const char *name)
{
        return find_function(name);
}

int template_call(const struct template_place *at, const char *name, const struct value *args, size_t count, struct value *ret, struct error *e)
{
        const struct function *f = find_function(name);
        if (!f)
                return -ENOENT;
        if (count < f->least || count > f->most)
                return template_value_fail(at, e, "%s does not take %zu value%s", name, count, count == 1 ? "" : "s");
        struct call c = { at, args, count, ret, e };
        return f->run(&c);
}
