/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is run as a plugin: the words of "plugin start", the program that they mean, and its sandbox.
 *
 * Programs are looked for in $BULKHEAD_PLUGIN_PATH (folders between colons), beside this program, in the libexec folder of its
 * installation and, of a build that is not installed, in the build's plugins.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

/* How a plugin is held. */
enum plugin_hold {
        PLUGIN_ALONE,   /* no network; what is its own to write */
        PLUGIN_NETWORK, /* the same with the network */
        PLUGIN_HOST,    /* what it makes lives on this host and outlives it: no sandbox around it, it makes those of its instances */
};

struct plugin_command {
        char *name; /* where it listens */
        struct strings argv; /* the program's path first */
        enum plugin_hold hold;
        bool foreign; /* none of ours */
};
void plugin_command_done(struct plugin_command *c);
#define CLEAN_PLUGIN_COMMAND CLEAN(plugin_command_done)

/*
 * Reads KIND[:NAME][=COMMAND].  Without a command: the program bulkhead-instance-KIND or bulkhead-flavor-KIND, or bulkhead-groupd for "group"; KIND
 * may say which, as in "flavor-etcd".  A COMMAND is words as in ExecStart=; "--name NAME" is added to both. Ids: "plugin.word", "plugin.name",
 * "plugin.program".
 */
int plugin_command_parse(const char *word, struct plugin_command *ret, struct error *e);
/* Whether a program for the kind is there. */
bool plugin_kind_known(const char *kind);

/*
 * The directives that hold it, "NAME=VALUE"; the folders that it is to write in are made. folder: of the plugins. Not for PLUGIN_HOST.
 * Ids: "file.folder" and the like.
 */
int plugin_sandbox(const struct plugin_command *c, const char *folder, struct strings *ret, struct error *e);
