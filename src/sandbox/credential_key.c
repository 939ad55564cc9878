/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/credential_key.h"

#include <fcntl.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"

#define SECRET_PATH "/var/lib/systemd/credential.secret"
#define SECURE_BOOT "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

enum { MACHINE_BYTES = 16, SECURE_BOOT_BYTES = 5 };

static int hex_byte(const char *s)
{
        char two[3] = { s[0], s[1], 0 }, *end;
        long n = strtol(two, &end, 16);
        return s[0] && strspn(two, "0123456789abcdefABCDEF") == 2 && !*end ? (int)n : -1;
}

/* What stands for this machine in the file: its id, hashed for this one use, with the bits of a UUID. */
static int machine_mark(uint8_t ret[MACHINE_BYTES])
{
        static const uint8_t use[MACHINE_BYTES] = { 0xd3, 0xac, 0xec, 0xba, 0x0d, 0xad, 0x4c, 0xdf, 0xb8, 0xc9, 0x38, 0x15, 0x28, 0x93, 0x6c, 0x58 };
        CLEAN_TEXT struct text id = { 0 };
        uint8_t raw[MACHINE_BYTES];
        struct hmac_sha256_ctx c;
        int r = file_read(AT_FDCWD, "/etc/machine-id", 64, &id);
        if (r < 0)
                return r;
        if (id.length < 2 * MACHINE_BYTES)
                return -ENOMEDIUM;
        for (size_t i = 0; i < MACHINE_BYTES; i++) {
                int byte = hex_byte(id.data + 2 * i);
                if (byte < 0)
                        return -ENOMEDIUM;
                raw[i] = (uint8_t)byte;
        }
        hmac_sha256_set_key(&c, sizeof raw, raw);
        hmac_sha256_update(&c, sizeof use, use);
        hmac_sha256_digest(&c, MACHINE_BYTES, ret);
        ret[6] = (ret[6] & 0x0f) | 0x40;
        ret[8] = (ret[8] & 0x3f) | 0x80;
        return 0;
}

static int refuse(struct error *e, const char *why)
{
        error_set(e, EPERM, "credential.key", "%s %s", SECRET_PATH, why);
        error_hint(e, "systemd-creds setup makes it");
        return -EPERM;
}

static int check_file(int fd, struct error *e)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_errno(e, errno, "credential.key", "reading %s", SECRET_PATH);
        if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
                return refuse(e, "is not a file with one name");
        if ((st.st_mode & 07777) != 0400)
                return refuse(e, "may be read or changed by others: its mode is not 0400");
        if (st.st_size <= MACHINE_BYTES || st.st_size > MACHINE_BYTES + CREDENTIAL_SECRET_MAX)
                return refuse(e, "has a size that systemd-creds does not give it");
        return 0;
}

int credential_secret_load(struct credential_secret *ret, struct error *e)
{
        uint8_t own[MACHINE_BYTES], mark[MACHINE_BYTES];
        CLEAN_FD int fd = open(SECRET_PATH, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
        int r = fd < 0 ? -errno : 0;
        if (r < 0) {
                error_errno(e, r, "credential.key", "reading %s", SECRET_PATH);
                error_hint(e, r == -ENOENT ? "systemd-creds setup makes it" : "the host's key is root's: an ordinary user has none");
                return r;
        }
        r = check_file(fd, e);
        if (r < 0)
                return r;
        r = machine_mark(own);
        if (r < 0)
                return error_errno(e, r, "credential.key", "reading /etc/machine-id");
        if (pread(fd, mark, sizeof mark, 0) != sizeof mark)
                return refuse(e, "cannot be read");
        if (!memeql_sec(own, mark, sizeof own))
                return refuse(e, "was made on a machine with another id");
        ssize_t n = pread(fd, ret->data, sizeof ret->data, MACHINE_BYTES);
        if (n <= 0)
                return refuse(e, "cannot be read");
        ret->size = (size_t)n;
        return 0;
}

void credential_secret_done(struct credential_secret *s)
{
        explicit_bzero(s, sizeof *s);
}

int credential_null_key_allowed(struct error *e)
{
        CLEAN_TEXT struct text boot = { 0 };
        CLEAN_STRINGS struct strings chips = { 0 };
        CLEAN_FD int folder = open("/sys/class/tpmrm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool chip = folder >= 0 && file_list(folder, &chips) == 0 && chips.count;
        int r = chip ? file_read(AT_FDCWD, SECURE_BOOT, SECURE_BOOT_BYTES, &boot) : -ENOENT;
        /* Four bytes of attributes, then the value. What cannot be read may be a yes. */
        bool secured = r == 0 ? boot.length == SECURE_BOOT_BYTES && boot.data[SECURE_BOOT_BYTES - 1] == 1 : r != -ENOENT;
        if (!secured)
                return 0;
        return error_set(e, EPERM, "credential.encrypted", "it was encrypted without a key, for machines without a security chip; this one has one, and a secured boot");
}
