/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /linux/seccomp of an OCI configuration: the filter of system calls. */
#pragma once

#include "base/json.h"

/* into: struct profile **, set to a new one that the caller frees. */
int oci_read_seccomp(const struct json_place *at, void *into, struct error *e);
