/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead unit show: the assignments that hold, each with its place. As text it is a unit file again. */
#include <stdio.h>
#include <string.h>

#include "cli/target.h"
#include "cli/unit.h"
#include "plan/directive.h"
#include "plan/unit_words.h"

struct view {
        const struct unit_options *o;
        const struct unit *u;
        const struct unit_file *f;
        const size_t *kept;
        size_t count;
};

static const struct unit_line *line_at(const struct view *v, size_t i)
{
        const struct unit_line *l = &v->f->lines[v->kept[i]];
        return !v->o->properties.count || strings_has(&v->o->properties, l->name) ? l : NULL;
}

static void print_section(const struct view *v, const char *section, bool first)
{
        printf("%s[%s]\n", first ? "" : "\n", section);
        for (size_t i = 0; i < v->count; i++) {
                const struct unit_line *l = line_at(v, i);
                if (!l || l->section != section)
                        continue;
                CLEAN_FREE char *place = unit_file_place(v->f, l);
                fputs("# ", stdout);
                text_print_safe(stdout, place);
                fputc('\n', stdout);
                text_print_safe(stdout, l->name);
                fputc('=', stdout);
                text_print_safe(stdout, l->value);
                fputc('\n', stdout);
        }
}

/* Sections in the order in which they come first: few, so that looking back is cheap. */
static void print_text(const struct view *v)
{
        CLEAN_STRINGS struct strings done = { 0 };
        for (size_t i = 0; i < v->count; i++) {
                const struct unit_line *l = line_at(v, i);
                if (!l || strings_has(&done, l->section))
                        continue;
                print_section(v, l->section, done.count == 0);
                strings_add(&done, l->section);
        }
}

static void add_strings(struct text *t, const char *key, const struct strings *l)
{
        text_addf(t, ",\"%s\":[", key);
        for (size_t i = 0; i < l->count; i++) {
                text_add(t, i ? "," : "");
                text_add_json(t, l->items[i]);
        }
        text_add(t, "]");
}

static void add_member(struct text *t, const char *key, const char *value)
{
        text_addf(t, "%s\"%s\":", t->data[t->length - 1] == '{' ? "" : ",", key);
        text_add_json(t, value);
}

static void print_json(const struct view *v)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_STRINGS struct strings drop_ins = { 0 };
        bool any = false;
        for (size_t i = 1; i < v->u->count; i++)
                strings_add(&drop_ins, v->u->sources[i].path);
        text_add(&t, "{");
        add_member(&t, "name", v->u->name.whole);
        add_strings(&t, "names", &v->u->names);
        add_member(&t, "path", v->u->sources[0].path);
        add_strings(&t, "drop_ins", &drop_ins);
        text_add(&t, ",\"assignments\":[");
        for (size_t i = 0; i < v->count; i++) {
                const struct unit_line *l = line_at(v, i);
                if (!l)
                        continue;
                text_add(&t, any ? ",{" : "{");
                add_member(&t, "section", l->section);
                add_member(&t, "name", l->name);
                add_member(&t, "value", l->value);
                add_member(&t, "path", v->f->files.items[l->file]);
                text_addf(&t, ",\"line\":%u}", l->number);
                any = true;
        }
        text_add(&t, "]}");
        puts(t.data);
}

static bool is_known(const struct unit *u, const char *name)
{
        for (const char *const *s = unit_sections(u->name.type); *s; s++)
                if (unit_word_kind(*s, name) != UNIT_WORD_UNKNOWN)
                        return true;
        return directive_is_known(name);
}

/* A name that is mistyped must not look like one that is not set. */
static int check_properties(const struct unit_options *o, const struct unit *u, const struct unit_file *f, struct error *e)
{
        for (size_t i = 0; i < o->properties.count; i++) {
                const char *name = o->properties.items[i];
                if (!is_known(u, name) && !strings_has(&f->strings, name))
                        return error_set(e, EINVAL, "directive.unknown", "no directive of such a unit is called \"%.80s\"", name);
        }
        return 0;
}

int unit_cmd_show(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "property", 'p', "NAME", 0, "Only this directive (may be given many times)", 1 },
                { "json", 'j', NULL, 0, "Print JSON", 1 },
                UNIT_OPTIONS_SEARCH,
                UNIT_OPTION_LENIENT,
                { 0 },
        };
        CLEAN_UNIT_OPTIONS struct unit_options o = { .names_max = 1 };
        CLEAN_UNIT struct unit u = { 0 };
        CLEAN_UNIT_FILE struct unit_file f = { 0 };
        struct error e = { 0 };
        if (!unit_options_parse(&o, options, "NAME|FILE", "Show the assignments that hold, behind drop-ins and resets, each with its place",
                                argc, argv) ||
            unit_open(&o, "show", o.names.items[0], &u) < 0)
                return 1;
        if (unit_parse(&u, o.lenient, &f, &e) < 0 || check_properties(&o, &u, &f, &e) < 0)
                return target_fail("show", o.names.items[0], &e);
        for (size_t i = 0; i < f.notes.count; i++)
                error_note(stderr, "bulkhead", f.notes.items[i]);
        struct view v = { .o = &o, .u = &u, .f = &f };
        CLEAN_FREE size_t *kept = unit_merge(&f, &v.count);
        v.kept = kept;
        if (o.json)
                print_json(&v);
        else
                print_text(&v);
        return fflush(stdout) == 0 ? 0 : 1;
}
