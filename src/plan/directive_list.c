/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of what is allowed, or with "~" of what is denied: the first line decides which kind it is; those of the other kind take off. */
#include <string.h>

#include "plan/directive_internal.h"

static void remove_value(struct setting *v, const char *text)
{
        size_t kept = 0;
        for (size_t i = 0; i < v->count; i++) {
                if (text_equal(v->list[i].text, text))
                        free(v->list[i].text);
                else
                        v->list[kept++] = v->list[i];
        }
        v->count = kept;
}

static void merge(const struct reader *r, const char *text, bool adds)
{
        remove_value(r->v, text);
        if (adds)
                directive_add_value(r, xstrdup(text));
}

int directive_read_signed_list(const struct reader *r, const char *value, directive_check check, directive_expand expand, struct error *e)
{
        bool invert = *value == '~', first = !r->v->set;
        struct setting line = { 0 };
        const struct reader own = { r->row, r->all, &line, r->facts, r->origin };
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        const char *words = value + invert + strspn(value + invert, " \t");
        int k = *words ? directive_read_words(&own, words, check, e) : 0;
        if (k == 0) {
                if (first)
                        r->v->number = invert ? DIRECTIVE_LIST_DENIES : DIRECTIVE_LIST_ALLOWS;
                bool adds = invert == (r->v->number == DIRECTIVE_LIST_DENIES);
                for (size_t i = 0; i < line.count; i++) {
                        CLEAN_STRINGS struct strings members = { 0 };
                        if (!expand || !expand(line.list[i].text, &members))
                                strings_add(&members, line.list[i].text);
                        for (size_t m = 0; m < members.count; m++)
                                merge(r, members.items[m], adds);
                }
                /* An emptied list stays one: of nothing that is allowed, or nothing that is denied. */
                r->v->set = true;
                r->v->origin = r->origin;
        }
        directive_reset_list(&line);
        free(line.list);
        return k;
}
