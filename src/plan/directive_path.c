/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about paths: what is read-only, hidden, bound or a tmpfs of its own. */
#include <string.h>

#include "base/path.h"
#include "plan/directive_internal.h"

/* "[-][+]/path": prefixes are kept in front of the normalized path. */
static int check_path(const char *word, char **ret, struct error *e)
{
        CLEAN_FREE char *path = NULL;
        const char *p = word;
        bool optional = *p == '-';
        p += optional;
        p += *p == '+';
        if (path_normalize(p, &path) < 0)
                return directive_bad_value(e, word, "an absolute path without \"..\", shorter than 4096 bytes");
        *ret = xprintf("%s%s%s", optional ? "-" : "", word[optional] == '+' ? "+" : "", path);
        return 0;
}

READER_OF_SIBLING(directive_read_paths)
{
        return directive_read_words(r, value, check_path, e);
}

/* "[-]source[:destination[:rbind|norbind]]" with "\:" for a colon, kept as "[-]source\ndestination\n[n]". */
static int check_bind(const char *word, char **ret, struct error *e)
{
        CLEAN_FREE char *source = NULL, *target = NULL, *copy = xstrdup(word[0] == '-' ? word + 1 : word);
        char *part[3] = { copy, NULL, NULL };
        unsigned n = 0;
        char *out = copy;
        for (const char *in = copy; *in; in++) {
                if (*in == ':' && n < 2) {
                        *out++ = 0;
                        part[++n] = out;
                } else if (*in == '\\' && in[1] == ':') {
                        *out++ = *++in;
                } else
                        *out++ = *in;
        }
        *out = 0;
        bool plain = part[2] && text_equal(part[2], "norbind");
        if (path_normalize(part[0], &source) < 0 || path_normalize(part[1] && *part[1] ? part[1] : part[0], &target) < 0 ||
            (part[2] && *part[2] && !plain && !text_equal(part[2], "rbind")) || strchr(source, '\n') || strchr(target, '\n'))
                return directive_bad_value(e, word, "SOURCE[:DESTINATION[:rbind|norbind]] with absolute paths");
        *ret = xprintf("%s%s\n%s\n%s", word[0] == '-' ? "-" : "", source, target, plain ? "n" : "");
        return 0;
}

READER_OF_SIBLING(directive_read_binds)
{
        /* "\:" is check_bind's to read: the word splitter is given "\\\\:". */
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (const char *p = value; *p; p++) {
                if (*p == '\\' && p[1] == ':')
                        text_add(&t, "\\");
                text_add_bytes(&t, p, 1);
                if (*p == '\\' && p[1])
                        text_add_bytes(&t, ++p, 1);
        }
        return directive_read_words(r, t.data, check_bind, e);
}

/* "/path[:options]", kept as "path\noptions". */
static int check_tmpfs(const char *word, char **ret, struct error *e)
{
        CLEAN_FREE char *path = NULL, *copy = xstrdup(word);
        char *colon = strchr(copy, ':');
        if (colon)
                *colon++ = 0;
        if (path_normalize(copy, &path) < 0 || strchr(path, '\n'))
                return directive_bad_value(e, word, "PATH[:OPTIONS] with an absolute path");
        *ret = xprintf("%s\n%s", path, colon ? colon : "");
        return 0;
}

READER_OF_SIBLING(directive_read_tmpfs)
{
        return directive_read_words(r, value, check_tmpfs, e);
}

COMPILER_OF_SIBLING(directive_compile_read_write) { directive_add_paths(p, v, PLAN_READ_WRITE); return 0; }
COMPILER_OF_SIBLING(directive_compile_read_only) { directive_add_paths(p, v, PLAN_READ_ONLY); return 0; }
COMPILER_OF_SIBLING(directive_compile_inaccessible) { directive_add_paths(p, v, PLAN_INACCESSIBLE); return 0; }
COMPILER_OF_SIBLING(directive_compile_exec) { directive_add_paths(p, v, PLAN_EXEC); return 0; }
COMPILER_OF_SIBLING(directive_compile_no_exec) { directive_add_paths(p, v, PLAN_NOEXEC); return 0; }

static void add_binds(struct plan *p, const struct setting *v, bool read_only)
{
        for (size_t i = 0; i < v->count; i++) {
                const char *text = v->list[i].text, *line = strchr(text, '\n'), *end = strchr(line + 1, '\n');
                bool optional = *text == '-';
                CLEAN_FREE char *target = xstrndup(line + 1, (size_t)(end - line - 1));
                struct plan_mount *m = plan_add_mount(p, PLAN_BIND, target, v->list[i].origin);
                m->source = xstrndup(text + optional, (size_t)(line - text) - optional);
                m->optional = optional;
                m->read_only = read_only;
                m->recursive = end[1] != 'n';
        }
}

COMPILER_OF_SIBLING(directive_compile_bind) { add_binds(p, v, false); return 0; }
COMPILER_OF_SIBLING(directive_compile_bind_read_only) { add_binds(p, v, true); return 0; }

COMPILER_OF_SIBLING(directive_compile_tmpfs)
{
        for (size_t i = 0; i < v->count; i++) {
                const char *line = strchr(v->list[i].text, '\n');
                CLEAN_FREE char *path = xstrndup(v->list[i].text, (size_t)(line - v->list[i].text));
                plan_add_mount(p, PLAN_TMPFS, path, v->list[i].origin)->source = xstrdup(line + 1);
        }
        return 0;
}
