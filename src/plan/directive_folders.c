/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives that name folders of the run: "name", with links to it as "name:link", and "name:link:ro" or "name::ro". */
#include <sched.h>
#include <string.h>

#include "base/path.h"
#include "plan/directive_internal.h"

static const char expected[] = "a relative path without \"..\", not \"private\"";

/* "/path" of a relative path that stays where the folders of runs are, or -EINVAL. */
static int normal_of(const char *text, char **ret)
{
        CLEAN_FREE char *absolute = xprintf("/%s", text), *normal = NULL;
        if (*text == '/' || path_normalize(absolute, &normal) < 0 || text_equal(normal, "/") || path_is_below(normal, "/private") ||
            strpbrk(normal, "\n:"))
                return -EINVAL;
        *ret = TAKE_PTR(normal);
        return 0;
}

/* Kept as "name\nlink\nro", where the last two may be empty. */
static int check_folder(const char *word, char **ret, struct error *e)
{
        CLEAN_FREE char *copy = xstrdup(word), *name = NULL, *link = NULL;
        char *parts[3] = { copy, NULL, NULL };
        for (size_t i = 1; i < ELEMENTS(parts) && parts[i - 1] && (parts[i] = strchr(parts[i - 1], ':')); i++)
                *parts[i]++ = 0;
        bool read_only = parts[2] && text_equal(parts[2], "ro");
        if (normal_of(parts[0], &name) < 0)
                return directive_bad_value(e, word, expected);
        if ((parts[1] && *parts[1] && normal_of(parts[1], &link) < 0) || (parts[2] && *parts[2] && !read_only))
                return directive_bad_value(e, word, "NAME[:LINK[:ro]] with relative paths");
        if (link && path_is_below(name, link))
                return directive_bad_value(e, word, "NAME[:LINK[:ro]] where the folder is not below the link");
        *ret = xprintf("%s\n%s\n%s", name + 1, link ? link + 1 : "", read_only ? "ro" : "");
        return 0;
}

static int check_plain_folder(const char *word, char **ret, struct error *e)
{
        return strchr(word, ':') ? directive_bad_value(e, word, expected) : check_folder(word, ret, e);
}

READER_OF_SIBLING(directive_read_folders)
{
        bool plain = text_equal(r->row->name, "ConfigurationDirectory");
        return directive_read_words(r, value, plain ? check_plain_folder : check_folder, e);
}

static struct plan_folder *find_folder(struct plan *p, enum plan_folder_kind kind, const char *name)
{
        for (size_t i = 0; i < p->folder_count; i++)
                if (p->folders[i].kind == kind && text_equal(p->folders[i].name, name))
                        return &p->folders[i];
        return NULL;
}

/* A folder that is named again gains a link. */
static void add_folder(struct plan *p, enum plan_folder_kind kind, const char *text, const char *origin)
{
        CLEAN_FREE char *name = xstrdup(text);
        char *link = strchr(name, '\n'), *mode = strrchr(name, '\n');
        *link++ = *mode++ = 0;
        struct plan_folder *f = find_folder(p, kind, name);
        if (!f) {
                p->folders = xgrow(p->folders, &p->folder_room, p->folder_count + 1, sizeof *p->folders);
                f = &p->folders[p->folder_count++];
                *f = (struct plan_folder){ .kind = kind, .name = xstrdup(name), .mode = 0755, .origin = origin };
        }
        f->read_only |= *mode != 0;
        if (*link && !strings_has(&f->links, link))
                strings_add(&f->links, link);
        if (f->read_only)
                plan_need_namespace(p, CLONE_NEWNS, origin);
}

COMPILER_OF_SIBLING(directive_compile_folders)
{
        enum plan_folder_kind kind = (enum plan_folder_kind)(directive_of(s, v) - D_RUNTIME_DIRECTORY);
        (void)facts, (void)e;
        for (size_t i = 0; i < v->count; i++)
                add_folder(p, kind, v->list[i].text, v->list[i].origin);
        plan_arrange_folders(p);
        return 0;
}
