/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs the command under what was learned.  It must end as it did when it was watched, and nothing may be denied to it that was not
 * denied then.  Where it does not, the rows are halved until the one is found that breaks it, and that one is dropped.
 */
#include <errno.h>
#include <string.h>

#include "cli/learn.h"
#include "os/capability.h"

enum { TRIALS_MAX = 150, CAPABILITIES_TRIED_MAX = 16, CHUNK = 7, FILTER_GROWS_MAX = 4 };

struct trial {
        bool good;
        char *reason;
        struct observations seen;
};

static void trial_done(struct trial *t)
{
        observations_done(&t->seen);
        free(t->reason);
}

/* ---- was anything denied? ---- */

static const struct {
        int number;
        const char *name;
} denials[] = { { EPERM, "EPERM" }, { EACCES, "EACCES" }, { EROFS, "EROFS" }, { EAFNOSUPPORT, "EAFNOSUPPORT" } };

static const struct observed_call *find_call(const struct observations *o, const struct observed_call *like)
{
        for (size_t i = 0; i < o->call_count; i++)
                if (o->calls[i].foreign == like->foreign && text_equal(o->calls[i].name, like->name))
                        return &o->calls[i];
        return NULL;
}

/*
 * "openat then fails with EROFS" for the first that is new; NULL when there is none. ENOSYS is no denial: a call is hidden so that
 * its older form is made in its place.
 */
static char *new_denial(const struct observations *before, const struct observations *now)
{
        for (size_t i = 0; i < now->call_count; i++) {
                const struct observed_call *c = &now->calls[i], *old = find_call(before, c);
                for (size_t k = 0; k < ELEMENTS(denials); k++) {
                        int n = denials[k].number;
                        bool was = old && old->errors[n / 64] >> n % 64 & 1;
                        if (c->errors[n / 64] >> n % 64 & 1 && !was)
                                return xprintf("%s then fails with %s", c->name, denials[k].name);
                }
        }
        return NULL;
}

/* ---- one trial ---- */

/* The first rows only, of those that are not dropped; with other capabilities if those are not NULL. */
static int try(struct learn_session *s, size_t rows, struct trial *ret, struct error *e)
{
        CLEAN_STRINGS struct strings more = { 0 };
        struct learn_outcome out;
        *ret = (struct trial){ 0 };
        for (size_t i = 0; i < rows; i++)
                for (size_t k = 0; !s->learned.rows[i].dropped && k < s->learned.rows[i].assignments.count; k++)
                        strings_add(&more, s->learned.rows[i].assignments.items[k]);
        learn_count_trial(s);
        if (s->trials > TRIALS_MAX) {
                error_set(e, ELOOP, "learn.unsettled", "after %d trial runs the command still does not work under any set of directives", TRIALS_MAX);
                error_hint(e, "it may do something else each time; --verify=no writes what was seen without trying it");
                return -ELOOP;
        }
        int r = learn_run(s, &more, false, &ret->seen, &out, e);
        if (r < 0)
                return r;
        if (out.interrupted)
                return error_set(e, EINTR, "learn.interrupted", "interrupted while it was verified");
        if (!out.started)
                ret->reason = xprintf("the sandbox cannot be set up with it (status %d)", out.status);
        else if (!observations_has_outcome(&s->seen, out.status))
                ret->reason = xprintf("the command then ends with status %d", out.status);
        else if (out.exercise)
                ret->reason = xprintf("the client then ends with status %d", out.exercise);
        else
                ret->reason = new_denial(&s->seen, &ret->seen);
        ret->good = !ret->reason;
        return 0;
}

/* 1: good, 0: bad. The reason, if it is wanted. */
static int is_good(struct learn_session *s, size_t rows, char **ret_reason, struct error *e)
{
        CLEAN(trial_done) struct trial t = { 0 };
        int r = try(s, rows, &t, e);
        if (r == 0 && ret_reason) {
                free(*ret_reason);
                *ret_reason = TAKE_PTR(t.reason);
        }
        return r < 0 ? r : t.good;
}

/* ---- capabilities ---- */

static struct learned_row *find_row(struct learned *l, const char *directive)
{
        for (size_t i = 0; i < l->count; i++)
                if (text_equal(l->rows[i].directive, directive) && !l->rows[i].dropped)
                        return &l->rows[i];
        return NULL;
}

/* Takes capabilities away as long as it works: those of candidates, in steps of so many. */
static int take_away(struct learn_session *s, size_t rows, struct learned_row *row, uint64_t *held, uint64_t candidates, unsigned step, struct error *e)
{
        while (candidates) {
                uint64_t part = 0;
                for (unsigned i = 0; i < step && candidates; i++) {
                        part |= candidates & -candidates;
                        candidates &= candidates - 1;
                }
                learn_set_capabilities(row, *held & ~part);
                int r = is_good(s, rows, NULL, e);
                if (r < 0)
                        return r;
                if (r > 0)
                        *held &= ~part;
        }
        learn_set_capabilities(row, *held);
        return 0;
}

/* What calls have shown is too little: from all that there are down to what is needed. 1: found. */
static int widen_capabilities(struct learn_session *s, size_t rows, struct learned_row *row, struct error *e)
{
        uint64_t held = capability_all(), wanted = s->seen.capabilities;
        learn_set_capabilities(row, held);
        int r = is_good(s, rows, NULL, e);
        if (r <= 0)
                return r;
        r = take_away(s, rows, row, &held, held & ~wanted, CHUNK, e);
        if (r == 0)
                r = take_away(s, rows, row, &held, held & ~wanted, 1, e);
        s->seen.capabilities = held;
        return r < 0 ? r : 1;
}

/* Calls show what might have been needed; trying shows what is. */
static int tighten_capabilities(struct learn_session *s, struct error *e)
{
        struct learned_row *row = find_row(&s->learned, "CapabilityBoundingSet");
        uint64_t held = s->seen.capabilities;
        if (!row || !held || __builtin_popcountll(held) > CAPABILITIES_TRIED_MAX)
                return 0;
        learn_progress(s, "trying which capabilities it needs");
        int r = take_away(s, s->learned.count, row, &held, held, 1, e);
        if (r == 0 && held != s->seen.capabilities) {
                free(row->seen);
                row->seen = xprintf("tried: it does not work with fewer%s", held ? "" : " than it has, which is none");
        }
        return r;
}

/* ---- calls ---- */

/* Calls that were not made before, and are denied now: on another day they would have been seen. 1: the row has grown. */
static int grow_filter(struct learn_session *s, size_t rows, struct learned_row *row, struct error *e)
{
        CLEAN(trial_done) struct trial t = { 0 };
        CLEAN_LEARNED struct learned again = { 0 };
        const struct learn_facts facts = { &s->seen, &s->given, &s->hidden };
        bool grown = false;
        int r = try(s, rows, &t, e);
        for (size_t i = 0; r == 0 && i < t.seen.call_count; i++) {
                const struct observed_call *c = &t.seen.calls[i];
                if (find_call(&s->seen, c) || !(c->errors[0] >> EPERM & 1))
                        continue;
                struct observed_call *new = observations_call(&s->seen, c->name, c->foreign);
                if (new)
                        new->succeeded = grown = true;
        }
        if (r < 0 || !grown)
                return r;
        learn_derive(&facts, &again);
        struct learned_row *better = find_row(&again, "SystemCallFilter");
        if (!better)
                return 0;
        strings_clear(&row->assignments);
        row->assignments = better->assignments;
        better->assignments = (struct strings){ 0 };
        return 1;
}

/* ---- the search ---- */

/* The first rows with which it does not work, given that it does with none and does not with all. */
static int find_culprit(struct learn_session *s, size_t *ret, char **ret_reason, struct error *e)
{
        size_t good = 0, bad = s->learned.count;
        while (bad - good > 1) {
                size_t middle = good + (bad - good) / 2;
                char *reason = NULL;
                int r = is_good(s, middle, &reason, e);
                if (r < 0)
                        return r;
                if (r > 0)
                        good = middle;
                else {
                        bad = middle;
                        free(*ret_reason);
                        *ret_reason = TAKE_PTR(reason);
                }
                free(reason);
        }
        *ret = bad;
        return 0;
}

static int mend(struct learn_session *s, size_t rows, const char *reason, unsigned *grows, struct error *e)
{
        struct learned_row *row = &s->learned.rows[rows - 1];
        int r = 0;
        if (row->dropped)
                return 0; /* it was not this one: the command does not do the same each time */
        if (text_equal(row->directive, "CapabilityBoundingSet"))
                r = widen_capabilities(s, rows, row, e);
        else if (text_equal(row->directive, "SystemCallFilter") && (*grows)++ < FILTER_GROWS_MAX)
                r = grow_filter(s, rows, row, e);
        if (r != 0)
                return r < 0 ? r : 0;
        row->dropped = xprintf("%s", reason ? reason : "the command then does not work");
        learn_progress(s, "%s= is left out: %s", row->directive, row->dropped);
        return 0;
}

int learn_verify(struct learn_session *s, struct error *e)
{
        unsigned grows = 0;
        for (bool first = true;; first = false) {
                CLEAN_FREE char *reason = NULL;
                size_t rows = 0;
                learn_progress(s, "running it under the drop-in");
                int r = is_good(s, s->learned.count, &reason, e);
                if (r > 0)
                        break;
                if (r == 0 && first) {
                        r = is_good(s, 0, &reason, e);
                        if (r == 0) {
                                error_set(e, EAGAIN, "learn.unstable", "run again as before, %s", reason);
                                error_hint(e, "what does not end the same way twice cannot be verified; --verify=no writes what was seen");
                                return -EAGAIN;
                        }
                }
                if (r < 0)
                        return r;
                r = find_culprit(s, &rows, &reason, e);
                if (r == 0)
                        r = mend(s, rows, reason, &grows, e);
                if (r < 0)
                        return r;
        }
        int r = tighten_capabilities(s, e);
        s->verified = r == 0;
        return r;
}
