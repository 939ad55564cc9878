/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the set-up child of a run tells its supervisor through the status pipe, before exec closes it.
 * Nothing but end of file means that exec succeeded; of a container's child, that it died unless
 * STATUS_EXECUTING came before.  One message is below PIPE_BUF, so it is never torn.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

enum { STATUS_NOTE = 1, STATUS_ERROR = 2, STATUS_READY = 3, STATUS_EXECUTING = 4, STATUS_NOTE_MAX = 256 };

struct status_message {
        uint32_t kind;
        char note[STATUS_NOTE_MAX];
        struct error error;
};

_Static_assert(sizeof(struct status_message) <= 4096, "a status message must be written in one piece");
