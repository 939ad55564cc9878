/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Temporary credentials of a role, from AWS's Security Token Service. */
#pragma once

#include "exchange.h"

struct sts_role {
        const char *arn;
        const char *session_name; /* NULL: one of our own */
        const char *external_id;  /* NULL: none */
};
/* by: who assumes it. e must not be NULL, here and below. */
int sts_assume_role(const struct aws_service *sts, const struct sts_role *role, const struct aws_credentials *by, struct aws_credentials *ret,
                    struct error *e);
/* token: what an identity provider signed, such as that of a pod of Kubernetes. */
int sts_assume_web_identity(const struct aws_service *sts, const struct sts_role *role, const char *token, struct aws_credentials *ret,
                            struct error *e);
