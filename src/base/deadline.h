/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Points in time at which something is due; 0 stands for never. */
#pragma once

#include <stdint.h>

static inline void deadline_sooner(uint64_t *deadline, uint64_t other)
{
        if (other && (!*deadline || other < *deadline))
                *deadline = other;
}
