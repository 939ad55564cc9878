/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * User and group accounts.  The files are read directly, so that no name service plug-in is loaded into a
 * privileged process; what they do not know is asked of getent, as a process.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

struct account {
        uid_t uid;
        gid_t gid;
        char *name, *home, *shell; /* owned; never NULL after success */
};

/* By name or by number; a number without an entry gives itself, gid as uid, and home "/". 0, -ESRCH, -errno. */
int account_find(const char *name, struct account *ret);
int account_find_group(const char *name, gid_t *ret);
/*
 * The folders of whoever calls, by the XDG Base Directory Specification: what the variable names if that is absolute, else below $HOME, else below
 * the home of the account. As systemd's user manager has them from version 254 on. Free it.
 */
enum user_folder { USER_HOME, USER_CONFIGURATION, USER_STATE, USER_CACHE, USER_LOGS };
char *account_folder(const struct account *a, enum user_folder which);
/* Whether an id is in use by an entry of passwd or group. */
bool account_id_taken(uid_t id);
/* The groups that list name as a member, and primary. ret is allocated. */
int account_groups(const char *name, gid_t primary, gid_t **ret, size_t *ret_count);
void account_done(struct account *a);
#define CLEAN_ACCOUNT CLEAN(account_done)
