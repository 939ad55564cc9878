/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/shim.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/deadline.h"
#include "base/exit_status.h"
#include "base/signal_name.h"
#include "os/file.h"
#include "os/process.h"
#include "sandbox/status.h"
#include "shim/daemon.h"
#include "shim/hub.h"
#include "shim/state.h"
#include "shim/undo.h"

enum { HANGUP_RETRY_MS = 200, REAP_ROUNDS = 500, OBSERVER_ROUNDS = 300 };

/* What the loop watches for us. */
enum { SOURCE_STATUS = HUB_OWN, SOURCE_OUT, SOURCE_ERR, SOURCE_STDIN };

enum shim_state { SHIM_STARTING, SHIM_RUNNING, SHIM_STOPPING, SHIM_KILLING, SHIM_FAILED, SHIM_ENDED, SHIM_STATES };
enum shim_event { EVENT_EXEC_OK, EVENT_EXEC_ERROR, EVENT_STOP, EVENT_TIMEOUT, EVENT_EXIT, SHIM_EVENTS };

struct shim {
        struct shim_options o;
        enum shim_state state;
        struct hub hub;
        struct error error;      /* of the set-up, when id is set */
        bool started, timed_out, payload_gone;
        bool shrinks; /* the start is over: give back its memory before the next wait */
        int wait_status;
        struct cgroup_usage usage;
        uint64_t cpu_usec, started_ms, deadline_ms; /* deadline: of the stop, 0: none */
        uint64_t out_retry_ms;                      /* the terminal is hung up: look again then */
        uint32_t stop_timeout_ms;
        size_t input_at, input_size;
        bool input_eof;
        struct wire_exited exit;
};

/* A large buffer stands apart in zero pages, which cost nothing until they are used. */
static unsigned char input[WIRE_PAYLOAD_MAX];

/* ---- output ---- */

static void on_output(struct shim *s, unsigned id)
{
        ssize_t n = hub_pump(&s->hub, id, id == SOURCE_ERR ? 2 : 1);
        if (n > 0 || n == -EAGAIN || n == -EINTR)
                return;
        /* A terminal that nobody has open reads as an error, and may be opened again. */
        if (n == -EIO && s->o.pty_fd >= 0)
                s->out_retry_ms = hub_now_ms() + HANGUP_RETRY_MS;
        else
                hub_unwatch(&s->hub, id);
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
                hub_unwatch(&s->hub, SOURCE_STDIN);
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

/* Whatever is left becomes our child, being orphaned, and dies, until there is none. The observer ends by itself, after all others. */
static void kill_rest(struct shim *s)
{
        if (s->o.kill_main_only)
                return;
        run_kill_cgroups(s->o.dir_fd);
        for (int i = 0; i < REAP_ROUNDS; i++) {
                reap(s);
                if (run_signal_descendants(getpid(), SIGKILL, s->o.observer) == 0 && waitpid(-1, NULL, WNOHANG) < 0)
                        return;
                if (i == OBSERVER_ROUNDS)
                        s->o.observer = 0; /* it had its time to report */
                (void)poll(NULL, 0, i < 20 ? 1 : 10);
        }
}

/* ---- the state machine ---- */

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
        hub_send_all(&s->hub, WIRE_STARTED, NULL, 0);
}

static void act_failed(struct shim *s)
{
        /* It told its last, which act_finish passes on; it exits by itself, but a stuck one must not hold the run. */
        s->deadline_ms = hub_now_ms() + 5000;
}

static void act_stop(struct shim *s)
{
        s->deadline_ms = hub_now_ms() + s->stop_timeout_ms;
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
        uint64_t deadline = hub_now_ms() + s->stop_timeout_ms;
        if (deadline < s->deadline_ms)
                s->deadline_ms = deadline;
}

static void act_kill(struct shim *s)
{
        s->timed_out = s->started;
        s->deadline_ms = hub_now_ms() + 1000;
        signal_main(s, SIGKILL);
        if (!s->o.kill_main_only)
                run_kill_cgroups(s->o.dir_fd);
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
                result = WCOREDUMP(w) ? "core-dump" : signal_ends_cleanly(WTERMSIG(w)) ? "success" : "signal";
        }
        if (s->timed_out)
                result = "timeout";
        s->exit.runtime_usec = (hub_now_ms() - s->started_ms) * 1000;
        s->exit.cpu_usec = s->cpu_usec;
        (void)snprintf(s->exit.result, sizeof s->exit.result, "%s", result);
}

static void record_exit(struct shim *s)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        if (run_load_state(s->o.dir_fd, &st, NULL) < 0 && s->o.unit)
                st.unit = xstrdup(s->o.unit);
        st.phase = text_equal(s->exit.result, "success") ? RUN_EXITED : RUN_FAILED;
        st.pid = s->o.pid;
        st.supervisor_pid = getpid();
        st.ended_usec = state_now_usec();
        st.cpu_usec = s->exit.cpu_usec;
        st.usage = s->usage;
        st.status = s->exit.status;
        (void)snprintf(st.code, sizeof st.code, "%s", exit_code_word(s->exit.code));
        (void)snprintf(st.result, sizeof st.result, "%s", s->exit.result);
        if (s->error.id[0] && !st.error_id) {
                st.error_id = xstrdup(s->error.id);
                st.error_cause = xstrdup(s->error.cause);
                st.error_hint = xstrdup(s->error.hint);
        }
        (void)run_record_end(s->o.dir_fd, &st);
}

/* All writers are gone, so this ends: what stands in the pipes and nothing after it. */
static void drain(struct shim *s)
{
        for (unsigned id = SOURCE_OUT; id <= SOURCE_ERR; id++) {
                hub_settle(&s->hub);
                while (s->hub.sources[id].fd >= 0 && hub_pump(&s->hub, id, id == SOURCE_ERR ? 2 : 1) > 0)
                        hub_settle(&s->hub);
        }
}

static void remove_folder(struct shim *s)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        if (s->o.unit || run_load_state(s->o.dir_fd, &st, NULL) == 0)
                run_remove_own(s->o.dir_fd, s->o.unit ? s->o.unit : st.unit);
}

static void act_finish(struct shim *s)
{
        describe_exit(s);
        kill_rest(s);
        s->exit.cpu_usec = s->cpu_usec;
        s->o.hold_fd = fd_close(s->o.hold_fd); /* the undo removes a lock only when nobody holds it */
        run_read_usage(s->o.dir_fd, &s->usage);
        cgroup_usage_end(&s->usage);
        (void)run_undo_all(s->o.dir_fd);
        /* Whoever reads the record finds the log whole; who listens and is slow does not hold the record up. */
        hub_pump_now(&s->hub, SOURCE_OUT, 1);
        hub_pump_now(&s->hub, SOURCE_ERR, 2);
        record_exit(s);
        hub_hear_late(&s->hub);
        drain(s);
        /* Whoever hears of the end finds nothing left of it. */
        if (s->o.collect)
                remove_folder(s);
        if (s->error.id[0])
                hub_send_all(&s->hub, WIRE_FAILED, &s->error, sizeof s->error);
        hub_send_all(&s->hub, WIRE_EXITED, &s->exit, sizeof s->exit);
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
        while ((n = read(s->hub.sources[SOURCE_STATUS].fd, &m, sizeof m)) == (ssize_t)sizeof m) {
                m.note[sizeof m.note - 1] = 0;
                if (m.kind == STATUS_ERROR && !s->error.id[0]) {
                        s->error = m.error;
                        s->error.id[sizeof s->error.id - 1] = s->error.cause[sizeof s->error.cause - 1] = 0;
                        s->error.hint[sizeof s->error.hint - 1] = 0;
                        handle(s, EVENT_EXEC_ERROR);
                } else if (m.kind == STATUS_NOTE) {
                        hub_say(&s->hub, m.note);
                }
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        hub_unwatch(&s->hub, SOURCE_STATUS);
        s->o.status_fd = fd_close(s->o.status_fd);
        /* The pipe closes at exec, and when the child dies before it: the exit is then seen first. */
        reap(s);
        if (!s->error.id[0] && !(s->payload_gone && WIFSIGNALED(s->wait_status)))
                handle(s, EVENT_EXEC_OK);
}

static void on_hello(struct shim *s, unsigned i, const void *payload, size_t size)
{
        struct wire_hello hello = { 0 };
        memcpy(&hello, payload, size < sizeof hello ? size : sizeof hello);
        hub_hello(&s->hub, i, &hello);
        resize(s, hello.rows, hello.cols);
}

/* Tells a client that came late what the others heard. */
static void tell_past(struct shim *s, unsigned i)
{
        if (s->started)
                hub_send(&s->hub, i, WIRE_STARTED, NULL, 0);
}

static void on_input(struct shim *s, unsigned i, const void *payload, size_t size)
{
        if (!s->hub.clients[i].input || input_fd(s) < 0)
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

static void on_message(void *context, unsigned i, const unsigned char *m, size_t size)
{
        struct shim *s = context;
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
                if (!s->hub.clients[i].input)
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
                        hub_drop(&s->hub, i);
        }
}

static void on_signal(void *context, int number, pid_t from)
{
        struct shim *s = context;
        (void)from;
        if (number != SIGTERM && number != SIGINT)
                return;
        s->stop_timeout_ms = s->o.stop_timeout_ms;
        handle(s, EVENT_STOP);
}

static void on_source(void *context, unsigned id, uint32_t events)
{
        struct shim *s = context;
        switch (id) {
        case SOURCE_STATUS:
                on_status(s);
                return;
        case SOURCE_OUT:
        case SOURCE_ERR:
                if (s->input_size)
                        input_flush(s);
                if ((events & ~(uint32_t)EPOLLOUT) && !hub_owes(&s->hub))
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
        bool owed = hub_owes(&s->hub), typing = s->input_size > 0;
        bool hung_up = s->out_retry_ms > hub_now_ms();
        if (!hung_up)
                s->out_retry_ms = 0;
        hub_want(&s->hub, SOURCE_STATUS, EPOLLIN);
        hub_want(&s->hub, SOURCE_OUT, (owed || hung_up ? 0 : EPOLLIN) | (typing && s->o.pty_fd >= 0 && !hung_up ? EPOLLOUT : 0));
        hub_want(&s->hub, SOURCE_ERR, owed ? 0 : EPOLLIN);
        hub_want(&s->hub, SOURCE_STDIN, typing ? EPOLLOUT : 0);
        for (unsigned i = 0; i < HUB_CLIENTS_MAX; i++)
                hub_want(&s->hub, HUB_CLIENT + i, typing && s->hub.clients[i].input ? 0 : EPOLLIN);
}

static int time_left(const struct shim *s)
{
        uint64_t deadline = s->deadline_ms, now = hub_now_ms();
        deadline_sooner(&deadline, s->out_retry_ms);
        if (!deadline)
                return -1;
        return deadline <= now ? 0 : deadline - now > 3600000 ? 3600000 : (int)(deadline - now) + 1;
}

static void on_time(struct shim *s)
{
        if (s->deadline_ms && hub_now_ms() >= s->deadline_ms) {
                s->deadline_ms = 0;
                handle(s, EVENT_TIMEOUT);
        }
}

static void loop(struct shim *s)
{
        while (s->state != SHIM_ENDED) {
                want_all(s);
                if (s->shrinks) {
                        s->shrinks = false;
                        daemon_shrink();
                }
                hub_turn(&s->hub, time_left(s));
                on_time(s);
                reap(s);
                if (!s->payload_gone || s->state == SHIM_ENDED)
                        continue;
                if (s->hub.sources[SOURCE_STATUS].fd >= 0)
                        on_status(s); /* its last words before its exit */
                handle(s, EVENT_EXIT);
        }
}

/* ---- the start ---- */

static int set_up(struct shim *s, struct error *e)
{
        siginfo_t info;
        (void)signal(SIGCHLD, SIG_DFL);
        if (waitid(P_PID, (id_t)s->o.pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
                return error_errno(e, errno, "shim.not-parent", "process %d is no child of the supervisor", (int)s->o.pid);
        static const int signals[] = { SIGCHLD, SIGTERM, SIGINT };
        int r = hub_open(&s->hub, s->o.dir_fd, s->o.sock_fd, signals, ELEMENTS(signals), e);
        if (r < 0)
                return r;
        s->hub.signal = on_signal, s->hub.source = on_source, s->hub.message = on_message, s->hub.context = s;
        hub_watch(&s->hub, SOURCE_STATUS, s->o.status_fd);
        hub_watch(&s->hub, SOURCE_OUT, s->o.pty_fd >= 0 ? s->o.pty_fd : s->o.out_fd);
        hub_watch(&s->hub, SOURCE_ERR, s->o.err_fd);
        hub_watch(&s->hub, SOURCE_STDIN, s->o.stdin_fd);
        return daemon_detach(e);
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
                           .started_ms = hub_now_ms() };
        close_others(o);
        int r = set_up(&s, e);
        if (r < 0)
                return r;
        log_open(&s.hub.log, o->dir_fd);
        hub_hear_late(&s.hub); /* whoever connected before the start misses nothing */
        if (o->status_fd < 0)
                handle(&s, EVENT_EXEC_OK);
        else
                save_phase(&s);
        loop(&s);
        return 0;
}
