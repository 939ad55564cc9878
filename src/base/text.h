/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text: growing strings, string lists, and checked parsing of numbers and words.  Pure: no effect on the
 * system but memory.  Allocation failure aborts the program (text_oom): nothing here runs after a payload's
 * privileges matter, and a half-made plan is worth nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"

/* A list of owned strings; items[count] is NULL once anything was added, so that it serves as argv. */
struct strings {
        char **items;
        size_t count, room;
};

/* A growing text; data is NUL-terminated or NULL while empty. */
struct text {
        char *data;
        size_t length, room;
};

void *xalloc(size_t count, size_t size) __attribute__((returns_nonnull, malloc));
void *xgrow(void *p, size_t *room, size_t need, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((returns_nonnull));
char *xprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

void strings_add(struct strings *l, const char *s);
void strings_take(struct strings *l, char *s); /* takes ownership of s */
void strings_clear(struct strings *l);
bool strings_has(const struct strings *l, const char *s);
#define CLEAN_STRINGS CLEAN(strings_clear)

void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const char *s, size_t n);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_json(struct text *t, const char *s); /* quoted and escaped; bytes that are not UTF-8 as U+FFFD */
/* The length of the UTF-8 sequence at s, or 0 where it is not one (overlong, surrogate, cut short). */
size_t text_utf8_length(const char *s);
void text_clear(struct text *t);
#define CLEAN_TEXT CLEAN(text_clear)

/* Prints s with control characters as \xNN, so that a hostile name cannot drive the reader's terminal. */
void text_print_safe(FILE *f, const char *s);

/* "1", "yes", "y", "true", "t", "on" and their opposites, in any case. 0 or -EINVAL. */
int text_parse_bool(const char *s, bool *ret);
/* Decimal, no sign, no blank, at most max. 0, -EINVAL or -ERANGE. */
int text_parse_uint(const char *s, uint64_t max, uint64_t *ret);
/* "4K", "1.5G", "infinity" (UINT64_MAX): base 1024. 0, -EINVAL or -ERANGE. */
int text_parse_size_bytes(const char *s, uint64_t *ret);
/* As systemd formats times for people and parses them: "5s", "2min 200ms". 0, -EINVAL, -ERANGE. */
int text_parse_span_usec(const char *s, uint64_t *ret);

/*
 * Takes the next word of *s: blanks separate, quotes join, C escapes are decoded (\xNN, \NNN, \uNNNN and \UNNNNNNNN never to NUL).
 * Returns 1 and the word, 0 at the end, -EINVAL on an open quote or a bad escape.
 */
int text_next_word(const char **s, char **ret_word);
/* The same, but bad escapes stay in the word as they are written, and are counted. -EINVAL on an open quote alone. */
int text_next_word_relaxed(const char **s, char **ret_word, size_t *ret_kept);
/* All words of s. */
int text_split_words(const char *s, struct strings *l);

static inline bool text_equal(const char *a, const char *b)
{
        while (*a && *a == *b)
                a++, b++;
        return *a == *b;
}
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);
