/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the plugin is started with: words NAME=VALUE (or --NAME=VALUE), else the environment variables that Azure's own tools read.
 * docs/plugins-azure.md lists them all.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum azure_credential { CREDENTIAL_AUTO, CREDENTIAL_SECRET, CREDENTIAL_FEDERATED, CREDENTIAL_MANAGED };

struct azure_config {
        char *subscription, *resource_group; /* all that this plugin sees and touches is in them */
        char *location;                      /* where the document says none; may be NULL */
        char *endpoint, *audience;           /* of the resource manager: origin; what tokens are asked for */
        char *authority, *tenant, *client_id;
        char *client_secret, *client_secret_file, *federated_token_file;
        char *metadata;       /* origin of the instance metadata service */
        char *ca_file;        /* NULL: the system's */
        char *secrets_folder; /* of AdminPasswordSecret; NULL: there are none */
        char *compute_version, *network_version, *tags_version; /* of the interfaces that are spoken */
        enum azure_credential credential;                       /* never AUTO once read */
        uint64_t wait_usec;  /* for an operation of Azure's to end */
        uint64_t patience_usec; /* for a request to be taken, with all its repetitions */
        uint64_t sweep_usec; /* between looks for interfaces that were left behind; an interface must be seen unused at two of them */
};
void azure_config_done(struct azure_config *c); /* wipes the secret */
#define CLEAN_CONFIG CLEAN(azure_config_done)

/*
 * AZURE_CLIENT_SECRET is overwritten in the environment once it is read, so that /proc/PID/environ does not show it. "azure.option",
 * "azure.endpoint", "azure.credential".
 */
int azure_config_read(const struct strings *options, struct azure_config *ret, struct error *e);
