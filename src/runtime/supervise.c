/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/cleanup.h"
#include "os/process.h"

enum { CHUNK = 16384 };

/* Bytes on their way from one descriptor to another. */
struct stream {
        int from, to;
        size_t at, size;
        bool ended;
        char *data; /* CHUNK of them */
};

struct loop {
        const struct supervision *s;
        int signal_fd;
        struct stream typed, shown;
        struct termios saved;
        bool raw;
};

static void signal_set(sigset_t *set)
{
        (void)sigfillset(set);
        /* Faults are our own; these two are about our own place in a terminal. */
        static const int ours[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGTTIN, SIGTTOU, SIGPIPE };
        for (size_t i = 0; i < ELEMENTS(ours); i++)
                (void)sigdelset(set, ours[i]);
}

void supervise_prepare(bool subreaper)
{
        sigset_t set;
        signal_set(&set);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        if (subreaper)
                (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static void resize(const struct supervision *s)
{
        struct winsize size;
        if (s->terminal_fd >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
                (void)ioctl(s->terminal_fd, TIOCSWINSZ, &size);
}

static void forward(struct loop *l)
{
        struct signalfd_siginfo info;
        while (read(l->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
                int n = (int)info.ssi_signo;
                if (n == SIGWINCH)
                        resize(l->s);
                if (n != SIGCHLD && n != SIGWINCH)
                        (void)process_signal(l->s->pidfd, n);
        }
}

/* True when the payload was among those that ended. */
static bool reap(const struct supervision *s, int *ret_status)
{
        int status;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
                if (pid == s->pid) {
                        *ret_status = status;
                        return true;
                }
        return false;
}

static void fill(struct stream *x)
{
        ssize_t n = read(x->from, x->data, CHUNK);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        x->at = 0;
        x->size = n > 0 ? (size_t)n : 0;
        x->ended = n <= 0;
}

static void drain(struct stream *x)
{
        ssize_t n = write(x->to, x->data + x->at, x->size - x->at);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        x->at += n < 0 ? x->size - x->at : (size_t)n;
}

static bool is_full(const struct stream *x)
{
        return x->at < x->size;
}

static void want(struct pollfd *p, const struct stream *x)
{
        *p = (struct pollfd){ .fd = x->ended ? -1 : is_full(x) ? x->to : x->from, .events = is_full(x) ? POLLOUT : POLLIN };
}

static void move(const struct pollfd *p, struct stream *x)
{
        if (!p->revents)
                return;
        if (is_full(x))
                drain(x);
        else
                fill(x);
}

static void turn(struct loop *l)
{
        struct pollfd p[3] = { { .fd = l->signal_fd, .events = POLLIN } };
        want(&p[1], &l->typed);
        want(&p[2], &l->shown);
        if (poll(p, 3, -1) <= 0)
                return;
        move(&p[1], &l->typed);
        move(&p[2], &l->shown);
        if (p[0].revents)
                forward(l);
}

static void open_terminal(struct loop *l)
{
        int fd = l->s->terminal_fd;
        l->typed.ended = l->shown.ended = fd < 0;
        if (fd < 0)
                return;
        l->typed.from = STDIN_FILENO, l->typed.to = fd;
        l->shown.from = fd, l->shown.to = STDOUT_FILENO;
        resize(l->s);
        l->raw = tcgetattr(STDIN_FILENO, &l->saved) == 0;
        struct termios raw = l->saved;
        cfmakeraw(&raw);
        if (l->raw)
                (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* What the payload wrote last is still in the terminal. */
static void close_terminal(struct loop *l)
{
        if (l->s->terminal_fd >= 0)
                (void)fcntl(l->s->terminal_fd, F_SETFL, O_NONBLOCK);
        while (l->s->terminal_fd >= 0 && !l->shown.ended) {
                if (is_full(&l->shown))
                        drain(&l->shown);
                else {
                        fill(&l->shown);
                        if (!is_full(&l->shown))
                                break;
                }
        }
        if (l->raw)
                (void)tcsetattr(STDIN_FILENO, TCSANOW, &l->saved);
}

int supervise(const struct supervision *s)
{
        static char typed[CHUNK], shown[CHUNK];
        struct loop l = { .s = s, .typed.data = typed, .shown.data = shown };
        sigset_t set;
        int status = 0;
        signal_set(&set);
        CLEAN_FD int signal_fd = l.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        (void)signal_fd;
        open_terminal(&l);
        while (!reap(s, &status))
                turn(&l);
        close_terminal(&l);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
