/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which directive stops a call on a socket, told by the addresses that the call names.  For denials.c alone. */
#pragma once

#include "os/seccomp.h"
#include "plan/plan.h"

enum { DENIALS_OBJECT_MAX = 64 };

/* The origin, and the address in *ret_object; NULL where the plan does not stop it, or where that cannot be known. */
const char *denials_connect(const struct plan *p, const struct seccomp_call *call, char ret_object[DENIALS_OBJECT_MAX]);
const char *denials_bind(const struct plan *p, const struct seccomp_call *call, char ret_object[DENIALS_OBJECT_MAX]);
