/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Open addressing with linear probing; what is removed is filled from behind, so that no marks are left. */
#include "base/string_map.h"

#include <string.h>

#include "base/hash.h"
#include "base/text.h"

void string_map_done(struct string_map *m)
{
        free(m->slots);
        m->slots = NULL;
        m->count = m->room = 0;
}

static uint32_t hash_of(const struct string_map *m, const char *key)
{
        return (uint32_t)hash_sip24(key, strlen(key), m->secret);
}

/* The slot of the key, or the free one where it would stand. */
static size_t find(const struct string_map *m, const char *key, uint32_t hash)
{
        size_t at = hash & (m->room - 1);
        while (m->slots[at].key && (m->slots[at].hash != hash || !text_equal(m->slots[at].key, key)))
                at = (at + 1) & (m->room - 1);
        return at;
}

static void grow(struct string_map *m)
{
        struct string_map_slot *old = m->slots;
        size_t room = m->room;
        m->room = room ? room * 2 : 16;
        m->slots = xalloc(m->room, sizeof *m->slots);
        for (size_t i = 0; i < room; i++)
                if (old[i].key)
                        m->slots[find(m, old[i].key, old[i].hash)] = old[i];
        free(old);
}

void *string_map_get(const struct string_map *m, const char *key)
{
        return m->count ? m->slots[find(m, key, hash_of(m, key))].value : NULL;
}

void string_map_put(struct string_map *m, const char *key, void *value)
{
        if (m->count * 4 >= m->room * 3)
                grow(m);
        uint32_t hash = hash_of(m, key);
        m->slots[find(m, key, hash)] = (struct string_map_slot){ key, value, hash };
        m->count++;
}

void *string_map_remove(struct string_map *m, const char *key)
{
        if (!m->count)
                return NULL;
        size_t hole = find(m, key, hash_of(m, key)), mask = m->room - 1;
        void *value = m->slots[hole].value;
        if (!m->slots[hole].key)
                return NULL;
        for (size_t at = (hole + 1) & mask; m->slots[at].key; at = (at + 1) & mask) {
                size_t home = m->slots[at].hash & mask;
                if (((at - home) & mask) < ((at - hole) & mask))
                        continue; /* it stands between its home and the hole's other side: the hole is not on its way */
                m->slots[hole] = m->slots[at];
                hole = at;
        }
        m->slots[hole] = (struct string_map_slot){ 0 };
        m->count--;
        return value;
}
