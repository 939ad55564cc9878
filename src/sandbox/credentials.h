/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Credentials: read by the supervisor, with the caller's rights and from the host's tree, and kept in memory only; written
 * by the child into a file system of its own mounts.  They are never on a disk, never in swap, and never in the host's tree.
 */
#pragma once

#include "sandbox/sandbox.h"

/* Reads what the plan asks for, and hides the credentials of other units. Errors end with status 243. */
int credentials_load(struct sandbox *s, struct error *e);
/* In the child: a detached mount with them, the payload's alone and read-only. A descriptor or -errno. */
int credentials_mount(const struct sandbox *s);
/* Wipes them. */
void credentials_done(struct sandbox_credentials *c);
