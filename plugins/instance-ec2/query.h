/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The body of a call to a Query API: an action, its version and parameters, as application/x-www-form-urlencoded. */
#pragma once

#include "aws_credentials.h"

#define QUERY_CONTENT_TYPE "application/x-www-form-urlencoded; charset=utf-8"

struct query {
        const char *action; /* for messages; static */
        struct text body;
};
/* Begins anew. action and version are borrowed for good. */
void query_start(struct query *q, const char *action, const char *version);
void query_add(struct query *q, const char *name, const char *value);
/* The value in its Base64 form. */
void query_add_base64(struct query *q, const char *name, const void *data, size_t size);
/* Wiped: it may hold what an instance is told at its first boot. */
void query_done(struct query *q);
#define CLEAN_QUERY CLEAN(query_done)
