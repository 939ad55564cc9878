/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a service listens: "https://ec2.eu-west-1.amazonaws.com", or what somebody says in its place. Pure. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct aws_endpoint {
        char *url;  /* ends with "/" */
        char *host; /* as the header Host says it */
};
void aws_endpoint_done(struct aws_endpoint *p);
#define CLEAN_AWS_ENDPOINT CLEAN(aws_endpoint_done)

/*
 * Takes scheme, host and port; no path but "/", no query, nobody's name or password. Without TLS only this machine itself is
 * spoken to, unless plain says that another may be: what an instance is told at its first boot would be readable on the way. Id "aws.endpoint".
 */
int aws_endpoint_parse(const char *url, bool plain, struct aws_endpoint *ret, struct error *e);
/* That of a service in a region, whose name was checked. */
void aws_endpoint_of(const char *service, const char *region, struct aws_endpoint *ret);
/* Whether a region's name is one that can stand in the name of a host. */
bool region_is_valid(const char *region);
