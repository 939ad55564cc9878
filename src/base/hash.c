/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/hash.h"

#include <endian.h>
#include <string.h>

static uint64_t rotate(uint64_t x, unsigned bits)
{
        return (x << bits) | (x >> (64 - bits));
}

static void rounds(uint64_t v[4], unsigned count)
{
        while (count--) {
                v[0] += v[1];
                v[1] = rotate(v[1], 13) ^ v[0];
                v[0] = rotate(v[0], 32);
                v[2] += v[3];
                v[3] = rotate(v[3], 16) ^ v[2];
                v[0] += v[3];
                v[3] = rotate(v[3], 21) ^ v[0];
                v[2] += v[1];
                v[1] = rotate(v[1], 17) ^ v[2];
                v[2] = rotate(v[2], 32);
        }
}

static uint64_t load_le(const uint8_t *p)
{
        uint64_t x;
        memcpy(&x, p, sizeof x);
        return le64toh(x);
}

/* The last bytes, fewer than eight, and the size above them. */
static uint64_t load_rest(const uint8_t *p, size_t size)
{
        uint64_t x = (uint64_t)size << 56;
        for (size_t i = 0; i < size % 8; i++)
                x |= (uint64_t)p[i] << (8 * i);
        return x;
}

static void mix(uint64_t v[4], uint64_t m)
{
        v[3] ^= m;
        rounds(v, 2);
        v[0] ^= m;
}

uint64_t hash_sip24(const void *data, size_t size, const uint8_t key[16])
{
        const uint8_t *p = data;
        uint64_t k0 = load_le(key), k1 = load_le(key + 8);
        uint64_t v[4] = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                          k1 ^ 0x7465646279746573 };
        size_t whole = size & ~(size_t)7;

        for (size_t i = 0; i < whole; i += 8)
                mix(v, load_le(p + i));
        mix(v, load_rest(p + whole, size));
        v[2] ^= 0xff;
        rounds(v, 4);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}
