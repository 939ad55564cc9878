/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What another reader of JSON says. Apart from the target, because its header and ours name functions alike. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum judgement { TAKEN, REFUSED, UNDECIDED /* beyond what jansson holds: large numbers, NUL in a name */ };

enum judgement jansson_judge(const uint8_t *data, size_t size);
