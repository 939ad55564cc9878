/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table from strings to pointers.  Keys are borrowed: they must live, unchanged, as long as they are in the table, as does a member of
 * the value that is found by it.  The key of the hash is the owner's, so that who chooses the names cannot make them all collide.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct string_map_slot {
        const char *key; /* NULL: free */
        void *value;
        uint32_t hash;
};
struct string_map {
        struct string_map_slot *slots;
        size_t count, room; /* room is a power of two, or 0 */
        uint8_t secret[16];
};

void string_map_done(struct string_map *m);
void *string_map_get(const struct string_map *m, const char *key); /* NULL when it is not there */
/* The key must not be there yet. */
void string_map_put(struct string_map *m, const char *key, void *value);
/* The value that was there, or NULL. */
void *string_map_remove(struct string_map *m, const char *key);
