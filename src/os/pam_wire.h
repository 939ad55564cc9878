/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said between who starts a command and bulkhead-pam, over a socket of the two alone.  A message is its size, 4 bytes as the machine has them,
 * and texts that each end with NUL.
 *
 *      to it     service, user, terminal ("" for none), then the environment
 *      from it   "ok", then the environment of the session, then "limit NUMBER SOFT HARD" behind an empty text for each that the session changed;
 *                or "error", what failed, and why
 *      to it     one byte with a descriptor: of the process whose end is that of the session. The end of the socket before is that, too.
 */
#pragma once

#include "base/text.h"

enum { PAM_MESSAGE_MAX = 1 << 20, PAM_SOCKET = 3 };

/* A text, with its NUL, at the end of a message. */
void pam_wire_add(struct text *message, const char *s);
/* 0, -E2BIG above the limit, or -errno; never SIGPIPE. */
int pam_wire_send(int fd, const struct text *message);
/* The texts of the next message. 0, -EBADMSG for what is none, -ENODATA at the end, -ETIMEDOUT where the socket has a timeout, or -errno. */
int pam_wire_receive(int fd, struct strings *ret);
