/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <stdarg.h>
#include <string.h>

#include "base/mutant.h"

/* ---- parsing ---- */

struct parser {
        const char *name, *original; /* the text before strings are decoded in place */
        char *begin, *at, *end;      /* *end is NUL */
        struct json_document *d;
        unsigned depth;
        struct error *e;
};

static int parse_value(struct parser *p);

static int syntax(const struct parser *p, const char *what)
{
        unsigned line = 1, column = 1;
        for (const char *c = p->original, *end = c + (p->at - p->begin); c < end; c++) {
                column = *c == '\n' ? 1 : column + 1;
                line += *c == '\n';
        }
        return error_set(p->e, EINVAL, "json.syntax", "%s: line %u, column %u: %s", p->name, line, column, what);
}

static void skip_blanks(struct parser *p)
{
        while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')
                p->at++;
}

/* The index of a new node: the array may move. */
static size_t add_node(struct parser *p, enum json_type type)
{
        struct json_document *d = p->d;
        d->nodes = xgrow(d->nodes, &d->room, d->count + 1, sizeof *d->nodes);
        d->nodes[d->count] = (struct json_node){ .type = type, .span = 1 };
        return d->count++;
}

static int hex4(const char *s)
{
        int value = 0;
        for (int i = 0; i < 4; i++) {
                char c = s[i];
                int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
                if (digit < 0)
                        return -1;
                value = value * 16 + digit;
        }
        return value;
}

static char *put_utf8(char *out, unsigned c)
{
        static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
        unsigned length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (unsigned i = length; i-- > 1; c >>= 6)
                out[i] = (char)(0x80 | (c & 0x3f));
        *out = (char)(leads[length] | c);
        return out + length;
}

/* \uXXXX, with its second half where it is a surrogate. p->at stands behind the u. */
static int decode_unicode(struct parser *p, char **out, bool *has_nul)
{
        int c = hex4(p->at);
        if (c < 0 || (c >= 0xdc00 && c <= 0xdfff))
                return syntax(p, "invalid \\u escape");
        p->at += 4;
        if (c >= 0xd800 && c <= 0xdbff) {
                int low = p->at[0] == '\\' && p->at[1] == 'u' ? hex4(p->at + 2) : -1;
                if (low < 0xdc00 || low > 0xdfff)
                        return syntax(p, "half a surrogate pair");
                p->at += 6;
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
        *has_nul |= c == 0;
        *out = put_utf8(*out, (unsigned)c);
        return 0;
}

static int decode_escape(struct parser *p, char **out, bool *has_nul)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        char c = *p->at;
        const char *found = c ? strchr(from, c) : NULL;
        if (c == 'u') {
                p->at++;
                return decode_unicode(p, out, has_nul);
        }
        if (!found)
                return syntax(p, "invalid escape");
        *(*out)++ = to[found - from];
        p->at++;
        return 0;
}

/* Decodes in place: no escape is shorter than what it stands for. */
static int parse_string(struct parser *p)
{
        size_t node = add_node(p, JSON_STRING);
        char *start = ++p->at, *out = start;
        bool has_nul = false;
        while (*p->at != '"') {
                unsigned char c = (unsigned char)*p->at;
                if (c < 0x20)
                        return syntax(p, p->at == p->end ? "a string without its end" : "a control character in a string");
                if (c == '\\') {
                        p->at++;
                        int r = decode_escape(p, &out, &has_nul);
                        if (r < 0)
                                return r;
                        continue;
                }
                size_t n = c < 0x80 ? 1 : text_utf8_length(p->at);
                if (!n)
                        return syntax(p, "invalid UTF-8");
                while (n--)
                        *out++ = *p->at++;
        }
        p->at++;
        *out = 0;
        struct json_node *s = &p->d->nodes[node];
        s->text = start;
        s->length = (uint32_t)(out - start);
        s->has_nul = has_nul;
        return 0;
}

static size_t count_digits(const char *s)
{
        return strspn(s, "0123456789");
}

static int parse_number(struct parser *p)
{
        size_t node = add_node(p, JSON_NUMBER);
        char *start = p->at;
        p->at += *p->at == '-';
        size_t digits = count_digits(p->at);
        if (!digits || (digits > 1 && *p->at == '0'))
                return syntax(p, "invalid number");
        p->at += digits;
        if (*p->at == '.') {
                digits = count_digits(++p->at);
                if (!digits)
                        return syntax(p, "invalid number");
                p->at += digits;
        }
        if (*p->at == 'e' || *p->at == 'E') {
                p->at++;
                p->at += *p->at == '+' || *p->at == '-';
                digits = count_digits(p->at);
                if (!digits)
                        return syntax(p, "invalid number");
                p->at += digits;
        }
        p->d->nodes[node].text = start;
        p->d->nodes[node].length = (uint32_t)(p->at - start);
        return 0;
}

static int parse_word(struct parser *p)
{
        static const struct {
                const char *word;
                enum json_type type;
        } words[] = { { "null", JSON_NULL }, { "true", JSON_TRUE }, { "false", JSON_FALSE } };
        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (text_starts(p->at, words[i].word)) {
                        p->at += strlen(words[i].word);
                        (void)add_node(p, words[i].type);
                        return 0;
                }
        return syntax(p, p->at == p->end ? "the document ends too early" : "expected a value");
}

static bool is_same_string(const struct json_node *a, const struct json_node *b)
{
        return a->length == b->length && !memcmp(a->text, b->text, a->length);
}

static int compare_names(const void *a, const void *b)
{
        const struct json_node *x = *(const struct json_node *const *)a, *y = *(const struct json_node *const *)b;
        size_t n = x->length < y->length ? x->length : y->length;
        int r = memcmp(x->text, y->text, n);
        return r ? r : x->length < y->length ? -1 : x->length > y->length;
}

/* Which of two equal names counts is answered differently by every reader, so there may not be two. */
static int check_names(struct parser *p, size_t node)
{
        const struct json_node *object = &p->d->nodes[node];
        CLEAN_FREE const struct json_node **names = xalloc(object->count, sizeof *names);
        const struct json_node *name = object + 1;
        for (uint32_t i = 0; i < object->count; i++, name = name + 1 + name[1].span)
                names[i] = name;
        if (MUTANT("json-twice"))
                return 0;
        if (object->count > 1)
                qsort(names, object->count, sizeof *names, compare_names);
        for (uint32_t i = 1; i < object->count; i++)
                if (is_same_string(names[i - 1], names[i])) {
                        CLEAN_FREE char *words = xprintf("the name \"%.60s\" stands twice in one object", names[i]->text);
                        return syntax(p, words);
                }
        return 0;
}

/* An array, or an object with is_object: what is between the brackets, from the opening one on. */
static int parse_items(struct parser *p, bool is_object)
{
        char closing = is_object ? '}' : ']';
        size_t node = add_node(p, is_object ? JSON_OBJECT : JSON_ARRAY);
        uint32_t count = 0;
        if (++p->depth > JSON_DEPTH_MAX)
                return syntax(p, "nested too deeply");
        p->at++;
        skip_blanks(p);
        while (*p->at != closing) {
                int r = 0;
                if (count && *p->at++ != ',')
                        return p->at--, syntax(p, is_object ? "expected , or }" : "expected , or ]");
                skip_blanks(p);
                if (is_object) {
                        if (*p->at != '"')
                                return syntax(p, "expected a name in quotes");
                        r = parse_string(p);
                        skip_blanks(p);
                        if (r == 0 && *p->at++ != ':')
                                return p->at--, syntax(p, "expected :");
                }
                if (r == 0)
                        r = parse_value(p);
                if (r < 0)
                        return r;
                count++;
                skip_blanks(p);
        }
        p->at++;
        p->depth--;
        p->d->nodes[node].count = count;
        p->d->nodes[node].span = (uint32_t)(p->d->count - node);
        return is_object ? check_names(p, node) : 0;
}

static int parse_value(struct parser *p)
{
        skip_blanks(p);
        if (p->d->count >= JSON_NODES_MAX)
                return syntax(p, "too many values");
        switch (*p->at) {
        case '{': return parse_items(p, true);
        case '[': return parse_items(p, false);
        case '"': return parse_string(p);
        case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
                return parse_number(p);
        default: return parse_word(p);
        }
}

void json_done(struct json_document *d)
{
        free(d->nodes);
        free(d->text);
        *d = (struct json_document){ 0 };
}

int json_parse(const char *name, const char *text, size_t size, struct json_document *ret, struct error *e)
{
        if (size > JSON_SIZE_MAX)
                return error_set(e, EINVAL, "json.syntax", "%s: the document is larger than %d bytes", name, JSON_SIZE_MAX);
        CLEAN_JSON struct json_document d = { .text = xstrndup(text, size) };
        struct parser p = { .name = name, .original = text, .begin = d.text, .at = d.text, .end = d.text + strlen(d.text), .d = &d, .e = e };
        if (p.end != d.text + size) {
                p.at = p.end;
                return syntax(&p, "a NUL byte");
        }
        int r = parse_value(&p);
        skip_blanks(&p);
        if (r == 0 && p.at != p.end)
                r = syntax(&p, "more text behind the value");
        if (r < 0)
                return r;
        *ret = d;
        d = (struct json_document){ 0 };
        return 0;
}

/* ---- printing ---- */

static const struct json_node *print_node(FILE *f, const struct json_node *n, unsigned depth);

static void print_string(FILE *f, const struct json_node *n)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add_json(&t, n->text);
        fputs(t.data, f);
}

static const struct json_node *print_items(FILE *f, const struct json_node *n, unsigned depth)
{
        bool is_object = n->type == JSON_OBJECT;
        const struct json_node *next = n + 1;
        fputc(is_object ? '{' : '[', f);
        for (uint32_t i = 0; i < n->count; i++) {
                fprintf(f, "%s\n%*s", i ? "," : "", (int)(2 * (depth + 1)), "");
                if (is_object) {
                        print_string(f, next++);
                        fputs(": ", f);
                }
                next = print_node(f, next, depth + 1);
        }
        if (n->count)
                fprintf(f, "\n%*s", (int)(2 * depth), "");
        fputc(is_object ? '}' : ']', f);
        return next;
}

/* Gives the node behind it. */
static const struct json_node *print_node(FILE *f, const struct json_node *n, unsigned depth)
{
        static const char *const words[] = { [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true" };
        if (n->type == JSON_OBJECT || n->type == JSON_ARRAY)
                return print_items(f, n, depth);
        if (n->type == JSON_STRING)
                print_string(f, n);
        else if (n->type == JSON_NUMBER)
                fprintf(f, "%.*s", (int)n->length, n->text);
        else
                fputs(words[n->type], f);
        return n + 1;
}

void json_print(FILE *f, const struct json_document *d)
{
        print_node(f, d->nodes, 0);
        fputc('\n', f);
}

/* With the NUL bytes that are in it. */
static void write_string(struct text *t, const struct json_node *n)
{
        if (!n->has_nul) {
                text_add_json(t, n->text);
                return;
        }
        text_add(t, "\"");
        for (const char *s = n->text, *end = n->text + n->length; s <= end; s += strlen(s) + 1) {
                CLEAN_TEXT struct text part = { 0 };
                text_add_json(&part, s);
                if (s != n->text)
                        text_add(t, "\\u0000");
                text_add_bytes(t, part.data + 1, part.length - 2);
        }
        text_add(t, "\"");
}

static const struct json_node *write_node(struct text *t, const struct json_node *n);

static const struct json_node *write_items(struct text *t, const struct json_node *n)
{
        bool is_object = n->type == JSON_OBJECT;
        const struct json_node *next = n + 1;
        text_add(t, is_object ? "{" : "[");
        for (uint32_t i = 0; i < n->count; i++) {
                if (i)
                        text_add(t, ",");
                if (is_object) {
                        write_string(t, next++);
                        text_add(t, ":");
                }
                next = write_node(t, next);
        }
        text_add(t, is_object ? "}" : "]");
        return next;
}

static const struct json_node *write_node(struct text *t, const struct json_node *n)
{
        static const char *const words[] = { [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true" };
        if (n->type == JSON_OBJECT || n->type == JSON_ARRAY)
                return write_items(t, n);
        if (n->type == JSON_STRING)
                write_string(t, n);
        else if (n->type == JSON_NUMBER)
                text_add_bytes(t, n->text, n->length);
        else
                text_add(t, words[n->type]);
        return n + 1;
}

void json_add(struct text *t, const struct json_node *n)
{
        write_node(t, n);
}

const struct json_node *json_member(const struct json_node *n, const char *name)
{
        const struct json_node *key = n + 1;
        size_t length = strlen(name);
        if (n->type != JSON_OBJECT)
                return NULL;
        for (uint32_t i = 0; i < n->count; i++, key = key + 1 + key[1].span)
                if (key->length == length && !memcmp(key->text, name, length))
                        return key[1].type == JSON_NULL ? NULL : key + 1;
        return NULL;
}

struct json_place json_top(const struct json_document *d, const char *name)
{
        return (struct json_place){ .value = d->nodes, .key = name };
}

/* ---- errors ---- */

enum { POINTER_KEY_MAX = 80 };

/* "~" and "/" in a name are written as RFC 6901 asks. A long one is cut, between characters. */
static void add_key(struct text *t, const char *key)
{
        for (const char *s = key; *s;) {
                size_t n = text_utf8_length(s);
                n = n ? n : 1;
                if ((size_t)(s - key) + n > POINTER_KEY_MAX)
                        break;
                if (*s == '~' || *s == '/')
                        text_add(t, *s == '~' ? "~0" : "~1");
                else
                        text_add_bytes(t, s, n);
                s += n;
        }
}

static void add_pointer(const struct json_place *at, struct text *t)
{
        if (!at->up)
                return;
        add_pointer(at->up, t);
        text_add(t, "/");
        if (at->key)
                add_key(t, at->key);
        else
                text_addf(t, "%zu", at->index);
}

char *json_pointer(const struct json_place *at)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        add_pointer(at, &t);
        return TAKE_PTR(t.data);
}

int json_fail(const struct json_place *at, struct error *e, const char *format, ...)
{
        CLEAN_FREE char *pointer = json_pointer(at), *words = NULL;
        const struct json_place *top = at;
        va_list ap;
        va_start(ap, format);
        int n = vasprintf(&words, format, ap);
        va_end(ap);
        while (top->up)
                top = top->up;
        return error_set(e, EINVAL, "json.value", "%s: %s: %s", top->key, *pointer ? pointer : "/", n < 0 ? "invalid" : words);
}

/* ---- walking ---- */

static const struct json_field *find_field(const struct json_field *fields, const struct json_node *name)
{
        for (; fields->name; fields++)
                if (strlen(fields->name) == name->length && !memcmp(fields->name, name->text, name->length))
                        return fields;
        return NULL;
}

static int require_all(const struct json_place *at, const struct json_field *fields, uint64_t seen, struct error *e)
{
        for (size_t i = 0; fields[i].name; i++)
                if (fields[i].flags & JSON_REQUIRED && !(seen >> i & 1)) {
                        const struct json_place place = { .up = at, .key = fields[i].name };
                        return json_fail(&place, e, "is missing");
                }
        return 0;
}

int json_object(const struct json_place *at, const struct json_field *fields, void *into, struct error *e)
{
        uint64_t seen = 0; /* tables have at most 64 rows */
        if (at->value->type != JSON_OBJECT)
                return json_fail(at, e, "expected an object");
        const struct json_node *name = at->value + 1;
        for (uint32_t i = 0; i < at->value->count; i++, name = name + 1 + name[1].span) {
                const struct json_field *f = find_field(fields, name);
                const struct json_place place = { .value = name + 1, .up = at, .key = name->text };
                if (!f || name[1].type == JSON_NULL)
                        continue;
                int r = f->read(&place, (char *)into + f->offset, e);
                if (r < 0)
                        return r;
                seen |= UINT64_C(1) << (f - fields);
        }
        return require_all(at, fields, seen, e);
}

int json_each(const struct json_place *at, json_reader read, void *into, struct error *e)
{
        if (at->value->type != JSON_ARRAY)
                return json_fail(at, e, "expected an array");
        const struct json_node *element = at->value + 1;
        for (uint32_t i = 0; i < at->value->count; i++, element += element->span) {
                const struct json_place place = { .value = element, .up = at, .index = i };
                int r = read(&place, into, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int json_each_member(const struct json_place *at, json_reader read, void *into, struct error *e)
{
        if (at->value->type != JSON_OBJECT)
                return json_fail(at, e, "expected an object");
        const struct json_node *name = at->value + 1;
        for (uint32_t i = 0; i < at->value->count; i++, name = name + 1 + name[1].span) {
                const struct json_place place = { .value = name + 1, .up = at, .key = name->text };
                if (name->has_nul)
                        return json_fail(at, e, "a name holds a NUL byte");
                int r = name[1].type == JSON_NULL ? 0 : read(&place, into, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- reading ---- */

const char *json_text(const struct json_place *at, struct error *e)
{
        if (at->value->type == JSON_STRING && (!at->value->has_nul || MUTANT("json-zero")))
                return at->value->text;
        json_fail(at, e, at->value->type == JSON_STRING ? "holds a NUL byte" : "expected a string");
        return NULL;
}

int json_string(const struct json_place *at, void *into, struct error *e)
{
        char **target = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        free(*target);
        *target = xstrdup(s);
        return 0;
}

int json_bool(const struct json_place *at, void *into, struct error *e)
{
        if (at->value->type != JSON_TRUE && at->value->type != JSON_FALSE)
                return json_fail(at, e, "expected true or false");
        *(bool *)into = at->value->type == JSON_TRUE;
        return 0;
}

/* A whole number, 1e3 and 5.0 excepted, as sign and magnitude. */
static int read_integer(const struct json_place *at, bool *ret_negative, uint64_t *ret, struct error *e)
{
        char digits[32];
        const struct json_node *n = at->value;
        bool negative = n->type == JSON_NUMBER && n->text[0] == '-';
        if (n->type != JSON_NUMBER)
                return json_fail(at, e, "expected a whole number");
        if (n->length - negative >= sizeof digits)
                return json_fail(at, e, "is out of range");
        memcpy(digits, n->text + negative, n->length - negative);
        digits[n->length - negative] = 0;
        int r = text_parse_uint(digits, UINT64_MAX, ret);
        if (r < 0)
                return json_fail(at, e, r == -ERANGE ? "is out of range" : "expected a whole number");
        *ret_negative = negative && *ret;
        return 0;
}

static int read_unsigned(const struct json_place *at, uint64_t most, uint64_t *ret, struct error *e)
{
        bool negative;
        int r = read_integer(at, &negative, ret, e);
        if (r == 0 && (negative || *ret > most))
                return json_fail(at, e, "is not from 0 to %llu", (unsigned long long)most);
        return r;
}

static int read_signed(const struct json_place *at, int64_t most, int64_t *ret, struct error *e)
{
        bool negative;
        uint64_t n;
        int r = read_integer(at, &negative, &n, e);
        if (r == 0 && n > (uint64_t)most + negative)
                return json_fail(at, e, "is not from %lld to %lld", (long long)-most - 1, (long long)most);
        if (r == 0)
                *ret = negative ? (int64_t)(0 - n) : (int64_t)n;
        return r;
}

#define READER(name, type, wide, read, most)                                                                 \
        int name(const struct json_place *at, void *into, struct error *e)                                   \
        {                                                                                                    \
                wide n;                                                                                      \
                int r = read(at, most, &n, e);                                                               \
                if (r == 0)                                                                                  \
                        *(type *)into = (type)n;                                                             \
                return r;                                                                                    \
        }

READER(json_u16, uint16_t, uint64_t, read_unsigned, UINT16_MAX)
READER(json_u32, uint32_t, uint64_t, read_unsigned, UINT32_MAX)
READER(json_u64, uint64_t, uint64_t, read_unsigned, UINT64_MAX)
READER(json_i32, int32_t, int64_t, read_signed, INT32_MAX)
READER(json_i64, int64_t, int64_t, read_signed, INT64_MAX)

static int add_string(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (s)
                strings_add(into, s);
        return s ? 0 : -EINVAL;
}

int json_strings(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, add_string, into, e);
}

int json_raw(const struct json_place *at, void *into, struct error *e)
{
        (void)e;
        char **target = into;
        struct text t = { 0 };
        json_add(&t, at->value);
        free(*target);
        *target = t.data;
        return 0;
}

int json_word(const struct json_place *at, const char *const *words, struct error *e)
{
        CLEAN_TEXT struct text known = { 0 };
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        for (int i = 0; words[i]; i++) {
                if (text_equal(s, words[i]))
                        return i;
                text_addf(&known, "%s%s", i ? ", " : "", words[i]);
        }
        json_fail(at, e, "unknown word \"%.60s\"", s);
        error_hint(e, "known are %s", known.data ? known.data : "none");
        return -EINVAL;
}
