/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about variables, standard input and output, and the modes of the run's folders. */
#include <string.h>

#include "base/path.h"
#include "plan/directive_internal.h"
#include "plan/notify_message.h"
#include "plan/environment_file.h"

const char *directive_origins(struct plan *p, const struct setting *v)
{
        const char *joined = v->list[0].origin;
        for (size_t i = 1; i < v->count; i++)
                if (v->list[i].origin != v->list[i - 1].origin)
                        joined = plan_keep(p, xprintf("%.400s, %s", joined, v->list[i].origin));
        return joined;
}

/* ---- variables ---- */

static int check_name(const char *word, char **ret, struct error *e)
{
        if (!environment_name_valid(word, strlen(word)))
                return directive_bad_value(e, word, "names of variables");
        *ret = xstrdup(word);
        return 0;
}

int directive_read_names(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_words(r, value, check_name, e);
}

static int check_unset(const char *word, char **ret, struct error *e)
{
        if (!environment_name_valid(word, strcspn(word, "=")))
                return directive_bad_value(e, word, "NAME or NAME=VALUE with a valid variable name");
        *ret = xstrdup(word);
        return 0;
}

int directive_read_unset(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_words(r, value, check_unset, e);
}

/* "[-]/path". The value is one path, blanks and all. */
static int check_file(const char *word, char **ret, struct error *e)
{
        bool optional = *word == '-';
        CLEAN_FREE char *path = NULL;
        if (path_normalize(word + optional, &path) < 0)
                return directive_bad_value(e, word, "an absolute path without \"..\", with an optional - before it");
        if (strcspn(path, "*?[") < (size_t)(strrchr(path, '/') - path))
                return directive_bad_value(e, word, "a path with a pattern (*, ?, [) in its last part only");
        *ret = xprintf("%s%s", optional ? "-" : "", path);
        return 0;
}

int directive_read_environment_file(const struct reader *r, const char *value, struct error *e)
{
        struct setting one = { 0 };
        const struct reader single = { r->row, r->all, &one, r->facts, r->origin };
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        int k = directive_read_text(&single, value, check_file, e);
        if (k == 0)
                directive_add_value(r, one.text);
        return k;
}

/* Folders parted by colons. */
int directive_read_search_path(const struct reader *r, const char *value, struct error *e)
{
        CLEAN_STRINGS struct strings paths = { 0 };
        struct setting one = { 0 };
        const struct reader single = { r->row, r->all, &one, r->facts, r->origin };
        CLEAN_FREE char *copy = xstrdup(value);
        char *rest = copy;
        int k = 0;
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        for (char *part; k == 0 && (part = strsep(&rest, ":"));) {
                k = *part == '/' || *part == '%' ? directive_read_text(&single, part, check_file, e)
                                 : directive_bad_value(e, value, "absolute paths of folders, parted by colons");
                if (k == 0)
                        strings_add(&paths, one.text);
        }
        free(one.text);
        for (size_t i = 0; k == 0 && i < paths.count; i++)
                directive_add_value(r, xstrdup(paths.items[i]));
        return k;
}

static void keep_list(const struct setting *v, struct strings *l)
{
        for (size_t i = 0; i < v->count; i++)
                strings_add(l, v->list[i].text);
}

int directive_compile_pass_environment(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        keep_list(v, &p->process.pass);
        p->process.pass_origin = directive_origins(p, v);
        return 0;
}

int directive_compile_environment_file(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        keep_list(v, &p->process.files);
        p->process.files_origin = directive_origins(p, v);
        return 0;
}

int directive_compile_unset_environment(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        keep_list(v, &p->process.unset);
        p->process.unset_origin = directive_origins(p, v);
        return 0;
}

int directive_compile_search_path(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        keep_list(v, &p->process.search_path);
        p->process.search_path_origin = directive_origins(p, v);
        return 0;
}

int directive_compile_login_environment(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        p->process.login = v->number ? PLAN_LOGIN_YES : PLAN_LOGIN_NO;
        p->process.login_origin = v->origin;
        return 0;
}

/* ---- standard input, output and error ---- */

/* Places of a manager with a console and a journal of its own. */
static bool is_of_systemd(const char *word, bool input)
{
        static const char *const words[] = { "kmsg", "journal+console", "kmsg+console" };
        for (size_t i = 0; i < ELEMENTS(words) && !input; i++)
                if (text_equal(words[i], word))
                        return true;
        return false;
}

/* Of a descriptor, as FDNAME= and FileDescriptorName= have it; NULL: the word means none. */
static const char *descriptor_name(const char *word)
{
        if (text_equal(word, "fd"))
                return "";
        return text_starts(word, "fd:") && notify_fd_name_valid(word + 3) ? word + 3 : NULL;
}

/* A word that stands for itself, by its letter in the setting; NULL: none of these. */
static const char *plain_letter(const char *word, bool input)
{
        static const struct {
                const char *word, *letter;
                bool input, output;
        } rows[] = { { "null", "n", true, true },      { "inherit", "i", false, true }, { "journal", "j", false, true }, { "syslog", "j", false, true },
                     { "data", "d", true, false },     { "socket", "s", true, true },
                     { "tty", "y", true, true },      { "tty-force", "Y", true, false }, { "tty-fail", "x", true, false } };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (text_equal(rows[i].word, word) && (input ? rows[i].input : rows[i].output))
                        return rows[i].letter;
        return NULL;
}

/* A letter, or a letter and "\n/path" or "\nname". */
static int check_stream(const char *word, bool input, char **ret, struct error *e)
{
        static const char *const kinds[] = { "file:", "append:", "truncate:" };
        CLEAN_FREE char *path = NULL;
        if (plain_letter(word, input)) {
                *ret = xstrdup(plain_letter(word, input));
                return 0;
        }
        if (descriptor_name(word)) {
                *ret = xprintf("N\n%s", descriptor_name(word));
                return 0;
        }
        for (size_t i = 0; i < (input ? 1 : ELEMENTS(kinds)); i++)
                if (text_starts(word, kinds[i]) && path_normalize(word + strlen(kinds[i]), &path) == 0) {
                        *ret = xprintf("%c\n%s", *kinds[i], path);
                        return 0;
                }
        const char *supported = input ? "null, data, tty, tty-force, tty-fail, socket, fd:NAME or file:PATH"
                                      : "inherit, null, journal, tty, socket, fd:NAME, file:PATH, append:PATH or truncate:PATH";
        if (!is_of_systemd(word, input))
                return directive_bad_value(e, word, supported);
        error_set(e, EINVAL, "directive.unsupported", "\"%.80s\" is systemd's, and Bulkhead does not apply it yet", word);
        error_hint(e, "it takes %s", supported);
        return -EINVAL;
}

static int check_input(const char *word, char **ret, struct error *e)
{
        return check_stream(word, true, ret, e);
}

static int check_output(const char *word, char **ret, struct error *e)
{
        return check_stream(word, false, ret, e);
}

int directive_read_stream(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_text(r, value, directive_of(r->all, r->v) == D_STANDARD_INPUT ? check_input : check_output, e);
}

int directive_compile_stream(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        const char *path = strchr(v->text, '\n');
        static const struct {
                char first;
                enum plan_stream_kind kind;
                enum plan_tty_taking tty;
        } kinds[] = { { 'i', PLAN_STREAM_INHERIT, 0 }, { 'n', PLAN_STREAM_NULL, 0 }, { 'f', PLAN_STREAM_FILE, 0 }, { 'a', PLAN_STREAM_APPEND, 0 },
                      { 't', PLAN_STREAM_TRUNCATE, 0 }, { 'j', PLAN_STREAM_LOG, 0 }, { 'd', PLAN_STREAM_DATA, 0 }, { 'y', PLAN_STREAM_TTY, PLAN_TTY_WAIT },
                      { 'Y', PLAN_STREAM_TTY, PLAN_TTY_FORCE }, { 'x', PLAN_STREAM_TTY, PLAN_TTY_FAIL },
                      { 's', PLAN_STREAM_SOCKET, 0 }, { 'N', PLAN_STREAM_NAMED, 0 } };
        static const char *const names[PLAN_STREAMS] = { "stdin", "stdout", "stderr" };
        const size_t which = (size_t)(directive_of(s, v) - D_STANDARD_INPUT);
        struct plan_stream *stream = &p->process.streams[which];
        (void)facts, (void)e;
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                if (*v->text == kinds[i].first) {
                        stream->kind = kinds[i].kind;
                        stream->tty = kinds[i].tty;
                }
        stream->path = path ? xstrdup(path[1] ? path + 1 : names[which]) : NULL;
        stream->origin = v->origin;
        return 0;
}

/* ---- folders of the run ---- */

int directive_read_mode(const struct reader *r, const char *value, struct error *e)
{
        size_t digits = strspn(value, "01234567");
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        unsigned long mode = digits && digits <= 5 && !value[digits] ? strtoul(value, NULL, 8) : 010000;
        if (mode > 07777)
                return directive_bad_value(e, value, "an octal mode up to 7777");
        directive_set_number(r, mode);
        return 0;
}

static void add_origin(struct plan *p, struct plan_folder *f, const char *origin)
{
        f->origin = plan_keep(p, xprintf("%.400s, %s", f->origin, origin));
}

int directive_compile_folder_mode(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        enum plan_folder_kind kind = (enum plan_folder_kind)(directive_of(s, v) - D_RUNTIME_DIRECTORY_MODE);
        (void)facts, (void)e;
        for (size_t i = 0; i < p->folder_count; i++)
                if (p->folders[i].kind == kind) {
                        p->folders[i].mode = (mode_t)v->number;
                        add_origin(p, &p->folders[i], v->origin);
                }
        return 0;
}

int directive_compile_folder_preserve(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        p->runtime_folders_kept = v->number == 1;
        p->runtime_folders_outlast = v->number == 2;
        for (size_t i = 0; i < p->folder_count; i++)
                if (p->folders[i].kind == PLAN_RUNTIME_FOLDER)
                        add_origin(p, &p->folders[i], v->origin);
        return 0;
}
