/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Leaves the caller's session keyring for a new, empty one. 0, or -errno; -ENOSYS where keyrings are refused. */
int keyring_new_session(void);
