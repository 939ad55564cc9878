/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where two JSON values differ: by their JSON pointers (RFC 6901), members in any order. Pure. */
#pragma once

#include "base/json.h"

/* old or new is NULL where the value is only in the other. Numbers are compared as they are written. */
typedef void (*json_difference)(void *context, const char *pointer, const struct json_node *old, const struct json_node *new);
void json_diff(const struct json_node *old, const struct json_node *new, json_difference found, void *context);
/* Adds /NAME to a pointer, with the escapes of RFC 6901. */
void json_pointer_add(struct text *t, const char *name);
