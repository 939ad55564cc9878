/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this folder share about groups and others have no use for. */
#pragma once

#include "os/cgroup.h"

int cgroup_apply_devices(const struct cgroup *c, const struct cgroup_resources *r, bool fresh, struct error *e);
/* The folder whose list of processes is the most certain: v2, else the freezer's, else the first. NULL: none is there. */
const struct cgroup_folder *cgroup_tracker(const struct cgroup *c);
/* A whole number that a file begins with; "max": INT64_MAX. 0 or -errno. */
int cgroup_read_number(int folder_fd, const char *file, int64_t *ret);
