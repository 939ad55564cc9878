/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals by name. */
#pragma once

#include <stdbool.h>

/* "SIGTERM", "term", "15", "RTMIN+3", "RTMAX-1": its number, or -EINVAL. */
int signal_from_name(const char *s);
/* Whether systemd counts this signal as a clean end of a service: SIGHUP, SIGINT, SIGTERM, SIGPIPE. */
bool signal_ends_cleanly(int number);
/* "TERM"; "RTMIN+3" where there is no name. In a buffer of the caller's, or the C library's own text. */
const char *signal_name(int number, char buffer[16]);
