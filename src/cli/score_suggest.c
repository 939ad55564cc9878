/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead score --suggest: which directives a service could have as well, found out by running it with them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/score.h"
#include "cli/trial.h"
#include "os/file.h"
#include "plan/directive.h"
#include "plan/suggest.h"

enum verdict { VERDICT_OK, VERDICT_BREAKS, VERDICT_UNKNOWN };
static const char *const verdict_words[] = { "ok", "breaks", "unknown" };

struct suggestion {
        const char *assignment;
        unsigned place; /* in the table */
        unsigned gain;  /* in thousandths of the number, beside those that were taken before it */
        bool moot;      /* those leave it nothing to gain: it is not tried and not shown */
        enum verdict verdict;
        char *why;
};

struct suggesting {
        const struct score_options *o;
        const struct score_subject *subject;
        const char *file;
        struct strings taken; /* what works so far, together */
        unsigned points;      /* with that */
        struct suggestion *of;
        size_t count, room;
        enum trial_end end;   /* how the command ends without them */
};

static void suggesting_done(struct suggesting *g)
{
        for (size_t i = 0; i < g->count; i++)
                free(g->of[i].why);
        free(g->of);
        strings_clear(&g->taken);
}

/* ---- what each would gain ---- */

static int points_with(const struct suggesting *g, const char *assignment, unsigned *ret, struct error *e)
{
        CLEAN_STRINGS struct strings more = { 0 };
        CLEAN_SCORE struct score s = { 0 };
        for (size_t i = 0; i < g->taken.count; i++)
                strings_add(&more, g->taken.items[i]);
        if (assignment)
                strings_add(&more, assignment);
        int r = score_subject_judge(g->o, g->subject, &more, &s, e);
        if (r == 0)
                *ret = suggest_points(&s);
        return r;
}

static int compare_gain(const void *a, const void *b)
{
        const struct suggestion *x = a, *y = b;
        if (x->gain != y->gain)
                return x->gain > y->gain ? -1 : 1;
        return x->place < y->place ? -1 : x->place > y->place;
}

static int order_candidates(struct suggesting *g, struct error *e)
{
        const char *assignment;
        int r = points_with(g, NULL, &g->points, e);
        for (unsigned i = 0; r == 0 && (assignment = suggest_assignment(i)); i++) {
                unsigned points = 0;
                r = points_with(g, assignment, &points, e);
                if (r < 0 || points >= g->points)
                        continue;
                g->of = xgrow(g->of, &g->room, g->count + 1, sizeof *g->of);
                g->of[g->count++] = (struct suggestion){ .assignment = assignment, .place = i, .gain = g->points - points };
        }
        if (r == 0 && g->count)
                qsort(g->of, g->count, sizeof *g->of, compare_gain);
        return r;
}

/* ---- trying ---- */

static int try_with(struct suggesting *g, const char *assignment, struct trial_result *ret, struct error *e)
{
        CLEAN(run_options_done) struct run_options run = { 0 };
        score_run_options(g->o, g->subject, g->file, &run);
        for (size_t i = 0; i < g->taken.count; i++)
                strings_add(&run.properties, g->taken.items[i]);
        if (assignment)
                strings_add(&run.properties, assignment);
        for (size_t i = 0; i < g->o->command.count; i++)
                strings_add(&run.argv, g->o->command.items[i]);
        return trial_run(&run, g->o->timeout_ms, ret, e);
}

/* The cause of an error of ours, or the last line that it wrote, which mostly says what went wrong. */
static char *last_words(const struct trial_result *t)
{
        static const char cause[] = "  cause  ";
        const char *s = t->err.data ? t->err.data : "", *ours = strstr(s, cause);
        size_t n = strlen(s);
        while (n && s[n - 1] == '\n')
                n--;
        size_t from = n;
        while (from && s[from - 1] != '\n')
                from--;
        if (ours) {
                from = (size_t)(ours - s) + sizeof cause - 1;
                n = from + strcspn(s + from, "\n");
        }
        return n > from ? xprintf("status %d: %.*s", t->status, (int)(n - from > 120 ? 120 : n - from), s + from) : xprintf("status %d", t->status);
}

/* Without anything more it must end well, or run on. */
static int try_as_it_is(struct suggesting *g, struct error *e)
{
        CLEAN_TRIAL_RESULT struct trial_result t = { 0 };
        int r = try_with(g, NULL, &t, e);
        if (r < 0)
                return r;
        g->end = t.end;
        if (t.end == TRIAL_STOPPED || t.status == 0)
                return 0;
        CLEAN_FREE char *words = last_words(&t);
        error_set(e, EINVAL, "score.trial", "the command fails as it is, with %s", words);
        error_hint(e, "name a command behind -- that ends with status 0, or give it more time with --timeout");
        return -EINVAL;
}

static void judge(struct suggesting *g, struct suggestion *s)
{
        CLEAN_TRIAL_RESULT struct trial_result t = { 0 };
        struct error e = { 0 };
        size_t n = strcspn(s->assignment, "=");
        CLEAN_FREE char *name = xstrndup(s->assignment, n);
        unsigned points = g->points;
        s->verdict = VERDICT_UNKNOWN;
        s->moot = points_with(g, s->assignment, &points, NULL) < 0 || points >= g->points;
        if (s->moot)
                return;
        s->gain = g->points - points;
        if (!directive_is_known(name)) {
                s->why = xstrdup("Bulkhead does not apply it");
                return;
        }
        if (try_with(g, s->assignment, &t, &e) < 0) {
                s->why = xstrdup(e.cause);
                return;
        }
        if (t.end == TRIAL_ENDED && (t.status != 0 || g->end == TRIAL_STOPPED)) {
                s->verdict = VERDICT_BREAKS;
                s->why = t.status ? last_words(&t) : xstrdup("it ends, where it ran on");
                return;
        }
        if (t.end != g->end) {
                s->why = xstrdup("it did not end in its time");
                return;
        }
        s->verdict = VERDICT_OK;
        g->points = points;
        strings_add(&g->taken, s->assignment);
}

/* ---- printing ---- */

static void print_suggestions(const struct suggesting *g, const struct score *before, const struct score *after)
{
        printf("%6s  %-8s%s\n", "GAINS", "RESULT", "DIRECTIVE");
        for (size_t i = 0; i < g->count; i++) {
                const struct suggestion *s = &g->of[i];
                if (s->moot)
                        continue;
                printf("%2u.%03u  %-8s%s", s->gain / 1000, s->gain % 1000, verdict_words[s->verdict], s->assignment);
                if (s->why) {
                        fputs("  (", stdout);
                        text_print_safe(stdout, s->why);
                        fputc(')', stdout);
                }
                putchar('\n');
        }
        putchar('\n');
        text_print_safe(stdout, before->unit);
        fputs(": ", stdout);
        score_print_number(stdout, before->exposure);
        printf(" %s, with those that work ", before->rating);
        score_print_number(stdout, after->exposure);
        printf(" %s\n", after->rating);
}

static void print_json(const struct suggesting *g, const struct score *before, const struct score *after)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "{\"unit\":");
        text_add_json(&t, before->unit);
        text_addf(&t, ",\"exposure\":%u.%u,\"rating\":\"%s\",\"reachable\":%u.%u,\"reachable_rating\":\"%s\",\"suggestions\":[", before->exposure / 10,
                  before->exposure % 10, before->rating, after->exposure / 10, after->exposure % 10, after->rating);
        bool first = true;
        for (size_t i = 0; i < g->count; i++) {
                const struct suggestion *s = &g->of[i];
                if (s->moot)
                        continue;
                text_add(&t, first ? "{\"directive\":" : ",{\"directive\":");
                first = false;
                text_add_json(&t, s->assignment);
                text_addf(&t, ",\"gain\":%u.%03u,\"result\":\"%s\"", s->gain / 1000, s->gain % 1000, verdict_words[s->verdict]);
                if (s->why) {
                        text_add(&t, ",\"why\":");
                        text_add_json(&t, s->why);
                }
                text_add(&t, "}");
        }
        text_add(&t, "]}\n");
        (void)fwrite(t.data, 1, t.length, stdout);
}

/* Never over a file that is there. */
static int write_drop_in(const struct suggesting *g, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        text_addf(&t, "# Found by \"bulkhead score --suggest\": with these together the command worked.\n[%s]\n",
                  g->subject->like.section ? g->subject->like.section : "Service");
        for (size_t i = 0; i < g->taken.count; i++)
                text_addf(&t, "%s\n", g->taken.items[i]);
        if (text_equal(g->o->output, "-"))
                return fwrite(t.data, 1, t.length, stdout) == t.length ? 0 : -EIO;
        int r = file_create(AT_FDCWD, g->o->output, t.data, t.length, 0644);
        return r < 0 ? error_errno(e, r, "score.output", "writing the drop-in %s", g->o->output) : 0;
}

int score_suggest(const struct score_options *o, const char *file)
{
        CLEAN_SCORE_SUBJECT struct score_subject subject = { 0 };
        CLEAN_SCORE struct score before = { 0 }, after = { 0 };
        CLEAN(suggesting_done) struct suggesting g = { .o = o, .subject = &subject, .file = file };
        struct error e = { 0 };
        if (!file && !o->command.count) {
                error_set(&e, EINVAL, "score.trial", "there is no command to try");
                error_hint(&e, "name a unit, or a command behind --");
                return score_fail("the directives", &e);
        }
        int r = score_subject_load(o, file, true, &subject, &e);
        if (r == 0)
                r = score_subject_judge(o, &subject, NULL, &before, &e);
        if (r == 0)
                r = order_candidates(&g, &e);
        if (r == 0)
                r = try_as_it_is(&g, &e);
        for (size_t i = 0; r == 0 && i < g.count; i++)
                judge(&g, &g.of[i]);
        if (r == 0)
                r = score_subject_judge(o, &subject, &g.taken, &after, &e);
        if (r < 0)
                return score_fail(file ? file : "the directives", &e);
        /* A drop-in on the standard output stands there alone. */
        if (o->output && text_equal(o->output, "-"))
                return write_drop_in(&g, &e) < 0 ? SCORE_STATUS_FAILED : 0;
        (o->json ? print_json : print_suggestions)(&g, &before, &after);
        if (o->output && write_drop_in(&g, &e) < 0)
                return score_fail(file ? file : "the directives", &e);
        return after.exposure > o->threshold ? SCORE_STATUS_ABOVE : 0;
}
