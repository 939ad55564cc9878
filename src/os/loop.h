/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loop devices: a file as a block device.  The kernel lets go of one once nobody has it open or mounted: nothing is left to undo. */
#pragma once

#include <stdbool.h>

/*
 * A free device on the file that fd is. A descriptor of it or -errno. Held until it is mounted; its file may be any path
 * to it, such as /proc/self/fd/N.
 */
int loop_attach(int fd, bool read_only);
