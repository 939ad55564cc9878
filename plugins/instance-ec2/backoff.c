/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backoff.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_usec(clockid_t clock)
{
        struct timespec t;
        (void)clock_gettime(clock, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t monotonic_usec(void)
{
        return now_usec(CLOCK_MONOTONIC);
}

uint64_t realtime_usec(void)
{
        return now_usec(CLOCK_REALTIME);
}

uint64_t backoff_bound_ms(unsigned n)
{
        uint64_t bound = n < 16 ? (uint64_t)BACKOFF_FIRST_MS << n : BACKOFF_LAST_MS;
        return bound < BACKOFF_LAST_MS ? bound : BACKOFF_LAST_MS;
}

struct backoff backoff_start(uint64_t patience_usec)
{
        return (struct backoff){ .until_usec = monotonic_usec() + patience_usec };
}

bool backoff_wait(struct backoff *b)
{
        uint64_t now = monotonic_usec();
        if (now >= b->until_usec)
                return false;
        uint64_t wait = arc4random_uniform((uint32_t)backoff_bound_ms(b->attempts++) * 1000 + 1);
        if (wait > b->until_usec - now)
                wait = b->until_usec - now;
        const struct timespec t = { (time_t)(wait / 1000000), (long)(wait % 1000000) * 1000 };
        (void)nanosleep(&t, NULL);
        return true;
}
