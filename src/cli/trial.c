/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/trial.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "cli/target.h"
#include "os/process.h"
#include "shim/client.h"

enum { STOP_MS = 1000, LATE_MS = 5000 /* from the word to stop to the supervisor's own end */ };

static uint64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* In the fork: the run is this process's. */
static _Noreturn void become_run(struct run_options *o, int out, int err)
{
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        sigset_t none;
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
                _exit(255);
        int status = run_options_start(o);
        (void)fflush(stdout);
        (void)fflush(stderr);
        _exit(status);
}

/* What comes; beyond the limit it is read and dropped. Closes the descriptor at its end. */
static void take(int *fd, struct text *t)
{
        char chunk[4096];
        ssize_t n = read(*fd, chunk, sizeof chunk);
        if (n <= 0 && (n == 0 || errno != EINTR))
                *fd = fd_close(*fd);
        if (n > 0 && t->length + (size_t)n <= TRIAL_OUTPUT_MAX)
                text_add_bytes(t, chunk, (size_t)n);
}

/* Asks the supervisor as "bulkhead stop" does; it kills what does not go. */
static void ask_to_stop(const char *unit)
{
        CLEAN_TARGET struct target t = TARGET_INIT;
        if (target_open(unit, &t, NULL) < 0)
                return;
        CLEAN_FD int fd = client_connect(t.dir_fd, NULL);
        if (fd >= 0)
                (void)client_stop(fd, STOP_MS, NULL);
}

/* Follows both streams and the process; at the end of its time stops it. */
static int follow(const char *unit, int pidfd, int fds[2], unsigned timeout_ms, struct trial_result *ret)
{
        uint64_t until = now_ms() + timeout_ms;
        for (bool over = false; !over;) {
                struct pollfd p[3] = { { .fd = pidfd, .events = POLLIN }, { .fd = fds[0], .events = POLLIN }, { .fd = fds[1], .events = POLLIN } };
                uint64_t now = now_ms();
                int r = poll(p, 3, now >= until ? 0 : (int)(until - now));
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r == 0 && ret->end == TRIAL_ENDED) {
                        ret->end = TRIAL_STOPPED;
                        until = now_ms() + LATE_MS;
                        ask_to_stop(unit);
                } else if (r == 0) {
                        (void)process_signal(pidfd, SIGKILL);
                        until = now_ms() + LATE_MS;
                }
                if (r <= 0)
                        continue;
                if (p[1].revents)
                        take(&fds[0], &ret->out);
                if (p[2].revents)
                        take(&fds[1], &ret->err);
                /* What it wrote before it ended is in the pipes; others may hold their ends. */
                over = p[0].revents && !(p[1].revents & POLLIN) && !(p[2].revents & POLLIN);
        }
        return 0;
}

int trial_run(struct run_options *o, unsigned timeout_ms, struct trial_result *ret, struct error *e)
{
        static unsigned counter;
        CLEAN_TRIAL_RESULT struct trial_result t = { 0 };
        CLEAN_FREE char *unit = xprintf("score-p%d-n%u.service", getpid(), ++counter);
        int out[2], err[2], status = 0;
        o->unit = unit;
        o->pipe = o->quiet = o->trial = true;
        if (pipe2(out, O_CLOEXEC) < 0)
                return error_errno(e, errno, "trial.failed", "pipe");
        CLEAN_FD int out_read = out[0], out_write = out[1];
        if (pipe2(err, O_CLOEXEC) < 0)
                return error_errno(e, errno, "trial.failed", "pipe");
        CLEAN_FD int err_read = err[0], err_write = err[1];
        (void)fflush(stdout);
        (void)fflush(stderr);
        pid_t pid = fork();
        if (pid < 0)
                return error_errno(e, errno, "trial.failed", "fork");
        if (pid == 0)
                become_run(o, out_write, err_write);
        out_write = fd_close(out_write);
        err_write = fd_close(err_write);
        CLEAN_FD int pidfd = process_open(pid);
        int fds[2] = { TAKE_FD(out_read), TAKE_FD(err_read) };
        int r = pidfd < 0 ? pidfd : follow(unit, pidfd, fds, timeout_ms, &t);
        (void)fd_close(fds[0]);
        (void)fd_close(fds[1]);
        if (r < 0)
                (void)kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                continue;
        o->unit = NULL;
        if (r < 0)
                return error_errno(e, r, "trial.failed", "following the run");
        /* A supervisor that was killed: whoever looks cleans up in its place. */
        CLEAN_TARGET struct target left = TARGET_INIT;
        (void)target_open(unit, &left, NULL);
        t.status = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
        *ret = t;
        t = (struct trial_result){ 0 };
        return 0;
}

void trial_result_done(struct trial_result *t)
{
        text_clear(&t->out);
        text_clear(&t->err);
}
