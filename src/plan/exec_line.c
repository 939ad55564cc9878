/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/exec_line.h"

#include <string.h>

#include "plan/specifier.h"

static const char blanks[] = " \t\n\r";

/* ---- errors ---- */

/* WHAT "WORD" */
static int fail(struct error *e, const char *what, const char *word, const char *hint)
{
        error_set(e, EINVAL, "unit.exec", "%s \"%.80s\"", what, word);
        error_hint(e, "%s", hint);
        return -EINVAL;
}

static int over_limit(struct error *e, const char *what, size_t max)
{
        return error_set(e, E2BIG, "unit.limit", "a command has more than %zu %s", max, what);
}

/* ---- prefixes ---- */

enum { EXEC_PRIVILEGES = EXEC_PRIVILEGED | EXEC_KEEP_USER | EXEC_AMBIENT };

static const struct prefix {
        char letters[3];
        unsigned flag, excludes;
} prefixes[] = {
        { "-", EXEC_IGNORE_FAILURE, EXEC_IGNORE_FAILURE },
        { "@", EXEC_OWN_NAME, EXEC_OWN_NAME },
        { ":", EXEC_NO_VARIABLES, EXEC_NO_VARIABLES },
        { "+", EXEC_PRIVILEGED, EXEC_PRIVILEGES },
        { "!!", EXEC_AMBIENT, EXEC_PRIVILEGES },
        { "!", EXEC_KEEP_USER, EXEC_PRIVILEGES },
        { "|", EXEC_SHELL, EXEC_SHELL },
};

static const struct prefix *find_prefix(const char *s)
{
        for (size_t i = 0; i < ELEMENTS(prefixes); i++)
                if (text_starts(s, prefixes[i].letters))
                        return &prefixes[i];
        return NULL;
}

static int take_prefixes(const char **s, unsigned *flags, struct error *e)
{
        const char *word = *s;
        for (const struct prefix *p; (p = find_prefix(*s)); *s += strlen(p->letters)) {
                if (*flags & p->excludes)
                        return fail(e, "prefixes that exclude each other begin", word, "each of - @ : | may stand there once, and one of + ! !!");
                *flags |= p->flag;
        }
        return 0;
}

/* ---- words ---- */

static bool is_program(const char *s)
{
        static const char special[] = "\\\"'\x7f";
        size_t n = strlen(s);
        const char *slash = strchr(s, '/');
        for (const char *c = s; *c; c++)
                if ((unsigned char)*c < ' ' || strchr(special, *c))
                        return false;
        if (*s == '/')
                return n <= EXEC_PROGRAM_MAX && s[n - 1] != '/';
        return n && n <= 255 && !slash && !text_equal(s, ".") && !text_equal(s, "..");
}

/* As systemd takes them: a regular expression's backslashes often stand there alone. */
static int next_word(const char **s, char **ret, struct strings *notes, struct error *e)
{
        const char *start = *s;
        size_t kept = 0;
        int r = text_next_word_relaxed(s, ret, &kept);
        if (r < 0)
                return fail(e, "a quote is open in", start, "a quote that means itself is written \\\" or \\'");
        if (kept && notes->count < EXEC_NOTES_MAX)
                strings_take(notes, xprintf("\"%.80s\" has escapes that are unknown: their backslashes stay; a backslash is written \\\\", *ret));
        return r;
}

static int expand(const char *word, const struct facts *facts, size_t *bytes, char **ret, struct error *e)
{
        CLEAN_FREE char *expanded = NULL;
        int r = specifier_expand(word, facts, &expanded, e);
        if (r < 0)
                return r;
        *bytes += strlen(expanded) + 1;
        if (*bytes > EXEC_BYTES_MAX)
                return over_limit(e, "bytes", EXEC_BYTES_MAX);
        *ret = TAKE_PTR(expanded);
        return 0;
}

static bool is_alone(const char *s)
{
        return !*s || strchr(blanks, *s);
}

/* 1: a semicolon ended the command; 0: the value's end did. */
static int take_arguments(const char **s, const struct facts *facts, struct exec_line *l, size_t *bytes, struct strings *notes, struct error *e)
{
        for (;;) {
                CLEAN_FREE char *word = NULL;
                char *expanded = NULL;
                *s += strspn(*s, blanks);
                if (**s == ';' && is_alone(*s + 1)) {
                        ++*s;
                        return 1;
                }
                if (**s && l->argv.count == EXEC_WORDS_MAX)
                        return over_limit(e, "words", EXEC_WORDS_MAX);
                /* The only escape that is none in a longer word. */
                if (**s == '\\' && (*s)[1] == ';' && is_alone(*s + 2)) {
                        *s += 2;
                        strings_add(&l->argv, ";");
                        continue;
                }
                int r = next_word(s, &word, notes, e);
                if (r <= 0)
                        return r;
                r = expand(word, facts, bytes, &expanded, e);
                if (r < 0)
                        return r;
                strings_take(&l->argv, expanded);
        }
}

static int take_program(const char *word, const struct facts *facts, struct exec_line *l, size_t *bytes, struct error *e)
{
        const char *rest = word;
        int r = take_prefixes(&rest, &l->flags, e);
        if (r == 0)
                r = expand(rest, facts, bytes, &l->program, e);
        if (r < 0)
                return r;
        if (!*l->program && l->flags & EXEC_SHELL) {
                free(TAKE_PTR(l->program));
                return 0;
        }
        if (!*l->program)
                return fail(e, "no program stands behind", word, "write the program directly behind the prefixes");
        if (!is_program(l->program))
                return fail(e, "names no program:", l->program,
                            "an absolute path, or a name without a slash; no quotes, backslashes or control characters");
        if (!(l->flags & EXEC_OWN_NAME) || l->flags & EXEC_SHELL)
                strings_add(&l->argv, l->program);
        return 0;
}

static void line_done(struct exec_line *l)
{
        free(l->program);
        strings_clear(&l->argv);
        *l = (struct exec_line){ 0 };
}
#define CLEAN_LINE CLEAN(line_done)

/* 1: a command, and there may be more; 2: none, for only a semicolon stood there; 0: the end. */
static int take_command(const char **s, const struct facts *facts, struct exec_line *ret, bool *more, struct strings *notes, struct error *e)
{
        CLEAN_FREE char *first = NULL;
        CLEAN_LINE struct exec_line l = { 0 };
        size_t bytes = 0;
        int r = next_word(s, &first, notes, e);
        if (r <= 0)
                return r;
        *more = text_equal(first, ";");
        if (*more)
                return 2;
        r = take_program(first, facts, &l, &bytes, e);
        if (r == 0)
                r = take_arguments(s, facts, &l, &bytes, notes, e);
        if (r < 0)
                return r;
        if (l.program && (!l.argv.count || !*l.argv.items[0]))
                return fail(e, "is given no name of its own:", l.program,
                            "behind @ stand the program, the name that it sees as its own, and its arguments");
        *more = r == 1;
        *ret = l;
        l = (struct exec_line){ 0 };
        return 1;
}

static void add_line(struct exec_lines *l, struct exec_line *taken)
{
        l->items = xgrow(l->items, &l->room, l->count + 1, sizeof *l->items);
        l->items[l->count++] = *taken;
}

int exec_lines_assign(struct exec_lines *l, const char *value, const struct facts *facts, struct error *e)
{
        size_t before = l->count, notes_before = l->notes.count;
        bool more = true;
        int r = 1;
        value += strspn(value, blanks);
        if (!*value) {
                exec_lines_done(l);
                return 0;
        }
        if (strlen(value) > EXEC_VALUE_MAX)
                return over_limit(e, "bytes", EXEC_VALUE_MAX);
        while (more && r > 0) {
                struct exec_line line = { 0 };
                r = take_command(&value, facts, &line, &more, &l->notes, e);
                if (r == 1)
                        add_line(l, &line);
                if (l->count > EXEC_COMMANDS_MAX)
                        r = error_set(e, E2BIG, "unit.limit", "there are more than %d commands", EXEC_COMMANDS_MAX);
        }
        while (r < 0 && l->count > before)
                line_done(&l->items[--l->count]);
        while (r < 0 && l->notes.count > notes_before) {
                free(l->notes.items[--l->notes.count]);
                l->notes.items[l->notes.count] = NULL;
        }
        return r < 0 ? r : 0;
}

void exec_lines_done(struct exec_lines *l)
{
        for (size_t i = 0; i < l->count; i++)
                line_done(&l->items[i]);
        free(l->items);
        strings_clear(&l->notes);
        *l = (struct exec_lines){ 0 };
}

/* ---- variables ---- */

struct expansion {
        const char *const *environment;
        struct strings *words, *unset;
        size_t bytes;
        struct error *e;
};

static const char *variable(struct expansion *x, const char *name, size_t n)
{
        for (const char *const *v = x->environment; v && *v; v++)
                if (!strncmp(*v, name, n) && (*v)[n] == '=')
                        return *v + n + 1;
        CLEAN_FREE char *unset = xstrndup(name, n);
        if (x->unset && !strings_has(x->unset, unset) && x->unset->count < EXEC_WORDS_MAX)
                strings_add(x->unset, unset);
        return NULL;
}

static int add_word(struct expansion *x, const char *word)
{
        x->bytes += strlen(word) + 1;
        if (x->words->count == EXEC_WORDS_MAX)
                return over_limit(x->e, "words", EXEC_WORDS_MAX);
        if (x->bytes > EXEC_BYTES_MAX)
                return over_limit(x->e, "bytes", EXEC_BYTES_MAX);
        strings_add(x->words, word);
        return 0;
}

/* The value's words: quotes join, a backslash takes the next character as it is, a last one is nothing, an open quote ends with the value. */
static int add_split(struct expansion *x, const char *s)
{
        for (;;) {
                CLEAN_TEXT struct text t = { 0 };
                char quote = 0;
                s += strspn(s, blanks);
                if (!*s)
                        return 0;
                text_add(&t, "");
                for (; *s && (quote || !strchr(blanks, *s)); s++)
                        if (*s == '\\') {
                                text_add_bytes(&t, s + 1, s[1] != 0);
                                s += s[1] != 0;
                        } else if (quote ? *s == quote : *s == '"' || *s == '\'')
                                quote = quote ? 0 : *s;
                        else
                                text_add_bytes(&t, s, 1);
                int r = add_word(x, t.data);
                if (r < 0)
                        return r;
        }
}

static int add_replaced(struct expansion *x, const char *s)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        while (*s) {
                const char *end = s[0] == '$' && s[1] == '{' ? strchr(s, '}') : NULL;
                if (end) {
                        const char *value = variable(x, s + 2, (size_t)(end - s - 2));
                        text_add(&t, value ? value : "");
                        s = end + 1;
                } else {
                        text_add_bytes(&t, s, 1);
                        s += s[0] == '$' && s[1] == '$' ? 2 : 1;
                }
                if (t.length > EXEC_BYTES_MAX)
                        return over_limit(x->e, "bytes", EXEC_BYTES_MAX);
        }
        return add_word(x, t.data);
}

static int expand_word(struct expansion *x, const char *s)
{
        if (*s != '$' || s[1] == '{' || s[1] == '$')
                return add_replaced(x, s);
        const char *value = variable(x, s + 1, strlen(s + 1));
        return value ? add_split(x, value) : 0;
}

int exec_line_expand(const struct exec_line *l, const char *const *environment, struct strings *ret, struct strings *ret_unset, struct error *e)
{
        CLEAN_STRINGS struct strings words = { 0 };
        struct expansion x = { environment, &words, ret_unset, 0, e };
        int r = 0;
        for (size_t i = 0; r == 0 && i < l->argv.count; i++)
                r = l->flags & EXEC_NO_VARIABLES ? add_word(&x, l->argv.items[i]) : expand_word(&x, l->argv.items[i]);
        if (r < 0)
                return r;
        *ret = words;
        words = (struct strings){ 0 };
        return 0;
}
