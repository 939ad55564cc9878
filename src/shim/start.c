/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of the shim. */
#include "shim/options.h"
#include "shim/shim.h"

#define ROW(name, field, kind) { name, offsetof(struct shim_options, field), kind }
static const struct option_row rows[] = {
        ROW("--dir", dir_fd, OPTION_FD), ROW("--lock", lock_fd, OPTION_FD), ROW("--sock", sock_fd, OPTION_FD),
        ROW("--status", status_fd, OPTION_FD), ROW("--pidfd", pidfd, OPTION_FD), ROW("--pty", pty_fd, OPTION_FD),
        ROW("--out", out_fd, OPTION_FD), ROW("--err", err_fd, OPTION_FD), ROW("--stdin", stdin_fd, OPTION_FD),
        ROW("--hold", hold_fd, OPTION_FD), ROW("--pid", pid, OPTION_PID), ROW("--observer", observer, OPTION_PID), ROW("--stop-timeout-ms", stop_timeout_ms, OPTION_MS),
        ROW("--collect", collect, OPTION_FLAG), ROW("--unit", unit, OPTION_TEXT), ROW("--kill-mode", kill_mode, OPTION_TEXT),
};

int shim_parse(int argc, char **argv, struct shim_options *ret, struct error *e)
{
        struct shim_options o = SHIM_OPTIONS_INIT;
        int r = options_parse(rows, ELEMENTS(rows), argc, argv, &o, e);
        if (r < 0)
                return r;
        if (o.dir_fd < 0 || o.lock_fd < 0 || o.pidfd < 0 || o.pid <= 0)
                return error_set(e, EINVAL, "shim.option", "--dir, --lock, --pidfd and --pid are needed");
        o.kill_main_only = o.kill_mode && text_equal(o.kill_mode, "process");
        if (o.kill_mode && !o.kill_main_only && !text_equal(o.kill_mode, "control-group"))
                return error_set(e, EINVAL, "shim.option", "--kill-mode %s", o.kill_mode);
        *ret = o;
        return 0;
}

int shim_exec(const char *path, const struct shim_options *o, struct error *e)
{
        static char *const environment[] = { NULL }; /* nothing of the caller's may mark or steer the shim */
        struct shim_options copy = *o;
        CLEAN_STRINGS struct strings argv = { 0 };
        strings_add(&argv, "bulkhead-shim");
        int r = options_format(rows, ELEMENTS(rows), &copy, &argv, e);
        return r < 0 ? r : options_exec(path, "bulkhead-shim", argv.items, environment, e);
}
