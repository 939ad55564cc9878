/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting between attempts, with full jitter: a random time up to a bound that doubles.  So callers that were refused together do not
 * come back together.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { BACKOFF_FIRST_MS = 100, BACKOFF_LAST_MS = 10000 };

struct backoff {
        uint64_t until_usec; /* CLOCK_MONOTONIC */
        unsigned attempts;   /* waits so far */
};
struct backoff backoff_start(uint64_t patience_usec);
/* Waits; false at once when there is no time for it any more. */
bool backoff_wait(struct backoff *b);
/* The bound of the n-th wait, in milliseconds; n counts from 0. */
uint64_t backoff_bound_ms(unsigned n);
uint64_t monotonic_usec(void);
uint64_t realtime_usec(void);
