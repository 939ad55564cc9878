/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* %-specifiers, as systemd.unit(5) lists them. */
#pragma once

#include "base/error.h"
#include "plan/directive.h"

/* "%%" is a percent sign; an unknown specifier is an error. */
int specifier_expand(const char *s, const struct facts *facts, char **ret, struct error *e);
