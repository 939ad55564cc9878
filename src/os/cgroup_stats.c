/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup.h"
int cgroup_stats(const struct cgroup *c, struct text *json, struct error *e)
{
        (void)c, (void)e;
        text_add(json, "{}");
        return 0;
}
