/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of a template's actions, and the reader that stands in its source. */
#pragma once

#include "group/template_value.h"

enum { WORD_MAX = 64 };

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

bool template_blank(char c);
/* The byte so far ahead; 0 at the end. */
char template_peek(const struct reader *r, size_t ahead);
void template_advance(struct reader *r, size_t n);
/* The next token of the action into r->token. */
int template_next(struct reader *r, struct error *e);
/* Counts a step; -E2BIG when there were too many. */
int template_step(struct reader *r, struct error *e);
/* "NAME:LINE: " and what is wrong. Id "template.syntax"; -EINVAL. */
int template_syntax(const struct reader *r, struct error *e, const char *what);
