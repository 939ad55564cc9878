/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which kinds of file systems may be opened. */
#include "plan/directive_internal.h"

static int check_file_system(const char *word, char **ret, struct error *e)
{
        CLEAN_STRINGS struct strings members = { 0 };
        if (*word == '@' ? !file_system_group(word, &members) : !file_system_find(word))
                return directive_bad_value(e, word, "file systems such as ext4 or tmpfs, or groups such as @network");
        *ret = xstrdup(word);
        return 0;
}

int directive_read_file_systems(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_signed_list(r, value, check_file_system, file_system_group, e);
}

int directive_compile_file_systems(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        struct plan_file_systems *f = &p->file_systems;
        (void)s, (void)facts, (void)e;
        f->allowed = v->number == DIRECTIVE_LIST_ALLOWS;
        if (!v->count && !f->allowed)
                return 0;
        for (size_t i = 0; i < v->count; i++)
                strings_add(&f->names, v->list[i].text);
        f->origin = v->count ? directive_origins(p, v) : v->origin;
        return 0;
}
