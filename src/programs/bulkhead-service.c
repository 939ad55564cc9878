/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "shim/trigger.h"

/* By the type of the unit. */
static int supervise(const struct service_options *o, struct error *e)
{
        if (text_ends(o->unit, ".socket"))
                return socket_supervise(o, e);
        if (text_ends(o->unit, ".path"))
                return path_supervise(o, e);
        return text_ends(o->unit, ".timer") ? timer_supervise(o, e) : service_supervise(o, e);
}

int main(int argc, char **argv)
{
        struct error e = { 0 };
        struct service_options o;
        /* Nothing is left to do at the exit, and somebody may be waiting for the lock that goes with it. */
        if (service_options_parse(argc, argv, &o, &e) == 0 && supervise(&o, &e) == 0)
                _exit(0);
        error_print(stderr, "bulkhead-service", "cannot supervise the unit", &e);
        return 1;
}
