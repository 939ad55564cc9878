/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One set of credentials. Never printed, never written down; the memory is wiped when they are let go of. */
#pragma once

#include <stdint.h>

#include "base/secret.h"

struct aws_credentials {
        char *access_key, *secret_key;
        char *session_token;   /* NULL: of a user, which last */
        uint64_t expires_usec; /* since 1970; 0: never */
        const char *source;    /* for people: "the environment" */
};

void aws_credentials_done(struct aws_credentials *c);
#define CLEAN_AWS_CREDENTIALS CLEAN(aws_credentials_done)
/* ret must hold nothing. */
void aws_credentials_copy(struct aws_credentials *ret, const struct aws_credentials *from);
/* "2026-11-29T22:20:37Z", with a fraction or without, as services write points in time. 0 or -EINVAL. */
int aws_time_parse(const char *s, uint64_t *ret_usec);
