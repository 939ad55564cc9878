/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The instances of this plugin: virtual machines of one resource group that carry a tag of ours (TAG_GROUP or TAG_TOKEN).  A machine without
 * is not listed, labelled or destroyed, whoever asks.
 *
 * A machine is there while Azure has it, from the moment its creation was taken until its deletion was; but for one that failed to be made and
 * does not run.  Its id is its name, which group and token give: so whoever asks twice with one token finds the same machine.
 */
#pragma once

#include <pthread.h>

#include "arm.h"
#include "group/instance.h"

struct azure {
        struct azure_config config;
        struct arm arm;
        pthread_mutex_t lock;        /* of what follows */
        struct strings in_hand;      /* names of machines that are being made, or removed */
        struct strings suspects;     /* interfaces that were seen unused at the last sweep: "NAME ETAG" */
        uint64_t next_sweep_usec;
};

int azure_new(const struct strings *options, struct azure **ret, struct error *e);
void azure_free(struct azure *a);

/* As struct instance_plugin has them; any thread. */
int azure_validate(struct azure *a, const struct json_place *properties, struct error *e);
int azure_provision(struct azure *a, const struct instance_spec *spec, char **ret_id, struct error *e);
int azure_label(struct azure *a, const char *id, const struct tags *labels, struct error *e);
int azure_destroy(struct azure *a, const char *id, struct error *e);
int azure_describe(struct azure *a, const struct tags *match, bool properties, struct instances *ret, struct error *e);

/* For the files of this plugin. */
bool azure_is_ours(const struct tags *t);
/* Whether a machine whose creation failed runs all the same. -ENOENT: it is gone by now. */
int azure_machine_runs(const struct azure *a, const char *name, bool *ret, struct error *e);
/* Removes an interface of ours; one that is not there, or not ours, is passed over. */
int azure_interface_remove(const struct azure *a, const char *name, uint64_t deadline_usec, struct error *e);
/* Looks for interfaces that a crash left behind, when it is time; machines: all that are there. Never fails: the next look comes. */
void azure_sweep(struct azure *a, const struct strings *machines);
