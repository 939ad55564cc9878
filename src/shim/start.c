/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of the shim: one table makes it and reads it. */
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "shim/shim.h"

enum option_kind { OPTION_FD, OPTION_PID, OPTION_MS, OPTION_FLAG, OPTION_TEXT, OPTION_MODE };

static const struct {
        const char *name;
        size_t offset;
        enum option_kind kind;
} options[] = {
        { "--dir", offsetof(struct shim_options, dir_fd), OPTION_FD },
        { "--lock", offsetof(struct shim_options, lock_fd), OPTION_FD },
        { "--sock", offsetof(struct shim_options, sock_fd), OPTION_FD },
        { "--status", offsetof(struct shim_options, status_fd), OPTION_FD },
        { "--pidfd", offsetof(struct shim_options, pidfd), OPTION_FD },
        { "--pty", offsetof(struct shim_options, pty_fd), OPTION_FD },
        { "--out", offsetof(struct shim_options, out_fd), OPTION_FD },
        { "--err", offsetof(struct shim_options, err_fd), OPTION_FD },
        { "--stdin", offsetof(struct shim_options, stdin_fd), OPTION_FD },
        { "--hold", offsetof(struct shim_options, hold_fd), OPTION_FD },
        { "--pid", offsetof(struct shim_options, pid), OPTION_PID },
        { "--stop-timeout-ms", offsetof(struct shim_options, stop_timeout_ms), OPTION_MS },
        { "--collect", offsetof(struct shim_options, collect), OPTION_FLAG },
        { "--unit", offsetof(struct shim_options, unit), OPTION_TEXT },
        { "--kill-mode", offsetof(struct shim_options, kill_main_only), OPTION_MODE },
};

static int parse_value(enum option_kind kind, void *field, const char *value)
{
        uint64_t n = 0;
        switch (kind) {
        case OPTION_FD:
        case OPTION_PID:
        case OPTION_MS:
                if (text_parse_uint(value, kind == OPTION_MS ? UINT32_MAX - 1 : INT_MAX, &n) < 0)
                        return -EINVAL;
                if (kind == OPTION_FD && (n < 3 || fcntl((int)n, F_GETFD) < 0))
                        return -EBADF;
                if (kind == OPTION_MS)
                        *(uint32_t *)field = (uint32_t)n;
                else
                        *(int *)field = (int)n;
                return kind == OPTION_PID && n == 0 ? -EINVAL : 0;
        case OPTION_FLAG:
                *(bool *)field = true;
                return 0;
        case OPTION_TEXT:
                *(const char **)field = value;
                return 0;
        case OPTION_MODE:
                *(bool *)field = text_equal(value, "process");
                return *(bool *)field || text_equal(value, "control-group") ? 0 : -EINVAL;
        }
        return -EINVAL;
}

int shim_parse(int argc, char **argv, struct shim_options *ret, struct error *e)
{
        struct shim_options o = SHIM_OPTIONS_INIT;
        for (int i = 1; i < argc; i++) {
                size_t k = 0;
                while (k < ELEMENTS(options) && !text_equal(argv[i], options[k].name))
                        k++;
                if (k == ELEMENTS(options))
                        return error_set(e, EINVAL, "shim.option", "unknown option %s", argv[i]);
                const char *value = options[k].kind == OPTION_FLAG ? "" : ++i < argc ? argv[i] : NULL;
                if (!value)
                        return error_set(e, EINVAL, "shim.option", "%s needs a value", options[k].name);
                int r = parse_value(options[k].kind, (char *)&o + options[k].offset, value);
                if (r < 0)
                        return error_errno(e, r, "shim.option", "%s %s", options[k].name, value);
        }
        if (o.dir_fd < 0 || o.lock_fd < 0 || o.pidfd < 0 || o.pid <= 0)
                return error_set(e, EINVAL, "shim.option", "--dir, --lock, --pidfd and --pid are needed");
        *ret = o;
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
                return true;
        case OPTION_MS:
                (void)snprintf(ret, size, "%u", (unsigned)*(const uint32_t *)field);
                return true;
        case OPTION_FLAG:
                return *(const bool *)field;
        case OPTION_TEXT:
                (void)snprintf(ret, size, "%s", *(const char *const *)field ? *(const char *const *)field : "");
                return *(const char *const *)field;
        case OPTION_MODE:
                (void)snprintf(ret, size, "process");
                return *(const bool *)field;
        }
        return false;
}

/* Descriptors below 3 become the shim's stdio, and all that is passed must survive exec. */
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

static void exec_found(char **argv)
{
        static const char *const places[] = { "", "../libexec/bulkhead/", "../lib/bulkhead/" };
        static char *const environment[] = { NULL }; /* nothing of the caller's may mark or steer the shim */
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[n > 0 ? n : 0] = 0;
        char *slash = strrchr(self, '/');
        if (!slash)
                return;
        slash[1] = 0;
        for (size_t i = 0; i < ELEMENTS(places); i++) {
                CLEAN_FREE char *path = xprintf("%s%sbulkhead-shim", self, places[i]);
                (void)execve(path, argv, environment);
                if (errno != ENOENT)
                        return;
        }
}

int shim_exec(const char *path, const struct shim_options *o, struct error *e)
{
        static char *const environment[] = { NULL };
        struct shim_options copy = *o;
        CLEAN_STRINGS struct strings argv = { 0 };
        strings_add(&argv, "bulkhead-shim");
        for (size_t i = 0; i < ELEMENTS(options); i++) {
                void *field = (char *)&copy + options[i].offset;
                char value[320];
                if (options[i].kind == OPTION_FD && *(int *)field >= 0) {
                        int r = pass_fd(field);
                        if (r < 0)
                                return error_errno(e, r, "shim.exec", "pass %s", options[i].name);
                }
                if (!format_value(options[i].kind, field, value, sizeof value))
                        continue;
                strings_add(&argv, options[i].name);
                if (options[i].kind != OPTION_FLAG)
                        strings_add(&argv, value);
        }
        if (path)
                (void)execve(path, argv.items, environment);
        else
                exec_found(argv.items);
        return error_errno(e, errno, "shim.exec", "exec %s", path ? path : "bulkhead-shim");
}
