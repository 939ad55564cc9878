/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/service_shim.h"

int main(int argc, char **argv)
{
        struct error e = { 0 };
        struct service_options o;
        if (service_options_parse(argc, argv, &o, &e) == 0 && service_supervise(&o, &e) == 0)
                return 0;
        error_print(stderr, "bulkhead-service", "cannot supervise the service", &e);
        return 1;
}
