/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a cluster of etcd says of its members, and is told of them, over its JSON gateway. */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum { ETCD_MEMBERS_MAX = 100, ETCD_ANSWER_MAX = 1 << 20 };

struct etcd_member {
        char *id;                   /* 64 bits, decimal */
        char *name;                 /* NULL: added, and has never run */
        struct strings peer_urls, client_urls; /* no client URL: has never run */
};
struct etcd_members {
        struct etcd_member items[ETCD_MEMBERS_MAX];
        size_t count;
};
void etcd_members_done(struct etcd_members *m);
#define CLEAN_ETCD_MEMBERS CLEAN(etcd_members_done)

/* Of an answer to member/list, member/add or member/remove. Ids: "json.syntax", "json.value". */
int etcd_members_parse(const char *text, size_t size, struct etcd_members *ret, struct error *e);
/* The member with that peer URL, or NULL. */
const struct etcd_member *etcd_members_find(const struct etcd_members *m, const char *peer_url);

struct etcd_place {
        const char *address, *port;
        int timeout_ms;
};
/* Ids: those of os/tcp_ask.h, base/http.h and above; "etcd.member": the cluster says no, and why. */
int etcd_list(const struct etcd_place *at, struct etcd_members *ret, struct error *e);
int etcd_add(const struct etcd_place *at, const char *peer_url, struct etcd_members *ret, struct error *e);
int etcd_remove(const struct etcd_place *at, const char *id, struct error *e);
/* Whether the member says of itself that it is healthy: it serves, and its cluster has a leader. */
bool etcd_is_healthy(const struct etcd_place *at);
/* Whether a member answers at all, which takes no leader. */
bool etcd_is_alive(const struct etcd_place *at);
