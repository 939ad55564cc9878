/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who we are to an etcd that asks for users.  A user and its password give a token, which goes with each call as a header; calls wait until
 * there is one.  Tokens end: by themselves when they were not used for a while, when a member starts again, when the password changes.
 * etcd refuses the call then, before it has any effect; the lane asks for another token, once, and sends the call again.
 *
 * The password is read from its file at each login and kept nowhere; so it can be changed while the controller runs.
 */
#pragma once

#include "group/etcd_lane.h"

struct etcd_auth {
        /* The owner's, set before etcd_auth_init. */
        struct etcd_client *client;
        const char *user, *password_file;

        char *token;      /* NULL: none */
        unsigned number;  /* of the token: how many there were */
        struct etcd_lane lane;
        struct etcd_call login;
        struct etcd_lane *waiting; /* for a token; each once */
        struct error refused;      /* why there was none the last time */
        uint64_t refused_until_usec; /* until then nobody asks again */
};
void etcd_auth_init(struct etcd_auth *a);
/* Nobody is told. */
void etcd_auth_done(struct etcd_auth *a);
/*
 * The lane has a call and there is no token: etcd_lane_go_on or etcd_lane_denied is called later. -errno when that is known already. Ids:
 * "etcd.password", "etcd.login".
 */
int etcd_auth_wait(struct etcd_auth *a, struct etcd_lane *l, struct error *e);
/* It waits no more. */
void etcd_auth_forget(struct etcd_auth *a, struct etcd_lane *l);
/* etcd does not take the token of this number (any more). */
void etcd_auth_spent(struct etcd_auth *a, unsigned number);

/*
 * Reads a password: the content of a regular file that belongs to root or to us, and that neither others can read nor the group can write; a
 * newline at its end does not count. file: a path, or, without a slash, a name in $CREDENTIALS_DIRECTORY. For CLEAN_SECRET. Id
 * "etcd.password".
 */
int etcd_password_read(const char *file, char **ret, struct error *e);
