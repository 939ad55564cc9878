/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

/* Debian 12's header stops at version 2. */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)

static const uint64_t write_access = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                                     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                     LANDLOCK_ACCESS_FS_MAKE_SYM;
static const uint64_t file_access = LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE;

int landlock_version(void)
{
        long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        return v < 0 ? 0 : (int)v;
}

static int allow(int ruleset, int fd, uint64_t access)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        struct landlock_path_beneath_attr rule = { .parent_fd = fd,
                                                   .allowed_access = S_ISDIR(st.st_mode) ? access : access & file_access };
        if (!rule.allowed_access)
                return 0;
        return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

int landlock_enter(const int *writable, size_t count)
{
        int version = landlock_version();
        if (version <= 0)
                return -EOPNOTSUPP;
        /* REFER must be handled where it is known: what is not handled of it is denied. */
        uint64_t handled = version >= 2 ? LANDLOCK_ACCESS_FS_REFER : LANDLOCK_ACCESS_FS_MAKE_BLOCK;
        if (writable)
                handled |= write_access | (version >= 3 ? ACCESS_TRUNCATE : 0);
        struct landlock_ruleset_attr attr = { .handled_access_fs = handled };
        CLEAN_FD int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
        if (ruleset < 0)
                return -errno;
        CLEAN_FD int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return -errno;
        int r = writable ? 0 : allow(ruleset, root, handled);
        for (size_t i = 0; r == 0 && i < count; i++)
                r = allow(ruleset, writable[i], handled);
        if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
                r = -errno;
        return r;
}
