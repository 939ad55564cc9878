/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/keyring.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

int keyring_join_session(const char *name)
{
        return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name, 0, 0, 0) < 0 ? -errno : 0;
}
