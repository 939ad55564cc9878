/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root of a unit.  The supervisor opens an image (unit_root_prepare).  The child attaches the tree beside the host's
 * (unit_root_open), applies the mounts of the plan in it, and changes to it at last (unit_root_enter).  All paths of the plan
 * are resolved inside the tree: what lies in it may be hostile.
 */
#pragma once

#include "sandbox/child.h"

/* Whether there is one. */
bool unit_root_is_asked(const struct plan *p);
int unit_root_prepare(struct sandbox *s, struct error *e);
int unit_root_open(struct child *c, struct error *e);
int unit_root_enter(struct child *c, struct error *e);
/* The text of a file in the tree, in the supervisor; -ENOENT where it is an image, which is not mounted yet. */
int unit_root_read(const struct plan *p, const char *path, size_t max, struct text *ret);
