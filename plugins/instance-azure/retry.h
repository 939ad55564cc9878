/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a request is tried again, and after how long.  Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { RETRY_ATTEMPTS_MAX = 24, RETRY_BASE_MS = 500, RETRY_CAP_MS = 30000, RETRY_AFTER_MAX_S = 3600 };

/* Throttled, or a fault of the service that may pass. */
bool retry_status(long status);
/* Codes of Azure that say so whatever the status is: another operation is in hand, an interface is reserved for some minutes. */
bool retry_code(const char *code);
/* Whole seconds; false where it says none (NULL, a date, nonsense, more than an hour). */
bool retry_after_parse(const char *header, uint64_t *ret_s);
/*
 * How long to wait before the attempt of that number (1: the first that is a repetition). With what the service said, that and up to a fifth more,
 * so that not all come back at once; otherwise any time up to a bound that doubles. random: any 32 bits.
 */
uint64_t retry_delay_ms(unsigned attempt, const char *retry_after, uint32_t random);
