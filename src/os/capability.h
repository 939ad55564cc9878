/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capability names and sets.  A set is a 64-bit mask, bit N standing for capability N. */
#pragma once

#include <stdint.h>

enum { CAPABILITY_MAX = 63 };

const char *capability_name(unsigned n); /* "CAP_CHOWN", or NULL */
/* "cap_chown", "CAP_CHOWN" or a number up to 62. 0 or -EINVAL. */
int capability_parse(const char *s, unsigned *ret);
/* All that this kernel knows. */
uint64_t capability_all(void);
/* Those in effect for this process. 0 or -errno: a filter may refuse even this. */
int capability_effective(uint64_t *ret);
/* Drops from the bounding set what keep does not hold. 0 or -errno. */
int capability_bound(uint64_t keep);
/* Makes exactly these ambient; each must be permitted and inheritable. 0 or -errno. */
int capability_set_ambient(uint64_t ambient);
/* Sets effective, permitted and inheritable. 0 or -errno. */
int capability_set(uint64_t effective, uint64_t permitted, uint64_t inheritable);
