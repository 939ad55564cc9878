/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* So many of something in so long a time, which begins with the first of them: as systemd limits starts and triggers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rate_count {
        uint64_t since_usec; /* of the first; the clock is the caller's */
        unsigned count;
};

/* Counts one more. False: it is one too many, and is not counted. With either limit 0 there is none, and nothing is counted. */
static inline bool rate_take(struct rate_count *c, uint64_t now_usec, uint64_t interval_usec, uint64_t burst)
{
        if (!burst || !interval_usec)
                return true;
        if (!c->count || now_usec - c->since_usec >= interval_usec)
                *c = (struct rate_count){ .since_usec = now_usec };
        if (c->count >= burst)
                return false;
        c->count++;
        return true;
}
