/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead plugin: the verbs, and what apply needs of them. */
#pragma once

#include <stdio.h>

#include "base/text.h"

struct plugin_start {
        struct strings words;      /* as plugin_command_parse reads them */
        struct strings properties; /* of the sandbox, after those of the table */
        struct strings variables;  /* NAME=VALUE, for the plugins */
        bool detach, unsandboxed;
        bool quiet; /* only what is wrong is said */
        FILE *out;  /* where it is said */
};
/* Starts them and supervises: until the end, or, detached, until all listen. Errors are printed. The exit status. */
int plugin_start(const struct plugin_start *how);

int plugin_cmd_start(int argc, char **argv);
int plugin_cmd_stop(int argc, char **argv);
int plugin_cmd_ls(int argc, char **argv);

/* Takes away the socket and the pid file of a plugin that listens no more. */
void plugin_remove_stale(const char *folder, const char *name);
