/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls plugins: JSON-RPC over HTTP on a unix socket or TCP, many calls at once over connections that are kept, and streams of events.
 *
 * A failed call's error says whether it can have had an effect:
 *   rpc.unreachable   nobody listens: it had none
 *   rpc.remote        (or the plugin's own id) the plugin says that it failed
 *   rpc.broken, rpc.timeout, rpc.reply   nobody knows: rpc_unsure
 */
#pragma once

#include "group/discovery.h"
#include "group/rpc_wire.h"
#include "os/event_loop.h"

struct rpc_client;
struct rpc_pending;
struct rpc_subscription;

/* result is borrowed; NULL when failure is set. */
typedef void (*rpc_done)(void *context, const struct json_node *result, const struct error *failure);

/* name is for errors. The endpoint is copied. */
struct rpc_client *rpc_client_new(struct loop *l, const char *name, const struct endpoint *at);
/* Calls that are pending are forgotten, not called back. */
void rpc_client_free(struct rpc_client *c);
/* params is JSON text, copied. At most `parallel` calls are out at once (0: 64), the rest waits its turn. The time runs from when it is sent. */
void rpc_client_call(struct rpc_client *c, const char *method, const char *params, uint64_t timeout_usec, rpc_done done, void *context);
void rpc_client_parallel(struct rpc_client *c, uint32_t parallel);
size_t rpc_client_pending(const struct rpc_client *c);
bool rpc_unsure(const struct error *failure);

/* event is one JSON event; up tells when the stream is there (true) or lost: what happened meanwhile must be asked for. Reconnects by itself. */
struct rpc_subscription *rpc_client_follow(struct rpc_client *c, const char *topic, void (*event)(void *context, const struct json_node *event),
                                           void (*state)(void *context, bool up), void *context);
void rpc_subscription_free(struct rpc_subscription *s);

/* One call that is waited for. ret and ret_result as in rpc_reply_parse. */
int rpc_call_wait(const char *name, const struct endpoint *at, const char *method, const char *params, uint64_t timeout_usec, struct json_document *ret,
                  const struct json_node **ret_result, struct error *e);
