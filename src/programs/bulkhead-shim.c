/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/shim.h"

int main(int argc, char **argv)
{
        struct error e = { 0 };
        struct shim_options o;
        if (shim_parse(argc, argv, &o, &e) == 0 && shim_supervise(&o, &e) == 0)
                return 0;
        error_print(stderr, "bulkhead-shim", "cannot supervise the run", &e);
        return 1;
}
