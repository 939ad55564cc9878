/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether an extension of /usr and /opt was made for a system: its extension-release file held against the system's os-release, as systemd 252 does.
 * Pure. Both are "NAME=VALUE" lines as environment_file.h reads them.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

/* machine: what uname tells. 0, or -EINVAL with "extension.release". */
int extension_release_check(const struct strings *extension, const struct strings *system, const char *machine, struct error *e);
/* The name that an image or folder at path must carry in its extension-release file: its own, an image's without ".raw". Allocated. */
char *extension_release_name(const char *path, bool folder);
