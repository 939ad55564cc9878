/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/unit_file.h"

#include <errno.h>
#include <string.h>

static const char blanks[] = " \t\r\n";

struct reading {
        struct unit_file *u;
        const char *const *sections;
        bool lenient;
        struct error *e;
        unsigned file, number; /* of the physical line */
        const char *section;   /* NULL before the first, and in one that is passed over */
        bool passed_over;
};

/* ---- problems ---- */

static int over_limit(struct reading *r, const char *what, size_t max)
{
        error_set(r->e, E2BIG, "unit.limit", "more than %zu %s", max, what);
        error_while(r->e, "reading %s:%u", r->u->files.items[r->file], r->number);
        return -E2BIG;
}

/* 0 when it may be passed over. */
static int problem(struct reading *r, unsigned number, const char *what, const char *word)
{
        const char *path = r->u->files.items[r->file];
        if (r->lenient && r->u->notes.count == UNIT_NOTES_MAX)
                return over_limit(r, "lines that cannot be read", UNIT_NOTES_MAX);
        if (r->lenient) {
                strings_take(&r->u->notes, xprintf("%s:%u: %s%s%.80s%s", path, number, what, word ? " \"" : "", word ? word : "", word ? "\"" : ""));
                return 0;
        }
        if (word)
                error_set(r->e, EINVAL, "unit.syntax", "%s \"%.80s\"", what, word);
        else
                error_set(r->e, EINVAL, "unit.syntax", "%s", what);
        error_while(r->e, "reading %s:%u", path, number);
        return -EINVAL;
}

/* ---- words ---- */

static char *strip(char *s)
{
        s += strspn(s, blanks);
        for (char *end = s + strlen(s); end > s && strchr(blanks, end[-1]); *--end = 0)
                continue;
        return s;
}

static bool is_utf8(const char *s)
{
        while (*s) {
                size_t n = text_utf8_length(s);
                if (!n)
                        return false;
                s += n;
        }
        return true;
}

static bool is_listed(const char *const *l, const char *s)
{
        for (; l && *l; l++)
                if (text_equal(*l, s))
                        return true;
        return !l;
}

/* NULL: too many. */
static const char *keep(struct unit_file *u, const char *s)
{
        for (size_t i = 0; i < u->strings.count; i++)
                if (text_equal(u->strings.items[i], s))
                        return u->strings.items[i];
        if (u->strings.count == UNIT_NAMES_MAX)
                return NULL;
        strings_add(&u->strings, s);
        return u->strings.items[u->strings.count - 1];
}

/* ---- lines ---- */

static int take_header(struct reading *r, unsigned number, char *s)
{
        size_t n = strlen(s);
        r->section = NULL;
        r->passed_over = true;
        if (s[n - 1] != ']')
                return problem(r, number, "a section's name does not end with ]:", s);
        s[n - 1] = 0;
        s++;
        for (const char *c = s; *c; c++)
                if ((unsigned char)*c < ' ' || *c == 127 || *c == '"' || *c == '\'' || *c == '\\')
                        return problem(r, number, "unexpected characters in the name of the section", s);
        if (is_listed(r->sections, s)) {
                r->section = keep(r->u, s);
                r->passed_over = false;
                return r->section ? 0 : over_limit(r, "different names", UNIT_NAMES_MAX);
        }
        return text_starts(s, "X-") ? 0 : problem(r, number, "unknown section", s);
}

static int take_assignment(struct reading *r, unsigned number, char *s)
{
        char *equals = strchr(s, '=');
        if (r->passed_over)
                return 0;
        if (!r->section)
                return problem(r, number, "stands before the first section:", s);
        if (!equals)
                return problem(r, number, "is no assignment, for want of a =:", s);
        *equals = 0;
        const char *name = strip(s);
        if (!*name)
                return problem(r, number, "has no name before the =", NULL);
        if (text_starts(name, "X-"))
                return 0;
        if (r->u->count == UNIT_LINES_MAX)
                return over_limit(r, "assignments", UNIT_LINES_MAX);
        const char *kept = keep(r->u, name);
        if (!kept)
                return over_limit(r, "different names", UNIT_NAMES_MAX);
        r->u->lines = xgrow(r->u->lines, &r->u->room, r->u->count + 1, sizeof *r->u->lines);
        r->u->lines[r->u->count++] = (struct unit_line){ r->section, kept, xstrdup(strip(equals + 1)), r->file, number };
        return 0;
}

static int take_line(struct reading *r, unsigned number, char *s)
{
        s = strip(s);
        if (!*s)
                return 0;
        if (!is_utf8(s))
                return problem(r, number, "is not UTF-8", NULL);
        return *s == '[' ? take_header(r, number, s) : take_assignment(r, number, s);
}

/* A backslash that is not itself escaped joins the next line, and counts as a blank. */
static bool is_continued(const char *s)
{
        bool escaped = false;
        for (; *s; s++)
                escaped = !escaped && *s == '\\';
        return escaped;
}

/* Comments and empty lines inside a continued line are no part of it. */
static bool is_comment(const char *s)
{
        s += strspn(s, blanks);
        return !*s || *s == '#' || *s == ';';
}

static int take_lines(struct reading *r, const char *data, const char *end)
{
        CLEAN_TEXT struct text joined = { 0 };
        unsigned began = 0;
        int k = 0;
        while (k == 0 && data < end) {
                const char *newline = memchr(data, '\n', (size_t)(end - data)), *stop = newline ? newline : end;
                r->number++;
                if ((size_t)(stop - data) + joined.length > UNIT_LINE_MAX)
                        return over_limit(r, "bytes in a line", UNIT_LINE_MAX);
                CLEAN_FREE char *line = xstrndup(data, (size_t)(stop - data));
                data = newline ? newline + 1 : end;
                if (is_comment(line))
                        continue;
                if (!joined.length)
                        began = r->number;
                text_add(&joined, line);
                if (is_continued(line)) {
                        joined.data[joined.length - 1] = ' ';
                        continue;
                }
                k = take_line(r, began, joined.data);
                text_clear(&joined);
        }
        return k == 0 && joined.length ? take_line(r, began, joined.data) : k;
}

/* ---- the whole ---- */

int unit_file_parse(struct unit_file *u, const char *path, const char *data, size_t size, const char *const *sections, bool lenient, struct error *e)
{
        static const char mark[] = "\xef\xbb\xbf";
        struct reading r = { .u = u, .sections = sections, .lenient = lenient, .e = e, .file = (unsigned)u->files.count };
        if (u->files.count == UNIT_FILES_MAX || size > UNIT_FILE_MAX) {
                error_set(e, E2BIG, "unit.limit", size > UNIT_FILE_MAX ? "%s is longer than %d bytes" : "%s is one file more than %d",
                          path, size > UNIT_FILE_MAX ? UNIT_FILE_MAX : UNIT_FILES_MAX);
                return -E2BIG;
        }
        strings_add(&u->files, path);
        if (memchr(data, 0, size)) {
                r.number = 1;
                r.lenient = false;
                return problem(&r, 1, "the file holds a NUL byte", NULL);
        }
        size_t skip = size >= sizeof mark - 1 && !memcmp(data, mark, sizeof mark - 1) ? sizeof mark - 1 : 0;
        return take_lines(&r, data + skip, data + size);
}

const struct unit_line *unit_file_next(const struct unit_file *u, const char *section, const char *name, size_t *at)
{
        while (*at < u->count) {
                const struct unit_line *l = &u->lines[(*at)++];
                if (text_equal(l->section, section) && (!name || text_equal(l->name, name)))
                        return l;
        }
        return NULL;
}

char *unit_file_place(const struct unit_file *u, const struct unit_line *l)
{
        return xprintf("%s:%u", u->files.items[l->file], l->number);
}

void unit_file_done(struct unit_file *u)
{
        for (size_t i = 0; i < u->count; i++)
                free(u->lines[i].value);
        free(u->lines);
        strings_clear(&u->files);
        strings_clear(&u->strings);
        strings_clear(&u->notes);
        *u = (struct unit_file){ 0 };
}
