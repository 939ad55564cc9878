/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bulkhead unit verify: each error of a unit and its drop-ins, not only the first. What systemd knows and Bulkhead does not
 * carry out yet are notes, so that nobody takes a directive for applied that is not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "shim/facts.h"
#include "shim/zones.h"
#include "cli/target.h"
#include "cli/unit.h"
#include "plan/condition.h"
#include "plan/directive.h"
#include "plan/exec_line.h"
#include "plan/path_unit.h"
#include "plan/service.h"
#include "plan/socket_unit.h"
#include "plan/timer_unit.h"
#include "plan/unit_graph.h"
#include "plan/unit_words.h"

enum { ERRORS_MAX = 1000 };

struct check {
        const struct unit_options *o;
        const struct unit *u;
        const struct facts *facts;
        struct zones zones;
        struct unit_file f;
        struct settings settings;
        struct strings noted; /* SECTION.NAME that a note was given for */
        unsigned errors;
};

static void check_done(struct check *c)
{
        unit_file_done(&c->f);
        settings_done(&c->settings);
        zones_close(&c->zones);
        strings_clear(&c->noted);
}

/* ---- what is found ---- */

static void note(const struct check *c, const char *words)
{
        if (!c->o->quiet)
                error_note(stderr, "bulkhead", words);
}

static void tell(struct check *c, const char *subject, const struct error *e)
{
        error_print(stderr, "bulkhead", subject, e);
        c->errors++;
}

static void tell_line(struct check *c, const struct unit_line *l, const struct error *e)
{
        CLEAN_FREE char *place = unit_file_place(&c->f, l), *subject = xprintf("%s: %.80s=%.160s", place, l->name, l->value);
        tell(c, subject, e);
}

/* What systemd passes over is told as such where that was asked for. */
static void tell_passable(struct check *c, const struct unit_line *l, const struct error *e)
{
        if (!c->o->lenient) {
                tell_line(c, l, e);
                return;
        }
        CLEAN_FREE char *place = unit_file_place(&c->f, l), *words = xprintf("%s: %.80s=: %s; passed over", place, l->name, e->cause);
        note(c, words);
}

/* ---- one line ---- */

static void tell_unknown(struct check *c, const struct unit_line *l)
{
        struct error e = { 0 };
        error_set(&e, EINVAL, "directive.unknown", "unknown directive \"%.80s\" in [%s]", l->name, l->section);
        for (const char *const *s = unit_sections(c->u->name.type); *s; s++)
                if (unit_word_kind(*s, l->name) != UNIT_WORD_UNKNOWN)
                        error_hint(&e, "it belongs into [%s]", *s);
        tell_passable(c, l, &e);
}

/* What a directive only tells, or what only "enable" reads, needs no one to carry it out. */
static bool is_carried_out(const struct unit_line *l)
{
        static const char *const told[] = { "Description", "Documentation", "SourcePath" };
        for (size_t i = 0; i < ELEMENTS(told); i++)
                if (text_equal(told[i], l->name))
                        return false;
        return !text_equal(l->section, "Install");
}

/* Whoever reads a section says what of it is applied. */
static bool is_applied(const struct unit_line *l)
{
        if (text_equal(l->section, "Timer"))
                return timer_unit_applies(l->name);
        if (text_equal(l->section, "Socket"))
                return socket_unit_applies(l->name);
        if (text_equal(l->section, "Path"))
                return path_unit_applies(l->name);
        if (text_equal(l->section, "Unit") && (graph_applies(l->name) || condition_is_known(l->name)))
                return true;
        return service_applies(l->section, l->name);
}

static void note_not_ours(struct check *c, const struct unit_line *l)
{
        CLEAN_FREE char *key = xprintf("%s.%s", l->section, l->name);
        if (!is_carried_out(l) || is_applied(l) || strings_has(&c->noted, key))
                return;
        CLEAN_FREE char *place = unit_file_place(&c->f, l), *words = xprintf("%s: %s= is systemd's; Bulkhead does not apply it yet", place, l->name);
        strings_take(&c->noted, TAKE_PTR(key));
        note(c, words);
}

static void check_setting(struct check *c, const struct unit_line *l)
{
        CLEAN_FREE char *assignment = xprintf("%s=%s", l->name, l->value);
        struct error e = { 0 };
        if (settings_assign(&c->settings, c->facts, assignment, &e) == 0)
                return;
        e.lines = 0; /* the subject names the assignment */
        if (!text_equal(e.id, "directive.unsupported")) {
                tell_passable(c, l, &e);
                return;
        }
        CLEAN_FREE char *place = unit_file_place(&c->f, l), *words = xprintf("%s: %s=: %s", place, l->name, e.cause);
        note(c, words);
}

static void check_commands(struct check *c, const struct unit_line *l)
{
        CLEAN_EXEC_LINES struct exec_lines commands = { 0 };
        struct error e = { 0 };
        if (exec_lines_assign(&commands, l->value, c->facts, &e) < 0)
                tell_passable(c, l, &e);
        for (size_t i = 0; i < commands.notes.count; i++) {
                CLEAN_FREE char *place = unit_file_place(&c->f, l), *words = xprintf("%s: %s=: %s", place, l->name, commands.notes.items[i]);
                note(c, words);
        }
}

/* What the readers of [Timer], [Socket] and [Path] say. */
static void check_activation(struct check *c, const struct unit_line *l)
{
        struct error e = { 0 };
        int r = 0;
        if (text_equal(l->section, "Timer"))
                r = timer_unit_check(l, c->facts, &c->zones.source, &e);
        else if (text_equal(l->section, "Socket"))
                r = socket_unit_check(l, c->facts, &e);
        else if (text_equal(l->section, "Path"))
                r = path_unit_check(l, c->facts, &e);
        if (r < 0 && text_equal(e.id, "directive.unsupported"))
                tell_line(c, l, &e);
        else if (r < 0)
                tell_passable(c, l, &e);
}

static void check_line(struct check *c, const struct unit_line *l)
{
        enum unit_word kind = unit_word_kind(l->section, l->name);
        if (unit_section_has_sandbox(l->section) && directive_is_known(l->name))
                check_setting(c, l);
        else if (kind == UNIT_WORD_COMMANDS)
                check_commands(c, l);
        else if (kind == UNIT_WORD_UNKNOWN)
                tell_unknown(c, l);
        else {
                check_activation(c, l);
                note_not_ours(c, l);
        }
}

/* ---- the whole ---- */

/* The lines that hold. */
struct merged {
        const struct unit_file *f;
        size_t *kept;
        size_t count;
};

static void merged_done(struct merged *m)
{
        free(m->kept);
}

static const struct unit_line *next_of(const struct merged *m, const char *section, const char *name, size_t *at)
{
        while (*at < m->count) {
                const struct unit_line *l = &m->f->lines[m->kept[(*at)++]];
                if ((!section || text_equal(l->section, section)) && (!name || text_equal(l->name, name)))
                        return l;
        }
        return NULL;
}

static const char *value_of(const struct merged *m, const char *section, const char *name)
{
        size_t at = 0;
        const struct unit_line *l = next_of(m, section, name, &at);
        return l ? l->value : NULL;
}

/* ---- programs ---- */

static bool is_executable(const char *path)
{
        struct stat st;
        return stat(path, &st) == 0 && S_ISREG(st.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

static bool is_in_folders(const char *folders, const char *program)
{
        while (*folders) {
                size_t n = strcspn(folders, ": \t");
                CLEAN_FREE char *path = xprintf("%.*s/%s", (int)n, folders, program);
                if (n && is_executable(path))
                        return true;
                folders += n + (folders[n] != 0);
        }
        return false;
}

static bool is_there(const struct merged *m, const char *program)
{
        const char *folders = value_of(m, "Service", "ExecSearchPath");
        if (*program == '/')
                return is_executable(program);
        return is_in_folders(folders ? folders : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", program);
}

/* A unit that starts only where its program is there says so in [Unit]. */
static bool is_asked_for(const struct merged *m, const char *program)
{
        static const char *const names[] = { "ConditionFileIsExecutable", "ConditionPathExists", "ConditionFileNotEmpty", "AssertFileIsExecutable",
                                             "AssertPathExists", "AssertFileNotEmpty" };
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                size_t at = 0;
                for (const struct unit_line *l; (l = next_of(m, "Unit", names[i], &at));)
                        if (text_equal(l->value, program))
                                return true;
        }
        return false;
}

static void check_program(struct check *c, const struct merged *m, const struct unit_line *l, const struct exec_line *command)
{
        struct error e = { 0 };
        if (!command->program || is_there(m, command->program))
                return;
        if (command->flags & EXEC_IGNORE_FAILURE || is_asked_for(m, command->program)) {
                CLEAN_FREE char *place = unit_file_place(&c->f, l);
                CLEAN_FREE char *words = xprintf("%s: there is no program %.200s, which the unit allows for", place, command->program);
                note(c, words);
                return;
        }
        error_set(&e, ENOENT, "unit.program", "there is no program %.200s", command->program);
        tell_line(c, l, &e);
}

/* Programs in another root are not looked for: what that will hold is not known. */
static void check_programs(struct check *c, const struct merged *m)
{
        const char *section = unit_section_of(c->u->name.type);
        size_t at = 0;
        if (!section || value_of(m, section, "RootDirectory") || value_of(m, section, "RootImage"))
                return;
        for (const struct unit_line *l; (l = next_of(m, section, NULL, &at));) {
                CLEAN_EXEC_LINES struct exec_lines commands = { 0 };
                if (unit_word_kind(l->section, l->name) != UNIT_WORD_COMMANDS || exec_lines_assign(&commands, l->value, c->facts, NULL) < 0)
                        continue;
                for (size_t i = 0; i < commands.count; i++)
                        check_program(c, m, l, &commands.items[i]);
        }
}

/* ---- services ---- */

static unsigned count_commands(const struct check *c, const struct merged *m, const char *name)
{
        CLEAN_EXEC_LINES struct exec_lines commands = { 0 };
        size_t at = 0;
        unsigned lines = 0;
        for (const struct unit_line *l; (l = next_of(m, "Service", name, &at)); lines++)
                (void)exec_lines_assign(&commands, l->value, c->facts, NULL);
        /* A line that cannot be read has been told of. */
        return commands.count > lines ? (unsigned)commands.count : lines;
}

static bool is_yes(const char *value)
{
        bool b = false;
        return value && text_parse_bool(value, &b) == 0 && b;
}

static void check_service(struct check *c, const struct merged *m)
{
        const char *type = value_of(m, "Service", "Type"), *action = value_of(m, "Unit", "SuccessAction"), *wrong = NULL;
        unsigned starts = count_commands(c, m, "ExecStart"), stops = count_commands(c, m, "ExecStop");
        bool acts = action && !text_equal(action, "none"), oneshot = type ? text_equal(type, "oneshot") : !starts;
        if (!starts && !stops && !acts)
                wrong = "the service has no ExecStart=";
        else if (!starts && !oneshot)
                wrong = "only a service of Type=oneshot may have no ExecStart=";
        else if (!starts && !acts && !is_yes(value_of(m, "Service", "RemainAfterExit")))
                wrong = "a service without ExecStart= needs RemainAfterExit=yes";
        else if (starts > 1 && !oneshot)
                wrong = "only a service of Type=oneshot may have more than one command in ExecStart=";
        else if (type && text_equal(type, "dbus") && !value_of(m, "Service", "BusName"))
                wrong = "a service of Type=dbus needs BusName=";
        if (wrong) {
                struct error e = { 0 };
                error_set(&e, EINVAL, "unit.service", "%s", wrong);
                tell(c, c->u->sources[0].path, &e);
        }
}

/* ---- reading ---- */

/* Notes of the lenient reading: "PATH:LINE: WORDS". */
static void tell_syntax(struct check *c, const char *words)
{
        struct error e = { 0 };
        if (c->o->lenient) {
                note(c, words);
                return;
        }
        for (size_t i = 0; i < c->u->count; i++) {
                const char *path = c->u->sources[i].path, *digits = words + strlen(path) + 1, *cause;
                if (!text_starts(words, path) || digits[-1] != ':' || !(cause = strstr(digits, ": ")))
                        continue;
                CLEAN_FREE char *place = xstrndup(words, (size_t)(cause - words));
                error_set(&e, EINVAL, "unit.syntax", "%s", cause + 2);
                tell(c, place, &e);
                return;
        }
}

static int read_lines(struct check *c)
{
        struct error e = { 0 };
        if (unit_parse(c->u, true, &c->f, &e) < 0) {
                tell(c, c->u->sources[0].path, &e);
                return -EINVAL;
        }
        for (size_t i = 0; i < c->f.notes.count; i++)
                tell_syntax(c, c->f.notes.items[i]);
        return 0;
}

/* All lines, also those that others undo: they are wrong all the same. */
static int check_lines(struct check *c)
{
        struct error e = { 0 };
        for (size_t i = 0; i < c->f.count && c->errors <= ERRORS_MAX; i++)
                check_line(c, &c->f.lines[i]);
        if (c->errors <= ERRORS_MAX)
                return 0;
        error_set(&e, E2BIG, "unit.limit", "more than %d errors", ERRORS_MAX);
        tell(c, c->u->sources[0].path, &e);
        return -E2BIG;
}

/* What must hold between the lines of a timer, a socket or a path, once each can be read. */
static void check_activated(struct check *c)
{
        CLEAN_TIMER_UNIT struct timer_unit timer = { 0 };
        CLEAN_SOCKET_UNIT struct socket_unit sockets = { 0 };
        CLEAN_PATH_UNIT struct path_unit paths = { 0 };
        struct error e = { 0 };
        int r = 0;
        CLEAN_UNIT_NAME struct unit_name name = { 0 };
        if (c->errors || unit_name_parse(c->facts->unit, &name, NULL) < 0)
                return;
        if (name.type == UNIT_TIMER)
                r = timer_unit_parse(&c->f, &name, c->facts, &c->zones.source, true, NULL, &timer, &e);
        else if (name.type == UNIT_SOCKET)
                r = socket_unit_parse(&c->f, &name, c->facts, true, NULL, &sockets, &e);
        else if (name.type == UNIT_PATH)
                r = path_unit_parse(&c->f, &name, c->facts, true, NULL, &paths, &e);
        if (r < 0)
                tell(c, c->u->sources[0].path, &e);
}

static void check_unit(struct check *c)
{
        if (read_lines(c) < 0 || check_lines(c) < 0)
                return;
        CLEAN(merged_done) struct merged m = { .f = &c->f };
        m.kept = unit_merge(&c->f, &m.count);
        for (size_t i = 0; i < c->settings.notes.count; i++)
                note(c, c->settings.notes.items[i]);
        check_programs(c, &m);
        if (c->u->name.type == UNIT_SERVICE)
                check_service(c, &m);
        check_activated(c);
}

static unsigned verify(const struct unit_options *o, const char *name)
{
        CLEAN_UNIT struct unit u = { 0 };
        CLEAN_FACTS struct host_facts host = { 0 };
        if (unit_open(o, "verify", name, &u) < 0)
                return 1;
        /* A template is read as one of its instances would be. */
        CLEAN_FREE char *unit = unit_name_is_template(&u.name) ? unit_name_instance(&u.name, "instance") : xstrdup(u.name.whole);
        facts_gather(&host, unit, o->user_mode);
        CLEAN(check_done) struct check c = { .o = o, .u = &u, .facts = &host.facts, .settings.lenient = o->lenient, .zones = ZONES_INIT };
        struct error e = { 0 };
        if (zones_open(&c.zones, &e) < 0)
                tell(&c, name, &e);
        else
                check_unit(&c);
        return c.errors;
}

int unit_cmd_verify(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "quiet", 'q', NULL, 0, "Errors only, no notes", 1 },
                UNIT_OPTIONS_SEARCH,
                UNIT_OPTION_LENIENT,
                { 0 },
        };
        CLEAN_UNIT_OPTIONS struct unit_options o = { 0 };
        unsigned errors = 0;
        if (!unit_options_parse(&o, options, "NAME|FILE...", "Say what is wrong in units and their drop-ins: exit status 1 if something is",
                                argc, argv))
                return 1;
        for (size_t i = 0; i < o.names.count; i++)
                errors += verify(&o, o.names.items[i]);
        return errors ? 1 : 0;
}
