/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/filters.h"

int filters_build(struct sandbox *s, struct error *e)
{
        if (!s->plan->container->profile)
                return 0;
        return error_set(e, ENOTSUP, "seccomp.compile", "profiles are not compiled yet");
}
