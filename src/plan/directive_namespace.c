/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about namespaces that exist already. */
#include <sched.h>

#include "base/path.h"
#include "plan/directive_internal.h"

static int check(const char *word, char **ret, struct error *e)
{
        return path_normalize(word, ret) < 0 ? directive_bad_value(e, word, "an absolute path without \"..\"") : 0;
}

int directive_read_namespace_path(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_text(r, value, check, e);
}

/* Compiled before PrivateNetwork= and PrivateIPC=, which then have nothing to make. */
int directive_compile_network_path(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)facts, (void)e;
        p->network_path = xstrdup(v->text);
        plan_need_namespace(p, CLONE_NEWNET, v->origin);
        if (!s->of[D_PRIVATE_MOUNTS].set || s->of[D_PRIVATE_MOUNTS].number)
                plan_add_mount(p, PLAN_SYSFS, "/sys", v->origin)->optional = true;
        return 0;
}

int directive_compile_ipc_path(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        p->ipc_path = xstrdup(v->text);
        plan_need_namespace(p, CLONE_NEWIPC, v->origin);
        plan_add_mount(p, PLAN_MQUEUE, "/dev/mqueue", v->origin)->optional = true;
        return 0;
}
