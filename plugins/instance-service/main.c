/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/serve.h"
#include "service.h"

/* For --help; the manual page has the same. */
static const char own_options[] =
        "  --dir DIR        the folder of records, default instances/service in the runtime folder\n";

int main(int argc, char **argv)
{
        static const struct plugin_program program = { .name = "bulkhead-instance-service", .instance = &service_plugin, .options = own_options };
        return plugin_main(&program, argc, argv);
}
