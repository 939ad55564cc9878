/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a service says of itself, as sd_notify(3) has it: lines of NAME=VALUE. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

enum { NOTIFY_MESSAGE_MAX = 4096, NOTIFY_FD_NAME_MAX = 255, NOTIFY_STATUS_MAX = 1024 };

struct notify_message {
        bool ready, reloading, stopping, alive, trigger, store_fds, remove_fds, barrier, extends, sets_watchdog;
        char *status;                    /* "STATUS=", cut, or NULL */
        char *fd_name;                   /* valid, or NULL */
        int error;                       /* ERRNO=, 0: none */
        pid_t main_pid;                  /* MAINPID=, 0: none */
        uint64_t watchdog_usec, extend_usec;
};

/* Lines that are not understood are passed over: they may be newer than us. */
void notify_message_parse(const char *data, size_t size, struct notify_message *ret);
void notify_message_done(struct notify_message *m);
#define CLEAN_NOTIFY_MESSAGE CLEAN(notify_message_done)
/* A name that descriptors are stored or passed under: printable ASCII without colons, at most NOTIFY_FD_NAME_MAX bytes. */
bool notify_fd_name_valid(const char *s);
