/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Encrypted credentials, as systemd-creds(1) writes them: a header that says with which key, AES-256-GCM over the name, the times and the
 * value, and a tag that covers all of it.  Pure: bytes and a key in, a value or an error out.  Numbers are little-endian:
 *
 *      16 bytes  which keys were used (credential_sealed_key)
 *      4 x 4     sizes: of the key, of a block, of the nonce, of the tag
 *      12        the nonce, and zeros up to a multiple of 8
 *                -- from here on encrypted --
 *      8, 8      microseconds since 1970: when it was made, until when it holds; all ones: not said
 *      4         the length of the name; the name, and zeros up to a multiple of 8
 *      ...       the value
 *                -- up to here --
 *      16        the tag
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum { CREDENTIAL_SEALED_BYTES_MAX = 2 << 20 }; /* as base64: the value's largest, and what is around it */

enum credential_key { CREDENTIAL_KEY_NULL, CREDENTIAL_KEY_HOST };

/* What is expected of it. */
struct credential_expected {
        const char *name;  /* one without a name of its own is taken as any */
        uint64_t now_usec; /* since 1970 */
};

/* The bytes of base64, or those of one that is not; ret is empty before. */
int credential_sealed_read(const struct text *file, struct text *ret, struct error *e);
/* Which key is needed. What takes a security chip is refused. */
int credential_sealed_key(const struct text *sealed, enum credential_key *ret, struct error *e);
/* The value, in memory of its own that holds nothing else. key: the secret that the key is derived from; of size 0 for the null key. */
int credential_sealed_open(const struct text *sealed, const void *key, size_t key_size, const struct credential_expected *expected, struct text *ret,
                           struct error *e);
