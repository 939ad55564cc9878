/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log of a run, in the format of the Kubernetes CRI: "TIME stdout F text", P for a piece of a line.  At
 * LOG_SIZE_MAX the log becomes log.1.  A disk that is full loses lines, never the run.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { LOG_SIZE_MAX = 8 << 20 };

struct log {
        int dir_fd, fd;
        uint64_t size_bytes;
        uint64_t lost_lines;
};

void log_open(struct log *log, int dir_fd);
/* stream: 1 stdout, 2 stderr. */
void log_write(struct log *log, int stream, const char *data, size_t size);
