/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Serves JSON-RPC over HTTP on a unix socket, as InfraKit's plugins do: objects with methods, the handshake old and new, events, and what
 * there is to know about it at /info/api.json.
 *
 * A method's function gets a struct rpc_call and answers it by rpc_reply or rpc_fail, before it returns or later.  Functions of objects
 * that are `concurrent` run on threads of a pool; all others on the loop's thread.
 */
#pragma once

#include <sys/types.h>

#include "group/rpc_wire.h"
#include "os/event_loop.h"

enum rpc_role { RPC_VIEW, RPC_OPERATE, RPC_ADMIN };

struct rpc_server;
struct rpc_call;

struct rpc_method {
        const char *name; /* "Provision"; NULL ends a table */
        void (*run)(struct rpc_call *c, void *self, const char *type, const struct json_place *params);
        enum rpc_role role; /* the least that the caller must have */
        const char *request, *response; /* examples, JSON text, for /info/api.json */
};

struct rpc_object {
        const char *interface, *version; /* "Instance", "0.6.1" */
        const char *selector;            /* the member of params that says which object is meant: "Type", or "Name" of the form PLUGIN/NAME */
        const char *name;                /* "" : the one that is meant when nothing is said */
        const struct rpc_method *methods;
        void *self;
        bool concurrent;
};

/* Who calls: the process that connected, as the kernel says. Of more groups than there is room for, the others do not count. */
enum { RPC_PEER_GROUPS = 64 };
struct rpc_peer {
        pid_t pid;
        uid_t uid;
        gid_t gid;
        uint32_t group_count;
        gid_t groups[RPC_PEER_GROUPS];
};

struct rpc_guard {
        /* 0, or an error that the caller is told; NULL: whoever can connect may call. */
        int (*allow)(void *context, const struct rpc_peer *peer, enum rpc_role role, const char *interface, const char *method, struct error *e);
        /* After the answer; params is JSON text. NULL: nobody writes it down. */
        void (*done)(void *context, const struct rpc_peer *peer, enum rpc_role role, const char *interface, const char *method, const char *params,
                     const struct error *failure);
        void *context;
};

struct rpc_server *rpc_server_new(struct loop *l, const char *name, const char *version);
void rpc_server_free(struct rpc_server *s);
/* The object is copied, what it points to is not. */
void rpc_server_add(struct rpc_server *s, const struct rpc_object *o);
void rpc_server_guard(struct rpc_server *s, const struct rpc_guard *g);
/*
 * Listens on a socket at path, mode as given: 0600, or 0660 for a group. A socket that nobody listens on any more is
 * replaced; one that somebody does is refused. Ids: "rpc.listen", "rpc.taken".
 */
int rpc_server_listen(struct rpc_server *s, const char *path, mode_t mode, struct error *e);
/* No new connections and calls; done is called when the last answer is out. */
void rpc_server_drain(struct rpc_server *s, void (*done)(void *context), void *context);
/* Sends to whoever listens to events of the topic. data is JSON text or NULL. On the loop's thread. */
void rpc_server_publish(struct rpc_server *s, const char *topic, const char *type, const char *id, const char *message, const char *data);
/* The names of topics that Event.List answers with; copied. */
void rpc_server_topic(struct rpc_server *s, const char *topic);

/* Where the result's text is appended to; then rpc_reply. */
struct text *rpc_result(struct rpc_call *c);
/* On any thread; the call is gone afterwards. */
void rpc_reply(struct rpc_call *c);
void rpc_fail(struct rpc_call *c, const struct error *e);
const struct rpc_peer *rpc_call_peer(const struct rpc_call *c);
