/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* %-specifiers, as systemd.unit(5) lists them. */
#pragma once

#include "base/error.h"
#include "plan/directive.h"

/* The folder of the unit's credentials, which %d stands for. Allocated. */
char *specifier_credentials_folder(const struct facts *facts);
/* "%%" is a percent sign; an unknown specifier is an error. */
int specifier_expand(const char *s, const struct facts *facts, char **ret, struct error *e);
