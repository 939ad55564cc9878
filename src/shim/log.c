/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "base/cleanup.h"

void log_open(struct log *log, int dir_fd)
{
        struct stat st;
        *log = (struct log){ .dir_fd = dir_fd };
        log->fd = openat(dir_fd, "log", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (log->fd >= 0 && fstat(log->fd, &st) == 0)
                log->size_bytes = (uint64_t)st.st_size;
}

static void rotate(struct log *log)
{
        (void)renameat(log->dir_fd, "log", log->dir_fd, "log.1");
        log->fd = fd_close(log->fd);
        log_open(log, log->dir_fd);
}

/* Days to a date without the C library's time zone data, which would cost memory (Hinnant's algorithm). */
static void format_time(char *ret, size_t size, int stream)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_REALTIME, &t);
        long days = t.tv_sec / 86400, seconds = t.tv_sec % 86400, z = days + 719468;
        long era = z / 146097, day = z - era * 146097;
        long year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
        long of_year = day - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
        long month = m < 10 ? m + 3 : m - 9;
        (void)snprintf(ret, size, "%04ld-%02ld-%02ldT%02ld:%02ld:%02ld.%09ldZ %s ", year + era * 400 + (month <= 2), month,
                       of_year - (153 * m + 2) / 5 + 1, seconds / 3600, seconds / 60 % 60, seconds % 60, t.tv_nsec,
                       stream == 2 ? "stderr" : "stdout");
}

/* One line in one append, so that a reader and a crash see whole lines. */
static void write_lines(struct log *log, struct iovec *v, int count, size_t size, size_t lines)
{
        if (log->fd < 0 && log->lost_lines)
                log_open(log, log->dir_fd);
        ssize_t n = log->fd < 0 ? -1 : writev(log->fd, v, count);
        if (n == (ssize_t)size) {
                log->size_bytes += size;
                return;
        }
        log->lost_lines += lines;
        if (n > 0) /* cut short by a full disk: take the torn line back */
                (void)!ftruncate(log->fd, (off_t)log->size_bytes);
}

enum { BATCH = 64 };

void log_write(struct log *log, int stream, const char *data, size_t size)
{
        char prefix[128];
        struct iovec v[BATCH * 4];
        int count = 0;
        size_t total = 0, lines = 0;
        format_time(prefix, sizeof prefix, stream);
        size_t prefix_size = strlen(prefix);
        while (size) {
                const char *newline = memchr(data, '\n', size);
                size_t n = newline ? (size_t)(newline - data) : size;
                v[count++] = (struct iovec){ .iov_base = prefix, .iov_len = prefix_size };
                v[count++] = (struct iovec){ .iov_base = (char *)(uintptr_t)(newline ? "F " : "P "), .iov_len = 2 };
                v[count++] = (struct iovec){ .iov_base = (char *)(uintptr_t)data, .iov_len = n };
                v[count++] = (struct iovec){ .iov_base = (char *)(uintptr_t) "\n", .iov_len = 1 };
                total += prefix_size + 3 + n;
                lines++;
                data += n + (newline ? 1 : 0);
                size -= n + (newline ? 1 : 0);
                if (lines < BATCH && size)
                        continue;
                write_lines(log, v, count, total, lines);
                if (log->size_bytes >= LOG_SIZE_MAX)
                        rotate(log);
                count = 0;
                total = lines = 0;
        }
}
