/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One run of the command under observation.  A fork starts it as "bulkhead run -P" does, by the same functions, and supervises it;
 * this process watches. It is the payload's ancestor, and what it dies of ends the supervisor, which ends the payload.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "cli/learn.h"
#include "cli/run.h"
#include "os/process.h"
#include "sandbox/observe.h"

enum { STOP_USEC = 10000000, READY_USEC = 5000000, QUIET_USEC = 200000 };

static volatile sig_atomic_t interrupted;

static void interrupt(int n)
{
        interrupted = n;
}

void learn_catch_signals(void)
{
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
        const struct sigaction a = { .sa_handler = interrupt };
        for (size_t i = 0; i < ELEMENTS(signals); i++)
                (void)sigaction(signals[i], &a, NULL);
}

int learn_interrupted(void)
{
        return interrupted;
}

void learn_progress(struct learn_session *s, const char *format, ...)
{
        char line[512];
        va_list ap;
        if (s->o->quiet)
                return;
        va_start(ap, format);
        (void)vsnprintf(line, sizeof line, format, ap);
        va_end(ap);
        fputs(s->counting ? "\r\033[Klearn: " : "learn: ", stderr);
        s->counting = false;
        text_print_safe(stderr, line);
        fputc('\n', stderr);
}

void learn_count_trial(struct learn_session *s)
{
        s->trials++;
        if (s->o->quiet || !isatty(2))
                return;
        fprintf(stderr, "\r\033[Klearn: trial run %u", s->trials);
        (void)fflush(stderr);
        s->counting = true;
}

/* ---- the fork ---- */

/* Another run gets the same input again where it is a file; of a pipe the first has taken all. */
static void set_input(const struct learn_session *s)
{
        if (!s->input_used)
                return;
        if (s->input_offset >= 0 && lseek(0, s->input_offset, SEEK_SET) >= 0)
                return;
        CLEAN_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null >= 0)
                (void)dup2(null, 0);
}

static void hide_output(void)
{
        CLEAN_FD int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (null >= 0 && dup2(null, 1) >= 0)
                (void)dup2(null, 2);
}

static _Noreturn void supervise(struct learn_session *s, const struct strings *more, bool shown, int socket)
{
        const struct learn_options *o = s->o;
        struct run_options r = { .verb = "learn from", .pipe = true, .quiet = true, .collect = true, .user_mode = o->user_mode,
                                 .lenient = o->lenient, .like = o->unit, .observe_fd = socket };
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)signal(SIGALRM, SIG_DFL);
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGTERM, SIG_DFL);
        (void)signal(SIGHUP, SIG_DFL);
        for (size_t i = 0; i < o->properties.count; i++)
                strings_add(&r.properties, o->properties.items[i]);
        for (size_t i = 0; more && i < more->count; i++)
                strings_add(&r.properties, more->items[i]);
        for (size_t i = 0; i < o->argv.count; i++)
                strings_add(&r.argv, o->argv.items[i]);
        set_input(s);
        if (!shown)
                hide_output();
        int status = learn_is_service(s) ? learn_start_service(s, more, socket) : run_options_start(&r);
        (void)fflush(stderr);
        _exit(status);
}

/* ---- while it runs ---- */

struct course {
        const struct learn_session *s;
        struct learn_outcome *out;
        pid_t supervisor, client;
        bool is_service;
        struct learn_service service;
        bool shown, client_done, asked;
        uint64_t started_usec, asked_usec;
};

static uint64_t now_usec(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void start_client(struct course *c)
{
        c->client = fork();
        if (c->client < 0) {
                c->out->exercise = 127;
                c->client_done = true;
        }
        if (c->client != 0)
                return;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setpgid(0, 0);
        (void)signal(SIGALRM, SIG_DFL);
        CLEAN_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        (void)dup2(null, 0);
        (void)dup2(2, 1); /* standard output is the drop-in's */
        if (!c->shown)
                hide_output();
        (void)process_cloexec_from(3);
        execl("/bin/sh", "sh", "-c", c->s->o->exercise, (char *)NULL);
        _exit(127);
}

/* The supervisor passes the signal on; what does not heed it within the time is killed. */
static void ask_to_end(struct course *c, const struct observe_state *st, uint64_t now)
{
        if (!c->asked) {
                c->asked = true;
                c->asked_usec = now;
                if (c->is_service)
                        c->asked = learn_stop_service(&c->service); /* its own time to stop holds */
                else
                        (void)kill(c->supervisor, SIGTERM);
        } else if (c->is_service) {
                return;
        } else if (now - c->asked_usec > STOP_USEC && st->payload && !st->ended) {
                c->asked_usec = now;
                (void)kill(st->payload, SIGKILL);
        }
}

static void tick(void *context, const struct observe_state *st)
{
        struct course *c = context;
        const struct learn_options *o = c->s->o;
        uint64_t now = now_usec();
        c->out->started |= st->started;
        if (c->is_service && st->started)
                learn_hear_service(c->s, &c->service);
        if (!c->started_usec && (c->is_service ? c->service.up : st->started))
                c->started_usec = now;
        if (interrupted) {
                c->out->interrupted = true;
                if (c->client > 0 && !c->client_done)
                        (void)kill(-c->client, SIGKILL);
                ask_to_end(c, st, now);
                return;
        }
        if (!c->started_usec || (c->is_service ? c->service.over : st->ended))
                return;
        uint64_t age = now - c->started_usec;
        if (o->exercise && !c->client && (age > READY_USEC || (st->quiet_usec > QUIET_USEC && age > QUIET_USEC)))
                start_client(c);
        bool served = !o->exercise || c->client_done, long_enough = o->seconds ? age >= (uint64_t)o->seconds * 1000000 : o->exercise != NULL;
        if (c->asked || (served && long_enough)) {
                c->out->stopped = true;
                ask_to_end(c, st, now);
        }
}

static void reaped(void *context, pid_t pid, int status)
{
        struct course *c = context;
        if (pid != c->client || c->client <= 0)
                return;
        c->client_done = true;
        c->out->exercise = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A service that ended by itself leaves its client without an answer. */
static void end_client(struct course *c)
{
        int status;
        if (c->client <= 0 || c->client_done)
                return;
        (void)kill(-c->client, SIGKILL);
        while (waitpid(c->client, &status, 0) < 0 && errno == EINTR)
                continue;
        c->out->exercise = 128 + SIGKILL;
}

int learn_run(struct learn_session *s, const struct strings *more, bool shown, struct observations *ret, struct learn_outcome *out, struct error *e)
{
        int ends[2], status = 0;
        *out = (struct learn_outcome){ 0 };
        if (observe_open(ends, e) < 0)
                return e ? e->code : -EIO;
        CLEAN_FD int ours = ends[0], theirs = ends[1];
        (void)fflush(NULL);
        pid_t pid = fork();
        if (pid < 0)
                return error_errno(e, errno, "learn.observer", "fork");
        if (pid == 0) {
                ours = fd_close(ours);
                supervise(s, more, shown, theirs);
        }
        theirs = fd_close(theirs);
        struct course c = { .s = s, .out = out, .supervisor = pid, .shown = shown, .is_service = learn_is_service(s), .service.fd = -EBADF };
        CLEAN_FREE char *notify = s->state_root ? xprintf("%s/notify", s->state_root) : NULL;
        const struct observe_watch watch = { .passed_over = notify, .tick = tick, .reaped = reaped, .context = &c };
        int r = observe_run(pid, ours, &watch, ret, &status, e);
        end_client(&c);
        fd_close(c.service.fd);
        s->input_used = true;
        out->interrupted |= interrupted != 0;
        out->started |= ret->tasks > 0;
        out->status = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
        ret->runs = 1;
        observations_add_outcome(ret, out->status);
        return r;
}
