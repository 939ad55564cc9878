/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this program did a moment ago.  EC2 becomes consistent only after a while: an instance that was made may be unknown to the calls
 * that follow, and one that was destroyed may still be listed.  Who asks us must not see that: a group would make one more. For any
 * number of threads.
 */
#pragma once

#include "group/instance.h"

enum { RECENT_SECONDS = 120, RECENT_MAX = 8192 };

struct recent;
struct recent *recent_new(void);
void recent_free(struct recent *r);

/* tags and logical_id (or NULL) are copied. */
void recent_made(struct recent *r, const char *id, const char *logical_id, const struct tags *tags);
void recent_gone(struct recent *r, const char *id);
/* EC2 says itself by now that it is not there. */
void recent_forget(struct recent *r, const char *id);
/* Whether it was made a moment ago, so that EC2 may not know it yet. */
bool recent_has(struct recent *r, const char *id);

/* Sorts list by id, and takes away what was destroyed. */
void recent_drop_gone(struct recent *r, struct instances *list);
/* Adds those that were made, match, and are not in list, which is sorted. */
void recent_missing(struct recent *r, const struct tags *match, const struct instances *list, struct instances *ret);
