/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/serve.h"
#include "container.h"

int main(int argc, char **argv)
{
        static const struct plugin_program program = { .name = "bulkhead-instance-container", .instance = &container_plugin };
        return plugin_main(&program, argc, argv);
}
