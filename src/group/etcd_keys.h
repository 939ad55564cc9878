/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands where in etcd, below the prefix of the store.  Pure.
 *
 *      version                     of this layout: "1"
 *      leader                      {"name","address"}, tied to the leader's lease; the revision that made it fences every write
 *      groups/ID                   {"revision","flags","writer"}: what the group is now, and the fence of who wrote it
 *      revisions/ID/NUMBER         {"document","actor","reason","at"}
 *      states/ID                   the planner's memory, as it gave it
 *      events/NUMBER, audits/NUMBER   an array of what was written together; NUMBER is that of the first
 *
 * NUMBER has 16 hexadecimal digits, so that keys sort as numbers do.  Of an ID all bytes but letters, digits, "-", "_" and "." are written %XX.
 */
#pragma once

#include "base/json.h"
#include "group/store_internal.h"

enum { ETCD_LAYOUT = 1, ETCD_CHUNK_MAX = 256 }; /* events or audits under one key */

/* Allocated. */
char *etcd_key(const char *prefix, const char *name); /* "PREFIX/NAME": "leader", "groups/"... */
char *etcd_key_of_group(const char *prefix, const char *folder, const char *group);            /* "groups", "states" */
char *etcd_key_of_revision(const char *prefix, const char *group, uint64_t revision);
char *etcd_key_of_number(const char *prefix, const char *folder, uint64_t number);             /* "events", "audits" */
/* The ID or the number at the end of a key "PREFIX/FOLDER/..."; NULL, and -EINVAL, where it is another's. */
char *etcd_group_of_key(const char *prefix, const char *folder, const char *key);
int etcd_number_of_key(const char *prefix, const char *folder, const char *key, uint64_t *ret);

struct etcd_head {
        uint64_t revision, writer;
        uint32_t flags;
};
struct etcd_leader {
        char *name, *address;
};
void etcd_leader_done(struct etcd_leader *l);

void etcd_format_head(struct text *t, const struct etcd_head *h);
void etcd_format_leader(struct text *t, const char *name, const char *address);
void etcd_format_revision(struct text *t, const struct store_revision *r);
void etcd_format_event(struct text *t, const struct store_event *v);
void etcd_format_audit(struct text *t, const struct store_audit *a);
/* Values as they were read. Id "store.damaged", naming the key. */
int etcd_read_head(const char *key, const struct text *value, struct etcd_head *ret, struct error *e);
int etcd_read_leader(const char *key, const struct text *value, struct etcd_leader *ret, struct error *e);
int etcd_read_revision(const char *key, const struct text *value, struct store_revision *ret, struct error *e);
/* Adds all of a chunk to a log, numbered from first on. */
int etcd_read_events(const char *key, const struct text *value, uint64_t first, struct store_log *into, struct error *e);
int etcd_read_audits(const char *key, const struct text *value, uint64_t first, struct store_log *into, struct error *e);
