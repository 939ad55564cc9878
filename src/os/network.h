/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* Brings the loopback link of the current network namespace up; the kernel adds 127.0.0.1/8 and ::1. 0 or -errno. */
int network_loopback_up(void);
/* The index of a network device of our network namespace, by its name or an alternative one. 0, -ENODEV or another -errno. */
int network_find_device(const char *name, uint32_t *ret);
