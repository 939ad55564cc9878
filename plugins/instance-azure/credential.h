/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The token that goes with each request: asked for, kept, renewed before it ends. Safe on all threads. */
#pragma once

#include "config.h"
#include "reply.h"
#include "transfer.h"

struct credential;

struct credential *credential_new(const struct azure_config *config, struct web_client *web); /* both must outlast it */
void credential_free(struct credential *c);
/* A copy of the token, for CLEAN_SECRET. "azure.login"; "azure.unreachable" when the login cannot be reached. */
int credential_get(struct credential *c, char **ret, struct error *e);
/* The token was refused: the next credential_get asks for another, unless somebody has done so since. */
void credential_forget(struct credential *c, const char *refused);

/* Replaces every place in words where secret stands, should a service repeat what it was sent. */
void credential_scrub(char *words, const char *secret);
