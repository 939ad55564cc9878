/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Groups of members that know each other by their logical ids, which are IP addresses: what flavors of quorum systems share.  Who all
 * members are is kept with each instance, as the tag TAG_QUORUM, because neither the health of one nor its leaving is asked with the
 * group's allocation.
 */
#pragma once

#include "group/flavor.h"

#define TAG_QUORUM "bulkhead.quorum" /* addresses between commas */

enum { QUORUM_MAX = 31 };

/* At least one address, at most QUORUM_MAX, none twice. Id: "flavor.members". */
int quorum_check(const struct allocation *a, struct error *e);
/* Which member the spec is of, from 0 on. Ids: "flavor.members". */
int quorum_index(const struct allocation *a, const struct instance_spec *spec, size_t *ret, struct error *e);
/* The tag's value; at most QUORUM_MAX * 46 bytes, which is less than a tag may have. Allocated. */
char *quorum_format(const struct strings *members);
/* The members other than the instance itself. Nothing where the tag is not there or is none. */
void quorum_others(const struct instance *i, struct strings *ret);
/* An address as it stands in URLs: one of IPv6 in brackets. Allocated. */
char *quorum_host(const char *address);

/* Properties that they have in common. */
struct quorum_ports {
        uint16_t client, peer, election; /* defaults as set before reading */
        char *data;                      /* the folder; NULL: that of the service's state */
        uint64_t timeout_usec, wait_usec;
};
void quorum_ports_done(struct quorum_ports *p);
/*
 * Between two tries: waits a moment, and is false, at once, when the properties' Wait has passed since the first call.  `until_usec` is 0
 * before it.  What the tries themselves take counts.
 */
bool quorum_try_again(const struct quorum_ports *p, uint64_t *until_usec);
/* Members of an object: "Timeout", "Wait" as Go's durations; "DataDir" an absolute path without blanks or quotes. Readers for tables. */
int quorum_read_duration(const struct json_place *at, void *into, struct error *e);
int quorum_read_port(const struct json_place *at, void *into, struct error *e);
int quorum_read_folder(const struct json_place *at, void *into, struct error *e);
/* The beginning of a script: dir is the folder, and is there. */
void quorum_script_folder(struct text *t, const char *data, const char *otherwise);
/* Puts a script behind what the spec runs first. Id: "flavor.init". */
int quorum_add_init(struct instance_spec *spec, const struct text *script, struct error *e);
