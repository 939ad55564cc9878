/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/like.h"

#include <errno.h>
#include <string.h>

#include "plan/unit_words.h"
#include "sandbox/environment.h"

/* ---- reading ---- */

int like_load(const char *name, bool user_mode, bool lenient, struct like *ret, struct error *e)
{
        CLEAN_STRINGS struct strings folders = { 0 };
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        CLEAN_FREE char *full = strchr(name, '/') || unit_name_parse(name, &n, NULL) == 0 ? xstrdup(name) : xprintf("%s.service", name);
        int r = unit_folders(getenv("BULKHEAD_UNIT_PATH"), user_mode, &folders, e);
        if (r == 0)
                r = unit_load(&folders, full, lenient, &ret->unit, e);
        if (r == 0)
                r = unit_parse(&ret->unit, lenient, &ret->file, e);
        if (r < 0)
                return r;
        ret->section = unit_section_of(ret->unit.name.type);
        if (ret->section && unit_section_has_sandbox(ret->section))
                return 0;
        return error_set(e, EINVAL, "unit.kind", "%s starts no process: there is no sandbox to be like", ret->unit.name.whole);
}

void like_done(struct like *l)
{
        unit_done(&l->unit);
        unit_file_done(&l->file);
}

/* ---- the sandbox ---- */

/* How a service lives, ends, logs and is counted: none of it is a matter of what its processes may do. */
static bool is_of_life(const char *section, const char *name)
{
        static const char *const starts[] = { "Kill", "SendSIG", "RestartKill", "FinalKill", "Watchdog", "Timeout", "Syslog", "Log", "TTY",
                                              "Standard", "Utmp", "Slice" };
        if (unit_word_kind(section, name) == UNIT_WORD_UNKNOWN)
                return false;
        /* What a swap has as well as a service is of the processes. */
        if (text_equal(section, "Service") && unit_word_kind("Swap", name) == UNIT_WORD_UNKNOWN)
                return true;
        for (size_t i = 0; i < ELEMENTS(starts); i++)
                if (text_starts(name, starts[i]))
                        return true;
        return text_ends(name, "Accounting");
}

static int unsupported(const struct like *l, const struct unit_line *line, struct settings *s, struct error *e)
{
        CLEAN_FREE char *place = unit_file_place(&l->file, line);
        bool known = unit_word_kind(line->section, line->name) != UNIT_WORD_UNKNOWN;
        if (s->lenient) {
                strings_take(&s->notes, xprintf("%s: %s= is not applied; ignored", place, line->name));
                return 0;
        }
        if (known)
                error_set(e, ENOTSUP, "unit.unsupported", "%s= is systemd's, and Bulkhead does not apply it yet", line->name);
        else
                error_set(e, EINVAL, "directive.unknown", "unknown directive \"%.80s\"", line->name);
        error_hint(e, "--lenient leaves it out, with a note");
        return error_while(e, "reading %s", place);
}

int like_assign(const struct like *l, const struct facts *facts, struct settings *s, struct error *e)
{
        const struct unit_line *line;
        int r = 0;
        for (size_t at = 0; r == 0 && (line = unit_file_next(&l->file, l->section, NULL, &at));) {
                CLEAN_FREE char *assignment = xprintf("%s=%s", line->name, line->value);
                /* Where its streams go is the caller's to say. */
                bool ours = directive_is_applied(line->name) || (directive_is_known(line->name) && !is_of_life(line->section, line->name));
                if (ours && !text_starts(line->name, "Standard"))
                        r = settings_assign(s, facts, assignment, e);
                else if (!is_of_life(line->section, line->name))
                        r = unsupported(l, line, s, e);
        }
        return r;
}

/* ---- the command ---- */

static int no_command(const struct like *l, const char *what, struct error *e)
{
        error_set(e, EINVAL, "unit.command", "ExecStart= of %s %s", l->unit.name.whole, what);
        error_hint(e, "name a command to run in its sandbox");
        return -EINVAL;
}

/* What the command line may name: what the payload will have of its unit, with a NULL behind. What files leave out is told when it runs. */
static int variables_for(const struct plan *p, struct strings *ret, struct error *e)
{
        CLEAN_STRINGS struct strings notes = { 0 };
        environment_pass(ret, &p->process);
        for (size_t i = 0; i < p->environment.count; i++)
                environment_set(ret, p->environment.items[i]);
        int r = environment_add_files(ret, p, &notes, e);
        environment_unset(ret, &p->process);
        strings_take(ret, NULL);
        return r;
}

int like_command(const struct like *l, const struct facts *facts, struct plan *p, struct strings *argv, struct error *e)
{
        CLEAN_EXEC_LINES struct exec_lines lines = { 0 };
        CLEAN_STRINGS struct strings variables = { 0 };
        const struct unit_line *line;
        for (size_t at = 0; (line = unit_file_next(&l->file, l->section, "ExecStart", &at));) {
                int r = exec_lines_assign(&lines, line->value, facts, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < lines.notes.count; i++)
                strings_add(&p->notes, lines.notes.items[i]);
        if (lines.count != 1)
                return no_command(l, lines.count ? "is more than one command" : "is missing", e);
        const struct exec_line *x = &lines.items[0];
        if (x->flags & (EXEC_PRIVILEGED | EXEC_KEEP_USER | EXEC_SHELL))
                return no_command(l, "is to run outside of a part of the sandbox", e);
        int r = variables_for(p, &variables, e);
        if (r == 0)
                r = exec_line_expand(x, (const char *const *)variables.items, argv, NULL, e);
        if (r == 0 && strchr(x->program, '/'))
                p->program = xstrdup(x->program);
        else if (r == 0 && x->flags & EXEC_OWN_NAME)
                return no_command(l, "has a name of its own for a program without a path", e);
        return r;
}
