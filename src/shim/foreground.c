/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/foreground.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "os/process.h"
#include "shim/undo.h"
#include "shim/wire.h"

enum { CLIENTS_MAX = 16, STOP_DEFAULT_MS = 10000 };

static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT };

struct loop {
        const struct foreground *f;
        int clients[CLIENTS_MAX];
        size_t count;
        unsigned asked;        /* how often the caller asked for the end */
        uint64_t kill_at_usec; /* 0: never */
};

static void signal_set(sigset_t *set)
{
        sigemptyset(set);
        sigaddset(set, SIGCHLD);
        for (size_t i = 0; i < ELEMENTS(forwarded); i++)
                sigaddset(set, forwarded[i]);
}

void foreground_prepare(void)
{
        sigset_t set;
        signal_set(&set);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* Reaps all; true when the payload was among them. */
static bool reap(const struct foreground *f, int *ret_status)
{
        int status;
        bool ended = false;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
                if (pid == f->pid) {
                        *ret_status = status;
                        ended = true;
                }
        return ended;
}

static void forward(struct loop *l, int fd)
{
        struct signalfd_siginfo info;
        while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
                int n = (int)info.ssi_signo;
                if (n == SIGCHLD)
                        continue;
                bool final = l->f->own_pids && (n == SIGINT || n == SIGTERM) && ++l->asked > 1;
                (void)process_signal(l->f->pidfd, final ? SIGKILL : n);
        }
}

static void stop(struct loop *l, const struct wire_stop *s)
{
        uint32_t timeout_ms = s->timeout_ms == WIRE_STOP_DEFAULT ? STOP_DEFAULT_MS : s->timeout_ms;
        l->kill_at_usec = state_now_usec() + (uint64_t)timeout_ms * 1000;
        (void)process_signal(l->f->pidfd, SIGTERM);
        (void)process_signal(l->f->pidfd, SIGCONT);
        (void)run_signal_cgroups(l->f->run->dir_fd, SIGTERM, l->f->pid);
}

static void refuse_attach(int fd)
{
        char message[1 + sizeof(struct error)] = { WIRE_FAILED };
        struct error e = { 0 };
        error_set(&e, ENOTSUP, "unit.foreground", "the run uses the standard input and output of the command that started it");
        memcpy(message + 1, &e, sizeof e);
        (void)send(fd, message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* One message of a client; false when it is to go. */
static bool serve(struct loop *l, int fd)
{
        char message[256] = { 0 };
        ssize_t n = recv(fd, message, sizeof message - 1, MSG_DONTWAIT);
        if (n <= 0)
                return n < 0 && (errno == EAGAIN || errno == EINTR);
        struct wire_stop s;
        struct wire_kill k;
        switch (message[0]) {
        case WIRE_STOP:
                memcpy(&s, message + 1, sizeof s);
                stop(l, &s);
                return true;
        case WIRE_KILL:
                memcpy(&k, message + 1, sizeof k);
                if (k.signal > 0 && k.signal < NSIG) {
                        (void)process_signal(l->f->pidfd, k.signal);
                        if (k.flags & WIRE_KILL_ALL)
                                (void)run_signal_cgroups(l->f->run->dir_fd, k.signal, l->f->pid);
                }
                return true;
        case WIRE_WAIT:
                return true;
        default:
                refuse_attach(fd);
                return false;
        }
}

static void accept_client(struct loop *l)
{
        int fd = accept4(l->f->run->sock_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
                return;
        if (l->count == CLIENTS_MAX)
                fd_close(fd);
        else
                l->clients[l->count++] = fd;
}

static int timeout_ms(const struct loop *l)
{
        if (!l->kill_at_usec)
                return -1;
        uint64_t now = state_now_usec();
        return now >= l->kill_at_usec ? 0 : (int)((l->kill_at_usec - now) / 1000 + 1);
}

static void turn(struct loop *l, int signal_fd)
{
        struct pollfd p[CLIENTS_MAX + 2] = { { .fd = signal_fd, .events = POLLIN }, { .fd = l->f->run->sock_fd, .events = POLLIN } };
        size_t clients = l->count;
        for (size_t i = 0; i < clients; i++)
                p[i + 2] = (struct pollfd){ .fd = l->clients[i], .events = POLLIN };
        if (poll(p, clients + 2, timeout_ms(l)) == 0) {
                l->kill_at_usec = 0;
                (void)process_signal(l->f->pidfd, SIGKILL);
                return;
        }
        if (p[0].revents)
                forward(l, signal_fd);
        for (size_t i = clients; i-- > 0;)
                if (p[i + 2].revents && !serve(l, l->clients[i])) {
                        fd_close(l->clients[i]);
                        l->clients[i] = l->clients[--l->count];
                }
        if (p[1].revents)
                accept_client(l);
}

static void tell_end(struct loop *l, int status)
{
        char message[1 + sizeof(struct wire_exited)] = { WIRE_EXITED };
        struct wire_exited x = { .code = WIFEXITED(status) ? WIRE_CODE_EXITED : WIRE_CODE_KILLED,
                                 .status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status) };
        (void)snprintf(x.result, sizeof x.result, "%s", status == 0 ? "success" : WIFEXITED(status) ? "exit-code" : "signal");
        memcpy(message + 1, &x, sizeof x);
        for (size_t i = 0; i < l->count; i++) {
                (void)send(l->clients[i], message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
                fd_close(l->clients[i]);
        }
}

int foreground_wait(const struct foreground *f)
{
        struct loop l = { .f = f };
        sigset_t set;
        int status = 0;
        signal_set(&set);
        CLEAN_FD int signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        while (!reap(f, &status))
                turn(&l, signal_fd);
        /* What a control group does not hold has been left to us, its reaper. */
        (void)run_signal_descendants(getpid(), SIGKILL, f->spared);
        tell_end(&l, status);
        return status;
}
