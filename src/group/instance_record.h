/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a provider writes down about an instance whose making takes time, beside the instance or on it, before it begins: so that
 * after a crash of the provider at any point the instance is known, and is finished or taken away.
 */
#pragma once

#include "group/instance.h"

enum instance_stage {
        STAGE_MAKING,   /* wanted, and not known to be made: whoever finds it so and unattended finishes it. Listed */
        STAGE_READY,    /* Listed */
        STAGE_REMOVING, /* somebody asked for it to go, and it is not known to be gone: listed until it is, so that it is asked again */
        STAGE_FAILED,   /* could not be made, and is to be cleared away. Not listed: the same token tries again */
        STAGES,
};
extern const char *const instance_stage_names[STAGES + 1]; /* "making"... ends with NULL */

struct instance_record {
        enum instance_stage stage;
        char *name;  /* instance_name of its token */
        char *token; /* NULL: made without one */
        char *logical_id, *properties;
        struct tags tags;
};
void instance_record_done(struct instance_record *r);
#define CLEAN_INSTANCE_RECORD CLEAN(instance_record_done)

enum { INSTANCE_RECORD_MAX = 4 << 20, INSTANCE_NAME_SIZE = 33 };

/* 32 hex digits that depend on the token alone; random ones for NULL. */
void instance_name(const char *token, char ret[INSTANCE_NAME_SIZE]);
/* Of a spec, at STAGE_MAKING, named after its TAG_TOKEN. */
void instance_record_begin(struct instance_record *ret, const struct instance_spec *spec);
/* Whether the spec's token is the record's. Else an error: two tokens have one name, or somebody else's thing has it. Id "instance.token". */
int instance_record_check(const struct instance_record *r, const struct instance_spec *spec, struct error *e);
/* JSON on one line. */
void instance_record_format(struct text *t, const struct instance_record *r);
/* where is for errors. Id "instance.record". */
int instance_record_parse(const char *where, const char *text, size_t size, struct instance_record *ret, struct error *e);
/* Adds it to the list if it is listed and has the tags. */
void instance_record_list(const struct instance_record *r, const char *id, const struct tags *match, bool properties, struct instances *ret);
