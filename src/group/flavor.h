/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Flavors: what runs on an instance (InfraKit's Flavor, version 0.1.1).  A flavor prepares the spec before an instance is provisioned,
 * says whether one is healthy, and drains one before it is destroyed.  Implemented as instance plugins are (group/instance.h).
 */
#pragma once

#include "group/instance.h"

enum { GROUP_SIZE_MAX = 100000 };

/* How many there are to be: a number, or one for each logical id. */
struct allocation {
        uint32_t size;
        struct strings logical_ids; /* empty: size counts */
};
void allocation_done(struct allocation *a);
int allocation_read(const struct json_place *at, void *into, struct error *e); /* {Size,LogicalIDs} */
void allocation_format(struct text *t, const struct allocation *a);

struct group_index {
        char *group;
        uint32_t sequence;
};

enum health { HEALTH_UNKNOWN = 0, HEALTH_GOOD = 1, HEALTH_BAD = 2 };

struct flavor_plugin {
        const char *name, *version, *summary;
        const char *const *types;
        bool concurrent;
        int (*start)(struct loop *loop, const struct strings *options, void **ret_self, struct error *e);
        void (*stop)(void *self);

        int (*validate)(void *self, const char *type, const struct json_place *properties, const struct allocation *a, struct error *e);
        /* Changes spec to what is to be provisioned. */
        int (*prepare)(void *self, const char *type, const struct json_place *properties, struct instance_spec *spec, const struct allocation *a,
                       const struct group_index *index, struct error *e);
        int (*healthy)(void *self, const char *type, const struct json_place *properties, const struct instance *i, enum health *ret, struct error *e);
        int (*drain)(void *self, const char *type, const struct json_place *properties, const struct instance *i, struct error *e);
};
