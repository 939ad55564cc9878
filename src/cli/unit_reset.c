/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead unit reset-failed: a failure is forgotten, and the starts that were counted. */
#include <stdio.h>
#include <string.h>

#include "cli/target.h"
#include "cli/unit.h"
#include "shim/client.h"
#include "shim/start_limit.h"

/* Whether a supervisor of units is there, which understands what is asked: those of plain runs do not. */
static bool is_unit(int dir_fd)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        return run_load_state(dir_fd, &st, NULL) == 0 && st.sub[0];
}

/* One that runs forgets it itself; a plain run counts nothing. */
static int reset(int root_fd, const char *unit, struct error *e)
{
        CLEAN_FD int dir_fd = run_open(root_fd, unit, e);
        if (dir_fd < 0)
                return dir_fd;
        CLEAN_FD int lock_fd = run_take_ended(dir_fd);
        if (lock_fd >= 0) {
                int r = run_reset_failed(dir_fd);
                return r < 0 ? error_errno(e, r, "state.save", "recording it") : 0;
        }
        if (lock_fd != -EWOULDBLOCK || !is_unit(dir_fd))
                return 0;
        CLEAN_FD int fd = client_connect(dir_fd, e);
        return fd < 0 ? fd : client_reset(fd, e);
}

struct all {
        int root_fd, status;
};

static int reset_each(void *data, int runs_fd, const char *unit)
{
        struct all *a = data;
        struct error e = { 0 };
        (void)runs_fd;
        if (reset(a->root_fd, unit, &e) < 0 && e.code != -ENOENT && e.code != -ESTALE) /* it may have gone meanwhile */
                a->status = target_fail("reset", unit, &e);
        return 0;
}

int unit_cmd_reset_failed(int argc, char **argv)
{
        static const struct argp_option options[] = { UNIT_OPTIONS_SEARCH, { 0 } };
        CLEAN_UNIT_OPTIONS struct unit_options o = { .names_optional = true };
        struct error e = { 0 };
        if (!unit_options_parse(&o, options, "[NAME...]", "Forget the failures of units, of all of them if none is named, and the starts that were counted", argc, argv))
                return 1;
        CLEAN_FD int root_fd = state_root_open(o.user_mode, NULL, &e);
        if (root_fd < 0)
                return target_fail("look after", "services", &e);
        struct all all = { .root_fd = root_fd };
        if (!o.names.count)
                (void)runs_list(root_fd, reset_each, &all);
        for (size_t i = 0; i < o.names.count; i++) {
                char unit[UNIT_NAME_MAX + 1];
                const char *word = o.names.items[i], *last = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
                e = (struct error){ 0 };
                if (target_unit_name(last, unit, &e) < 0 || reset(root_fd, unit, &e) < 0)
                        all.status = target_fail("reset", word, &e);
        }
        return all.status;
}
