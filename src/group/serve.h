/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The main function of a plugin: options, socket, protocol, events, end.
 *
 *      bulkhead-instance-file [--name NAME] [--dir PLUGINS_DIR] [--listen PATH] [WORD...]
 *
 * It listens at PLUGINS_DIR/NAME, where PLUGINS_DIR is $BULKHEAD_PLUGINS_DIR, else $INFRAKIT_PLUGINS_DIR, else the plugins folder of the
 * runtime folder; writes its pid beside it; and ends at SIGTERM or SIGINT once the calls in hand are answered.
 */
#pragma once

#include "group/flavor.h"

struct plugin_program {
        const char *name; /* of the program, for messages */
        const struct instance_plugin *instance;
        const struct flavor_plugin *flavor; /* either or both */
        const char *options; /* lines of --help about options of its own, as the manual page has them; NULL: it has none */
};
/* Returns the exit status. */
int plugin_main(const struct plugin_program *p, int argc, char **argv);
