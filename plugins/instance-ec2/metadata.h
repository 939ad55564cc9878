/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The metadata service of an EC2 instance, version 2 alone: a token is asked for with PUT and sent with every question.  Version 1, which
 * anything that can make this program fetch a URL could ask, is never fallen back to.  Not for several threads at once.
 */
#pragma once

#include "aws_web.h"

struct metadata {
        struct web_client *web;
        const char *endpoint; /* without "/" at its end */
        struct text token;    /* kept until the service refuses it */
};
void metadata_done(struct metadata *m);

/*
 * What stands at a path, such as "meta-data/placement/region".  -ENOENT without an error where there is nothing; id "aws.metadata".
 */
int metadata_get(struct metadata *m, const char *path, struct text *ret, struct error *e);
