/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "base/mutant.h"
#include "os/file.h"
#include "os/process.h"

enum { WORDS_MAX = 300 };

static const char *const names[PLAN_HOOK_KINDS] = {
        [PLAN_HOOK_PRESTART] = "prestart",                 [PLAN_HOOK_CREATE_RUNTIME] = "createRuntime",
        [PLAN_HOOK_CREATE_CONTAINER] = "createContainer",  [PLAN_HOOK_START_CONTAINER] = "startContainer",
        [PLAN_HOOK_POSTSTART] = "poststart",               [PLAN_HOOK_POSTSTOP] = "poststop",
};

const char *hooks_kind_name(enum plan_hook_kind kind)
{
        return names[kind];
}

/* A file rather than a pipe: a hook that does not read its input holds nobody up. */
static int open_input(const char *state)
{
        CLEAN_FD int fd = memfd_create("state", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        int r = file_write_all(fd, state, strlen(state));
        return r < 0 ? r : lseek(fd, 0, SEEK_SET) < 0 ? -errno : TAKE_FD(fd);
}

static _Noreturn void become_hook(const struct plan_hook *h, int in, int err)
{
        static char *const nothing[] = { NULL };
        char *const just_path[] = { h->path, NULL };
        sigset_t none;
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (dup2(in, STDIN_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
                _exit(127);
        int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (quiet >= 0)
                (void)dup2(quiet, STDOUT_FILENO);
        (void)process_cloexec_from(3);
        for (size_t i = 0; MUTANT("pass-hook-env") && i < h->environment.count; i++)
                (void)putenv(h->environment.items[i]);
        if (MUTANT("pass-hook-env"))
                execve(h->path, h->argv.items, environ);
        execve(h->path, h->argv.count ? h->argv.items : just_path, h->environment.count ? h->environment.items : nothing);
        dprintf(STDERR_FILENO, "cannot execute %s: %s", h->path, strerror(errno));
        _exit(127);
}

static int64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* True when the process ended in time. */
static bool wait_end(int pidfd, uint32_t timeout_s)
{
        struct pollfd p = { .fd = pidfd, .events = POLLIN };
        int64_t end = now_ms() + (int64_t)timeout_s * 1000;
        for (;;) {
                int64_t left = end - now_ms();
                int n = poll(&p, 1, timeout_s ? left > 0 ? (int)(left > INT32_MAX ? INT32_MAX : left) : 0 : -1);
                if (n > 0)
                        return true;
                if (n == 0 || errno != EINTR)
                        return false;
        }
}

/* how: "failed with exit code 1". */
static int fail(const struct plan_hook *h, const char *kind, int err, const char *how, struct error *e)
{
        char words[WORDS_MAX] = "";
        ssize_t n = pread(err, words, sizeof words - 1, 0);
        for (words[n > 0 ? n : 0] = 0; n > 0 && words[n - 1] == '\n';)
                words[--n] = 0;
        error_set(e, EPERM, "hook.failed", "%s hook %s: %s%s%s", kind, how, h->path, *words ? ": " : "", words);
        return error_while(e, "applying %s", h->origin);
}

static int run_one(const struct plan_hook *h, const char *kind, const char *state, struct error *e)
{
        CLEAN_FD int in = open_input(state), err = memfd_create("words", MFD_CLOEXEC), pidfd = -EBADF;
        if (in < 0 || err < 0)
                return error_errno(e, in < 0 ? in : errno, "hook.failed", "making a hook's input");
        pid_t pid = process_clone(0, -1, &pidfd);
        if (pid < 0)
                return error_errno(e, pid, "hook.failed", "starting the hook %s", h->path);
        if (pid == 0)
                become_hook(h, in, err);
        bool in_time = wait_end(pidfd, h->timeout_s);
        if (!in_time)
                (void)process_signal(pidfd, SIGKILL);
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (!in_time)
                return fail(h, kind, err, "did not end in time", e);
        if (WIFSIGNALED(status))
                return fail(h, kind, err, "was killed by a signal", e);
        if (WEXITSTATUS(status) == 0)
                return 0;
        CLEAN_FREE char *how = xprintf("failed with exit code %d", WEXITSTATUS(status));
        return fail(h, kind, err, how, e);
}

int hooks_run(const struct plan_container *k, enum plan_hook_kind kind, const char *state, struct error *e)
{
        for (size_t i = 0; i < k->hook_count[kind]; i++) {
                int r = run_one(&k->hooks[kind][i], names[kind], state, e);
                if (r < 0) {
                        error_while(e, "running the %s hooks", names[kind]);
                        return r;
                }
        }
        return 0;
}

int hooks_run_all(const struct plan_container *k, enum plan_hook_kind kind, const char *state, struct error *e)
{
        int result = 0;
        for (size_t i = 0; i < k->hook_count[kind]; i++) {
                struct error own = { 0 };
                int r = run_one(&k->hooks[kind][i], names[kind], state, &own);
                if (r < 0 && result == 0) {
                        *e = own;
                        error_while(e, "running the %s hooks", names[kind]);
                        result = r;
                }
        }
        return result;
}
