/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether we are an ordinary user, and who root of our user namespace is outside of it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* No privilege over the host: not root, or root of a user namespace that is not the host's first. */
bool users_ordinary(void);
/*
 * Whether we act in the session of an ordinary user, whose folders and service manager we use: not root; or root of a user
 * namespace, as an engine without root makes one, with the user's own XDG_RUNTIME_DIR and no USER who is root.
 */
bool users_in_session(void);
/* Our effective user as it is known outside of our user namespace. */
uid_t users_outside(void);
