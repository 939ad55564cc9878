/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tags: names and values that a provider keeps with an instance.  They are the database of groups: what belongs to which group,
 * and with which configuration it was made, is read back from them.  The names are InfraKit's, so that either can take
 * over what the other made.
 */
#pragma once

#include "base/json.h"

#define TAG_GROUP "infrakit.group"             /* the ID of the group */
#define TAG_CONFIG_HASH "infrakit.config.hash" /* of the configuration that the instance was made with */
#define TAG_LOGICAL_ID "infrakit.logical_id"
#define TAG_TOKEN "bulkhead.token" /* names one intent to provision, written down before it is carried out */
#define TAG_PREPARED "bulkhead.prepared" /* which properties the flavor changed (group/drift.h); absent: none */
#define CONFIG_HASH_ADOPT "bootstrap" /* as a configuration hash: adopt me, and label me with the group's own */

enum { TAGS_MAX = 256, TAG_NAME_MAX = 256, TAG_VALUE_MAX = 4096 };

struct tag {
        char *name, *value;
};

/* Sorted by name (bytes), each name once; so equal tags are equal arrays. */
struct tags {
        struct tag *items;
        size_t count, room;
};

void tags_set(struct tags *t, const char *name, const char *value);
const char *tags_get(const struct tags *t, const char *name); /* NULL when it is not there */
bool tags_remove(struct tags *t, const char *name);           /* whether it was there */
/* Adds all of from; those of from win. */
void tags_merge(struct tags *t, const struct tags *from);
/* Whether every tag of match is in t with the same value. Nothing matches everything. */
bool tags_match(const struct tags *t, const struct tags *match);
bool tags_equal(const struct tags *a, const struct tags *b);
void tags_copy(struct tags *ret, const struct tags *from);
void tags_done(struct tags *t);
#define CLEAN_TAGS CLEAN(tags_done)

/* A json_reader of an object of strings. null is no tags. Limits as above. */
int tags_read(const struct json_place *at, void *into, struct error *e);
/* Appends them as a JSON object. */
void tags_format(struct text *t, const struct tags *tags);
