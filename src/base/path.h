/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paths as text. */
#pragma once

#include <stdbool.h>

/* Joins //, drops /./ and a trailing /. Absolute, without "..", at most 4095 bytes; else -EINVAL. */
int path_normalize(const char *path, char **ret);
/* True when path is prefix itself or below it; both normalized. */
bool path_is_below(const char *path, const char *prefix);
