/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Leaves the caller's session keyring for a new, empty one.  It has no name of its own: by a name another could join it, and the kernel
 * looks for one among those of all containers.  0, or -errno; -ENOSYS where keyrings are refused.
 */
int keyring_new_session(void);
/* Links the keyring of the user that we are into our session's. 0 or -errno. */
int keyring_link_user(void);
