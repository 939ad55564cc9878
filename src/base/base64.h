/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Base64 of RFC 4648, with the alphabet of "+" and "/". */
#pragma once

#include <stddef.h>

#include "base/text.h"

/*
 * Appends what the n bytes at s stand for. Blanks may stand anywhere; whole groups of four, the last with its padding. 0, or -EINVAL with t
 * holding what came before the fault.
 */
int base64_decode(const char *s, size_t n, struct text *t);
/* Appends the n bytes at data, encoded, with padding and without blanks. */
void base64_add(struct text *t, const void *data, size_t n);
