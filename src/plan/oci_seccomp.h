/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads /linux/seccomp of an OCI configuration. Pure. */
#pragma once

#include "base/json.h"
#include "plan/profile.h"

/* A json_reader. into is a struct profile **, which is replaced on success; free it with profile_free. */
int oci_read_seccomp(const struct json_place *at, void *into, struct error *e);
