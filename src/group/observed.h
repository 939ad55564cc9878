/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a provider says what an instance is now, in the shape of its document: the properties that it was asked for, with what is seen to be
 * another in their place.  So drift (group/drift.h) is seen where there is some, and nothing else is.
 */
#pragma once

#include "base/text.h"

/* The properties, JSON text or NULL, with value, JSON text, in place of that member or behind the others. What is no object is one with nothing in it. */
char *observed_with(const char *properties, const char *member, const char *value);
/* The same in place. */
void observed_set(char **properties, const char *member, const char *value);
void observed_set_text(char **properties, const char *member, const char *text); /* as a string; bytes that are not UTF-8 as U+FFFD */

/* Notes, in a file of its own, what a provider has written into another. 0 or -errno. */
int observed_note(int dir_fd, const char *note, const char *data, size_t size);
/* Whether a file is not as it was noted: it is in ret, or nothing where it is gone. What was not noted, or is too long to be read, has not changed. */
bool observed_changed(int dir_fd, const char *note, const char *path, size_t max, struct text *ret);
