/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From what is asked for to what Azure is sent.  Pure: a spec in, a name and two JSON bodies out.
 *
 *      {"Location": "westeurope",                         else the program's --location
 *       "VM": {...},                                      the body of Microsoft.Compute/virtualMachines, as Azure documents it
 *       "NetworkInterface": {...},                        the body of Microsoft.Network/networkInterfaces; without it VM has a networkProfile
 *       "AdminPasswordSecret": "NAME"}                    a file in the folder of secrets
 *
 * Tags, names, customData and the interface of the machine are ours to fill in, so they may not stand in the document; nor may a password.
 */
#pragma once

#include "group/instance.h"

/* What Azure allows of tags on one resource, and of what a machine is given at its first boot. */
enum { AZURE_TAGS_MAX = 50, AZURE_TAG_NAME_MAX = 512, AZURE_TAG_VALUE_MAX = 256, AZURE_INIT_MAX = 65535 };

struct azure_scope {
        const char *subscription, *resource_group, *location; /* location: NULL where the document has to say it */
};

struct azure_bodies {
        char *name, *interface_name; /* interface_name: NULL when the document brings its own network profile */
        char *machine, *interface;   /* JSON; wiped when freed, for the machine's may hold a password */
        char *password_secret;       /* the name of the file that password was read from; NULL: there is none */
};
void azure_bodies_done(struct azure_bodies *b);
#define CLEAN_BODIES CLEAN(azure_bodies_done)

/*
 * The name of the machine for a group and a token, the same each time: what can be kept of the group's name, and a hash of both.
 * At most 61 bytes, letters, digits and hyphens; so its interface, NAME-nic, stays within Azure's limit as well.
 */
char *azure_machine_name(const char *group, const char *token);
/* What is found where a machine's own interface is. */
char *azure_interface_name(const char *machine);

/* Tags as Azure takes them: number, lengths, characters, names that differ in more than case. "azure.tags". */
int azure_tags_check(const struct tags *t, struct error *e);

/* Checks the properties of a document, which stand alone here. "azure.document". */
int azure_properties_check(const struct json_place *properties, const struct azure_scope *scope, struct error *e);
/* The name of the password's file that properties ask for, allocated; NULL without one. */
int azure_properties_secret(const char *properties, char **ret_name, struct error *e);
/* token: what the name is made of, and the value of TAG_TOKEN. password: NULL without one. */
int azure_bodies_make(const struct instance_spec *spec, const char *token, const char *password, const struct azure_scope *scope, struct azure_bodies *ret,
                      struct error *e);
