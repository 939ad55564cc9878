/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key of this host that systemd-creds(1) encrypts with, and when credentials without a key are refused. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { CREDENTIAL_SECRET_MAX = 4096 };

struct credential_secret {
        uint8_t data[CREDENTIAL_SECRET_MAX];
        size_t size;
};

/*
 * Reads the host's secret: a file that nobody but its owner may read, with one name, made on this machine.  It is never made here.
 * Wipe it with credential_secret_done.
 */
int credential_secret_load(struct credential_secret *ret, struct error *e);
void credential_secret_done(struct credential_secret *s);
/*
 * A credential under the null key may be anybody's.  It is for machines without a security chip: with one, and a boot that is
 * secured, whoever got such a credential in was not meant to.
 */
int credential_null_key_allowed(struct error *e);
