/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead score: how exposed services would be, by their unit files. */
#include "cli/score.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "plan/run_profile.h"

enum { KEY_LENIENT = 256, KEY_THRESHOLD, KEY_MEASURED, KEY_SUGGEST, KEY_PROFILE, KEY_OUTPUT, KEY_TIMEOUT, KEY_SEAL, KEY_USER, KEY_SYSTEM };
enum { TIMEOUT_DEFAULT_MS = 10000, TIMEOUT_MAX_MS = 3600 * 1000 };

static error_t parse_word(struct score_options *o, const char *arg, struct argp_state *state)
{
        /* Behind "--" stands the command that is tried. */
        bool of_command = state->quoted && state->next - 1 >= state->quoted;
        strings_add(of_command ? &o->command : &o->files, arg);
        return 0;
}

static error_t check_options(const struct score_options *o, struct argp_state *state)
{
        bool given = o->profile || o->properties.count;
        if (o->measured && o->suggest)
                argp_error(state, "--measured and --suggest are two questions");
        if (!o->files.count && !given && !o->measured && !o->command.count)
                argp_error(state, "which unit files?");
        if ((o->measured || o->suggest) && o->files.count > 1)
                argp_error(state, "one unit only");
        if (o->command.count && !o->suggest)
                argp_error(state, "a command is for --suggest");
        if (o->output && !o->suggest)
                argp_error(state, "--output is for --suggest");
        return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct score_options *o = state->input;
        uint64_t n;
        switch (key) {
        case 'j': o->json = true; return 0;
        case 'p': strings_add(&o->properties, arg); return 0;
        case KEY_LENIENT: o->lenient = true; return 0;
        case KEY_MEASURED: o->measured = true; return 0;
        case KEY_SUGGEST: o->suggest = true; return 0;
        case KEY_PROFILE: o->profile = arg; return 0;
        case KEY_OUTPUT: o->output = arg; return 0;
        case KEY_USER: o->user_mode = true; return 0;
        case KEY_SYSTEM: o->user_mode = false; return 0;
        case KEY_SEAL:
                if (plan_seal_parse(arg, &o->seal) < 0)
                        argp_error(state, "--seal takes auto, landlock, userns or off");
                return 0;
        case KEY_TIMEOUT:
                if (text_parse_span_usec(arg, &n) < 0 || n < 1000 || n / 1000 > TIMEOUT_MAX_MS)
                        argp_error(state, "--timeout takes a time of up to an hour, such as 30s");
                o->timeout_ms = (unsigned)(n / 1000);
                return 0;
        case KEY_THRESHOLD:
                if (text_parse_uint(arg, 100, &n) < 0)
                        argp_error(state, "--threshold takes a number from 0 to 100");
                o->threshold = (unsigned)n;
                return 0;
        case ARGP_KEY_ARG: return parse_word(o, arg, state);
        case ARGP_KEY_END: return check_options(o, state);
        default: return ARGP_ERR_UNKNOWN;
        }
}

/* ---- reading ---- */

/* A template is scored as its instance "i", as systemd does; a bare name is a file of this folder. */
static char *file_to_load(const char *path)
{
        const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        CLEAN_FREE char *instance = unit_name_parse(base, &n, NULL) == 0 && unit_name_is_template(&n) ? unit_name_instance(&n, "i") : NULL;
        return xprintf("%.*s%s%s", (int)(base - path), path, slash ? "" : "./", instance ? instance : base);
}

static void print_notes(const struct strings *notes)
{
        for (size_t i = 0; i < notes->count; i++)
                error_note(stderr, "bulkhead", notes->items[i]);
}

static int add_lines(struct unit_file *f, const char *from, const struct strings *assignments, bool lenient, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "[Service]\n");
        for (size_t i = 0; i < assignments->count; i++) {
                if (strpbrk(assignments->items[i], "\n\\") || !strchr(assignments->items[i], '='))
                        return error_set(e, EINVAL, "score.property", "\"%.80s\" is no line NAME=VALUE without backslashes", assignments->items[i]);
                text_addf(&t, "%s\n", assignments->items[i]);
        }
        return assignments->count ? unit_file_parse(f, from, t.data, t.length, NULL, lenient, e) : 0;
}

static int load_unit(const struct score_options *o, const char *file, bool all_folders, struct like *l, struct error *e)
{
        static const struct strings beside_only;
        if (all_folders)
                return like_load(file, o->user_mode, o->lenient, l, e);
        CLEAN_FREE char *name = file_to_load(file);
        return unit_load(&beside_only, name, o->lenient, &l->unit, e);
}

int score_subject_load(const struct score_options *o, const char *file, bool all_folders, struct score_subject *ret, struct error *e)
{
        CLEAN_STRINGS struct strings profile = { 0 };
        int r = o->profile ? run_profile_lines(o->profile, o->user_mode, &profile, e) : 0;
        CLEAN_FREE char *from = xprintf("profile %s", o->profile ? o->profile : "");
        if (r == 0)
                r = add_lines(&ret->file, from, &profile, o->lenient, e);
        if (r == 0 && file)
                r = load_unit(o, file, all_folders, &ret->like, e);
        if (r == 0 && file)
                r = unit_parse(&ret->like.unit, o->lenient, &ret->file, e);
        if (r == 0)
                r = add_lines(&ret->file, "-p", &o->properties, o->lenient, e);
        ret->name = xstrdup(r == 0 && file ? ret->like.unit.name.whole : "run.service");
        print_notes(&ret->like.unit.notes);
        print_notes(&ret->file.notes);
        return r;
}

void score_subject_done(struct score_subject *s)
{
        like_done(&s->like);
        unit_file_done(&s->file);
        free(s->name);
}

int score_subject_judge(const struct score_options *o, const struct score_subject *s, const struct strings *more, struct score *ret, struct error *e)
{
        size_t count = s->file.count;
        struct unit_file *f = (struct unit_file *)&s->file; /* grows for the moment */
        /* What Bulkhead runs may have words that are newer than the judge; the run itself is as strict as it was asked to be. */
        bool lenient = o->lenient || o->measured || o->suggest;
        int r = more ? add_lines(f, "suggested", more, o->lenient, e) : 0;
        if (r == 0)
                r = score_unit(f, s->name, lenient, ret, e);
        for (; f->count > count; f->count--)
                free(f->lines[f->count - 1].value);
        if (r == 0 && !more)
                print_notes(&ret->notes);
        return r;
}

void score_run_options(const struct score_options *o, const struct score_subject *s, const char *file, struct run_options *ret)
{
        *ret = (struct run_options){ .verb = "try", .user_mode = o->user_mode, .lenient = o->lenient, .seal = o->seal, .profile = o->profile, .like = file };
        (void)s;
        for (size_t i = 0; i < o->properties.count; i++)
                if (!text_starts(o->properties.items[i], "Standard")) /* its output is ours to read */
                        strings_add(&ret->properties, o->properties.items[i]);
}

int score_fail(const char *what, const struct error *e)
{
        CLEAN_FREE char *subject = xprintf("cannot score %s", what);
        error_print(stderr, "bulkhead", subject, e);
        return SCORE_STATUS_FAILED;
}

/* ---- printing ---- */

void score_print_number(FILE *f, unsigned tenths)
{
        fprintf(f, "%u.%u", tenths / 10, tenths % 10);
}

static void print_verdict(const struct score *s)
{
        text_print_safe(stdout, s->unit);
        fputs(": ", stdout);
        score_print_number(stdout, s->exposure);
        printf(" %s\n", s->rating);
}

static void print_table(const struct score *s)
{
        int width = 0;
        for (size_t i = 0; i < s->count; i++) {
                int n = (int)strlen(s->rows[i].directive);
                width = n > width ? n : width;
        }
        printf("%-*s  EXPOSURE  THE SERVICE\n", width, "DIRECTIVE");
        for (size_t i = 0; i < s->count; i++) {
                const struct score_row *r = &s->rows[i];
                printf("%-*s  ", width, r->directive);
                if (r->applies)
                        printf("%6u.%u", r->exposure_tenths / 10, r->exposure_tenths % 10);
                else
                        printf("%8s", "-");
                printf("  %s\n", r->description);
        }
        putchar('\n');
        print_verdict(s);
}

void score_add_row_json(const struct score_row *r, struct text *t)
{
        text_add(t, "{\"check\":");
        text_add_json(t, r->check);
        text_add(t, ",\"directive\":");
        text_add_json(t, r->directive);
        text_add(t, ",\"description\":");
        text_add_json(t, r->description);
        text_addf(t, ",\"state\":\"%s\"", !r->applies ? "ignored" : r->badness ? "bad" : "good");
        if (r->applies)
                text_addf(t, ",\"badness\":%u,\"range\":%u,\"weight\":%u,\"exposure\":%u.%u", r->badness, r->range, r->weight,
                          r->exposure_tenths / 10, r->exposure_tenths % 10);
}

static void add_json(const char *path, const struct score *s, struct text *t)
{
        text_add(t, "{\"file\":");
        text_add_json(t, path);
        text_add(t, ",\"unit\":");
        text_add_json(t, s->unit);
        text_addf(t, ",\"exposure\":%u.%u,\"rating\":\"%s\",\"checks\":[", s->exposure / 10, s->exposure % 10, s->rating);
        for (size_t i = 0; i < s->count; i++) {
                text_add(t, i ? "," : "");
                score_add_row_json(&s->rows[i], t);
                text_add(t, "}");
        }
        text_add(t, "]}");
}

/* The exit status for this file; NULL: of the profile and -p alone. printed: how many were before it. */
static int report(const struct score_options *o, const char *path, size_t *printed)
{
        CLEAN_SCORE_SUBJECT struct score_subject subject = { 0 };
        CLEAN_SCORE struct score s = { 0 };
        struct error e = { 0 };
        if (score_subject_load(o, path, false, &subject, &e) < 0 || score_subject_judge(o, &subject, NULL, &s, &e) < 0)
                return score_fail(path ? path : "the directives", &e);
        if (o->json) {
                CLEAN_TEXT struct text t = { 0 };
                text_add(&t, (*printed)++ ? ",\n" : "");
                add_json(path ? path : "", &s, &t);
                (void)fwrite(t.data, 1, t.length, stdout);
        } else if (o->files.count > 1)
                print_verdict(&s);
        else
                print_table(&s);
        return s.exposure > o->threshold ? SCORE_STATUS_ABOVE : 0;
}

static int report_all(const struct score_options *o)
{
        size_t printed = 0;
        int status = 0;
        fputs(o->json ? "[" : "", stdout);
        for (size_t i = 0; i < o->files.count || (i == 0 && !o->files.count); i++) {
                int one = report(o, o->files.count ? o->files.items[i] : NULL, &printed);
                status = one > status ? one : status;
        }
        fputs(o->json ? "]\n" : "", stdout);
        return status;
}

int cmd_score(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "json", 'j', NULL, 0, "Print JSON", 1 },
                { "threshold", KEY_THRESHOLD, "N", 0, "End with status 1 if a number, times ten, is above N (0 to 100)", 1 },
                { "lenient", KEY_LENIENT, NULL, 0, "Pass over invalid lines with a note, as systemd does", 1 },
                { "property", 'p', "NAME=VALUE", 0, "A line more, after those of the file", 2 },
                { "profile", KEY_PROFILE, "NAME", 0, "Begin with the directives of a profile: strict, default or trusted", 2 },
                { "measured", KEY_MEASURED, NULL, 0, "Try from inside the sandbox what the text promises", 3 },
                { "suggest", KEY_SUGGEST, NULL, 0, "Try which directives the service could have as well", 3 },
                { "timeout", KEY_TIMEOUT, "TIME", 0, "How long one trial may take (default: 10s)", 3 },
                { "output", KEY_OUTPUT, "FILE", 0, "With --suggest: write a drop-in of those that work; \"-\" prints it", 3 },
                { "seal", KEY_SEAL, "MODE", 0, "auto, landlock, userns or off", 3 },
                { "user", KEY_USER, NULL, 0, "As an ordinary user's service", 3 },
                { "system", KEY_SYSTEM, NULL, 0, "As a service of the system", 3 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, "FILE...\n--measured [UNIT|FILE]\n--suggest [UNIT|FILE] [-- COMMAND [ARGUMENT...]]",
                                          "Show how exposed services would be, by their unit files, as \"systemd-analyze security\" counts, or by trying", NULL, NULL, NULL };
        struct score_options o = { .threshold = 100, .timeout_ms = TIMEOUT_DEFAULT_MS, .user_mode = geteuid() != 0 };
        if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o) != 0)
                return SCORE_STATUS_FAILED;
        const char *only = o.files.count ? o.files.items[0] : NULL;
        int status = o.measured ? score_measured(&o, only) : o.suggest ? score_suggest(&o, only) : report_all(&o);
        strings_clear(&o.files);
        strings_clear(&o.properties);
        strings_clear(&o.command);
        return fflush(stdout) == 0 ? status : SCORE_STATUS_FAILED;
}
