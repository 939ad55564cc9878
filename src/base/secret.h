/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory of secrets is wiped before it is given back, so that it is in no dump and in nothing that reuses it.  What a text leaves behind
 * as it grows is not: secrets are put into texts in one piece.
 */
#pragma once

#include "base/text.h"

/* Wipes and frees; NULL is fine. */
void secret_free(char *secret);
/* The same, and leaves NULL. */
void secret_clear(char **secret);
#define CLEAN_SECRET CLEAN(secret_clear)
/* Wipes all that a text held. */
void secret_text_clear(struct text *t);
#define CLEAN_SECRET_TEXT CLEAN(secret_text_clear)
