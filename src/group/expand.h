/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts with places for what is known of an instance: of health checks, and of what a provider on this host starts.
 *
 *      {{id}}  {{logical_id}}  {{address}}  {{port}}  {{tag NAME}}
 *
 * The address is the tag TAG_ADDRESS, else the logical id; the port is the tag TAG_PORT. What is not known is an error, never an empty
 * word. Other text stays as it is; "{{" that begins none of these is an error. Pure.
 */
#pragma once

#include "group/instance.h"

/* Where an instance can be reached: set by providers that know it. */
#define TAG_ADDRESS "bulkhead.address"
#define TAG_PORT "bulkhead.port"

enum { EXPAND_SIZE_MAX = 1 << 20 };

/* What a value may consist of. */
enum expand_into {
        EXPAND_WORD, /* an argument: all but control characters */
        EXPAND_NAME, /* letters, digits and "._:/@+=,-": has no meaning of its own in URLs, unit files and their commands */
};

/* Whether all places are known ones, in their form; what they stand for is not looked at. Ids: "expand.syntax". */
int expand_check(const char *s, struct error *e);
/* Appends s. Ids: "expand.syntax", "expand.missing", "expand.value", "expand.size". */
int expand(const char *s, const struct instance *i, enum expand_into into, struct text *ret, struct error *e);
/* Whether s has any place. */
bool expand_needed(const char *s);
/* Whether this, from between {{ and }}, is a place. */
bool expand_is_place(const char *text, size_t length);
/* The address of an instance, borrowed; NULL when it is not known. */
const char *expand_address(const struct instance *i);
