/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead explain: what run would do with the same options, in words.  Nothing is run. */
#include <linux/capability.h>

#include "cli/commands.h"
#include "cli/run.h"
#include "os/capability.h"
#include "os/landlock.h"
#include "plan/explain.h"

/* "explain web.service" and "explain ./web.service" are of that unit: no command is called so. */
static void take_unit(struct run_options *o)
{
        if (o->like || o->argv.count != 1 || !text_ends(o->argv.items[0], ".service"))
                return;
        o->like = o->unit_word = TAKE_PTR(o->argv.items[0]);
        strings_clear(&o->argv);
}

int cmd_explain(int argc, char **argv)
{
        CLEAN(run_options_done) struct run_options o = { 0 };
        CLEAN_PLAN struct plan p = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        if (run_options_parse(&o, argc, argv, "Show in words what run would do with the same options, and who asked for it") < 0)
                return 1;
        take_unit(&o);
        if (run_options_compile(&o, &p, &e) < 0) {
                error_print(stderr, "bulkhead", "cannot explain this plan", &e);
                return e.exit_status ? e.exit_status : 1;
        }
        uint64_t held = 0;
        const struct explain_host host = {
                .privileged = geteuid() == 0 && capability_effective(&held) == 0 && held >> CAP_SYS_ADMIN & 1,
                .landlock = landlock_version() > 0,
                .capabilities = capability_all(),
        };
        if (o.json)
                explain_json(&p, &host, &t);
        else
                explain_text(&p, &host, &t);
        fputs(t.data, stdout);
        return fflush(stdout) == 0 ? 0 : 1;
}
