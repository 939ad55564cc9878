/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One profile of the files that AWS's tools share: ~/.aws/credentials, whose sections are called [NAME], and ~/.aws/config, whose
 * sections are called [default] and [profile NAME].  Pure.
 */
#pragma once

#include "aws_credentials.h"
#include "base/error.h"

enum { PROFILE_FILE_MAX = 1 << 20 };

struct profile {
        bool found;
        char *access_key, *secret_key, *session_token;
        char *region, *role_arn, *web_identity_token_file, *role_session_name, *source_profile, *external_id;
        char *unsupported; /* a way to credentials that is not followed here, such as credential_process */
};
void profile_done(struct profile *p);
#define CLEAN_PROFILE CLEAN(profile_done)

/*
 * Adds what text says of the profile to ret; what is there already stays, so the first file wins.  file stands for the text in errors, which
 * have the id "aws.credentials-file" and never repeat a line: it may be a secret. 0 or -EINVAL.
 */
int profile_read(const char *file, const char *text, bool config, const char *name, struct profile *ret, struct error *e);
