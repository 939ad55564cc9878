/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/keyring.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

int keyring_new_session(void)
{
        return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0 ? -errno : 0;
}

int keyring_link_user(void)
{
        return syscall(SYS_keyctl, KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_SESSION_KEYRING, 0, 0) < 0 ? -errno : 0;
}
