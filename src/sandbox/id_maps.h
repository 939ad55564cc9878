/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Maps of user and group ids. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "plan/container.h"

/*
 * Writes the maps of a process in a new user namespace: directly where the caller may, else through newuidmap(1) and
 * newgidmap(1), as an ordinary user does for a range of its own.
 */
int id_maps_write(pid_t pid, const struct plan_id_maps *maps, struct error *e);
/* What an id of the inside is outside; false where it is not mapped. */
bool id_maps_outside(const struct plan_id_map *maps, size_t count, uint32_t inside, uint32_t *ret);
/* Maps the ids of a detached mount. */
int id_maps_apply(int mount_fd, const struct plan_id_maps *maps, bool recursive, struct error *e);
