/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts of a container that runs. Which ones were added so is kept in the record: only these can be taken away. */
#pragma once

#include "runtime/record.h"

/* mounts: an array of mounts as in a configuration, of binds and tmpfs. All of them, or none. */
int live_mounts_add(const struct record *r, const struct json_document *mounts, struct error *e);
/* Takes away what was added at the destinations that the array names. */
int live_mounts_remove(const struct record *r, const struct json_document *mounts, struct error *e);
