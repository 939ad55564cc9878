/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

void secret_free(char *secret)
{
        if (secret)
                explicit_bzero(secret, strlen(secret));
        free(secret);
}

void secret_clear(char **secret)
{
        secret_free(*secret);
        *secret = NULL;
}

void secret_text_clear(struct text *t)
{
        if (t->data)
                explicit_bzero(t->data, t->room);
        text_clear(t);
}
