/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where plugins are: files in one folder.  A socket NAME is a plugin on this host; a regular file NAME.listen with "tcp://HOST:PORT" names
 * one elsewhere.  The folder is $BULKHEAD_PLUGINS_DIR, else $INFRAKIT_PLUGINS_DIR, else plugins/ of the runtime folder.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum { PLUGIN_NAME_MAX = 64 };

/* Of an address: a socket's path, or a host and a port. */
struct endpoint {
        char *path;
        char *host, *port; /* where path is NULL */
};
void endpoint_done(struct endpoint *p);
#define CLEAN_ENDPOINT CLEAN(endpoint_done)

/* Allocated. Not made. */
char *plugins_folder(void);
/* The same, made when it is not there (mode 0700), and refused when others could put sockets into it. Id: "plugin.folder". */
int plugins_folder_make(const char *folder, struct error *e);
/* A name of a file: letters, digits and ".-_", not beginning with a dot. */
bool plugin_name_valid(const char *name);
/* "aws/ec2-instance" becomes "aws" and "ec2-instance"; without a slash the second is "". Id: "plugin.name". */
int plugin_reference_parse(const char *reference, char **ret_name, char **ret_type, struct error *e);
/* Where a name listens. Ids: "plugin.name", "plugin.missing", "plugin.endpoint". */
int plugin_find(const char *folder, const char *name, struct endpoint *ret, struct error *e);
/* "unix:///run/x", "/run/x" and "tcp://host:port". */
int endpoint_parse(const char *text, struct endpoint *ret, struct error *e);
/* Names of all that are there, sorted. 0 or -errno. */
int plugins_list(const char *folder, struct strings *ret);
/* The pid of who listens, in a file beside the socket: "file.pid". Nobody depends on it, so failing is silent. */
void plugin_write_pid(const char *socket_path);
void plugin_remove_pid(const char *socket_path);
