/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/client.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>

#include "base/cleanup.h"
#include "os/file.h"
#include "shim/state.h"

enum { DETACH_KEY = 0x1d, DETACH_COUNT = 3, DETACH_MS = 1000, INPUT_CHUNK = 4096 };

static uint64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int client_connect(int run_dir_fd, struct error *e)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return error_errno(e, errno, "shim.connect", "socket");
        (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/sock", run_dir_fd);
        for (int i = 0; connect(fd, (struct sockaddr *)&address, sizeof address) < 0; i++) {
                /* A shim that has just been started may not listen yet. */
                bool soon = (errno == ENOENT || errno == ECONNREFUSED) && i < 100 && run_is_live(run_dir_fd);
                if (!soon)
                        return error_errno(e, errno, "shim.gone", "connect to the supervisor");
                (void)poll(NULL, 0, 10);
        }
        return TAKE_FD(fd);
}

static int send_message(int fd, enum wire_type type, const void *payload, size_t size, int flags)
{
        unsigned char m[1 + INPUT_CHUNK];
        m[0] = (unsigned char)type;
        if (size)
                memcpy(m + 1, payload, size);
        return send(fd, m, size + 1, flags | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* A supervisor that takes no more clients says so before it hangs up. */
static bool told_failure(int fd, struct error *e)
{
        unsigned char m[1 + sizeof(struct error)];
        if (recv(fd, m, sizeof m, MSG_DONTWAIT) != (ssize_t)sizeof m || m[0] != WIRE_FAILED || !e)
                return false;
        memcpy(e, m + 1, sizeof *e);
        return true;
}

static int send_checked(int fd, enum wire_type type, const void *payload, size_t size, struct error *e)
{
        int r = send_message(fd, type, payload, size, 0);
        if (r == 0 || told_failure(fd, e))
                return r;
        return error_errno(e, r, "shim.lost", "talk to the supervisor");
}

int client_hello(int fd, const struct client_options *o, struct error *e)
{
        struct winsize w = { 0 };
        struct wire_hello hello = { .version = WIRE_VERSION };
        if (o->tty && ioctl(STDIN_FILENO, TIOCGWINSZ, &w) == 0) {
                hello.rows = w.ws_row;
                hello.cols = w.ws_col;
        }
        hello.flags = (o->wait_only ? 0 : WIRE_HELLO_OUTPUT) | (o->input ? WIRE_HELLO_INPUT : 0) |
                      (o->patient ? WIRE_HELLO_PATIENT : 0);
        return send_checked(fd, WIRE_HELLO, &hello, sizeof hello, e);
}

int client_stop(int fd, uint32_t timeout_ms, struct error *e)
{
        struct wire_stop stop = { .timeout_ms = timeout_ms };
        return send_checked(fd, WIRE_STOP, &stop, sizeof stop, e);
}

int client_restart(int fd, bool report_denials, struct error *e)
{
        const struct wire_restart w = { .flags = report_denials ? WIRE_RESTART_REPORT : 0 };
        return send_checked(fd, WIRE_RESTART, &w, sizeof w, e);
}

int client_kill(int fd, int signal, bool all, struct error *e)
{
        struct wire_kill k = { .signal = signal, .flags = all ? WIRE_KILL_ALL : 0 };
        return send_checked(fd, WIRE_KILL, &k, sizeof k, e);
}

int client_exit_status(const struct wire_exited *x)
{
        return x->code == WIRE_CODE_EXITED ? x->status : x->code == WIRE_CODE_NONE ? 1 : 128 + x->status;
}

int client_service_status(const struct wire_exited *x)
{
        if (text_equal(x->result, "success") || text_equal(x->result, "exec-condition"))
                return 0;
        if (text_equal(x->result, "exit-code"))
                return x->code == WIRE_CODE_EXITED && x->status ? x->status : 1;
        return text_equal(x->result, "signal") || text_equal(x->result, "core-dump") ? 255 : 1;
}

/* ---- following ---- */

struct session {
        int fd, signal_fd;
        const struct client_options *o;
        bool input_open, started, failed, ended, detached, done, overtaken;
        int32_t done_result;
        struct wire_exited exit;
        struct error error;
        unsigned char input[INPUT_CHUNK];
        size_t input_size; /* read but not yet sent */
        int presses;
        uint64_t first_press_ms;
};

/* The terminal as it was, to be put back whatever happens. */
struct terminal {
        bool changed;
        struct termios before;
};

static void terminal_restore(struct terminal *t)
{
        if (t->changed)
                (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &t->before);
        t->changed = false;
}

static void terminal_raw(struct terminal *t)
{
        if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &t->before) < 0)
                return;
        struct termios raw = t->before;
        cfmakeraw(&raw);
        t->changed = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static int lost(struct session *s, struct error *e)
{
        if (s->failed) {
                if (e)
                        *e = s->error;
                return s->error.code < 0 ? s->error.code : -EIO;
        }
        return error_set(e, ECONNRESET, "shim.lost", "the supervisor went away before it told the end");
}

static void take_output(const unsigned char *p, size_t size)
{
        if (size > 1)
                (void)file_write_all(p[0] == 2 ? STDERR_FILENO : STDOUT_FILENO, p + 1, size - 1);
}

static void take_message(struct session *s, unsigned char *m, size_t size)
{
        switch (m[0]) {
        case WIRE_STARTED:
                s->started = true;
                return;
        case WIRE_FAILED:
                if (size - 1 >= sizeof s->error) {
                        memcpy(&s->error, m + 1, sizeof s->error);
                        s->failed = true;
                }
                return;
        case WIRE_NOTE:
                m[size] = 0;
                if (s->o->note)
                        s->o->note(s->o->data, (char *)m + 1);
                return;
        case WIRE_OUTPUT:
                take_output(m + 1, size - 1);
                return;
        case WIRE_DONE:
                memcpy(&s->done_result, m + 1, size - 1 < sizeof s->done_result ? size - 1 : sizeof s->done_result);
                s->done = true;
                return;
        case WIRE_OVERTAKEN:
                s->overtaken = true;
                return;
        case WIRE_EXITED:
                memcpy(&s->exit, m + 1, size - 1 < sizeof s->exit ? size - 1 : sizeof s->exit);
                s->exit.result[sizeof s->exit.result - 1] = 0;
                s->ended = true;
                return;
        default:
                return;
        }
}

/* One message. 0, or -errno when the other end is gone. */
static int receive(struct session *s)
{
        static _Thread_local unsigned char m[2 + WIRE_PAYLOAD_MAX]; /* one thread may wait for one supervisor, one for another */
        ssize_t n = recv(s->fd, m, sizeof m - 1, 0);
        if (n < 0 && errno == ECONNRESET) /* the error comes before what the other end said last */
                n = recv(s->fd, m, sizeof m - 1, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return 0;
        if (n <= 0)
                return n < 0 ? -errno : -ECONNRESET;
        take_message(s, m, (size_t)n);
        return 0;
}

/* Counts the detach key; everything typed still goes to the payload. */
static bool wants_detach(struct session *s, const unsigned char *p, size_t n)
{
        for (size_t i = 0; s->o->tty && i < n; i++) {
                uint64_t now = now_ms();
                if (p[i] != DETACH_KEY) {
                        s->presses = 0;
                        continue;
                }
                if (s->presses == 0 || now - s->first_press_ms > DETACH_MS) {
                        s->presses = 0;
                        s->first_press_ms = now;
                }
                if (++s->presses == DETACH_COUNT)
                        return true;
        }
        return false;
}

static void flush_input(struct session *s)
{
        if (s->input_size && send_message(s->fd, WIRE_INPUT, s->input, s->input_size, MSG_DONTWAIT) != -EAGAIN)
                s->input_size = 0;
}

static void read_input(struct session *s)
{
        ssize_t n = read(STDIN_FILENO, s->input, sizeof s->input);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return;
        if (n <= 0) {
                s->input_open = false;
                (void)send_message(s->fd, WIRE_INPUT_EOF, NULL, 0, 0);
                return;
        }
        s->detached = wants_detach(s, s->input, (size_t)n);
        s->input_size = s->detached ? 0 : (size_t)n;
        flush_input(s);
}

static void send_size(struct session *s)
{
        struct winsize w = { 0 };
        if (!s->o->tty || ioctl(STDIN_FILENO, TIOCGWINSZ, &w) < 0)
                return;
        struct wire_resize r = { .rows = w.ws_row, .cols = w.ws_col };
        (void)send_message(s->fd, WIRE_RESIZE, &r, sizeof r, MSG_DONTWAIT);
}

static void take_signal(struct session *s, bool raw)
{
        struct signalfd_siginfo info;
        while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
                int sig = (int)info.ssi_signo;
                if (sig == SIGWINCH)
                        send_size(s);
                else if (raw) /* our terminal is going: let go of the run and leave the terminal as it was */
                        s->detached = true;
                else
                        (void)client_kill(s->fd, sig, false, NULL);
        }
}

static int follow(struct session *s, bool raw, struct error *e)
{
        while (!s->ended && !s->detached) {
                bool reads = s->input_open && !s->input_size;
                struct pollfd p[] = {
                        { .fd = s->fd, .events = (short)(POLLIN | (s->input_size ? POLLOUT : 0)) },
                        { .fd = s->signal_fd, .events = POLLIN },
                        { .fd = reads ? STDIN_FILENO : -1, .events = POLLIN },
                };
                if (poll(p, ELEMENTS(p), -1) < 0 && errno != EINTR)
                        return error_errno(e, errno, "shim.lost", "poll");
                if (p[1].revents)
                        take_signal(s, raw);
                if (p[0].revents & POLLOUT)
                        flush_input(s);
                if (p[2].revents)
                        read_input(s);
                if ((p[0].revents & (POLLIN | POLLHUP | POLLERR)) && receive(s) < 0)
                        return lost(s, e);
        }
        if (s->detached) {
                (void)send_message(s->fd, WIRE_DETACHED, NULL, 0, MSG_DONTWAIT);
                return CLIENT_DETACHED;
        }
        return s->failed ? lost(s, e) : CLIENT_EXITED;
}

int client_attach(int fd, const struct client_options *o, struct wire_exited *ret, struct error *e)
{
        struct session s = { .fd = fd, .o = o, .input_open = o->input };
        struct terminal CLEAN(terminal_restore) terminal = { 0 };
        sigset_t set, before;
        static const int signals[] = { SIGWINCH, SIGTERM, SIGINT, SIGHUP, SIGQUIT };
        (void)sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTS(signals); i++)
                (void)sigaddset(&set, signals[i]);
        /* Blocked from before the terminal changes until after it is back: no signal can end us in between. */
        (void)sigprocmask(SIG_BLOCK, &set, &before);
        CLEAN_FD int signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        s.signal_fd = signal_fd;
        if (o->tty && o->input)
                terminal_raw(&terminal);
        int r = follow(&s, terminal.changed, e);
        terminal_restore(&terminal);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        *ret = s.exit;
        return r;
}

int client_wait(int fd, struct wire_exited *ret, struct error *e)
{
        static const struct client_options quiet = { .wait_only = true };
        struct session s = { .fd = fd, .o = &quiet };
        (void)send_message(fd, WIRE_WAIT, NULL, 0, 0); /* a run that is over has told us already */
        while (!s.ended)
                if (receive(&s) < 0)
                        return lost(&s, e);
        *ret = s.exit;
        return s.failed ? lost(&s, e) : CLIENT_EXITED;
}

int client_wait_started(int fd, const struct client_options *o, struct error *e)
{
        static const struct client_options quiet = { .wait_only = true };
        struct session s = { .fd = fd, .o = o ? o : &quiet };
        (void)send_message(fd, WIRE_WAIT, NULL, 0, 0);
        while (!s.started && !s.failed && !s.ended && !s.done)
                if (receive(&s) < 0)
                        return lost(&s, e);
        if (s.done)
                return error_set(e, ESTALE, "shim.gone", "the service was about to end");
        return s.failed ? lost(&s, e) : 0;
}

/* Asks, and waits until that is answered, or until the service has ended. */
static int ask(struct session *s, enum wire_type what, struct error *e)
{
        int r = send_checked(s->fd, what, NULL, 0, e);
        while (r == 0 && !s->done && !s->ended)
                if (receive(s) < 0)
                        return lost(s, e);
        return r;
}

int client_reset(int fd, struct error *e)
{
        static const struct client_options quiet = { .wait_only = true };
        struct session s = { .fd = fd, .o = &quiet };
        return ask(&s, WIRE_RESET, e);
}

int client_start(int fd, struct error *e)
{
        static const struct client_options quiet = { .wait_only = true };
        struct session s = { .fd = fd, .o = &quiet };
        int r = ask(&s, WIRE_START, e);
        if (r < 0 || (s.done && s.done_result == 0))
                return r;
        return error_set(e, ESTALE, "shim.gone", "the service was about to end");
}

int client_wait_stopped(int fd, struct error *e)
{
        static const struct client_options quiet = { .wait_only = true };
        struct session s = { .fd = fd, .o = &quiet };
        (void)send_message(fd, WIRE_WAIT, NULL, 0, 0);
        while (!s.ended && !s.overtaken)
                if (receive(&s) < 0)
                        return 0; /* it is gone */
        return s.overtaken ? error_set(e, EBUSY, "service.overtaken", "it was started again before it was down") : 0;
}

int client_reload(int fd, struct error *e)
{
        static const struct client_options quiet = { .wait_only = true };
        struct session s = { .fd = fd, .o = &quiet };
        int r = ask(&s, WIRE_RELOAD, e);
        if (r < 0)
                return r;
        if (s.ended)
                return error_set(e, ESRCH, "service.reload", "the service ended");
        if (s.done_result == -ENOTSUP)
                return error_set(e, ENOTSUP, "service.reload", "it has no ExecReload=, or does not run");
        return s.done_result < 0 ? error_set(e, EIO, "service.reload", "ExecReload= failed") : 0;
}

static void keep_note(void *data, const char *text)
{
        struct client_news *n = data;
        n->kind = CLIENT_NEWS_NOTE;
        (void)snprintf(n->note, sizeof n->note, "%s", text);
}

int client_hear(int fd, struct client_news *ret)
{
        const struct client_options o = { .wait_only = true, .note = keep_note, .data = ret };
        struct session s = { .fd = fd, .o = &o };
        *ret = (struct client_news){ 0 };
        int r = receive(&s);
        if (r < 0)
                return r;
        if (s.started)
                ret->kind = CLIENT_NEWS_STARTED;
        else if (s.failed)
                ret->kind = CLIENT_NEWS_FAILED, ret->error = s.error;
        else if (s.ended)
                ret->kind = CLIENT_NEWS_EXITED, ret->exit = s.exit;
        return 0;
}

void client_wait_gone(int fd)
{
        char byte;
        ssize_t n;
        while ((n = recv(fd, &byte, 1, MSG_TRUNC)) > 0 || (n < 0 && errno == EINTR))
                ;
}
