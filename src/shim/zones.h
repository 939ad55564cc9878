/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The time zones of this host: those below /usr/share/zoneinfo, each read once, and the local one. */
#pragma once

#include "plan/zone.h"

enum { ZONES_MAX = 1000 };

struct zones {
        struct zone_source source; /* for parsers; lives as long as this, which must not be moved */
        struct zone **known;
        size_t count, room;
        int folder_fd;
};

/*
 * The local zone: what TZ says, a name or a rule; else /etc/localtime; else UTC. One that is asked for and cannot be read is an error:
 * "zone.unknown", or one of zone_parse.
 */
int zones_open(struct zones *z, struct error *e);
void zones_close(struct zones *z);
#define CLEAN_ZONES CLEAN(zones_close)
#define ZONES_INIT { .folder_fd = -EBADF }
