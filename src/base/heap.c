/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/heap.h"

#include "base/text.h"

static uint32_t *position_of(const struct heap *h, void *item)
{
        return (uint32_t *)((char *)item + h->position);
}

static void place(struct heap *h, size_t at, void *item)
{
        h->items[at] = item;
        *position_of(h, item) = (uint32_t)at + 1;
}

static size_t sift_up(struct heap *h, size_t at, void *item)
{
        for (; at && h->before(item, h->items[(at - 1) / 2]); at = (at - 1) / 2)
                place(h, at, h->items[(at - 1) / 2]);
        return at;
}

static size_t sift_down(struct heap *h, size_t at, void *item)
{
        for (size_t child; (child = 2 * at + 1) < h->count; at = child) {
                if (child + 1 < h->count && h->before(h->items[child + 1], h->items[child]))
                        child++;
                if (!h->before(h->items[child], item))
                        break;
                place(h, at, h->items[child]);
        }
        return at;
}

void heap_done(struct heap *h)
{
        free(h->items);
        h->items = NULL;
        h->count = h->room = 0;
}

void heap_put(struct heap *h, void *item)
{
        size_t at = *position_of(h, item);
        if (!at) {
                h->items = xgrow(h->items, &h->room, h->count + 1, sizeof *h->items);
                at = ++h->count;
        }
        at = sift_up(h, at - 1, item);
        place(h, sift_down(h, at, item), item);
}

void heap_remove(struct heap *h, void *item)
{
        size_t at = *position_of(h, item);
        if (!at)
                return;
        void *last = h->items[--h->count];
        *position_of(h, item) = 0;
        if (last == item)
                return;
        at = sift_up(h, at - 1, last);
        place(h, sift_down(h, at, last), last);
}
