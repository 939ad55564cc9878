/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "group/local.h"

/* Whether nobody is bound to the TCP port now, in our network namespace. A fact of the moment. */
bool port_is_free(uint16_t port);
