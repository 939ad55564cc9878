/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/target.h"

#include <stdio.h>
#include <string.h>

int target_unit_name(const char *name, char ret[UNIT_NAME_MAX + 1], struct error *e)
{
        bool typed = text_ends(name, ".service") || text_ends(name, ".socket") || text_ends(name, ".timer") || text_ends(name, ".path");
        int n = snprintf(ret, UNIT_NAME_MAX + 1, "%s%s", name, typed ? "" : ".service");
        if (n < 0 || n > UNIT_NAME_MAX || !unit_name_valid(ret))
                return error_set(e, EINVAL, "unit.name", "\"%s\" is not a unit name", name);
        return 0;
}

int target_root(struct error *e)
{
        return state_root_open(geteuid() != 0, NULL, e);
}

int target_open(const char *name, struct target *ret, struct error *e)
{
        CLEAN_TARGET struct target t = TARGET_INIT;
        int r = target_unit_name(name, t.unit, e);
        if (r < 0)
                return r;
        r = t.root_fd = target_root(e);
        if (r < 0)
                return r;
        r = t.dir_fd = run_open(t.root_fd, t.unit, e);
        if (r < 0)
                return r;
        r = run_refresh(t.root_fd, t.unit, &t.state, e);
        if (r < 0)
                return r;
        *ret = t;
        t = (struct target)TARGET_INIT;
        return 0;
}

void target_close(struct target *t)
{
        (void)fd_close(t->dir_fd);
        (void)fd_close(t->root_fd);
        run_state_done(&t->state);
        *t = (struct target)TARGET_INIT;
}

int target_fail(const char *verb, const char *name, const struct error *e)
{
        CLEAN_FREE char *subject = xprintf("cannot %s %.200s", verb, name);
        error_print(stderr, "bulkhead", subject, e);
        return e->exit_status ? e->exit_status : 1;
}
