/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ec2.h"
#include "group/serve.h"

int main(int argc, char **argv)
{
        static const struct plugin_program program = { .name = "bulkhead-instance-ec2", .instance = &ec2_plugin };
        return plugin_main(&program, argc, argv);
}
