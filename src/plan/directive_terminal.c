/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about a terminal as standard input and output, and about input that stands in a directive. */
#include <string.h>

#include "base/base64.h"
#include "base/path.h"
#include "plan/directive_internal.h"
#include "plan/specifier.h"

/* ---- the terminal ---- */

static int check_path(const char *word, char **ret, struct error *e)
{
        return path_normalize(word, ret) < 0 ? directive_bad_value(e, word, "an absolute path without \"..\"") : 0;
}

int directive_read_tty_path(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_text(r, value, check_path, e);
}

int directive_read_tty_size(const struct reader *r, const char *value, struct error *e)
{
        uint64_t n;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (text_parse_uint(value, UINT16_MAX, &n) < 0)
                return directive_bad_value(e, value, "a number up to 65535");
        directive_set_number(r, n);
        return 0;
}

int directive_compile_tty(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        struct plan_tty *t = &p->process.tty;
        (void)facts, (void)e;
        switch (directive_of(s, v)) {
        case D_TTY_PATH: t->path = xstrdup(v->text); break;
        case D_TTY_RESET: t->reset = v->number; break;
        case D_TTY_VHANGUP: t->hang_up = v->number; break;
        case D_TTY_VT_DISALLOCATE: t->disallocate = v->number; break;
        case D_TTY_ROWS: t->rows = (unsigned)v->number; break;
        default: t->columns = (unsigned)v->number; break;
        }
        t->origin = t->origin ? plan_keep(p, xprintf("%.400s, %s", t->origin, v->origin)) : v->origin;
        return 0;
}

/* ---- input ---- */

/* Both directives add to one text, in the order in which they stand. */
static void add_input(const struct reader *r, const struct text *t)
{
        struct setting *v = &r->all->of[D_STANDARD_INPUT_TEXT];
        CLEAN_TEXT struct text hex = { 0 };
        text_add(&hex, "");
        for (size_t i = 0; i < t->length; i++)
                text_addf(&hex, "%02x", (unsigned char)t->data[i]);
        const struct reader shared = { r->row, r->all, v, r->facts, r->origin };
        directive_add_value(&shared, TAKE_PTR(hex.data));
}

static int check_room(const struct reader *r, size_t more, struct error *e)
{
        const struct setting *v = &r->all->of[D_STANDARD_INPUT_TEXT];
        size_t have = more;
        for (size_t i = 0; i < v->count; i++)
                have += strlen(v->list[i].text) / 2;
        return have > PLAN_INPUT_MAX ? error_set(e, E2BIG, "directive.limit", "more than %d bytes of standard input", PLAN_INPUT_MAX) : 0;
}

static void forget_input(const struct reader *r)
{
        directive_reset_list(&r->all->of[D_STANDARD_INPUT_TEXT]);
}

int directive_read_input_text(const struct reader *r, const char *value, struct error *e)
{
        CLEAN_FREE char *expanded = NULL;
        CLEAN_TEXT struct text t = { 0 };
        if (!*value) {
                forget_input(r);
                return 0;
        }
        int k = specifier_expand(value, r->facts, &expanded, e);
        if (k < 0)
                return k;
        if (text_unescape(expanded, &t) < 0)
                return directive_bad_value(e, value, "text with C escapes");
        text_add(&t, "\n");
        k = check_room(r, t.length, e);
        if (k == 0)
                add_input(r, &t);
        return k;
}

int directive_read_input_data(const struct reader *r, const char *value, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        if (!*value) {
                forget_input(r);
                return 0;
        }
        if (base64_decode(value, strlen(value), &t) < 0)
                return directive_bad_value(e, value, "data in base64");
        int k = check_room(r, t.length, e);
        if (k == 0)
                add_input(r, &t);
        return k;
}

static unsigned nibble(char c)
{
        return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Where no other input is asked for, it is this. */
int directive_compile_input(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        struct plan_stream *input = &p->process.streams[0];
        struct text *t = &p->process.input;
        (void)facts, (void)e;
        text_add(t, "");
        for (size_t i = 0; i < v->count; i++)
                for (const char *h = v->list[i].text; *h; h += 2) {
                        const char byte = (char)(nibble(h[0]) << 4 | nibble(h[1]));
                        text_add_bytes(t, &byte, 1);
                }
        p->process.input_origin = directive_origins(p, v);
        if (!s->of[D_STANDARD_INPUT].set)
                *input = (struct plan_stream){ .kind = PLAN_STREAM_DATA, .origin = p->process.input_origin };
        return 0;
}
