/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What passes between a service and its supervisor beside signals: the socket of sd_notify(3), the sockets that it is started with, and the
 * descriptors that it leaves with us for its next start.
 */
#pragma once

#include "base/error.h"
#include "plan/notify_message.h"

enum { NOTIFY_FDS_MAX = 512, NOTIFY_MESSAGE_FDS_MAX = 253 };

struct service_notify {
        int fd; /* of the socket, or -EBADF */
        int fds[NOTIFY_FDS_MAX]; /* passed on from 3 on: listen_count sockets, then what is stored */
        char *names[NOTIFY_FDS_MAX];
        unsigned listen_count, count, room;
        /* The message in hand. */
        char data[NOTIFY_MESSAGE_MAX + 1];
        size_t size;
        int received[NOTIFY_MESSAGE_FDS_MAX];
        unsigned received_count;
};

/*
 * Takes over the listen_count descriptors from 3 on, and the place behind them for as many as room in all, which must be free: nothing of
 * ours will ever lie where a command finds them. names: between colons, or NULL. Id: "service.sockets".
 */
int service_notify_init(struct service_notify *n, unsigned listen_count, unsigned room, const char *names, struct error *e);
/* Binds the socket at path, for all to write to who reach it: whom a message comes from is what it is judged by. Id: "service.notify". */
int service_notify_open(struct service_notify *n, const char *path, struct error *e);
/* restarts: what is stored stays. */
void service_notify_close(struct service_notify *n, bool restarts);

/* Takes the next message: the pid of its sender, -1 when it cannot be known, 0 when there is none. */
pid_t service_notify_receive(struct service_notify *n);
/* Reads it, stores or removes descriptors if it may, and closes the others. */
void service_notify_take(struct service_notify *n, bool may, unsigned stored_max, struct notify_message *ret);

unsigned service_notify_passed(const struct service_notify *n);
const int *service_notify_fds(const struct service_notify *n);
/* "LISTEN_FDNAMES=..." Free it. */
char *service_notify_names(const struct service_notify *n);
