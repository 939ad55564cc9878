/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts for a container that runs: the array "mounts" of a configuration by itself. */
#include "plan/oci_internal.h"

int oci_compile_mounts(const struct json_place *at, struct plan *p, const struct oci_facts *facts, struct error *e)
{
        struct oci_reading r = { .p = p, .c = p->container, .facts = facts };
        if (at->value->type != JSON_ARRAY)
                return json_fail(at, e, "expected an array of mounts");
        if (p->container->new_users)
                r.made |= CLONE_NEWUSER;
        return oci_read_mounts(at, &r, e);
}
