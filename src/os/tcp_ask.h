/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One question over TCP and its answer, waited for: for programs whose calls each have a thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

struct tcp_question {
        const char *address, *port; /* an IPv4 or IPv6 address: names are not looked up */
        const char *data;
        size_t size;
        int timeout_ms; /* for all of it */
        size_t max;     /* bytes of the answer */
        /* Takes what came: 1 when it is whole, 0 when more is to come, -errno with an error. NULL: whole at the end of the connection. */
        int (*take)(void *context, const char *data, size_t size, struct error *e);
        void *context;
};
/* The answer is in ret as well. Ids: "tcp.address", "tcp.connect", "tcp.lost", "tcp.timeout", "tcp.size", and take's. */
int tcp_ask(const struct tcp_question *q, struct text *ret, struct error *e);
