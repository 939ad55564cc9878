/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of the server share: connections and calls (rpc_server.c), threads (rpc_pool.c), events and descriptions (rpc_info.c). */
#pragma once

#include <pthread.h>

#include "base/http.h"
#include "group/rpc_server.h"
#include "os/stream.h"

struct rpc_connection {
        struct rpc_server *server;
        struct rpc_connection *next, *previous;
        struct stream stream;
        struct http_reader reader;
        struct text left; /* came, and is not read yet */
        struct rpc_call *call; /* in hand: the next request waits for its answer */
        struct rpc_peer peer;
        bool closing; /* once all is sent */
        bool follows; /* a stream of events */
        char *topic;
};

struct rpc_call {
        struct rpc_server *server;
        struct rpc_connection *connection; /* NULL: it is gone */
        const struct rpc_object *object;
        const struct rpc_method *method;
        const char *type; /* in the request */
        struct rpc_request request;
        struct rpc_peer peer;
        struct text result;
        struct error failure;
        bool failed, threaded;
        struct loop_job job;
        struct rpc_call *next; /* in the pool's queue */
};

struct rpc_pool {
        pthread_mutex_t lock;
        pthread_cond_t work;
        struct rpc_call *first, *last;
        pthread_t *threads;
        size_t count, idle;
        bool stopping;
};

struct rpc_server {
        struct loop *loop;
        char *name, *version, *path;
        struct rpc_object *objects; /* never moved once it listens */
        size_t object_count, object_room;
        struct strings topics;
        struct rpc_guard guard;
        struct loop_source listener;
        bool listening, draining;
        void (*drained)(void *context);
        void *drained_context;
        struct rpc_connection *connections;
        size_t connection_count, followers, calls;
        struct rpc_pool *pool; /* NULL: nothing was concurrent so far */
        uint64_t events;
};

void rpc_call_run(struct rpc_call *c);
void rpc_pool_run(struct rpc_server *s, struct rpc_call *c);
/* Waits for the calls in hand. */
void rpc_pool_stop(struct rpc_server *s);

void rpc_info_add(struct rpc_server *s);
void rpc_info_api(const struct rpc_server *s, struct text *t);
bool rpc_events_follow(struct rpc_connection *c);
void rpc_connection_follow(struct rpc_connection *c, char *topic);
void rpc_connection_drop(struct rpc_connection *c);
