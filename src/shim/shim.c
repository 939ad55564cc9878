/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/shim.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "os/file.h"
#include "os/process.h"
#include "sandbox/status.h"
#include "shim/log.h"
#include "shim/state.h"
#include "shim/undo.h"
#include "shim/wire.h"

enum { CLIENTS_MAX = 16, STALL_MS = 10000, HANGUP_RETRY_MS = 200, REAP_ROUNDS = 500 };

/* The sources of the event loop; clients come last. */
enum source_id { SOURCE_SIGNAL, SOURCE_LISTEN, SOURCE_STATUS, SOURCE_OUT, SOURCE_ERR, SOURCE_STDIN, SOURCE_CLIENT,
                 SOURCES = SOURCE_CLIENT + CLIENTS_MAX };

struct source {
        int fd;
        uint32_t want, have;
        bool added;
};

struct client {
        bool used, output, input, patient;
        bool owed;          /* the chunk in hand has not reached it yet */
        uint64_t stalled_ms; /* since when */
};

enum shim_state { SHIM_STARTING, SHIM_RUNNING, SHIM_STOPPING, SHIM_KILLING, SHIM_FAILED, SHIM_ENDED, SHIM_STATES };
enum shim_event { EVENT_EXEC_OK, EVENT_EXEC_ERROR, EVENT_STOP, EVENT_TIMEOUT, EVENT_EXIT, SHIM_EVENTS };

struct shim {
        struct shim_options o;
        enum shim_state state;
        int epoll_fd;
        struct source sources[SOURCES];
        struct client clients[CLIENTS_MAX];
        struct log log;
        struct error error;      /* of the set-up, when id is set */
        bool started, timed_out, payload_gone;
        bool shrinks; /* the start is over: give back its memory before the next wait */
        int wait_status;
        uint64_t cpu_usec, started_ms, deadline_ms; /* deadline: of the stop, 0: none */
        uint64_t out_retry_ms;                      /* the terminal is hung up: look again then */
        uint32_t stop_timeout_ms;
        size_t chunk_size, input_at, input_size;
        bool input_eof;
        struct wire_exited exit;
};

/* Large buffers stand apart in zero pages, which cost nothing until they are used. */
static struct {
        unsigned char type, stream;
        char data[WIRE_OUTPUT_MAX];
} chunk;
static unsigned char message[1 + WIRE_PAYLOAD_MAX];
static unsigned char input[WIRE_PAYLOAD_MAX];

static uint64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_BOOTTIME, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- sources ---- */

static void source_set(struct shim *s, unsigned id, int fd)
{
        s->sources[id] = (struct source){ .fd = fd };
}

static void source_drop(struct shim *s, unsigned id)
{
        struct source *src = &s->sources[id];
        if (src->added)
                (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, src->fd, NULL);
        *src = (struct source){ .fd = -EBADF };
}

/* Tells the kernel what is wanted now. A paused stream leaves the set, since a hang-up cannot be masked. */
static void source_update(struct shim *s, unsigned id)
{
        struct source *src = &s->sources[id];
        if (src->fd < 0)
                return;
        bool stays = src->want || id >= SOURCE_CLIENT;
        if (stays && src->added && src->have == src->want)
                return;
        struct epoll_event ev = { .events = src->want, .data.u32 = id };
        if (stays)
                (void)epoll_ctl(s->epoll_fd, src->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, src->fd, &ev);
        else if (src->added)
                (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, src->fd, NULL);
        src->added = stays;
        src->have = src->want;
}

/* ---- clients ---- */

static void client_drop(struct shim *s, unsigned i)
{
        int fd = s->sources[SOURCE_CLIENT + i].fd;
        source_drop(s, SOURCE_CLIENT + i);
        (void)fd_close(fd);
        s->clients[i] = (struct client){ 0 };
}

static int client_send_raw(struct shim *s, unsigned i, const void *data, size_t size)
{
        ssize_t n = send(s->sources[SOURCE_CLIENT + i].fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        return n < 0 ? -errno : 0;
}

/* Small messages: a client whose socket is so full that even these do not fit waits a little, or is dropped. */
static void client_send(struct shim *s, unsigned i, enum wire_type type, const void *payload, size_t size)
{
        unsigned char m[1 + sizeof(struct error)];
        m[0] = (unsigned char)type;
        if (size)
                memcpy(m + 1, payload, size);
        int r = client_send_raw(s, i, m, size + 1);
        if (r == -EAGAIN) {
                struct pollfd p = { .fd = s->sources[SOURCE_CLIENT + i].fd, .events = POLLOUT };
                (void)poll(&p, 1, 500);
                r = client_send_raw(s, i, m, size + 1);
        }
        if (r < 0)
                client_drop(s, i);
}

/* Whoever is connected hears it, asked or not: a run may end before the client got to say that it waits. */
static void send_all(struct shim *s, enum wire_type type, const void *payload, size_t size)
{
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                if (s->clients[i].used)
                        client_send(s, i, type, payload, size);
}

static void accept_client(struct shim *s)
{
        struct ucred peer;
        socklen_t size = sizeof peer;
        CLEAN_FD int fd = accept4(s->o.sock_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
            (peer.uid != 0 && peer.uid != geteuid()))
                return;
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                if (!s->clients[i].used) {
                        s->clients[i] = (struct client){ .used = true };
                        source_set(s, SOURCE_CLIENT + i, TAKE_FD(fd));
                        return;
                }
        struct {
                unsigned char type;
                struct error error;
        } __attribute__((packed)) m = { .type = WIRE_FAILED };
        struct error e = { 0 };
        (void)error_set(&e, EBUSY, "shim.busy", "%d clients are connected already", CLIENTS_MAX);
        memcpy(&m.error, &e, sizeof e);
        (void)send(fd, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- output ---- */

static bool chunk_owed(const struct shim *s)
{
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                if (s->clients[i].owed)
                        return true;
        return false;
}

static void chunk_deliver(struct shim *s, unsigned i)
{
        struct client *c = &s->clients[i];
        int r = client_send_raw(s, i, &chunk, 2 + s->chunk_size);
        if (r == 0)
                c->owed = false;
        else if (r != -EAGAIN && r != -ENOBUFS)
                client_drop(s, i);
        else if (!c->owed) {
                c->owed = true;
                c->stalled_ms = now_ms();
        }
}

/* Reads one chunk, logs it and offers it to all. The read's result: 0 at the end, -EAGAIN when there is none. */
static ssize_t pump(struct shim *s, unsigned id)
{
        ssize_t n = read(s->sources[id].fd, chunk.data, sizeof chunk.data);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        chunk.type = WIRE_OUTPUT;
        chunk.stream = id == SOURCE_ERR ? 2 : 1;
        s->chunk_size = (size_t)n;
        log_write(&s->log, chunk.stream, chunk.data, (size_t)n);
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                if (s->clients[i].output)
                        chunk_deliver(s, i);
        return n;
}

static void on_output(struct shim *s, unsigned id)
{
        ssize_t n = pump(s, id);
        if (n > 0 || n == -EAGAIN || n == -EINTR)
                return;
        /* A terminal that nobody has open reads as an error, and may be opened again. */
        if (n == -EIO && s->o.pty_fd >= 0)
                s->out_retry_ms = now_ms() + HANGUP_RETRY_MS;
        else
                source_drop(s, id);
}

/* ---- input ---- */

static int input_fd(const struct shim *s)
{
        return s->o.pty_fd >= 0 ? s->o.pty_fd : s->o.stdin_fd;
}

static void input_close(struct shim *s)
{
        s->input_eof = false;
        if (s->o.pty_fd >= 0) {
                struct termios t;
                if (tcgetattr(s->o.pty_fd, &t) == 0 && (t.c_lflag & ICANON))
                        (void)!write(s->o.pty_fd, &t.c_cc[VEOF], 1);
        } else if (s->o.stdin_fd >= 0) {
                source_drop(s, SOURCE_STDIN);
                s->o.stdin_fd = fd_close(s->o.stdin_fd);
        }
}

static void input_flush(struct shim *s)
{
        while (s->input_at < s->input_size) {
                ssize_t n = input_fd(s) < 0 ? -1 : write(input_fd(s), input + s->input_at, s->input_size - s->input_at);
                if (n < 0 && input_fd(s) >= 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                /* The payload closed its stdin: what is typed for it goes nowhere. */
                s->input_at += n < 0 ? s->input_size - s->input_at : (size_t)n;
        }
        s->input_at = s->input_size = 0;
        if (s->input_eof)
                input_close(s);
}

static void resize(struct shim *s, uint16_t rows, uint16_t cols)
{
        struct winsize w = { .ws_row = rows, .ws_col = cols };
        if (s->o.pty_fd >= 0 && rows && cols)
                (void)ioctl(s->o.pty_fd, TIOCSWINSZ, &w);
}

/* ---- signals to the payload ---- */

static void signal_main(struct shim *s, int sig)
{
        if (!s->payload_gone)
                (void)process_signal(s->o.pidfd, sig);
}

static void signal_others(struct shim *s, int sig)
{
        if (run_signal_cgroups(s->o.dir_fd, sig, s->o.pid) == 0)
                (void)run_signal_descendants(getpid(), sig, s->o.pid);
}

static void reap(struct shim *s)
{
        struct rusage usage;
        int status;
        for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
                s->cpu_usec += (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                               (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
                if (pid == s->o.pid) {
                        s->payload_gone = true;
                        s->wait_status = status;
                }
        }
}

/* Whatever is left becomes our child, being orphaned, and dies, until there is none. */
static void kill_rest(struct shim *s)
{
        if (s->o.kill_main_only)
                return;
        run_kill_cgroups(s->o.dir_fd);
        for (int i = 0; i < REAP_ROUNDS; i++) {
                reap(s);
                if (run_signal_descendants(getpid(), SIGKILL, 0) == 0 && waitpid(-1, NULL, WNOHANG) < 0)
                        return;
                (void)poll(NULL, 0, i < 20 ? 1 : 10);
        }
}

/* ---- the state machine ---- */

/* Drops the pages of one object's segments that are never written: they stand in the page cache anyway. */
static int drop_constant_pages(struct dl_phdr_info *info, size_t size, void *data)
{
        (void)size, (void)data;
        for (size_t i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                if (p->p_type != PT_LOAD || (p->p_flags & PF_W))
                        continue;
                uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
                (void)madvise((void *)from, info->dlpi_addr + p->p_vaddr + p->p_memsz - from, MADV_DONTNEED);
        }
        return 1; /* the first object is the program itself */
}

/* Gives back what only the start needed: heap and code. A lone shim would count the code as its own. */
static void shrink(struct shim *s)
{
        s->shrinks = false;
        (void)malloc_trim(0);
        (void)dl_iterate_phdr(drop_constant_pages, NULL);
}

static void save_phase(struct shim *s)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        if (run_load_state(s->o.dir_fd, &st, NULL) == 0) {
                st.phase = s->started ? RUN_RUNNING : RUN_STARTING;
                st.supervisor_pid = getpid();
                st.pid = s->o.pid;
                if (!st.started_usec)
                        st.started_usec = state_now_usec();
                (void)run_save_state(s->o.dir_fd, &st, NULL);
        }
        s->shrinks = true;
}

static void act_ignore(struct shim *s)
{
        (void)s;
}

static void act_started(struct shim *s)
{
        s->started = true;
        save_phase(s);
        send_all(s, WIRE_STARTED, NULL, 0);
}

static void act_failed(struct shim *s)
{
        /* It told its last, which act_finish passes on; it exits by itself, but a stuck one must not hold the run. */
        s->deadline_ms = now_ms() + 5000;
}

static void act_stop(struct shim *s)
{
        s->deadline_ms = now_ms() + s->stop_timeout_ms;
        if (s->o.pty_fd >= 0) /* an interactive shell ignores SIGTERM; losing its terminal ends it */
                signal_main(s, SIGHUP);
        signal_main(s, SIGTERM);
        signal_main(s, SIGCONT);
        if (s->o.kill_main_only)
                return;
        signal_others(s, SIGTERM);
        signal_others(s, SIGCONT);
}

/* A second stop can only shorten the wait. */
static void act_stop_again(struct shim *s)
{
        uint64_t deadline = now_ms() + s->stop_timeout_ms;
        if (deadline < s->deadline_ms)
                s->deadline_ms = deadline;
}

static void act_kill(struct shim *s)
{
        s->timed_out = s->started;
        s->deadline_ms = now_ms() + 1000;
        signal_main(s, SIGKILL);
        if (!s->o.kill_main_only)
                run_kill_cgroups(s->o.dir_fd);
}

/* systemd counts these signals as a clean end of a service. */
static bool is_clean_signal(int sig)
{
        return sig == SIGTERM || sig == SIGHUP || sig == SIGINT || sig == SIGPIPE;
}

static void describe_exit(struct shim *s)
{
        int w = s->wait_status;
        const char *result = "success";
        if (WIFEXITED(w)) {
                s->exit.code = WIRE_CODE_EXITED;
                s->exit.status = WEXITSTATUS(w);
                if (s->exit.status || s->error.id[0])
                        result = "exit-code";
        } else {
                s->exit.code = WCOREDUMP(w) ? WIRE_CODE_DUMPED : WIRE_CODE_KILLED;
                s->exit.status = WTERMSIG(w);
                result = WCOREDUMP(w) ? "core-dump" : is_clean_signal(WTERMSIG(w)) ? "success" : "signal";
        }
        if (s->timed_out)
                result = "timeout";
        s->exit.runtime_usec = (now_ms() - s->started_ms) * 1000;
        s->exit.cpu_usec = s->cpu_usec;
        (void)snprintf(s->exit.result, sizeof s->exit.result, "%s", result);
}

static void record_exit(struct shim *s)
{
        static const char *const codes[] = { "", "exited", "killed", "dumped" };
        CLEAN_RUN_STATE struct run_state st = { 0 };
        if (run_load_state(s->o.dir_fd, &st, NULL) < 0 && s->o.unit)
                st.unit = xstrdup(s->o.unit);
        st.phase = text_equal(s->exit.result, "success") ? RUN_EXITED : RUN_FAILED;
        st.pid = s->o.pid;
        st.supervisor_pid = getpid();
        st.ended_usec = state_now_usec();
        st.cpu_usec = s->exit.cpu_usec;
        st.status = s->exit.status;
        (void)snprintf(st.code, sizeof st.code, "%s", codes[s->exit.code]);
        (void)snprintf(st.result, sizeof st.result, "%s", s->exit.result);
        if (s->error.id[0] && !st.error_id) {
                st.error_id = xstrdup(s->error.id);
                st.error_cause = xstrdup(s->error.cause);
                st.error_hint = xstrdup(s->error.hint);
        }
        (void)run_record_end(s->o.dir_fd, &st);
}

/* Waits for clients that are owed the chunk, each until its patience ends. */
static void settle_chunk(struct shim *s)
{
        while (chunk_owed(s)) {
                for (unsigned i = 0; i < CLIENTS_MAX; i++) {
                        struct client *c = &s->clients[i];
                        struct pollfd p = { .fd = s->sources[SOURCE_CLIENT + i].fd, .events = POLLOUT };
                        if (!c->owed)
                                continue;
                        (void)poll(&p, 1, 100);
                        chunk_deliver(s, i);
                        if (c->owed && !c->patient && now_ms() - c->stalled_ms > STALL_MS)
                                client_drop(s, i);
                }
        }
}

/* All writers are gone, so this ends: what stands in the pipes and nothing after it. */
static void drain(struct shim *s)
{
        for (unsigned id = SOURCE_OUT; id <= SOURCE_ERR; id++) {
                settle_chunk(s);
                while (s->sources[id].fd >= 0 && pump(s, id) > 0)
                        settle_chunk(s);
        }
}

/* Clients that connected but were not heard yet are heard, so that nobody waits for an end that has passed. */
static void hear_late_clients(struct shim *s);

static void remove_folder(struct shim *s)
{
        CLEAN_FD int runs_fd = openat(s->o.dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CLEAN_RUN_STATE struct run_state st = { 0 };
        const char *unit = s->o.unit;
        if (!unit && run_load_state(s->o.dir_fd, &st, NULL) == 0)
                unit = st.unit;
        struct stat mine, there;
        if (runs_fd >= 0 && unit && unit_name_valid(unit) && fstat(s->o.dir_fd, &mine) == 0 &&
            fstatat(runs_fd, unit, &there, AT_SYMLINK_NOFOLLOW) == 0 && mine.st_ino == there.st_ino)
                (void)file_remove_tree(runs_fd, unit);
}

static void act_finish(struct shim *s)
{
        describe_exit(s);
        kill_rest(s);
        s->exit.cpu_usec = s->cpu_usec;
        s->o.hold_fd = fd_close(s->o.hold_fd); /* the undo removes a lock only when nobody holds it */
        (void)run_undo_all(s->o.dir_fd);
        record_exit(s);
        hear_late_clients(s);
        drain(s);
        /* Whoever hears of the end finds nothing left of it. */
        if (s->o.collect)
                remove_folder(s);
        if (s->error.id[0])
                send_all(s, WIRE_FAILED, &s->error, sizeof s->error);
        send_all(s, WIRE_EXITED, &s->exit, sizeof s->exit);
}

static const struct transition {
        void (*act)(struct shim *s);
        enum shim_state next;
} transitions[][SHIM_EVENTS] = {
        /* EXEC_OK, EXEC_ERROR, STOP, TIMEOUT, EXIT */
        [SHIM_STARTING] = { { act_started, SHIM_RUNNING }, { act_failed, SHIM_FAILED }, { act_stop, SHIM_STOPPING },
                            { act_ignore, SHIM_STARTING }, { act_finish, SHIM_ENDED } },
        [SHIM_RUNNING] = { { act_ignore, SHIM_RUNNING }, { act_ignore, SHIM_RUNNING }, { act_stop, SHIM_STOPPING },
                           { act_ignore, SHIM_RUNNING }, { act_finish, SHIM_ENDED } },
        [SHIM_STOPPING] = { { act_started, SHIM_STOPPING }, { act_failed, SHIM_FAILED }, { act_stop_again, SHIM_STOPPING },
                            { act_kill, SHIM_KILLING }, { act_finish, SHIM_ENDED } },
        [SHIM_KILLING] = { { act_ignore, SHIM_KILLING }, { act_failed, SHIM_FAILED }, { act_kill, SHIM_KILLING },
                           { act_kill, SHIM_KILLING }, { act_finish, SHIM_ENDED } },
        [SHIM_FAILED] = { { act_ignore, SHIM_FAILED }, { act_ignore, SHIM_FAILED }, { act_kill, SHIM_KILLING },
                          { act_kill, SHIM_KILLING }, { act_finish, SHIM_ENDED } },
        [SHIM_ENDED] = { { act_ignore, SHIM_ENDED }, { act_ignore, SHIM_ENDED }, { act_ignore, SHIM_ENDED },
                         { act_ignore, SHIM_ENDED }, { act_ignore, SHIM_ENDED } },
};
_Static_assert(ELEMENTS(transitions) == SHIM_STATES, "a row for each state");
_Static_assert(ELEMENTS(transitions[0]) == SHIM_EVENTS, "a column for each event");

static void handle(struct shim *s, enum shim_event event)
{
        const struct transition *t = &transitions[s->state][event];
        s->state = t->next;
        t->act(s);
}

/* ---- messages ---- */

static void on_status(struct shim *s)
{
        struct status_message m = { 0 };
        ssize_t n;
        while ((n = read(s->sources[SOURCE_STATUS].fd, &m, sizeof m)) == (ssize_t)sizeof m) {
                m.note[sizeof m.note - 1] = 0;
                if (m.kind == STATUS_ERROR && !s->error.id[0]) {
                        s->error = m.error;
                        s->error.id[sizeof s->error.id - 1] = s->error.cause[sizeof s->error.cause - 1] = 0;
                        s->error.hint[sizeof s->error.hint - 1] = 0;
                        handle(s, EVENT_EXEC_ERROR);
                } else if (m.kind == STATUS_NOTE) {
                        CLEAN_FREE char *line = xprintf("bulkhead: %s\n", m.note);
                        log_write(&s->log, 2, line, strlen(line));
                        send_all(s, WIRE_NOTE, m.note, strlen(m.note));
                }
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        source_drop(s, SOURCE_STATUS);
        s->o.status_fd = fd_close(s->o.status_fd);
        /* The pipe closes at exec, and when the child dies before it: the exit is then seen first. */
        reap(s);
        if (!s->error.id[0] && !(s->payload_gone && WIFSIGNALED(s->wait_status)))
                handle(s, EVENT_EXEC_OK);
}

static void on_hello(struct shim *s, unsigned i, const void *payload, size_t size)
{
        struct wire_hello hello = { 0 };
        struct client *c = &s->clients[i];
        memcpy(&hello, payload, size < sizeof hello ? size : sizeof hello);
        c->output = hello.flags & WIRE_HELLO_OUTPUT;
        c->input = hello.flags & WIRE_HELLO_INPUT;
        c->patient = hello.flags & WIRE_HELLO_PATIENT;
        resize(s, hello.rows, hello.cols);
}

/* Tells a client that came late what the others heard. */
static void tell_past(struct shim *s, unsigned i)
{
        if (s->started)
                client_send(s, i, WIRE_STARTED, NULL, 0);
}

static void on_input(struct shim *s, unsigned i, const void *payload, size_t size)
{
        if (!s->clients[i].input || input_fd(s) < 0)
                return;
        memcpy(input, payload, size);
        s->input_at = 0;
        s->input_size = size;
        input_flush(s);
}

static void on_kill(struct shim *s, const struct wire_kill *k)
{
        if (k->signal <= 0 || k->signal > SIGRTMAX)
                return;
        signal_main(s, k->signal);
        if (k->flags & WIRE_KILL_ALL)
                signal_others(s, k->signal);
}

static void on_message(struct shim *s, unsigned i, const unsigned char *m, size_t size)
{
        struct wire_resize r = { 0 };
        struct wire_stop stop = { 0 };
        struct wire_kill k = { 0 };
        switch (m[0]) {
        case WIRE_HELLO:
                on_hello(s, i, m + 1, size - 1);
                tell_past(s, i);
                return;
        case WIRE_WAIT:
                tell_past(s, i);
                return;
        case WIRE_INPUT:
                on_input(s, i, m + 1, size - 1);
                return;
        case WIRE_INPUT_EOF:
                if (!s->clients[i].input)
                        return;
                s->input_eof = true;
                input_flush(s);
                return;
        case WIRE_RESIZE:
                memcpy(&r, m + 1, size - 1 < sizeof r ? size - 1 : sizeof r);
                resize(s, r.rows, r.cols);
                return;
        case WIRE_STOP:
                memcpy(&stop, m + 1, size - 1 < sizeof stop ? size - 1 : sizeof stop);
                s->stop_timeout_ms = stop.timeout_ms == WIRE_STOP_DEFAULT ? s->o.stop_timeout_ms : stop.timeout_ms;
                handle(s, EVENT_STOP);
                return;
        case WIRE_KILL:
                memcpy(&k, m + 1, size - 1 < sizeof k ? size - 1 : sizeof k);
                on_kill(s, &k);
                return;
        default: /* DETACHED, and what a newer client may say */
                if (m[0] == WIRE_DETACHED)
                        client_drop(s, i);
        }
}

static void on_client_readable(struct shim *s, unsigned i)
{
        ssize_t n = recv(s->sources[SOURCE_CLIENT + i].fd, message, sizeof message, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0 || (size_t)n > sizeof message)
                client_drop(s, i);
        else
                on_message(s, i, message, (size_t)n);
}

static void hear_late_clients(struct shim *s)
{
        struct pollfd p = { .fd = s->o.sock_fd, .events = POLLIN };
        for (int k = 0; k < CLIENTS_MAX && poll(&p, 1, 0) > 0; k++)
                accept_client(s);
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                for (int k = 0; k < 4 && s->clients[i].used; k++) {
                        struct pollfd q = { .fd = s->sources[SOURCE_CLIENT + i].fd, .events = POLLIN };
                        if (poll(&q, 1, 0) <= 0)
                                break;
                        on_client_readable(s, i);
                }
}

static void on_client(struct shim *s, unsigned i, uint32_t events)
{
        if (!s->clients[i].used)
                return;
        if ((events & EPOLLOUT) && s->clients[i].owed)
                chunk_deliver(s, i);
        if ((events & EPOLLIN) && s->clients[i].used)
                on_client_readable(s, i);
        else if ((events & (EPOLLHUP | EPOLLERR)) && s->clients[i].used)
                client_drop(s, i);
}

static void on_signal(struct shim *s)
{
        struct signalfd_siginfo info;
        while (read(s->sources[SOURCE_SIGNAL].fd, &info, sizeof info) == (ssize_t)sizeof info)
                if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
                        s->stop_timeout_ms = s->o.stop_timeout_ms;
                        handle(s, EVENT_STOP);
                }
}

static void on_source(struct shim *s, unsigned id, uint32_t events)
{
        if (id >= SOURCE_CLIENT) {
                on_client(s, id - SOURCE_CLIENT, events);
                return;
        }
        switch ((enum source_id)id) {
        case SOURCE_SIGNAL:
                on_signal(s);
                return;
        case SOURCE_LISTEN:
                accept_client(s);
                return;
        case SOURCE_STATUS:
                on_status(s);
                return;
        case SOURCE_OUT:
        case SOURCE_ERR:
                if (s->input_size)
                        input_flush(s);
                if ((events & ~(uint32_t)EPOLLOUT) && !chunk_owed(s))
                        on_output(s, id);
                return;
        case SOURCE_STDIN:
                input_flush(s);
                if ((events & EPOLLERR) && !s->input_size)
                        input_close(s);
                return;
        default:
                return;
        }
}

/* ---- the loop ---- */

static void want_all(struct shim *s)
{
        bool owed = chunk_owed(s), typing = s->input_size > 0;
        bool hung_up = s->out_retry_ms > now_ms();
        if (!hung_up)
                s->out_retry_ms = 0;
        s->sources[SOURCE_SIGNAL].want = s->sources[SOURCE_LISTEN].want = s->sources[SOURCE_STATUS].want = EPOLLIN;
        s->sources[SOURCE_OUT].want = owed || hung_up ? 0 : EPOLLIN;
        if (typing && s->o.pty_fd >= 0 && !hung_up)
                s->sources[SOURCE_OUT].want |= EPOLLOUT;
        s->sources[SOURCE_ERR].want = owed ? 0 : EPOLLIN;
        s->sources[SOURCE_STDIN].want = typing ? EPOLLOUT : 0;
        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
                struct client *c = &s->clients[i];
                s->sources[SOURCE_CLIENT + i].want = (typing && c->input ? 0 : EPOLLIN) | (c->owed ? EPOLLOUT : 0);
        }
        for (unsigned id = 0; id < SOURCES; id++)
                source_update(s, id);
}

static void sooner(uint64_t *deadline, uint64_t other)
{
        if (other && (!*deadline || other < *deadline))
                *deadline = other;
}

static int time_left(const struct shim *s)
{
        uint64_t deadline = s->deadline_ms, now = now_ms();
        sooner(&deadline, s->out_retry_ms);
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                if (s->clients[i].owed && !s->clients[i].patient)
                        sooner(&deadline, s->clients[i].stalled_ms + STALL_MS);
        if (!deadline)
                return -1;
        return deadline <= now ? 0 : deadline - now > 3600000 ? 3600000 : (int)(deadline - now) + 1;
}

static void on_time(struct shim *s)
{
        uint64_t now = now_ms();
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                if (s->clients[i].owed && !s->clients[i].patient && now >= s->clients[i].stalled_ms + STALL_MS)
                        client_drop(s, i);
        if (s->deadline_ms && now >= s->deadline_ms) {
                s->deadline_ms = 0;
                handle(s, EVENT_TIMEOUT);
        }
}

static void loop(struct shim *s)
{
        while (s->state != SHIM_ENDED) {
                struct epoll_event events[8];
                want_all(s);
                if (s->shrinks)
                        shrink(s);
                int n = epoll_wait(s->epoll_fd, events, ELEMENTS(events), time_left(s));
                for (int i = 0; i < n; i++)
                        if (s->sources[events[i].data.u32].fd >= 0)
                                on_source(s, events[i].data.u32, events[i].events);
                on_time(s);
                reap(s);
                if (!s->payload_gone || s->state == SHIM_ENDED)
                        continue;
                if (s->sources[SOURCE_STATUS].fd >= 0)
                        on_status(s); /* its last words before its exit */
                handle(s, EVENT_EXIT);
        }
}

/* ---- the start ---- */

static int quiet_stdio(void)
{
        CLEAN_FD int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        for (int i = 0; i < 3; i++)
                if (i != fd && dup2(fd, i) < 0)
                        return -errno;
        return 0;
}

static void set_nonblocking(int fd)
{
        int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
        if (flags >= 0)
                (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* A caller that made no socket gets one here. */
static int make_socket(int dir_fd)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void)unlinkat(dir_fd, "sock", 0);
        (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/sock", dir_fd);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || fchmodat(dir_fd, "sock", 0600, 0) < 0 ||
            listen(fd, 64) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int catch_signals(void)
{
        sigset_t set;
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGCHLD);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigprocmask(SIG_SETMASK, &set, NULL);
        (void)signal(SIGHUP, SIG_IGN);
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGCHLD, SIG_DFL); /* an inherited SIG_IGN would lose the exit */
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int set_up(struct shim *s, struct error *e)
{
        siginfo_t info;
        (void)signal(SIGCHLD, SIG_DFL);
        if (waitid(P_PID, (id_t)s->o.pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
                return error_errno(e, errno, "shim.not-parent", "process %d is no child of the supervisor", (int)s->o.pid);
        for (unsigned i = 0; i < SOURCES; i++)
                s->sources[i].fd = -EBADF;
        if (s->o.sock_fd < 0)
                s->o.sock_fd = make_socket(s->o.dir_fd);
        int signal_fd = catch_signals();
        s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (s->o.sock_fd < 0 || signal_fd < 0 || s->epoll_fd < 0)
                return error_errno(e, s->o.sock_fd < 0 ? -s->o.sock_fd : errno, "shim.start", "open the event loop");
        const int streams[] = { s->o.sock_fd, s->o.status_fd, s->o.pty_fd, s->o.out_fd, s->o.err_fd, s->o.stdin_fd };
        for (size_t i = 0; i < ELEMENTS(streams); i++)
                set_nonblocking(streams[i]);
        source_set(s, SOURCE_SIGNAL, signal_fd);
        source_set(s, SOURCE_LISTEN, s->o.sock_fd);
        source_set(s, SOURCE_STATUS, s->o.status_fd);
        source_set(s, SOURCE_OUT, s->o.pty_fd >= 0 ? s->o.pty_fd : s->o.out_fd);
        source_set(s, SOURCE_ERR, s->o.err_fd);
        source_set(s, SOURCE_STDIN, s->o.stdin_fd);
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return error_errno(e, errno, "shim.start", "become subreaper");
        (void)umask(077);
        (void)setsid();
        if (chdir("/") < 0 || quiet_stdio() < 0)
                return error_errno(e, errno, "shim.start", "leave the caller's folder and stdio");
        (void)file_write(AT_FDCWD, "/proc/self/oom_score_adj", "-900"); /* where it is allowed */
        return 0;
}

/* Whatever else was inherited would keep pipes and files of the caller open for the life of the run. */
static void close_others(const struct shim_options *o)
{
        const int kept[] = { o->dir_fd, o->lock_fd, o->sock_fd, o->status_fd, o->pidfd,
                             o->pty_fd, o->out_fd,  o->err_fd,  o->stdin_fd, o->hold_fd };
        process_close_others(kept, ELEMENTS(kept), 3);
}

int shim_supervise(const struct shim_options *o, struct error *e)
{
        static struct shim s;
        s = (struct shim){ .o = *o, .state = SHIM_STARTING, .stop_timeout_ms = o->stop_timeout_ms,
                           .started_ms = now_ms() };
        close_others(o);
        int r = set_up(&s, e);
        if (r < 0)
                return r;
        log_open(&s.log, o->dir_fd);
        hear_late_clients(&s); /* whoever connected before the start misses nothing */
        if (o->status_fd < 0)
                handle(&s, EVENT_EXEC_OK);
        else
                save_phase(&s);
        loop(&s);
        return 0;
}
