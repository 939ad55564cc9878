/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead score: how exposed services would be, by their unit files. */
#include <argp.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "os/file.h"
#include "plan/score.h"

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

static const char *base_name(const char *path)
{
        const char *slash = strrchr(path, '/');
        return slash ? slash + 1 : path;
}

static char *folder_of(const char *path)
{
        size_t n = (size_t)(base_name(path) - path);
        return n ? xstrndup(path, n) : xstrdup("./");
}

static int read_one(struct unit_file *u, const char *path, bool lenient, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(AT_FDCWD, path, UNIT_FILE_MAX, &t);
        if (r < 0)
                return error_errno(e, r, "score.read", "reading %s", path);
        return unit_file_parse(u, path, t.data ? t.data : "", t.length, NULL, lenient, e);
}

/*
 * A link to a file of the same folder is another name of that unit, unless it makes an instance of a template. A unit that is
 * a link to /dev/null cannot be started. ret_name: the unit's own name.
 */
static int follow(const char *path, char **ret_name, struct error *e)
{
        CLEAN_FREE char *folder = folder_of(path), *real = realpath(path, NULL), *real_folder = realpath(folder, NULL);
        if (!real || !real_folder)
                return error_errno(e, errno, "score.read", "reading %s", path);
        if (text_equal(real, "/dev/null")) {
                error_set(e, EINVAL, "score.masked", "%s is masked: it links to /dev/null", path);
                error_hint(e, "a masked service cannot be started, so there is nothing to score");
                return -EINVAL;
        }
        const char *own = base_name(path), *target = base_name(real);
        bool beside = strlen(real_folder) == (size_t)(target - real) - 1 && !strncmp(real, real_folder, strlen(real_folder));
        bool alias = beside && text_ends(target, ".service") && (!strstr(target, "@.") || strstr(own, "@."));
        *ret_name = xstrdup(alias ? target : own);
        return 0;
}

static int compare_base_names(const void *a, const void *b)
{
        const char *const *x = a, *const *y = b;
        return strcmp(base_name(*x), base_name(*y));
}

static bool has_base_name(const struct strings *paths, const char *name)
{
        for (size_t i = 0; i < paths->count; i++)
                if (text_equal(base_name(paths->items[i]), name))
                        return true;
        return false;
}

static int list_drop_ins(const char *folder, struct strings *ret, struct error *e)
{
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(e, errno, "score.read", "reading the folder %s", folder);
        int r = file_list(fd, &names);
        if (r < 0)
                return error_errno(e, r, "score.read", "reading the folder %s", folder);
        for (size_t i = 0; i < names.count; i++)
                if (*names.items[i] != '.' && text_ends(names.items[i], ".conf") && !has_base_name(ret, names.items[i]))
                        strings_take(ret, xprintf("%s/%s", folder, names.items[i]));
        return 0;
}

static bool is_folder(const char *path)
{
        CLEAN_FD int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0;
}

static bool is_empty_device(const char *path)
{
        CLEAN_FREE char *real = realpath(path, NULL);
        return real && text_equal(real, "/dev/null");
}

static int read_drop_ins(struct unit_file *u, const char *path, const char *name, bool lenient, struct error *e)
{
        CLEAN_STRINGS struct strings folders = { 0 }, paths = { 0 };
        CLEAN_FREE char *beside = folder_of(path);
        int r = 0;
        score_drop_in_folders(name, &folders);
        score_drop_in_folders(base_name(path), &folders);
        for (size_t i = 0; r == 0 && i < folders.count; i++) {
                CLEAN_FREE char *folder = xprintf("%s%s", beside, folders.items[i]);
                r = list_drop_ins(folder, &paths, e);
        }
        if (paths.count)
                qsort(paths.items, paths.count, sizeof *paths.items, compare_base_names);
        for (size_t i = 0; r == 0 && i < paths.count; i++)
                if (!is_folder(paths.items[i]) && !is_empty_device(paths.items[i]))
                        r = read_one(u, paths.items[i], lenient, e);
        return r;
}

static int score_file(const char *path, bool lenient, struct score *ret, struct error *e)
{
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        CLEAN_FREE char *name = NULL;
        int r = follow(path, &name, e);
        if (r == 0)
                r = read_one(&u, path, lenient, e);
        if (r == 0)
                r = read_drop_ins(&u, path, name, lenient, e);
        if (r == 0)
                r = score_unit(&u, name, lenient, ret, e);
        for (size_t i = 0; i < u.notes.count; i++)
                error_note(stderr, "bulkhead", u.notes.items[i]);
        for (size_t i = 0; r == 0 && i < ret->notes.count; i++)
                error_note(stderr, "bulkhead", ret->notes.items[i]);
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
