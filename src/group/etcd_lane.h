/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of etcd over the event loop.  A lane is one connection on which calls follow one another: what must not wait behind a
 * large answer, such as the keeping alive of a lease, has a lane of its own.  A connection stays open between calls.
 *
 * A lane that fails goes on with the next endpoint; the call that it failed ends with an error, and may or may not have had its effect:
 * whoever repeats a call must make sure that twice is as good as once.
 */
#pragma once

#include <sys/types.h>

#include "base/http.h"
#include "group/etcd_wire.h"
#include "group/store_address.h"
#include "os/stream.h"

enum { ETCD_REPLY_MAX = 64 << 20 };

struct etcd_auth;  /* group/etcd_auth.h */
struct etcd_relay; /* a bulkhead-tls that has not ended yet */

/* What all lanes share. */
struct etcd_client {
        struct loop *loop;
        const struct store_address *address;                /* the owner's */
        const char *ca, *certificate, *key, *tls_program;   /* the owner's; NULL where not given */
        size_t good;                                        /* the endpoint that answered last, or the next to be tried */
        struct etcd_relay *relays;
        struct etcd_auth *auth; /* NULL: etcd does not ask who we are, or TLS says it */
};
/* All lanes are done by then. */
void etcd_client_done(struct etcd_client *c);

struct etcd_call {
        const char *path; /* "/v3/kv/txn" */
        struct text body; /* the owner's; stays as it is */
        uint64_t timeout_usec;
        /* One of reply and e is given. e: "etcd.unreachable", "etcd.timeout", "etcd.refused", "etcd.reply", "etcd.password", "etcd.login". */
        void (*done)(struct etcd_call *c, struct etcd_reply *reply, const struct error *e);
        /* For a stream: each line of it. It has no time-out once it has begun, and ends with an error always. */
        void (*line)(struct etcd_call *c, const char *line, size_t size);
        uint64_t began_usec; /* loop_now_usec's clock: not later than it was sent */
        bool login;          /* it asks for a token: it goes without one, and what was said is wiped */
        bool in_hand;
        struct etcd_call *next;
};

struct etcd_lane {
        struct etcd_client *client;
        size_t endpoint;
        bool connected;
        bool used, again; /* the connection has answered before; the call is on its second connection */
        struct stream stream;
        struct loop_timer timer;
        struct http_reader reader;
        struct etcd_call *first, *last;
        struct error trouble; /* why a call could not be begun */
        struct etcd_lane *next_waiting; /* etcd_auth.c's */
        bool waiting;         /* for a token */
        bool denied;          /* there is none: trouble says why */
        bool renewed;         /* the call is sent with its second token */
        unsigned token;       /* the number of the one that it was sent with */
        unsigned turn;        /* counts what has changed under the feet of a caller */
};
void etcd_lane_init(struct etcd_lane *l, struct etcd_client *c);
/* Forgets all calls, without calling back, and closes the connection. The lane may be used again. */
void etcd_lane_reset(struct etcd_lane *l);
/* Calls, once those before it are done. c is the lane's until done is called. */
void etcd_lane_call(struct etcd_lane *l, struct etcd_call *c);

/* etcd_auth.c says: there is a token; there is none. Nobody is called back. */
void etcd_lane_go_on(struct etcd_lane *l);
void etcd_lane_denied(struct etcd_lane *l, const struct error *why);

/* etcd_connect.c: a descriptor that is connected or about to be: directly, or through bulkhead-tls. 0 or -errno. */
int etcd_connect(struct etcd_client *c, const struct store_endpoint *to, bool *ret_connecting, int *ret_fd, struct error *e);
