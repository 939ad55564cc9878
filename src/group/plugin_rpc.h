/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* InfraKit's Instance and Flavor objects around a provider's functions. */
#pragma once

#include "group/flavor.h"
#include "group/rpc_server.h"

struct instance_service {
        const struct instance_plugin *plugin;
        void *self;
        struct instance_events *events; /* told of what calls did */
};
struct flavor_service {
        const struct flavor_plugin *plugin;
        void *self;
};
/* One object per type of the plugin. The services must live as long as the server. */
void instance_rpc_add(struct rpc_server *s, struct instance_service *i);
void flavor_rpc_add(struct rpc_server *s, struct flavor_service *f);
