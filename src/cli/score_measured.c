/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead score --measured: what a probe inside the sandbox could do, beside what the text promises. */
#include "plan/score_measured.h"

#include <stdio.h>
#include <string.h>

#include "cli/score.h"
#include "cli/trial.h"
#include "os/probe.h"
#include "os/self.h"

/* ---- running the probe ---- */

/* What the plan hides, binds and leaves writable is to be found again inside. */
static void add_facts_of_plan(const struct plan *p, struct strings *argv)
{
        for (size_t i = 0; i < p->mount_count; i++) {
                const struct plan_mount *m = &p->mounts[i];
                if (strpbrk(m->path, "=\n"))
                        continue;
                if (m->kind == PLAN_INACCESSIBLE && m->origin && text_starts(m->origin, "InaccessiblePaths="))
                        probe_add_node(argv, "hidden", m->path);
                if (m->kind == PLAN_BIND)
                        strings_take(argv, xprintf("bound.%s=1", m->path));
                if (m->kind == PLAN_READ_WRITE || (m->kind == PLAN_BIND && !m->read_only))
                        strings_take(argv, xprintf("writable.%s=1", m->path));
        }
}

/* The probe's command line depends on the plan, which is compiled here to be looked at and again to be run. */
static int add_command(const struct run_options *ready, struct strings *argv, struct error *e)
{
        struct run_options look = *ready;
        CLEAN_PLAN struct plan p = { 0 };
        char unit[] = "score.service";
        look.verb = "explain"; /* needs no command */
        look.unit_name = unit;
        int r = run_options_compile(&look, &p, e);
        if (r < 0)
                return r;
        strings_add(argv, "bulkhead");
        strings_add(argv, PROBE_COMMAND);
        probe_host_facts(argv);
        add_facts_of_plan(&p, argv);
        return 0;
}

static void print_what_it_said(const struct text *t)
{
        CLEAN_FREE char *copy = xstrndup(t->data ? t->data : "", t->length);
        for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
                text_print_safe(stderr, line);
                fputc('\n', stderr);
        }
}

static int probe(const struct score_options *o, const struct score_subject *s, const char *file, struct score_report *ret, struct error *e)
{
        CLEAN(run_options_done) struct run_options run = { 0 };
        CLEAN_TRIAL_RESULT struct trial_result t = { 0 };
        CLEAN_FD int program = self_copy_sealed();
        if (program < 0)
                return error_errno(e, program, "score.probe", "making a copy of this program in memory");
        score_run_options(o, s, file, &run);
        int r = add_command(&run, &run.argv, e);
        run.program_fd = program;
        if (r == 0)
                r = trial_run(&run, o->timeout_ms, &t, e);
        if (r == 0)
                r = score_report_parse(ret, t.out.data ? t.out.data : "", t.out.length, e);
        if (r < 0)
                return r;
        print_what_it_said(&t.err);
        if (ret->count)
                return 0;
        error_set(e, EIO, "score.probe", t.end == TRIAL_STOPPED ? "the probe said nothing in its time"
                                         : t.status == 255      ? "the probe was killed before it could say anything"
                                                                : "the probe did not run: status %d", t.status);
        error_hint(e, "a filter that denies what any program needs to start, write and wait leaves nothing to measure with");
        return -EIO;
}

/* ---- printing ---- */

static void print_badness(bool applies, unsigned badness, unsigned range)
{
        if (applies)
                printf("%5u/%-2u  ", badness, range);
        else
                printf("%8s  ", "-");
}

static int width_of(const struct score *s)
{
        int width = 0;
        for (size_t i = 0; i < s->count; i++) {
                int n = (int)strlen(s->rows[i].directive);
                width = n > width ? n : width;
        }
        return width;
}

static void print_rows(const struct score *s, const struct score_measured *m)
{
        int width = width_of(s);
        printf("%-*s      TEXT  MEASURED  EFFECT\n", width, "DIRECTIVE");
        for (size_t i = 0; i < s->count; i++) {
                const struct score_row *r = &s->rows[i];
                const struct score_measured_row *x = &m->rows[i];
                printf("%-*s  ", width, r->directive);
                print_badness(r->applies, r->badness, r->range);
                print_badness(r->applies && x->effect != SCORE_NOT_MEASURED, x->badness, r->range);
                fputs(r->applies ? score_effect_word(x->effect) : "does not apply", stdout);
                if (x->why) {
                        fputs(": ", stdout);
                        text_print_safe(stdout, x->why);
                }
                putchar('\n');
        }
}

static void print_differences(const struct score *s, const struct score_measured *m, enum score_effect effect, const char *title)
{
        bool any = false;
        for (size_t i = 0; i < s->count; i++) {
                if (m->rows[i].effect != effect)
                        continue;
                printf("%s  %s %s", any ? "" : title, s->rows[i].directive, s->rows[i].description);
                if (m->rows[i].why) {
                        fputs(": ", stdout);
                        text_print_safe(stdout, m->rows[i].why);
                }
                putchar('\n');
                any = true;
        }
}

static void print_measured(const struct score *s, const struct score_measured *m, const struct score_report *r)
{
        print_rows(s, m);
        putchar('\n');
        print_differences(s, m, SCORE_WEAKER, "The text promises more than holds. It says that the service:\n");
        for (size_t i = 0; i < m->finding_count; i++) {
                fputs(i ? "  " : "Beyond the rows:\n  ", stdout);
                text_print_safe(stdout, m->findings[i].text);
                putchar('\n');
        }
        if (!r->whole)
                puts("The probe was ended before its end: what it needs is denied, and the rows after that are the text's.");
        text_print_safe(stdout, s->unit);
        fputs(": text ", stdout);
        score_print_number(stdout, s->exposure);
        printf(" %s, measured ", s->rating);
        score_print_number(stdout, m->exposure);
        printf(" %s (%zu of %zu rows)\n", m->rating, m->measured, s->count);
}

static void add_measured_json(const char *file, const struct score *s, const struct score_measured *m, const struct score_report *r, struct text *t)
{
        text_add(t, "[{\"file\":");
        text_add_json(t, file ? file : "");
        text_add(t, ",\"unit\":");
        text_add_json(t, s->unit);
        text_addf(t, ",\"exposure\":%u.%u,\"rating\":\"%s\",\"measured\":%u.%u,\"measured_rating\":\"%s\",\"whole\":%s,\"checks\":[", s->exposure / 10,
                  s->exposure % 10, s->rating, m->exposure / 10, m->exposure % 10, m->rating, r->whole ? "true" : "false");
        for (size_t i = 0; i < s->count; i++) {
                const struct score_measured_row *x = &m->rows[i];
                text_add(t, i ? "," : "");
                score_add_row_json(&s->rows[i], t);
                text_addf(t, ",\"effect\":\"%s\"", s->rows[i].applies ? score_effect_word(x->effect) : "does not apply");
                if (x->effect != SCORE_NOT_MEASURED)
                        text_addf(t, ",\"measured_badness\":%u", x->badness);
                if (x->why) {
                        text_add(t, ",\"why\":");
                        text_add_json(t, x->why);
                }
                text_add(t, "}");
        }
        text_add(t, "],\"findings\":[");
        for (size_t i = 0; i < m->finding_count; i++) {
                text_add(t, i ? ",{\"text\":" : "{\"text\":");
                text_add_json(t, m->findings[i].text);
                text_addf(t, ",\"root_of_host\":%s}", m->findings[i].is_door ? "true" : "false");
        }
        text_add(t, "]}]\n");
}

int score_measured(const struct score_options *o, const char *file)
{
        CLEAN_SCORE_SUBJECT struct score_subject subject = { 0 };
        CLEAN_SCORE struct score s = { 0 };
        CLEAN_SCORE_REPORT struct score_report r = { 0 };
        CLEAN_SCORE_MEASURED struct score_measured m = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        if (score_subject_load(o, file, true, &subject, &e) < 0 || score_subject_judge(o, &subject, NULL, &s, &e) < 0 || probe(o, &subject, file, &r, &e) < 0)
                return score_fail(file ? file : "the directives", &e);
        score_measure(&s, &r, &m);
        if (o->json) {
                add_measured_json(file, &s, &m, &r, &t);
                (void)fwrite(t.data, 1, t.length, stdout);
        } else
                print_measured(&s, &m, &r);
        return m.exposure > o->threshold ? SCORE_STATUS_ABOVE : 0;
}
