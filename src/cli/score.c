/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead score: how exposed services would be, by their unit files. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "plan/score.h"
#include "shim/unit_load.h"

enum { KEY_LENIENT = 256, KEY_THRESHOLD };
enum { STATUS_ABOVE = 1, STATUS_FAILED = 2 };

struct options {
        bool json, lenient;
        unsigned threshold;
        struct strings files;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct options *o = state->input;
        uint64_t n;
        switch (key) {
        case 'j':
                o->json = true;
                return 0;
        case KEY_LENIENT:
                o->lenient = true;
                return 0;
        case KEY_THRESHOLD:
                if (text_parse_uint(arg, 100, &n) < 0)
                        argp_error(state, "--threshold takes a number from 0 to 100");
                o->threshold = (unsigned)n;
                return 0;
        case ARGP_KEY_ARG:
                strings_add(&o->files, arg);
                return 0;
        case ARGP_KEY_NO_ARGS:
                argp_error(state, "which unit files?");
                return EINVAL;
        default:
                return ARGP_ERR_UNKNOWN;
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

static int score_file(const char *path, bool lenient, struct score *ret, struct error *e)
{
        static const struct strings beside_only;
        CLEAN_UNIT struct unit u = { 0 };
        CLEAN_UNIT_FILE struct unit_file f = { 0 };
        CLEAN_FREE char *name = file_to_load(path);
        int r = unit_load(&beside_only, name, lenient, &u, e);
        if (r == 0)
                r = unit_parse(&u, lenient, &f, e);
        if (r == 0)
                r = score_unit(&f, u.name.whole, lenient, ret, e);
        print_notes(&u.notes);
        print_notes(&f.notes);
        if (r == 0)
                print_notes(&ret->notes);
        return r;
}

/* ---- printing ---- */

static void print_number(FILE *f, unsigned tenths)
{
        fprintf(f, "%u.%u", tenths / 10, tenths % 10);
}

static void print_verdict(const struct score *s)
{
        text_print_safe(stdout, s->unit);
        fputs(": ", stdout);
        print_number(stdout, s->exposure);
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

static void add_row_json(const struct score_row *r, struct text *t)
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
        text_add(t, "}");
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
                add_row_json(&s->rows[i], t);
        }
        text_add(t, "]}");
}

/* The exit status for this file. printed: how many were before it. */
static int report(const struct options *o, const char *path, size_t *printed)
{
        CLEAN_SCORE struct score s = { 0 };
        struct error e = { 0 };
        if (score_file(path, o->lenient, &s, &e) < 0) {
                CLEAN_FREE char *subject = xprintf("cannot score %s", path);
                error_print(stderr, "bulkhead", subject, &e);
                return STATUS_FAILED;
        }
        if (o->json) {
                CLEAN_TEXT struct text t = { 0 };
                text_add(&t, (*printed)++ ? ",\n" : "");
                add_json(path, &s, &t);
                (void)fwrite(t.data, 1, t.length, stdout);
        } else if (o->files.count > 1)
                print_verdict(&s);
        else
                print_table(&s);
        return s.exposure > o->threshold ? STATUS_ABOVE : 0;
}

int cmd_score(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "json", 'j', NULL, 0, "Print JSON", 0 },
                { "threshold", KEY_THRESHOLD, "N", 0, "End with status 1 if a number, times ten, is above N (0 to 100)", 0 },
                { "lenient", KEY_LENIENT, NULL, 0, "Pass over invalid lines with a note, as systemd does", 0 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, "FILE...",
                                          "Show how exposed services would be, by their unit files, as \"systemd-analyze security\" counts", NULL, NULL, NULL };
        struct options o = { .threshold = 100 };
        size_t printed = 0;
        if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
                return STATUS_FAILED;
        int status = 0;
        fputs(o.json ? "[" : "", stdout);
        for (size_t i = 0; i < o.files.count; i++) {
                int one = report(&o, o.files.items[i], &printed);
                status = one > status ? one : status;
        }
        fputs(o.json ? "]\n" : "", stdout);
        strings_clear(&o.files);
        return fflush(stdout) == 0 ? status : STATUS_FAILED;
}
