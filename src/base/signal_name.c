/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/signal_name.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* What stands behind RTMIN or RTMAX: nothing, or a sign and a number. */
static int realtime(const char *s, int base, char sign)
{
        uint64_t n = 0;
        if (*s && (*s != sign || text_parse_uint(s + 1, 64, &n) < 0))
                return -EINVAL;
        int number = sign == '+' ? base + (int)n : base - (int)n;
        return number >= SIGRTMIN && number <= SIGRTMAX ? number : -EINVAL;
}

int signal_from_name(const char *s)
{
        uint64_t n = 0;
        if (text_parse_uint(s, (uint64_t)SIGRTMAX, &n) == 0)
                return n > 0 ? (int)n : -EINVAL;
        if (!strncasecmp(s, "SIG", 3))
                s += 3;
        if (!strncasecmp(s, "RTMIN", 5))
                return realtime(s + 5, SIGRTMIN, '+');
        if (!strncasecmp(s, "RTMAX", 5))
                return realtime(s + 5, SIGRTMAX, '-');
        for (int i = 1; i < NSIG; i++)
                if (sigabbrev_np(i) && !strcasecmp(sigabbrev_np(i), s))
                        return i;
        return -EINVAL;
}

const char *signal_name(int number, char buffer[16])
{
        const char *name = sigabbrev_np(number);
        if (name)
                return name;
        (void)snprintf(buffer, 16, "RTMIN+%d", number - SIGRTMIN);
        return buffer;
}

bool signal_ends_cleanly(int number)
{
        return number == SIGHUP || number == SIGINT || number == SIGTERM || number == SIGPIPE;
}
