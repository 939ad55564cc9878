/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a store is: a path, or the endpoints of an etcd cluster and a prefix for its keys. Pure. */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum store_kind { STORE_FILE, STORE_ETCD };
enum { STORE_ENDPOINTS_MAX = 16, STORE_HOST_MAX = 253, STORE_PREFIX_MAX = 255 };
#define STORE_PREFIX "/bulkhead/v1"

struct store_endpoint {
        char *host; /* an address without brackets, or a name */
        uint16_t port;
        bool loopback; /* 127.0.0.0/8, ::1 or "localhost" */
        bool name;     /* no address: it must be looked up */
};
struct store_address {
        enum store_kind kind;
        char *path; /* absolute */
        bool tls;
        struct store_endpoint endpoints[STORE_ENDPOINTS_MAX];
        size_t count;
        char *prefix; /* begins with "/", does not end with one */
};
void store_address_done(struct store_address *a);
#define CLEAN_STORE_ADDRESS CLEAN(store_address_done)
/*
 * "/path", "sqlite:///path", "etcd://HOST:PORT[,HOST:PORT...][/PREFIX]", "etcds://...". A port that is not named is 2379. Without
 * TLS a host must be loopback unless plain, and no name but "localhost". Id "store.address"; -EINVAL.
 */
int store_address_parse(const char *where, bool plain, struct store_address *ret, struct error *e);
/* "HOST:PORT", with brackets around what has colons. */
void store_endpoint_format(struct text *t, const struct store_endpoint *p);
