/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what a plan says of control groups to what is written into them: paths of devices become their numbers. */
#pragma once

#include "os/cgroup.h"
#include "plan/plan.h"

/*
 * privileged: devices can be shut out.  *ret_devices says whether they must be.  A device that is not there is an error; leniently
 * a note.  Errors have exit status 219.
 */
int resources_of(const struct plan *p, bool privileged, struct cgroup_resources *r, enum cgroup_devices *ret_devices, struct strings *notes, struct error *e);
/* Whether there is anything to write. */
bool resources_are_asked(const struct cgroup_resources *r);
/* Whether folders are asked for whose only use is to count. */
bool resources_are_counted(const struct cgroup_resources *r);
