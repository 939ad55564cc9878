/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about labels of security modules. */
#include <ctype.h>
#include <string.h>

#include "plan/directive_internal.h"

/* "[-]LABEL". The file that it is written to takes a line. */
static int check_label(const char *word, char **ret, struct error *e)
{
        const char *label = word + (*word == '-');
        for (const char *p = label; *p; p++)
                if (iscntrl((unsigned char)*p))
                        return directive_bad_value(e, word, "a label without control characters");
        if (!*label || strlen(label) > PLAN_LABEL_MAX)
                return directive_bad_value(e, word, "a label of 1 to 4000 bytes, with an optional - before it");
        *ret = xstrdup(word);
        return 0;
}

int directive_read_label(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_text(r, value, check_label, e);
}

int directive_compile_label(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        bool optional = *v->text == '-';
        (void)facts, (void)e;
        p->process.labels[directive_of(s, v) - D_SELINUX_CONTEXT] = (struct plan_label){ xstrdup(v->text + optional), optional, v->origin };
        return 0;
}
