/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the OCI compiler share.  A reader whose comment says "into: struct oci_reading" gets the whole state;
 * the others fill the one member that their row names.  What was read belongs to the plan also after an error.
 */
#pragma once

#include <sched.h>

#include "base/json.h"
#include "plan/oci.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

enum { OCI_ITEMS_MAX = 16384, OCI_PATH_MAX = 4095, OCI_MAP_LINES_MAX = 340 };

/* A configuration that is being read. Namespaces and maps are read before all that depends on them. */
struct oci_reading {
        struct plan *p;
        struct plan_container *c; /* p->container */
        const struct oci_facts *facts;
        uint64_t made, joined; /* namespaces, CLONE_NEWUSER among them */
};

struct oci_word {
        const char *word;
        uint64_t value;
};

/* As json_fail, with a hint. -EINVAL. */
int oci_fail(const struct json_place *at, struct error *e, const char *hint, const char *format, ...)
        __attribute__((format(printf, 4, 5), cold));
/* The place of a member, for errors about it. */
struct json_place oci_member(const struct json_place *at, const char *key);
/* The JSON pointer of a place, kept with the plan. */
const char *oci_origin(struct plan *p, const struct json_place *at);
/* json_each and json_each_member of at most OCI_ITEMS_MAX. */
int oci_each(const struct json_place *at, json_reader read, void *into, struct error *e);
int oci_each_member(const struct json_place *at, json_reader read, void *into, struct error *e);
/* The value of a word in a table that ends with a NULL word. */
int oci_word(const struct json_place *at, const struct oci_word *table, uint64_t *ret, struct error *e);
/* Adds up the values of an array of words. */
int oci_words(const struct json_place *at, const struct oci_word *table, uint64_t *ret, struct error *e);
/* Whether s is a list of numbers such as "0-3,7", ascending within each range. */
bool oci_is_list(const char *s);

/* Readers of char *: any text, where "" counts as absent; a list of numbers; an absolute path without "..", normalized. */
int oci_text(const struct json_place *at, void *into, struct error *e);
int oci_list(const struct json_place *at, void *into, struct error *e);
int oci_absolute(const struct json_place *at, void *into, struct error *e);
/* Of struct strings. */
int oci_strings(const struct json_place *at, void *into, struct error *e);
int oci_paths(const struct json_place *at, void *into, struct error *e);
int oci_environment(const struct json_place *at, void *into, struct error *e);
/* Of uint32_t: a user's or a group's number. */
int oci_id(const struct json_place *at, void *into, struct error *e);

/* Maps of ids. into: the list and its count; check once all of it is there. */
int oci_uid_maps(const struct json_place *at, void *into /* struct plan_id_maps */, struct error *e);
int oci_gid_maps(const struct json_place *at, void *into /* struct plan_id_maps */, struct error *e);
/* Why a list of maps is not one that the kernel takes, or NULL. */
const char *oci_maps_problem(const struct plan_id_map *maps, size_t count);

/* into: struct oci_reading. */
int oci_read_process(const struct json_place *at, void *into, struct error *e);
int oci_read_mounts(const struct json_place *at, void *into, struct error *e);
int oci_read_namespaces(const struct json_place *at, void *into, struct error *e); /* of linux: these and the maps */
int oci_read_linux(const struct json_place *at, void *into, struct error *e);      /* the rest of it */
int oci_read_hooks(const struct json_place *at, void *into, struct error *e);
