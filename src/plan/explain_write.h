/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the parts of explain write: lines for people, members of JSON.  For the files of explain alone. */
#pragma once

#include "os/capability.h"
#include "plan/explain.h"

enum { COLUMN_SUBJECT = 14, COLUMN_WORDS = 40, COLUMN_ORIGIN = 78 };

struct view {
        const struct plan *p;
        const struct explain_host *host;
        struct text *t;
};

/* ---- text ---- */

static inline void add_safe(struct text *t, const char *s)
{
        for (; *s; s++)
                if ((unsigned char)*s < 0x20 || *s == 0x7f)
                        text_addf(t, "\\x%02x", (unsigned char)*s);
                else
                        text_add_bytes(t, s, 1);
}

static inline void pad_to(struct text *t, size_t start, size_t column)
{
        size_t at = t->length - start;
        text_addf(t, "%*s", (int)(at + 2 > column ? 2 : column - at), "");
}

/* One line: what it is about, what holds, who asked. words and origin may be NULL. */
static inline void line(const struct view *v, const char *label, const char *subject, const char *words, const char *origin)
{
        struct text *t = v->t;
        size_t start = t->length;
        text_add(t, label);
        pad_to(t, start, COLUMN_SUBJECT);
        add_safe(t, subject);
        if (words || origin)
                pad_to(t, start, COLUMN_WORDS);
        if (words)
                add_safe(t, words);
        if (origin) {
                pad_to(t, start, COLUMN_ORIGIN);
                add_safe(t, origin);
        }
        text_add(t, "\n");
}

/* Names of the mask's bits; NULL if there are none. */
static inline char *capability_names(uint64_t mask)
{
        CLEAN_TEXT struct text t = { 0 };
        for (unsigned n = 0; n <= CAPABILITY_MAX; n++) {
                if (!(mask >> n & 1))
                        continue;
                text_add(&t, t.length ? " " : "");
                if (capability_name(n))
                        text_add(&t, capability_name(n));
                else
                        text_addf(&t, "%u", n);
        }
        return TAKE_PTR(t.data);
}

/* ---- JSON ---- */

/* A member's name; a comma unless it is the first in its object. */
static inline void key(struct text *t, const char *name)
{
        text_addf(t, "%s\"%s\":", t->data[t->length - 1] == '{' ? "" : ",", name);
}

static inline void next(struct text *t)
{
        text_add(t, t->data[t->length - 1] == '[' ? "" : ",");
}

static inline void json_string(struct text *t, const char *name, const char *s)
{
        key(t, name);
        if (s)
                text_add_json(t, s);
        else
                text_add(t, "null");
}

/* A value and who asked for it; nothing where there is none. */
static inline void json_origin(struct text *t, const char *name, const char *value, const char *origin)
{
        if (!value)
                return;
        key(t, name);
        text_add(t, "{");
        json_string(t, "value", value);
        json_string(t, "origin", origin);
        text_add(t, "}");
}

static inline void json_bool(struct text *t, const char *name, bool b)
{
        key(t, name);
        text_add(t, b ? "true" : "false");
}

static inline void json_number(struct text *t, const char *name, uint64_t n)
{
        key(t, name);
        text_addf(t, "%llu", (unsigned long long)n);
}

static inline void json_strings(struct text *t, const char *name, const struct strings *l)
{
        key(t, name);
        text_add(t, "[");
        for (size_t i = 0; i < l->count; i++) {
                next(t);
                text_add_json(t, l->items[i]);
        }
        text_add(t, "]");
}

static inline void json_names(struct text *t, const char *name, uint64_t mask)
{
        CLEAN_STRINGS struct strings l = { 0 };
        CLEAN_FREE char *names = capability_names(mask);
        if (names)
                (void)text_split_words(names, &l);
        json_strings(t, name, &l);
}
