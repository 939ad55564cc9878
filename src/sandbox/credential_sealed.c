/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/credential_sealed.h"

#include <nettle/gcm.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <string.h>

#include "base/base64.h"
#include "plan/credentials.h"

enum {
        ID_BYTES = 16,
        SIZES = 4,
        NONCE_BYTES = GCM_IV_SIZE,
        TAG_BYTES = GCM_DIGEST_SIZE,
        HEAD_BYTES = 48,     /* id, sizes and nonce, rounded up */
        INNER_HEAD_BYTES = 20, /* up to the name */
};

static int broken(struct error *e, const char *what)
{
        return error_set(e, EBADMSG, "credential.encrypted", "%s", what);
}

static uint64_t number(const uint8_t *p, size_t bytes)
{
        uint64_t n = 0;
        while (bytes--)
                n = n << 8 | p[bytes];
        return n;
}

static size_t round_up(size_t n)
{
        return (n + 7) & ~(size_t)7;
}

/* ---- which key ---- */

static const struct kind {
        uint8_t id[ID_BYTES];
        enum credential_key key;
        const char *refused; /* NULL: taken */
} kinds[] = {
#define CHIP "it was encrypted with a key of the machine's security chip (TPM2), which Bulkhead does not ask"
#define SCOPED "it was encrypted for a user of systemd's"
        { { 0x5a, 0x1c, 0x6a, 0x86, 0xdf, 0x9d, 0x40, 0x96, 0xb1, 0xd5, 0xa6, 0x5e, 0x08, 0x62, 0xf1, 0x9a }, CREDENTIAL_KEY_HOST, NULL },
        { { 0x05, 0x84, 0x69, 0xda, 0xf6, 0xf5, 0x43, 0x24, 0x80, 0x05, 0x49, 0xda, 0x0f, 0x8e, 0xa2, 0xfb }, CREDENTIAL_KEY_NULL, NULL },
        { { 0x0c, 0x7c, 0xc0, 0x7b, 0x11, 0x76, 0x45, 0x91, 0x9c, 0x4b, 0x0b, 0xea, 0x08, 0xbc, 0x20, 0xfe }, 0, CHIP },
        { { 0xfa, 0xf7, 0xeb, 0x93, 0x41, 0xe3, 0x41, 0x2c, 0xa1, 0xa4, 0x36, 0xf9, 0x5a, 0x29, 0x36, 0x2f }, 0, CHIP },
        { { 0x93, 0xa8, 0x94, 0x09, 0x48, 0x74, 0x44, 0x90, 0x90, 0xca, 0xf2, 0xfc, 0x93, 0xca, 0xb5, 0x53 }, 0, CHIP },
        { { 0xaf, 0x49, 0x50, 0xa8, 0x49, 0x13, 0x4e, 0xb1, 0xa7, 0x38, 0x46, 0x30, 0x4f, 0xf3, 0x0c, 0x05 }, 0, CHIP },
        { { 0xef, 0x4a, 0xc1, 0x36, 0x79, 0xa9, 0x48, 0x0e, 0xa7, 0xdb, 0x68, 0x89, 0x7f, 0x9f, 0x16, 0x5d }, 0, CHIP },
        { { 0xad, 0xbc, 0x4c, 0xa3, 0xef, 0xb6, 0x42, 0x01, 0xba, 0x88, 0x1b, 0x6f, 0x2e, 0x40, 0x95, 0xea }, 0, CHIP },
        { { 0x55, 0xb9, 0xed, 0x1d, 0x38, 0x59, 0x4d, 0x43, 0xa8, 0x31, 0x9d, 0x2e, 0xbb, 0x33, 0x2a, 0xc6 }, 0, SCOPED },
#undef CHIP
#undef SCOPED
};

static const struct kind *find_kind(const struct text *t)
{
        for (size_t i = 0; t->length >= ID_BYTES && i < ELEMENTS(kinds); i++)
                if (!memcmp(t->data, kinds[i].id, ID_BYTES))
                        return &kinds[i];
        return NULL;
}

int credential_sealed_read(const struct text *file, struct text *ret, struct error *e)
{
        if (find_kind(file))
                text_add_bytes(ret, file->data, file->length);
        else if (base64_decode(file->data ? file->data : "", file->length, ret) < 0) {
                broken(e, "it is neither base64 nor what systemd-creds writes");
                error_hint(e, "what is not encrypted is for LoadCredential= and SetCredential=");
                return -EBADMSG;
        }
        return 0;
}

int credential_sealed_key(const struct text *sealed, enum credential_key *ret, struct error *e)
{
        const struct kind *k = find_kind(sealed);
        if (!k)
                return broken(e, "it does not begin as systemd-creds writes them");
        if (!k->refused) {
                *ret = k->key;
                return 0;
        }
        error_set(e, ENOTSUP, "credential.encrypted", "%s", k->refused);
        error_hint(e, "systemd-creds encrypt --with-key=host makes one for a key in a file");
        return -ENOTSUP;
}

/* ---- opening ---- */

static bool has_sizes(const uint8_t *data)
{
        static const uint32_t sizes[SIZES] = { AES256_KEY_SIZE, 1, NONCE_BYTES, TAG_BYTES };
        for (size_t i = 0; i < SIZES; i++)
                if (number(data + ID_BYTES + 4 * i, 4) != sizes[i])
                        return false;
        return true;
}

/* The size bytes behind the head of data into plain. Whether the tag is right: without it nothing of plain may be believed. */
static bool decrypt(const uint8_t *data, const void *secret, size_t secret_size, uint8_t *plain, size_t size)
{
        struct {
                struct sha256_ctx hash;
                uint8_t key[AES256_KEY_SIZE];
                struct gcm_aes256_ctx gcm;
                uint8_t tag[TAG_BYTES];
        } own;
        sha256_init(&own.hash);
        sha256_update(&own.hash, secret_size, secret);
        sha256_digest(&own.hash, sizeof own.key, own.key);
        gcm_aes256_set_key(&own.gcm, own.key);
        gcm_aes256_set_iv(&own.gcm, NONCE_BYTES, data + ID_BYTES + 4 * SIZES);
        gcm_aes256_update(&own.gcm, HEAD_BYTES, data);
        gcm_aes256_decrypt(&own.gcm, size, plain, data + HEAD_BYTES);
        gcm_aes256_digest(&own.gcm, sizeof own.tag, own.tag);
        bool right = memeql_sec(own.tag, data + HEAD_BYTES + size, TAG_BYTES);
        explicit_bzero(&own, sizeof own);
        return right;
}

static int check_name(const char *name, size_t size, const char *expected, struct error *e)
{
        CLEAN_FREE char *own = xstrndup(name, size);
        if (!size)
                return 0;
        if (strlen(own) != size || !credential_name_valid(own))
                return broken(e, "the name in it is none of a credential");
        if (text_equal(own, expected))
                return 0;
        error_set(e, EBADMSG, "credential.encrypted", "it was encrypted as \"%s\", not as \"%s\"", own, expected);
        error_hint(e, "systemd-creds encrypt --name=%s says what it is to be", expected);
        return -EBADMSG;
}

/* What is inside, once its tag was right: until here its maker is known. */
static int take_value(const uint8_t *plain, size_t size, const struct credential_expected *expected, struct text *ret, struct error *e)
{
        if (size < round_up(INNER_HEAD_BYTES))
                return broken(e, "what is inside is cut short");
        uint64_t made = number(plain, 8), until = number(plain + 8, 8), name_size = number(plain + 16, 4);
        if (name_size > CREDENTIAL_NAME_MAX || size < round_up(INNER_HEAD_BYTES + name_size))
                return broken(e, "what is inside is cut short");
        if (made != UINT64_MAX && until != UINT64_MAX && made >= until)
                return broken(e, "it ends before it was made");
        int r = check_name((const char *)plain + INNER_HEAD_BYTES, name_size, expected->name, e);
        if (r < 0)
                return r;
        if (until != UINT64_MAX && until < expected->now_usec)
                return error_set(e, ESTALE, "credential.encrypted", "the time until which it holds (--not-after=) is over");
        size_t begin = round_up(INNER_HEAD_BYTES + name_size);
        char *value = xalloc(size - begin + 1, 1);
        memcpy(value, plain + begin, size - begin);
        *ret = (struct text){ .data = value, .length = size - begin, .room = size - begin + 1 };
        return 0;
}

int credential_sealed_open(const struct text *sealed, const void *key, size_t key_size, const struct credential_expected *expected, struct text *ret,
                           struct error *e)
{
        const uint8_t *data = (const uint8_t *)sealed->data;
        if (sealed->length < HEAD_BYTES + round_up(INNER_HEAD_BYTES) + TAG_BYTES)
                return broken(e, "it is cut short");
        if (!has_sizes(data))
                return broken(e, "its header has sizes that AES-256-GCM does not");
        size_t size = sealed->length - HEAD_BYTES - TAG_BYTES;
        CLEAN_FREE uint8_t *plain = xalloc(size, 1);
        int r;
        if (decrypt(data, key, key_size, plain, size))
                r = take_value(plain, size, expected, ret, e);
        else {
                r = broken(e, "it was encrypted with another key, or was changed");
                error_hint(e, "systemd-creds encrypt on this machine makes one for the key that is here");
        }
        explicit_bzero(plain, size);
        return r;
}
