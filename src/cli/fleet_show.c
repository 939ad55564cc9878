/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/fleet_show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/plugin_call.h"

enum { VALUE_SHOWN = 160 };

bool fleet_colours(FILE *f)
{
        const char *no = getenv("NO_COLOR");
        return isatty(fileno(f)) && !(no && *no);
}

int fleet_confirm(const char *question, struct error *e)
{
        char answer[16] = "";
        if (!isatty(0) || !isatty(2))
                return 0;
        fprintf(stderr, "%s [y/N] ", question);
        bool yes = fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y');
        return yes ? 0 : error_set(e, ECANCELED, "group.declined", "nothing was changed");
}

/* ---- plans ---- */

static const struct sign {
        const char *action, *sign, *colour;
} signs[] = {
        { "create", "+", "\033[32m" },
        { "update", "~", "\033[33m" },
        { "none", "=", "" },
};

static const struct sign *sign_of(const struct json_node *group)
{
        for (size_t i = 0; i < ELEMENTS(signs); i++)
                if (text_equal(signs[i].action, view_text(group, "Action")))
                        return &signs[i];
        return &signs[1];
}

static void print_value(FILE *f, const char *sign, const char *colour, const struct json_node *value)
{
        CLEAN_TEXT struct text t = { 0 };
        if (!value)
                return;
        json_add(&t, value);
        size_t n = t.length;
        if (n > VALUE_SHOWN) {
                for (n = VALUE_SHOWN; n && ((unsigned char)t.data[n] & 0xc0) == 0x80;)
                        n--; /* not within a letter */
                t.data[n] = 0;
        }
        fprintf(f, "        %s%s ", colour, sign);
        text_print_safe(f, t.data);
        fprintf(f, "%s%s\n", t.length > n ? "..." : "", *colour ? "\033[0m" : "");
}

/* The member where it stands, also where it is null: a null is a value here. */
static const struct json_node *raw_member(const struct json_node *object, const char *name)
{
        for (const struct json_node *v = NULL; (v = view_next_member(object, v));)
                if (text_equal(v[-1].text, name))
                        return v;
        return NULL;
}

static void print_changes(FILE *f, const struct json_node *group)
{
        const struct json_node *size = json_member(group, "Size");
        bool colours = fleet_colours(f);
        uint64_t old = view_number(size, "Old"), new = view_number(size, "New");
        if (old != new && !text_equal(view_text(group, "Action"), "create"))
                fprintf(f, "      size %llu -> %llu\n", (unsigned long long)old, (unsigned long long)new);
        const struct json_node *changes = json_member(group, "Changes");
        if (text_equal(view_text(group, "Action"), "create"))
                return; /* all of it is new */
        for (const struct json_node *c = NULL; (c = view_next(changes, c));) {
                fputs("      ", f);
                text_print_safe(f, view_text(c, "Path"));
                fputc('\n', f);
                print_value(f, "-", colours ? "\033[31m" : "", raw_member(c, "Old"));
                print_value(f, "+", colours ? "\033[32m" : "", raw_member(c, "New"));
        }
}

static void print_group(FILE *f, const struct json_node *group, int width)
{
        const struct sign *s = sign_of(group);
        const char *id = view_text(group, "ID");
        bool colours = fleet_colours(f) && *s->colour;
        fprintf(f, "  %s%s ", colours ? s->colour : "", s->sign);
        text_print_safe(f, id);
        fprintf(f, "%s%*s  ", colours ? "\033[0m" : "", width - (int)strlen(id), "");
        text_print_safe(f, view_text(group, "Message"));
        if (view_number(group, "Revision"))
                fprintf(f, " (now at revision %llu)", (unsigned long long)view_number(group, "Revision"));
        fputc('\n', f);
        print_changes(f, group);
}

void fleet_print_plan(FILE *f, const struct json_node *plan)
{
        const struct json_node *groups = json_member(plan, "Groups");
        unsigned counts[ELEMENTS(signs)] = { 0 };
        int width = 0;
        for (const struct json_node *g = NULL; (g = view_next(groups, g));)
                width = (int)strlen(view_text(g, "ID")) > width ? (int)strlen(view_text(g, "ID")) : width;
        for (const struct json_node *g = NULL; (g = view_next(groups, g));) {
                print_group(f, g, width);
                counts[sign_of(g) - signs]++;
        }
        fprintf(f, "\n%u to create, %u to change, %u as wanted.\n", counts[0], counts[1], counts[2]);
}

bool fleet_plan_removes(const struct json_node *plan)
{
        const struct json_node *groups = json_member(plan, "Groups");
        for (const struct json_node *g = NULL; (g = view_next(groups, g));) {
                const struct json_node *size = json_member(g, "Size");
                if (view_true(g, "Roll") || view_number(size, "New") < view_number(size, "Old"))
                        return true;
        }
        return false;
}

/* ---- states ---- */

static void add_reason(struct text *t, const char *word, const char *reason)
{
        text_addf(t, "%s%s%s", word, *reason ? ": " : "", reason);
}

/* What each phase of a roll is called; NULL: none. */
static const struct {
        const char *phase, *words;
        bool stuck;
} phases[] = {
        { "canary", "rolling: canary", false },
        { "running", "rolling", false },
        { "checkpoint", "waits at a checkpoint", false },
        { "baking", "rolling: watching", false },
        { "paused", "paused", true },
        { "failed", "failed", true },
        { "back", "rolling back", false },
};

static size_t phase_of(const struct json_node *group)
{
        const char *phase = view_text(json_member(group, "Roll"), "Phase");
        size_t i = 0;
        while (i < ELEMENTS(phases) && !text_equal(phases[i].phase, phase))
                i++;
        return i;
}

void fleet_describe(struct text *t, const struct json_node *group)
{
        size_t phase = phase_of(group);
        if (view_true(group, "DestroyingGroup"))
                text_add(t, "is being destroyed");
        else if (view_true(group, "Freed"))
                text_add(t, "freed");
        else if (view_true(group, "CircuitOpen"))
                text_add(t, "circuit open: the provider fails");
        else if (view_true(group, "RemediationStopped"))
                text_add(t, "too many are sick: nothing is replaced");
        else if (phase < ELEMENTS(phases))
                add_reason(t, phases[phase].words, view_text(json_member(group, "Roll"), "Reason"));
        else
                text_add(t, view_true(group, "Converged") ? "converged" : "converging");
}

bool fleet_is_stuck(const struct json_node *group)
{
        size_t phase = phase_of(group);
        return view_true(group, "CircuitOpen") || view_true(group, "RemediationStopped") || (phase < ELEMENTS(phases) && phases[phase].stuck);
}
