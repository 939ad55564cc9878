/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/options.h"

#include "os/process.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int parse_fd(const char *value, int *field)
{
        uint64_t n;
        if (text_parse_uint(value, INT_MAX, &n) < 0 || n < 3 || fcntl((int)n, F_GETFD) < 0)
                return -EBADF;
        *field = (int)n;
        return 0;
}

static int parse_value(enum option_kind kind, void *field, const char *value)
{
        uint64_t n = 0;
        if (kind == OPTION_FD)
                return parse_fd(value, field);
        if (kind == OPTION_FLAG) {
                *(bool *)field = true;
                return 0;
        }
        if (kind == OPTION_TEXT) {
                *(const char **)field = value;
                return 0;
        }
        if (text_parse_uint(value, kind == OPTION_MS ? UINT32_MAX - 1 : INT_MAX, &n) < 0 || (kind == OPTION_PID && n == 0))
                return -EINVAL;
        if (kind == OPTION_PID)
                *(pid_t *)field = (pid_t)n;
        else
                *(uint32_t *)field = (uint32_t)n; /* an unsigned is one, too */
        return 0;
}

int options_parse(const struct option_row *rows, size_t count, int argc, char **argv, void *into, struct error *e)
{
        for (int i = 1; i < argc; i++) {
                size_t k = 0;
                while (k < count && !text_equal(argv[i], rows[k].name))
                        k++;
                if (k == count)
                        return error_set(e, EINVAL, "shim.option", "unknown option %s", argv[i]);
                const char *value = rows[k].kind == OPTION_FLAG ? "" : ++i < argc ? argv[i] : NULL;
                if (!value)
                        return error_set(e, EINVAL, "shim.option", "%s needs a value", rows[k].name);
                int r = parse_value(rows[k].kind, (char *)into + rows[k].offset, value);
                if (r < 0)
                        return error_errno(e, r, "shim.option", "%s %s", rows[k].name, value);
        }
        return 0;
}

/* The words of one option; false when it has its default. */
static bool format_value(enum option_kind kind, const void *field, char *ret, size_t size)
{
        switch (kind) {
        case OPTION_FD:
                (void)snprintf(ret, size, "%d", *(const int *)field);
                return *(const int *)field >= 0;
        case OPTION_PID:
                (void)snprintf(ret, size, "%d", (int)*(const pid_t *)field);
                return *(const pid_t *)field > 0;
        case OPTION_MS:
        case OPTION_COUNT:
                (void)snprintf(ret, size, "%u", (unsigned)*(const uint32_t *)field);
                return kind == OPTION_MS || *(const uint32_t *)field;
        case OPTION_FLAG:
                return *(const bool *)field;
        case OPTION_TEXT:
                break; /* of any length: it stands for itself */
        }
        return false;
}

static int pass_fd(int *fd)
{
        if (*fd < 3) {
                int moved = fcntl(*fd, F_DUPFD, 3);
                if (moved < 0)
                        return -errno;
                *fd = moved;
        }
        return fcntl(*fd, F_SETFD, 0) < 0 ? -errno : 0;
}

int options_format(const struct option_row *rows, size_t count, void *from, struct strings *argv, struct error *e)
{
        for (size_t i = 0; i < count; i++) {
                void *field = (char *)from + rows[i].offset;
                char value[16];
                if (rows[i].kind == OPTION_FD && *(int *)field >= 0) {
                        int r = pass_fd(field);
                        if (r < 0)
                                return error_errno(e, r, "shim.exec", "pass %s", rows[i].name);
                }
                const char *words = rows[i].kind == OPTION_TEXT ? *(const char *const *)field : value;
                if (!words || (words == value && !format_value(rows[i].kind, field, value, sizeof value)))
                        continue;
                strings_add(argv, rows[i].name);
                if (rows[i].kind != OPTION_FLAG)
                        strings_add(argv, words);
        }
        return 0;
}

int options_exec(const char *path, const char *name, char *const *argv, char *const *environment, struct error *e)
{
        if (path)
                (void)execve(path, argv, environment);
        else
                process_exec_beside(name, argv, environment);
        return error_errno(e, errno, "shim.exec", "exec %s", path ? path : name);
}
