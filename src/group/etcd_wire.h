/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said to etcd through its JSON gateway (version 3), and what it answers.  Pure.
 *
 * Keys and values are base64, numbers of 64 bits are strings, and what is zero, false or empty is left out: an absent `succeeded`
 * is false, an event without a type is a put.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

/* ---- requests ---- */

/* A request in the making: a JSON object that is not closed yet. etcd_finish closes it. */
struct etcd_request {
        struct text text;
        bool inner; /* in a list that has an element already */
};
void etcd_request_done(struct etcd_request *r);
#define CLEAN_ETCD_REQUEST CLEAN(etcd_request_done)

/*
 * A transaction: comparisons, then what is done when all of them hold, then what is done else:
 *      etcd_txn_begin; etcd_compare_created...; etcd_txn_then; etcd_txn_put...; etcd_txn_else; etcd_txn_range...; etcd_txn_end
 */
void etcd_txn_begin(struct etcd_request *r);
/* The key was made by that revision; 0: it is not there. */
void etcd_compare_created(struct etcd_request *r, const char *key, uint64_t revision);
void etcd_txn_then(struct etcd_request *r);
void etcd_txn_else(struct etcd_request *r);
void etcd_txn_end(struct etcd_request *r);
/* lease: 0 for none. */
void etcd_txn_put(struct etcd_request *r, const char *key, const struct text *value, uint64_t lease);
/* The key alone with end NULL, else all from key up to end, which is left out. */
void etcd_txn_delete(struct etcd_request *r, const char *key, const char *end);
/* limit 0: all. last: the greatest keys first. */
struct etcd_range {
        const char *key, *end;
        uint64_t limit;
        bool last;
};
void etcd_txn_range(struct etcd_request *r, const struct etcd_range *range);

void etcd_range_request(struct text *t, const struct etcd_range *range);
void etcd_lease_grant(struct text *t, uint32_t ttl_s);
/* Of a keep-alive and of a revocation: {"ID"}. */
void etcd_lease_request(struct text *t, uint64_t lease);
void etcd_login_request(struct text *t, const char *user, const char *password);
/* All changes of [key, end) from that revision on. */
void etcd_watch_request(struct text *t, const char *key, const char *end, uint64_t from);

/* What ends a range of all keys that begin with key: allocated. */
char *etcd_prefix_end(const char *key);

/* ---- replies ---- */

enum { ETCD_KEYS_MAX = 65536 };

struct etcd_kv {
        char *key;
        struct text value; /* any bytes, and a NUL behind them */
        uint64_t created, modified, lease;
};
/* Codes of gRPC that mean more to us than their words. */
enum { ETCD_NOT_FOUND = 5, ETCD_PERMISSION = 7, ETCD_INVALID = 3, ETCD_UNAUTHENTICATED = 16, ETCD_OUT_OF_SPACE = 8 };
enum { ETCD_TOKEN_MAX = 8192 };

/* All that answers may hold; what was not in one is zero. */
struct etcd_reply {
        uint64_t revision; /* of the whole store, when it was answered */
        bool succeeded;
        struct etcd_kv *kvs; /* of a range, or of all ranges of a transaction, one after another */
        size_t count, room;
        bool more;
        uint64_t lease;
        int64_t ttl_s;
        char *token; /* of a login: at most ETCD_TOKEN_MAX visible characters of ASCII, so that it can stand in a header; wiped when it goes */
        bool failed; /* etcd refused: code and message say why */
        int64_t code;
        char *message;
};
void etcd_reply_done(struct etcd_reply *r);
#define CLEAN_ETCD_REPLY CLEAN(etcd_reply_done)
/* Reads the body of an answer. Id "etcd.reply"; -EPROTO. */
int etcd_read_reply(const char *text, size_t size, struct etcd_reply *ret, struct error *e);

/* Whether it was refused because of a token that etcd knows no more, or that is older than the last change of its users and roles. */
bool etcd_reply_wants_login(const struct etcd_reply *r);
/*
 * Whether it was refused for who we are, which is an error then: "etcd.login", "etcd.permission" (-EACCES). doing: "reading all groups".
 * 0 for one that was refused for something else.
 */
int etcd_reply_denied(const struct etcd_reply *r, const char *doing, struct error *e);

struct etcd_change {
        bool deleted;
        struct etcd_kv kv; /* of a deletion the key and the revision alone */
};
/* One line of a watch. */
struct etcd_watch_reply {
        uint64_t revision;
        bool created, canceled;
        uint64_t compacted; /* changes before this revision are gone; 0 else */
        struct etcd_change *changes;
        size_t count, room;
        char *reason; /* of an end, or NULL */
        int64_t code; /* of it, or 0 */
};
void etcd_watch_reply_done(struct etcd_watch_reply *r);
#define CLEAN_ETCD_WATCH_REPLY CLEAN(etcd_watch_reply_done)
int etcd_read_watch(const char *text, size_t size, struct etcd_watch_reply *ret, struct error *e);
