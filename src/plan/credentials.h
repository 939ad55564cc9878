/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of a plan that says which credentials a unit's payload finds in its folder of credentials, and the grammar of
 * their names.  Values that stand in a directive are secrets: neither origins nor explain show them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

enum {
        CREDENTIAL_NAME_MAX = 255,
        CREDENTIAL_BYTES_MAX = 1 << 20, /* all of a run's, names included */
        CREDENTIALS_MAX = 1024,
};

/* In the order in which they are looked for: what an earlier kind found, a later one leaves alone. */
enum plan_credential_kind { PLAN_CREDENTIAL_LOAD, PLAN_CREDENTIAL_IMPORT, PLAN_CREDENTIAL_SET, PLAN_CREDENTIAL_KINDS };

struct plan_credential {
        enum plan_credential_kind kind;
        char *name;       /* IMPORT: a pattern of names */
        char *source;     /* LOAD: an absolute path, or a name in the stores; IMPORT: what replaces the pattern's fixed beginning, or NULL */
        struct text data; /* SET */
        bool encrypted;   /* LOAD, SET: what is found is to be decrypted */
        const char *origin;
};

struct plan_credentials {
        struct plan_credential *items;
        size_t count, room;
        struct strings stores; /* folders in which names are looked for, the first that has one wins */
        struct strings encrypted_stores; /* before these, where what is looked for is encrypted */
        char *folder;          /* where the payload finds them */
        const char *origin;    /* of the first; NULL: none are asked for */
};

/* A file name of printable ASCII without blanks, ":" and "/". */
bool credential_name_valid(const char *s);
void plan_credentials_done(struct plan_credentials *c);
