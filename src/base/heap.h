/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A queue by rank whose items know where they stand, so that each can be moved or taken out as quickly as the first.  An item has a
 * uint32_t at the offset `position`, 0 while it is not in the heap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap {
        void **items;
        size_t count, room, position;
        bool (*before)(const void *a, const void *b); /* a total order: what comes first does not depend on what was put first */
};

void heap_done(struct heap *h);
/* Puts it in, or to its place once what its rank depends on has changed. */
void heap_put(struct heap *h, void *item);
/* Takes it out if it is in. */
void heap_remove(struct heap *h, void *item);
static inline void *heap_first(const struct heap *h)
{
        return h->count ? h->items[0] : NULL;
}
