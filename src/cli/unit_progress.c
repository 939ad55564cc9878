/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/unit_progress.h"

#include <stdio.h>

static const struct {
        const char *word;
        bool always, verbose; /* shown, unless quiet; shown if verbose */
} rows[] = {
        [MANAGER_STARTING] = { "starting", false, false }, [MANAGER_STARTED] = { "started", false, true },
        [MANAGER_FAILED] = { "failed", true, true },       [MANAGER_REFUSED] = { "not started", true, true },
        [MANAGER_ENDED] = { "ended", false, true },        [MANAGER_STOPPING] = { "stopping", false, false },
        [MANAGER_STOPPED] = { "stopped", false, true },    [MANAGER_NOTE] = { "note", true, true },
};

static void print_json(const char *word, const char *unit, const char *text, const struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "{\"event\":");
        text_add_json(&t, word);
        if (unit) {
                text_add(&t, ",\"unit\":");
                text_add_json(&t, unit);
        }
        if (text || e) {
                text_add(&t, ",\"text\":");
                text_add_json(&t, text ? text : e->cause);
        }
        if (e) {
                text_add(&t, ",\"id\":");
                text_add_json(&t, e->id);
        }
        text_add(&t, "}\n");
        fputs(t.data, stdout);
        (void)fflush(stdout);
}

void unit_progress_event(void *context, enum manager_event event, const char *unit, const char *text, const struct error *e)
{
        const struct unit_progress *p = context;
        if (p->json) {
                print_json(rows[event].word, unit, text, e);
                return;
        }
        if (e && e->id[0]) {
                CLEAN_FREE char *subject = xprintf("cannot start %s", unit);
                error_print(stderr, "bulkhead", subject, e);
                return;
        }
        if ((event == MANAGER_NOTE && p->quiet) || !(rows[event].always || (p->verbose && rows[event].verbose)))
                return;
        fputs("bulkhead: ", stderr);
        if (unit) {
                text_print_safe(stderr, unit);
                fputs(": ", stderr);
        }
        fputs(rows[event].word, stderr);
        if (text) {
                fputs(": ", stderr);
                text_print_safe(stderr, text);
        }
        fputc('\n', stderr);
}
