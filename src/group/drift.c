/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/drift.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_diff.h"

enum { VALUE_SHOWN = 64, BEFORE_SHOWN = 16, POINTER_SHOWN = 256, NUMBER_MAX = 64 };

/* ---- equal ---- */

static bool is_container(const struct json_node *n)
{
        return n->type == JSON_OBJECT || n->type == JSON_ARRAY;
}

static const char *written(const struct json_node *n, size_t *ret_length)
{
        static const char *const words[] = { [JSON_FALSE] = "false", [JSON_TRUE] = "true" };
        bool is_word = n->type == JSON_FALSE || n->type == JSON_TRUE;
        const char *s = is_word ? words[n->type] : n->type == JSON_NULL ? "" : n->text;
        *ret_length = is_word ? strlen(s) : n->type == JSON_NULL ? 0 : n->length;
        return s;
}

/* Whole numbers have 64 bits, and a double less: so only what is written with a point or an exponent is taken for one. */
static bool same_number(const struct json_node *a, const struct json_node *b)
{
        char x[NUMBER_MAX + 1] = "", y[NUMBER_MAX + 1] = "";
        if (a->type != JSON_NUMBER || b->type != JSON_NUMBER || a->length > NUMBER_MAX || b->length > NUMBER_MAX)
                return false;
        memcpy(x, a->text, a->length);
        memcpy(y, b->text, b->length);
        return (strpbrk(x, ".eE") || strpbrk(y, ".eE")) && !(strtod(x, NULL) < strtod(y, NULL)) && !(strtod(x, NULL) > strtod(y, NULL));
}

/* Some providers write numbers and truths as strings. */
static bool same_scalar(const struct json_node *a, const struct json_node *b)
{
        size_t m, n;
        const char *x = written(a, &m), *y = written(b, &n);
        return (m == n && (!m || !memcmp(x, y, m))) || same_number(a, b);
}

/* As json_member, by a name that may have any byte. null is absent. */
static const struct json_node *member_of(const struct json_node *object, const struct json_node *name)
{
        const struct json_node *key = object + 1;
        for (uint32_t i = 0; i < object->count; i++, key = key + 1 + key[1].span)
                if (key->length == name->length && !memcmp(key->text, name->text, name->length))
                        return key[1].type == JSON_NULL ? NULL : key + 1;
        return NULL;
}

static bool same(const struct json_node *a, const struct json_node *b);

static bool has_all(const struct json_node *a, const struct json_node *b)
{
        const struct json_node *key = a + 1;
        for (uint32_t i = 0; i < a->count; i++, key = key + 1 + key[1].span) {
                const struct json_node *other = member_of(b, key);
                if (key[1].type != JSON_NULL && (!other || !same(key + 1, other)))
                        return false;
        }
        return true;
}

static int by_text(const void *a, const void *b)
{
        const struct json_node *x = *(const struct json_node *const *)a, *y = *(const struct json_node *const *)b;
        size_t n = x->length < y->length ? x->length : y->length;
        int order = n ? memcmp(x->text, y->text, n) : 0;
        return order ? order : x->length < y->length ? -1 : x->length > y->length;
}

static bool all_strings(const struct json_node *array)
{
        for (uint32_t i = 0; i < array->span - 1; i++)
                if (array[1 + i].type != JSON_STRING)
                        return false;
        return true;
}

static const struct json_node **sorted(const struct json_node *array)
{
        const struct json_node **list = xalloc(array->count, sizeof *list);
        for (uint32_t i = 0; i < array->count; i++)
                list[i] = array + 1 + i;
        qsort(list, array->count, sizeof *list, by_text);
        return list;
}

/* Groups of security, say, are listed in any order. */
static bool same_strings(const struct json_node *a, const struct json_node *b)
{
        CLEAN_FREE const struct json_node **x = sorted(a), **y = sorted(b);
        for (uint32_t i = 0; i < a->count; i++)
                if (by_text(x + i, y + i))
                        return false;
        return true;
}

static bool same_array(const struct json_node *a, const struct json_node *b)
{
        const struct json_node *x = a + 1, *y = b + 1;
        if (a->count != b->count)
                return false;
        if (a->count && all_strings(a) && all_strings(b))
                return same_strings(a, b);
        for (uint32_t i = 0; i < a->count; i++, x += x->span, y += y->span)
                if (!same(x, y))
                        return false;
        return true;
}

static bool same(const struct json_node *a, const struct json_node *b)
{
        if (is_container(a) || is_container(b))
                return a->type == b->type && (a->type == JSON_ARRAY ? same_array(a, b) : has_all(a, b) && has_all(b, a));
        return same_scalar(a, b);
}

/* ---- what is shown ---- */

/* Whether a text may hold a secret or name one: a word too many costs a value in an event, one too few a password in a log. */
static bool speaks_of_secrets(const char *s, size_t length)
{
        static const char *const words[] = { "pass", "secret", "token", "key", "credential" };
        for (size_t i = 0; i < length; i++)
                for (size_t w = 0; w < ELEMENTS(words); w++) {
                        size_t n = strlen(words[w]);
                        if (n <= length - i && !strncasecmp(s + i, words[w], n))
                                return true;
                }
        return false;
}

/* Cuts out a window of what is longer, never within a letter. */
static void add_window(struct text *t, const struct text *value, size_t from)
{
        size_t to = from + VALUE_SHOWN;
        if (value->length <= VALUE_SHOWN) {
                text_add(t, value->data);
                return;
        }
        if (to > value->length) {
                to = value->length;
                from = to - VALUE_SHOWN;
        }
        while (from && ((unsigned char)value->data[from] & 0xc0) == 0x80)
                from--;
        while (to < value->length && ((unsigned char)value->data[to] & 0xc0) == 0x80)
                to--;
        text_add(t, from ? "..." : "");
        text_add_bytes(t, value->data + from, to - from);
        text_add(t, to < value->length ? "..." : "");
}

static void add_values(struct text *t, const struct json_node *wanted, const struct json_node *there)
{
        CLEAN_TEXT struct text old = { 0 }, new = { 0 };
        size_t at = 0;
        json_add(&old, wanted);
        json_add(&new, there);
        while (at < old.length && at < new.length && old.data[at] == new.data[at])
                at++;
        at = at > BEFORE_SHOWN ? at - BEFORE_SHOWN : 0;
        text_add(t, " is ");
        add_window(t, &new, at);
        text_add(t, ", not ");
        add_window(t, &old, at);
}

/* Names and strings of all that is in it. */
static bool holds_secrets(const struct json_node *n)
{
        for (uint32_t i = 0; i < n->span; i++)
                if (n[i].type == JSON_STRING && speaks_of_secrets(n[i].text, n[i].length))
                        return true;
        return false;
}

/* ---- the walk ---- */

struct walk {
        struct text pointer, found;
        const char *prepared;
        size_t differences, common, unsaid;
};

static void add_difference(struct walk *w, const struct json_node *wanted, const struct json_node *there)
{
        const struct text *p = &w->pointer;
        if (w->found.length > DRIFT_TEXT_MAX - POINTER_SHOWN - 4 * VALUE_SHOWN) {
                w->unsaid++;
                return;
        }
        size_t n = p->length > POINTER_SHOWN ? POINTER_SHOWN : p->length;
        while (n < p->length && n && ((unsigned char)p->data[n] & 0xc0) == 0x80)
                n--;
        text_add(&w->found, w->differences++ ? "; " : "");
        text_add_bytes(&w->found, p->data, n);
        text_add(&w->found, !p->length ? "it" : n < p->length ? "..." : "");
        if (speaks_of_secrets(p->data, p->length) || holds_secrets(wanted) || holds_secrets(there))
                text_add(&w->found, " has changed");
        else
                add_values(&w->found, wanted, there);
}

/* Whether the flavor made it what it is: it, or, of what is compared whole, anything in it. */
static bool is_prepared(const struct walk *w, bool whole)
{
        size_t length = w->pointer.length;
        for (const char *s = w->prepared, *end; s && *s; s = *end ? end + 1 : end) {
                end = strchrnul(s, ' ');
                size_t n = (size_t)(end - s);
                if ((n == 1 && *s == '*') || (n >= length && !memcmp(s, w->pointer.data, length) && (n == length || (whole && s[length] == '/'))))
                        return true;
        }
        return false;
}

static void compare(struct walk *w, const struct json_node *wanted, const struct json_node *there);

static void compare_members(struct walk *w, const struct json_node *wanted, const struct json_node *there)
{
        const struct json_node *key = wanted + 1;
        for (uint32_t i = 0; i < wanted->count; i++, key = key + 1 + key[1].span) {
                const struct json_node *other = member_of(there, key);
                size_t length = w->pointer.length;
                if (!other || key[1].type == JSON_NULL)
                        continue;
                json_pointer_add(&w->pointer, key->text);
                compare(w, key + 1, other);
                w->pointer.length = length;
                w->pointer.data[length] = 0;
        }
}

/* A whole that became a text is one that the provider found changed: it gives what is there. */
static bool has_another_shape(const struct json_node *wanted, const struct json_node *there)
{
        if (!is_container(wanted) && !is_container(there))
                return false;
        return wanted->type != there->type && !(is_container(wanted) && there->type == JSON_STRING);
}

static void compare(struct walk *w, const struct json_node *wanted, const struct json_node *there)
{
        bool objects = wanted->type == JSON_OBJECT && there->type == JSON_OBJECT;
        if (is_prepared(w, !objects))
                return;
        if (objects) {
                compare_members(w, wanted, there);
                return;
        }
        if (has_another_shape(wanted, there))
                return;
        w->common++;
        if (!same(wanted, there))
                add_difference(w, wanted, there);
}

char *drift_find(const struct json_node *wanted, const struct json_node *there, const char *prepared)
{
        struct walk w = { .prepared = prepared };
        text_add(&w.pointer, "");
        text_add(&w.found, "");
        if (wanted->type == JSON_OBJECT && there->type == JSON_OBJECT)
                compare(&w, wanted, there);
        if (w.unsaid)
                text_addf(&w.found, "; and %zu more", w.unsaid);
        text_clear(&w.pointer);
        if (!w.common)
                text_clear(&w.found);
        return w.found.data;
}

/* ---- what a flavor does ---- */

static void add_prepared(void *context, const char *pointer, const struct json_node *old, const struct json_node *new)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-:@+=";
        struct text *t = context;
        (void)old, (void)new;
        bool fits = *pointer && !pointer[strspn(pointer, plain)] && t->length + strlen(pointer) < DRIFT_PREPARED_MAX;
        if (text_equal(t->data, "*"))
                return;
        if (fits) {
                text_addf(t, "%s%s", t->length ? " " : "", pointer);
                return;
        }
        text_clear(t);
        text_add(t, "*");
}

char *drift_prepared(const char *asked, const char *prepared)
{
        CLEAN_JSON struct json_document a = { 0 }, b = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        const char *x = asked ? asked : "{}", *y = prepared ? prepared : "{}";
        text_add(&t, "");
        if (json_parse("asked", x, strlen(x), &a, NULL) < 0 || json_parse("prepared", y, strlen(y), &b, NULL) < 0)
                return xstrdup("*");
        json_diff(a.nodes, b.nodes, add_prepared, &t);
        return t.length ? TAKE_PTR(t.data) : NULL;
}
