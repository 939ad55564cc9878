/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread that calls a function now, again after each interval, and at once when it is woken. No signal is delivered to it. */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct background;

/* Id: "background.refused". */
int background_start(struct background **ret, uint64_t interval_usec, void (*run)(void *self), void *self, struct error *e);
void background_wake(struct background *b);
/* Returns when a call in hand has ended. NULL is nothing to stop. */
void background_stop(struct background *b);
