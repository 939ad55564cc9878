/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images that are mounted beside the root, and extensions: trees of which /usr and /opt are laid over those that are seen, read-only.  An extension
 * must say that it was made for the system under it (plan/extension_release.h).
 */
#pragma once

#include "sandbox/child.h"

enum { EXTENSIONS_NOTHING = -ENODATA };

/* In the supervisor: opens the images. */
int extensions_prepare(struct sandbox *s, struct error *e);
/* Lets the devices of all images into a group from which devices are shut out. */
void extensions_allow(const struct sandbox *s, struct cgroup_resources *r);
/* Whether the mount is one of ours. */
bool extensions_are(const struct plan_mount *m);
/* In the child, before anything covers a source: what is to be mounted, detached. -errno; EXTENSIONS_NOTHING, without an error: nothing is to be. */
int extensions_open(struct child *c, const struct plan_mount *m, struct error *e);
