/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads "resources" of the OCI runtime specification, of a configuration and of `update -r`. */
#pragma once

#include "base/json.h"
#include "os/cgroup_resources.h"

/*
 * A json_reader. into: struct cgroup_resources **, NULL or what is to be added to; allocated with xalloc, owned by the
 * caller, who calls cgroup_resources_done and free.
 */
int oci_read_resources(const struct json_place *at, void *into, struct error *e);
void oci_resources_free(struct cgroup_resources *r); /* both of these; NULL is fine */
