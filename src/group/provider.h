/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plugin as the controller uses it: found by its name, called, and listened to.  One for each plugin, shared by all groups that name it.
 */
#pragma once

#include "group/instance.h"
#include "group/rpc_client.h"

struct provider;

struct provider_listener {
        /* A change of an instance; tags NULL: they are not known. id NULL: something may have been missed, all may have changed. */
        void (*changed)(void *context, struct provider *p, enum instance_change change, const char *type, const char *id, const struct tags *tags);
        void *context;
};

struct provider *provider_new(struct loop *l, const char *folder, const char *name, const struct provider_listener *listener);
void provider_free(struct provider *p);
const char *provider_name(const struct provider *p);
/* Whether it tells of changes at this moment, so that nobody needs to ask again and again. */
bool provider_tells(const struct provider *p);
/* Whether its lists are never late. A stranger's are taken as exact, as InfraKit takes them; false until it was asked. */
bool provider_exact(const struct provider *p);
/* As rpc_client_call. A plugin that is not there ends with "rpc.unreachable", and is looked for again at the next call. */
void provider_call(struct provider *p, const char *method, const char *params, uint64_t timeout_usec, rpc_done done, void *context);
/* Begins to listen to its events, once it is known to have some. */
void provider_follow(struct provider *p);
