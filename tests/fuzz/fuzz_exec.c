/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines as ExecStart= and its variables as the first line: what is read reads the same when it is written out again, and what is put
 * in stays within the limits. Names of units, and their escapes, are tried with the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "plan/exec_line.h"
#include "plan/unit_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct facts facts = {
        .unit = "fuzz@one.service", .boot_id = "0123456789abcdef0123456789abcdef", .machine_id = "fedcba9876543210fedcba9876543210",
        .hostname = "host", .user_name = "root", .home = "/root", .shell = "/bin/sh", .runtime_folder = "/run",
        .state_folder = "/var/lib", .cache_folder = "/var/cache", .logs_folder = "/var/log", .configuration_folder = "/etc",
};

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void add_quoted(struct text *t, const char *s)
{
        text_add(t, " \"");
        for (; *s; s++)
                if (*s == '%')
                        text_add(t, "%%");
                else
                        text_addf(t, "\\x%02x", (unsigned)(unsigned char)*s);
        text_add(t, "\"");
}

/* The prefixes in an order of our own; a program that begins like one cannot be written, nor one called ";": alone it separates, quoted too. */
static bool write_out(const struct exec_line *l, struct text *t)
{
        static const char *const prefixes[] = { "-", "@", ":", "+", "!", "!!", "|" };
        text_add(t, "");
        for (size_t i = 0; i < ELEMENTS(prefixes); i++)
                if (l->flags >> i & 1)
                        text_add(t, prefixes[i]);
        CLEAN_TEXT struct text program = { 0 };
        text_add(&program, t->data);
        text_add(&program, l->program ? l->program : "");
        if (l->program && (strchr("-@:+!|", *l->program) || !strcmp(program.data, ";")))
                return false;
        text_clear(t);
        add_quoted(t, program.data);
        for (size_t i = l->program && !(l->flags & EXEC_OWN_NAME && !(l->flags & EXEC_SHELL)); i < l->argv.count; i++)
                add_quoted(t, l->argv.items[i]);
        return true;
}

static void check_line(const struct exec_line *l)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_EXEC_LINES struct exec_lines again = { 0 };
        check(l->program ? l->argv.count > 0 && *l->program && strlen(l->program) <= EXEC_PROGRAM_MAX : (l->flags & EXEC_SHELL) != 0);
        if (!write_out(l, &t))
                return;
        check(exec_lines_assign(&again, t.data, &facts, NULL) == 0 && again.count == 1);
        check(again.items[0].flags == l->flags && again.items[0].argv.count == l->argv.count);
        for (size_t i = 0; i < l->argv.count; i++)
                check(!strcmp(again.items[0].argv.items[i], l->argv.items[i]));
}

static void check_expansion(const struct exec_line *l, const char *value)
{
        CLEAN_FREE char *variable = xprintf("A=%s", value);
        const char *const environment[] = { variable, NULL };
        CLEAN_STRINGS struct strings words = { 0 }, unset = { 0 };
        struct error e = { 0 };
        int r = exec_line_expand(l, environment, &words, &unset, &e);
        check(r == 0 || (r == -E2BIG && !strcmp(e.id, "unit.limit")));
        check(words.count <= EXEC_WORDS_MAX);
}

static void check_name(const char *s)
{
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        CLEAN_FREE char *escaped = unit_escape(s), *back = NULL, *path = NULL, *path_back = NULL, *path_again = NULL;
        check(unit_unescape(escaped, &back) == -E2BIG || !strcmp(back, s));
        if (unit_escape_path(s, &path) == 0)
                check(unit_unescape_path(path, &path_back) == 0 && unit_escape_path(path_back, &path_again) == 0 && !strcmp(path, path_again));
        if (unit_name_parse(s, &n, NULL) == 0) {
                CLEAN_STRINGS struct strings names = { 0 };
                unit_name_drop_in_names(&n, &names);
                check(names.count >= 1 && !strcmp(names.items[0], s));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_FREE char *text = xstrndup((const char *)data, size);
        CLEAN_EXEC_LINES struct exec_lines l = { 0 };
        char *rest = text, *value = strsep(&rest, "\n");
        check_name(value);
        for (char *line; (line = strsep(&rest, "\n"));) {
                struct error e = { 0 };
                size_t before = l.count;
                int r = exec_lines_assign(&l, line, &facts, &e);
                check(r == 0 || (r < 0 && *e.id && l.count == before));
        }
        for (size_t i = 0; i < l.count; i++) {
                check_line(&l.items[i]);
                check_expansion(&l.items[i], value);
        }
        return 0;
}
