/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /linux/resources of an OCI configuration: the limits of a control group and the devices that it opens. */
#pragma once

#include "base/json.h"

/* into: struct cgroup_resources **, set to a new one that the caller frees. */
int oci_read_resources(const struct json_place *at, void *into, struct error *e);
