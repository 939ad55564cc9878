/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a service listens: "https://ec2.eu-west-1.amazonaws.com", or what somebody says in its place. Pure. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct endpoint {
        char *url;  /* ends with "/" */
        char *host; /* as the header Host says it */
};
void endpoint_done(struct endpoint *p);
#define CLEAN_ENDPOINT CLEAN(endpoint_done)

/*
 * Takes scheme, host and port; no path but "/", no query, nobody's name or password. Without TLS only this machine itself is
 * spoken to, unless plain says that another may be: what an instance is told at its first boot would be readable on the way. Id "aws.endpoint".
 */
int endpoint_parse(const char *url, bool plain, struct endpoint *ret, struct error *e);
/* That of a service in a region, whose name was checked. */
void endpoint_of(const char *service, const char *region, struct endpoint *ret);
/* Whether a region's name is one that can stand in the name of a host. */
bool region_is_valid(const char *region);
