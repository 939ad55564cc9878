/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network devices between network namespaces, through rtnetlink. */
#pragma once

#include "base/error.h"

enum { NETLINK_NAME_MAX = 16 }; /* bytes, with the end */

/*
 * Moves the device name out of the network namespace from into to, where it is called inside (NULL: as before), in one step: a name
 * that is taken there is an error and the device stays.  Its global addresses go along, and it is brought up.  from and to are
 * descriptors of namespaces; -1 stands for our own.  A "%d" in inside is the first number that is free there; ret_name is what it is
 * called now.  "network.device".
 */
int netlink_move_device(int from, int to, const char *name, const char *inside, char ret_name[NETLINK_NAME_MAX], struct error *e);
