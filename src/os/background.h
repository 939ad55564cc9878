/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread that calls a function now, again after each interval, and at once when it is woken. No signal is delivered to it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct background;

/* Id: "background.refused". */
int background_start(struct background **ret, uint64_t interval_usec, void (*run)(void *self), void *self, struct error *e);
void background_wake(struct background *b);
/*
 * Waits so long for a call in hand to end; NULL is nothing to stop. False: it goes on, so that whatever it uses must be left as it is; for
 * programs that end now, and whose work may be cut off at any point.
 */
bool background_stop(struct background *b, uint64_t wait_usec);
