/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ec2.h"
#include "group/serve.h"

/* For --help; the manual page has the same. */
static const char own_options[] =
        "  --region NAME       default $AWS_REGION, $AWS_DEFAULT_REGION, that of the profile or of this instance\n"
        "  --endpoint URL      default $AWS_ENDPOINT_URL_EC2, $AWS_ENDPOINT_URL, or that of the region\n"
        "  --profile NAME      of the shared files, default $AWS_PROFILE or \"default\"\n"
        "  --patience SECONDS  how long one call is repeated, default 60\n"
        "  --plain-http        endpoints without TLS may be other machines than this one\n";

int main(int argc, char **argv)
{
        static const struct plugin_program program = { .name = "bulkhead-instance-ec2", .instance = &ec2_plugin, .options = own_options };
        return plugin_main(&program, argc, argv);
}
