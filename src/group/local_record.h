/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The records of instances on this host, as files (group/local.h). */
#pragma once

#include "group/instance.h"

enum { LOCAL_RECORD_MAX = 4 << 20, LOCAL_RECORD_VERSION = 1 };

/* Makes dir_fd/ID/record.json, or replaces it. Id: "local.record". */
int local_record_save(int dir_fd, const struct instance *i, struct error *e);
/* -ENOENT without words: the folder has no record yet. Ids: "local.record". */
int local_record_load(int dir_fd, const char *id, struct instance *ret, struct error *e);
/* Of the text alone. */
int local_record_parse(const char *text, size_t size, const char *id, struct instance *ret, struct error *e);
void local_record_format(struct text *t, const struct instance *i);

/* The hash of a token; never 0. */
uint64_t local_token_hash(const char *token);
/*
 * What an instance is called: "GROUP-HASH", or "instance-HASH"; token NULL: random. Letters, digits, "-" and "_" alone, at most 80 bytes: a name
 * of units, of containers and of files. Allocated.
 */
char *local_id(const char *token, const char *group);
