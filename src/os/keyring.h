/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Leaves the caller's session keyring for the one of that name, which is made where it is missing; name NULL: a new, empty
 * one.  0, or -errno; -ENOSYS where keyrings are refused.
 */
int keyring_join_session(const char *name);
/* Links the keyring of the user that we are into our session's. 0 or -errno. */
int keyring_link_user(void);
