/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Brings the loopback link of the current network namespace up; the kernel adds 127.0.0.1/8 and ::1. 0 or -errno. */
int network_loopback_up(void);
