/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as an encrypted credential; and as what is inside of one that is rightly encrypted, for behind the tag no other input comes. */
#include <nettle/gcm.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/credential_sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 48 };
static const uint8_t head[HEAD] = { 0x05, 0x84, 0x69, 0xda, 0xf6, 0xf5, 0x43, 0x24, 0x80, 0x05, 0x49, 0xda, 0x0f, 0x8e, 0xa2, 0xfb, 32, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 16 };

static int try_to_open(const struct text *sealed)
{
        CLEAN_TEXT struct text value = { 0 };
        struct error e = { 0 };
        const struct credential_expected expected = { "key", 1 };
        int r = credential_sealed_open(sealed, "", 0, &expected, &value, &e);
        if ((r < 0) != (e.code < 0) || (r < 0 && value.data) || (r == 0 && value.length > sealed->length))
                abort();
        return r;
}

static void as_it_comes(const uint8_t *data, size_t size)
{
        CLEAN_TEXT struct text file = { 0 }, sealed = { 0 };
        enum credential_key key;
        text_add(&file, "");
        text_add_bytes(&file, (const char *)data, size);
        if (credential_sealed_read(&file, &sealed, NULL) == 0 && credential_sealed_key(&sealed, &key, NULL) == 0)
                (void)try_to_open(&sealed);
}

static void sealed_rightly(const uint8_t *data, size_t size)
{
        CLEAN_TEXT struct text sealed = { 0 };
        uint8_t key[32], tag[16];
        struct sha256_ctx hash;
        struct gcm_aes256_ctx gcm;
        sha256_init(&hash);
        sha256_digest(&hash, sizeof key, key);
        gcm_aes256_set_key(&gcm, key);
        gcm_aes256_set_iv(&gcm, 12, head + 32);
        gcm_aes256_update(&gcm, HEAD, head);
        text_add_bytes(&sealed, (const char *)head, HEAD);
        text_add_bytes(&sealed, (const char *)data, size);
        gcm_aes256_encrypt(&gcm, size, (uint8_t *)sealed.data + HEAD, data);
        gcm_aes256_digest(&gcm, sizeof tag, tag);
        text_add_bytes(&sealed, (const char *)tag, sizeof tag);
        (void)try_to_open(&sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        as_it_comes(data, size);
        sealed_rightly(data, size);
        return 0;
}
