/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/service_shim.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/exit_status.h"
#include "base/signal_name.h"
#include "os/cgroup.h"
#include "os/file.h"
#include "os/process.h"
#include "plan/service_machine.h"
#include "sandbox/status.h"
#include "shim/activation.h"
#include "shim/daemon.h"
#include "shim/hub.h"
#include "shim/options.h"
#include "shim/service_notify.h"
#include "shim/service_process.h"
#include "shim/undo.h"

enum { SOURCE_OUT = HUB_OWN, SOURCE_ERR, SOURCE_MAIN, SOURCE_CONTROL, SOURCE_NOTIFY, SOURCE_ADOPTED, SOURCE_MEMORY };
enum { PID_FILE_RETRY_MS = 20 };

struct supervisor {
        struct service_options o;
        struct run run;
        struct hub hub;
        struct machine machine;
        struct service service;
        struct activation activation;
        struct service_process main, control;
        struct service_notify notify;
        struct cgroup_oom oom;
        int null_fd, out[2], err[2]; /* both ends are ours: commands come and go */
        struct error error;          /* the first of this start, when id is set */
        struct process_exit main_exit; /* the last */
        char *status_text, *source;
        uint64_t cpu_usec, began_usec;
        bool told;     /* that it is started, or that it failed to */
        bool restarts; /* somebody waits for the next start; what goes on until then is the end of the last */
        bool shrinks, saves;
        unsigned reload_client, reload_serial; /* who asked; serial 0: nobody */
};

static uint64_t now_usec(void *context)
{
        struct timespec t;
        (void)context;
        (void)clock_gettime(CLOCK_BOOTTIME, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- what is told ---- */

static void keep_error(struct supervisor *s, const struct error *e)
{
        if (!s->error.id[0] && e->code != -ECANCELED)
                s->error = *e;
        CLEAN_FREE char *line = xprintf("%s%s%s", e->cause, e->hint[0] ? "; " : "", e->hint);
        (e->code == -ECANCELED ? hub_say : hub_log)(&s->hub, line); /* a failure its starter is told as such */
}

/* Why a start is a failure, where nothing that we set up failed. */
static void describe_failure(struct supervisor *s)
{
        char buffer[16];
        const struct process_exit x = s->main_exit;
        const char *what = x.code == EXIT_CODE_EXITED ? exit_status_name(x.status) : x.code ? signal_name(x.status, buffer) : NULL;
        if (s->error.id[0])
                return;
        if (x.code)
                error_set(&s->error, EIO, "service.failed", "the service failed: %s (main process: %s, status %d%s%s)",
                          service_result_word(s->machine.result), x.code == EXIT_CODE_EXITED ? "exited" : "killed", x.status, what ? "/" : "",
                          what ? what : "");
        else
                error_set(&s->error, EIO, "service.failed", "the service failed: %s", service_result_word(s->machine.result));
        error_hint(&s->error, "bulkhead logs %s", s->run.unit);
}

static void fill_state(struct supervisor *s, struct run_state *st)
{
        static const enum run_phase phases[SERVICE_STATES] = {
                [STATE_DEAD] = RUN_EXITED, [STATE_FAILED] = RUN_FAILED, [STATE_RUNNING] = RUN_RUNNING, [STATE_EXITED] = RUN_RUNNING,
                [STATE_RELOAD] = RUN_RUNNING, [STATE_STOP] = RUN_RUNNING, [STATE_STOP_WATCHDOG] = RUN_RUNNING,
                [STATE_STOP_SIGTERM] = RUN_RUNNING, [STATE_STOP_SIGKILL] = RUN_RUNNING, [STATE_STOP_POST] = RUN_RUNNING,
                [STATE_FINAL_SIGTERM] = RUN_RUNNING, [STATE_FINAL_SIGKILL] = RUN_RUNNING,
        };
        st->phase = phases[s->machine.state];
        st->supervisor_pid = getpid();
        st->pid = s->main.pid;
        st->restarts = s->machine.restarts;
        (void)snprintf(st->sub, sizeof st->sub, "%s", service_state_word(s->machine.state));
        free(st->status_text);
        st->status_text = s->status_text ? xstrdup(s->status_text) : NULL;
        free(st->invocation_id);
        st->invocation_id = xstrdup(s->activation.invocation_id);
}

static void save(struct supervisor *s)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        s->saves = false;
        if (run_load_state(s->run.dir_fd, &st, NULL) < 0)
                return;
        fill_state(s, &st);
        if (s->machine.state == STATE_RUNNING || s->machine.state == STATE_CONDITION || !st.started_usec)
                st.started_usec = st.started_usec ? st.started_usec : state_now_usec();
        (void)run_save_state(s->run.dir_fd, &st, NULL);
}

static void tell(struct supervisor *s)
{
        const struct machine *m = &s->machine;
        bool begun = machine_is_active(m) || (m->ready && m->result == RESULT_SUCCESS && m->state >= STATE_STOP);
        if (s->told || s->restarts)
                return;
        if (begun) {
                s->told = true;
                save(s); /* who hears it may look */
                hub_send_all(&s->hub, WIRE_STARTED, NULL, 0);
        } else if (m->state == STATE_AUTO_RESTART && m->result != RESULT_SUCCESS) {
                s->told = true;
                describe_failure(s);
                save(s);
                hub_send_all(&s->hub, WIRE_FAILED, &s->error, sizeof s->error);
        }
}

static void tell_reload(struct supervisor *s)
{
        int32_t r = s->machine.reload_result == RESULT_SUCCESS && machine_is_active(&s->machine) ? 0 : -EIO;
        if (!s->reload_serial || s->machine.state == STATE_RELOAD)
                return;
        const struct hub_client *c = &s->hub.clients[s->reload_client];
        bool stays = c->used && c->serial == s->reload_serial;
        s->reload_serial = 0;
        if (stays)
                hub_send(&s->hub, s->reload_client, WIRE_DONE, &r, sizeof r);
}

static void changed(void *context)
{
        struct supervisor *s = context;
        s->saves = true;
        s->shrinks |= machine_is_active(&s->machine);
        tell(s);
        tell_reload(s);
}

/* ---- activation ---- */

static void forget_process(struct supervisor *s, struct service_process *p)
{
        hub_unwatch(&s->hub, p == &s->main ? SOURCE_MAIN : SOURCE_CONTROL);
        if (p == &s->main)
                hub_unwatch(&s->hub, SOURCE_ADOPTED);
        service_process_clear(p);
}

/* Where memory is not accounted for there is nothing to hear of. */
static void watch_memory(struct supervisor *s)
{
        if (s->service.oom_policy == OOM_CONTINUE || cgroup_oom_open(&s->activation.sandbox.cgroup, &s->oom, NULL) < 0)
                return;
        hub_watch(&s->hub, SOURCE_MEMORY, s->oom.fd);
        hub_want(&s->hub, SOURCE_MEMORY, EPOLLIN);
}

static void unwatch_memory(struct supervisor *s)
{
        hub_unwatch(&s->hub, SOURCE_MEMORY);
        cgroup_oom_close(&s->oom);
}

static int op_open(void *context)
{
        struct supervisor *s = context;
        struct error e = { 0 };
        s->restarts = false;
        s->error = (struct error){ 0 };
        s->main_exit = (struct process_exit){ 0 };
        int r = activation_read(&s->activation, &s->service, &e);
        if (r == 0)
                r = activation_open(&s->activation, &s->service, &e);
        if (r == 0 && s->activation.notify_path)
                r = service_notify_open(&s->notify, s->activation.notify_path, &e);
        if (r < 0) {
                keep_error(s, &e);
                return r;
        }
        hub_watch(&s->hub, SOURCE_NOTIFY, s->notify.fd);
        watch_memory(s);
        return 0;
}

static void op_close(void *context, bool restarts)
{
        struct supervisor *s = context;
        hub_unwatch(&s->hub, SOURCE_NOTIFY);
        forget_process(s, &s->main); /* what outlives this is nobody's */
        forget_process(s, &s->control);
        unwatch_memory(s);
        service_notify_close(&s->notify, restarts);
        if (!restarts && s->error.id[0] == 0 && s->machine.result != RESULT_SUCCESS && s->machine.result != RESULT_CONDITION)
                describe_failure(s);
        activation_close(&s->activation, restarts, s->service.kill_mode == KILL_MODE_PROCESS);
}

/* ---- commands ---- */

static void add_exit(struct supervisor *s, struct strings *l)
{
        static const char *const codes[] = { "", "exited", "killed", "dumped" };
        char buffer[16];
        const struct process_exit x = s->machine.main_exit;
        strings_take(l, xprintf("SERVICE_RESULT=%s", service_result_word(s->machine.result)));
        if (!x.code)
                return;
        strings_take(l, xprintf("EXIT_CODE=%s", codes[x.code]));
        strings_take(l, x.code == EXIT_CODE_EXITED ? xprintf("EXIT_STATUS=%d", x.status) : xprintf("EXIT_STATUS=%s", signal_name(x.status, buffer)));
}

static void add_given(struct supervisor *s, struct strings *l)
{
        CLEAN_FREE char *copy = xstrdup(s->o.environment ? s->o.environment : "");
        char *rest = copy;
        for (char *line; (line = strsep(&rest, "\n"));)
                if (strchr(line, '='))
                        strings_add(l, line);
}

static void variables_of(struct supervisor *s, enum service_list list, bool main, struct strings *l)
{
        const struct machine *m = &s->machine;
        add_given(s, l);
        if (m->main_known && m->main_alive && s->main.pid > 0)
                strings_take(l, xprintf("MAINPID=%d", (int)s->main.pid));
        if (list == SERVICE_STOP || list == SERVICE_STOP_POST)
                add_exit(s, l);
        if (s->activation.notify_path && (main || s->service.notify_access != NOTIFY_MAIN))
                strings_take(l, xprintf("NOTIFY_SOCKET=%s", s->activation.notify_path));
        if (main && m->watchdog_usec)
                strings_take(l, xprintf("WATCHDOG_USEC=%llu", (unsigned long long)m->watchdog_usec));
        if (main && service_notify_passed(&s->notify)) {
                strings_take(l, xprintf("LISTEN_FDS=%u", service_notify_passed(&s->notify)));
                strings_take(l, service_notify_names(&s->notify));
        }
}

static int op_spawn(void *context, enum service_list list, size_t index, enum machine_process as)
{
        struct supervisor *s = context;
        const bool main = list == SERVICE_START;
        struct service_process *p = as == PROCESS_MAIN ? &s->main : &s->control;
        struct sandbox_child child = { .pidfd = -EBADF, .status_fd = -EBADF };
        CLEAN_STRINGS struct strings variables = { 0 };
        struct error e = { 0 };
        const struct sandbox_io io = { .in = s->null_fd, .out = s->out[1], .err = s->err[1], .console_fd = -EBADF,
                                       .keep_fds = main ? service_notify_passed(&s->notify) : 0, .pass_fds = service_notify_fds(&s->notify) };
        variables_of(s, list, main, &variables);
        int r = activation_spawn(&s->activation, &s->service.lines[list].items[index], &variables, &io, &child, &e);
        if (r < 0) {
                error_while(&e, "starting %s=", service_list_name(list));
                keep_error(s, &e);
                return r;
        }
        hub_unwatch(&s->hub, as == PROCESS_MAIN ? SOURCE_MAIN : SOURCE_CONTROL);
        service_process_set(p, child.pid, child.pidfd, child.status_fd);
        hub_watch(&s->hub, as == PROCESS_MAIN ? SOURCE_MAIN : SOURCE_CONTROL, child.status_fd);
        hub_want(&s->hub, as == PROCESS_MAIN ? SOURCE_MAIN : SOURCE_CONTROL, EPOLLIN);
        s->saves = true;
        return 0;
}

/* What the set-up of a command tells before it runs. True when there is no more. */
static bool hear(struct supervisor *s, struct service_process *p)
{
        struct status_message m = { 0 };
        ssize_t n;
        while ((n = read(p->status_fd, &m, sizeof m)) == (ssize_t)sizeof m) {
                m.note[sizeof m.note - 1] = 0;
                if (m.kind == STATUS_ERROR) {
                        p->failed = true;
                        m.error.id[sizeof m.error.id - 1] = m.error.cause[sizeof m.error.cause - 1] = m.error.hint[sizeof m.error.hint - 1] = 0;
                        keep_error(s, &m.error);
                } else if (m.kind == STATUS_NOTE)
                        hub_say(&s->hub, m.note);
        }
        return !(n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void on_status(struct supervisor *s, unsigned source)
{
        struct service_process *p = source == SOURCE_MAIN ? &s->main : &s->control;
        if (p->status_fd < 0 || !hear(s, p))
                return;
        hub_unwatch(&s->hub, source);
        p->status_fd = fd_close(p->status_fd);
        if (source == SOURCE_MAIN && !p->failed && service_process_lives(p))
                machine_main_executed(&s->machine);
}

/* ---- signals ---- */

static void signal_process(const struct service_process *p, int sig, bool also_hup)
{
        if (p->pidfd < 0)
                return;
        (void)process_signal(p->pidfd, sig);
        if (also_hup)
                (void)process_signal(p->pidfd, SIGHUP);
        if (sig != SIGKILL && sig != SIGCONT)
                (void)process_signal(p->pidfd, SIGCONT); /* who stands still hears nothing */
}

static void signal_rest(struct supervisor *s, int sig)
{
        if (sig == SIGKILL) {
                run_kill_cgroups(s->run.dir_fd);
                (void)run_signal_descendants(getpid(), sig, 0);
                return;
        }
        if (run_signal_cgroups(s->run.dir_fd, sig, s->main.pid) == 0)
                (void)run_signal_descendants(getpid(), sig, s->main.pid);
}

static bool op_group_lives(void *context)
{
        (void)context;
        return service_has_children();
}

static bool op_kill(void *context, unsigned processes, int sig, bool also_hup)
{
        struct supervisor *s = context;
        const struct machine *m = &s->machine;
        if (processes & PROCESS_MAIN && m->main_alive)
                signal_process(&s->main, sig, also_hup);
        if (processes & PROCESS_CONTROL && m->control_alive)
                signal_process(&s->control, sig, also_hup);
        if (processes & PROCESS_REST && service_has_children()) {
                signal_rest(s, sig);
                if (also_hup)
                        signal_rest(s, SIGHUP);
                if (sig != SIGKILL)
                        signal_rest(s, SIGCONT);
        }
        return (processes & PROCESS_MAIN && m->main_alive) || (processes & PROCESS_CONTROL && m->control_alive) ||
               (processes & PROCESS_REST && service_has_children());
}

/* A process that is no child of ours ends without a word to us: its descriptor is watched. */
static int adopt_main(struct supervisor *s, pid_t pid)
{
        struct service_process p = SERVICE_PROCESS_NONE;
        int r = service_process_adopt(&p, pid);
        if (r < 0)
                return r;
        forget_process(s, &s->main);
        s->main = p;
        if (!service_is_child(pid)) {
                hub_watch(&s->hub, SOURCE_ADOPTED, p.pidfd);
                hub_want(&s->hub, SOURCE_ADOPTED, EPOLLIN);
        }
        s->saves = true;
        return 0;
}

static int op_find_main(void *context)
{
        struct supervisor *s = context;
        struct error e = { 0 };
        pid_t pid = 0;
        int r = s->service.pid_file ? service_read_pid_file(s->service.pid_file, &pid, &e)
                : s->service.no_main_guess ? 0 : service_guess_main(&pid);
        if (r < 0 && r != -EAGAIN)
                keep_error(s, &e);
        if (r > 0)
                r = adopt_main(s, pid) < 0 ? 0 : 1;
        return r;
}

static const struct machine_ops ops = { now_usec, op_open, op_close, op_spawn, op_kill, op_group_lives, op_find_main, changed };

/* ---- what happens ---- */

static struct process_exit exit_of(int status)
{
        if (WIFEXITED(status))
                return (struct process_exit){ EXIT_CODE_EXITED, WEXITSTATUS(status) };
        return (struct process_exit){ WCOREDUMP(status) ? EXIT_CODE_DUMPED : EXIT_CODE_KILLED, WTERMSIG(status) };
}

static void on_exit_of(struct supervisor *s, struct service_process *p, int status)
{
        const bool main = p == &s->main;
        on_status(s, main ? SOURCE_MAIN : SOURCE_CONTROL); /* its last words before its exit */
        /* What ends with a status and without a word of its set-up did run its program. */
        if (main && !p->failed && WIFEXITED(status))
                machine_main_executed(&s->machine);
        forget_process(s, p);
        if (main)
                s->main_exit = exit_of(status);
        (main ? machine_main_exited : machine_control_exited)(&s->machine, exit_of(status));
}

static void reap(struct supervisor *s)
{
        struct rusage usage;
        int status;
        bool any = false;
        for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0; any = true) {
                s->cpu_usec += (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                               (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
                if (pid == s->main.pid)
                        on_exit_of(s, &s->main, status);
                else if (pid == s->control.pid)
                        on_exit_of(s, &s->control, status);
        }
        if (any && !service_has_children())
                machine_group_empty(&s->machine);
}

/* The main process has ended, and whoever is its parent has heard how: for us it is a good end. If it has become ours, wait4 will tell. */
static void on_adopted_exit(struct supervisor *s)
{
        if (s->main.pid > 0 && !service_is_child(s->main.pid))
                on_exit_of(s, &s->main, 0);
        else
                hub_unwatch(&s->hub, SOURCE_ADOPTED);
}

static bool may_notify(const struct supervisor *s, pid_t pid)
{
        switch (s->service.notify_access) {
        case NOTIFY_NONE: return false;
        case NOTIFY_MAIN: return pid == s->main.pid;
        case NOTIFY_EXEC: return pid == s->main.pid || pid == s->control.pid;
        case NOTIFY_ALL: return service_is_descendant(pid);
        }
        return false;
}

/* Whom a message may call the main process: one of ours, once it is to be there, and not one that does something else. */
static bool may_be_main(const struct supervisor *s, pid_t pid)
{
        const enum service_state at = s->machine.state;
        return pid != s->control.pid && service_is_descendant(pid) &&
               (at == STATE_START || at == STATE_START_POST || at == STATE_RUNNING || at == STATE_RELOAD);
}

static void on_message_of(struct supervisor *s, const struct notify_message *m)
{
        struct machine *k = &s->machine;
        if (m->main_pid && m->main_pid != s->main.pid && may_be_main(s, m->main_pid) && adopt_main(s, m->main_pid) == 0) {
                k->main_known = k->main_alive = true;
                machine_main_executed(k);
                machine_main_found(k);
        }
        if (m->status) {
                free(s->status_text);
                s->status_text = xstrdup(m->status);
                s->saves = true;
        }
        if (m->extends)
                machine_extend(k, m->extend_usec);
        if (m->sets_watchdog)
                machine_set_watchdog(k, m->watchdog_usec);
        if (m->reloading)
                machine_reloading(k);
        if (m->ready)
                machine_ready(k);
        if (m->stopping)
                machine_stopping(k);
        if (m->alive)
                machine_alive(k);
        if (m->trigger)
                machine_watchdog_trigger(k);
}

static void on_notify(struct supervisor *s)
{
        for (pid_t from; (from = service_notify_receive(&s->notify)) != 0;) {
                CLEAN_NOTIFY_MESSAGE struct notify_message m = { 0 };
                bool may = from > 0 && may_notify(s, from);
                service_notify_take(&s->notify, may, s->service.stored_fds_max, &m);
                if (may)
                        on_message_of(s, &m);
        }
}

static void on_memory(struct supervisor *s)
{
        int n = cgroup_oom_read(&s->oom);
        if (n < 0)
                unwatch_memory(s);
        if (n > 0)
                machine_out_of_memory(&s->machine);
}

static void on_source(void *context, unsigned id, uint32_t events)
{
        struct supervisor *s = context;
        (void)events;
        if (id == SOURCE_NOTIFY)
                on_notify(s);
        else if (id == SOURCE_ADOPTED)
                on_adopted_exit(s);
        else if (id == SOURCE_MEMORY)
                on_memory(s);
        else if (id == SOURCE_MAIN || id == SOURCE_CONTROL)
                on_status(s, id);
        else if (!hub_owes(&s->hub))
                (void)hub_pump(&s->hub, id, id == SOURCE_ERR ? 2 : 1);
}

static void on_signal(void *context, int number, pid_t from)
{
        struct supervisor *s = context;
        (void)from;
        if (number == SIGTERM || number == SIGINT)
                (void)machine_stop(&s->machine);
}

/* ---- clients ---- */

static void tell_past(struct supervisor *s, unsigned client)
{
        if (machine_is_active(&s->machine))
                hub_send(&s->hub, client, WIRE_STARTED, NULL, 0);
}

static void on_kill(struct supervisor *s, const struct wire_kill *k)
{
        if (k->signal <= 0 || k->signal > SIGRTMAX)
                return;
        if (s->main.pidfd >= 0)
                (void)process_signal(s->main.pidfd, k->signal);
        if (k->flags & WIRE_KILL_ALL)
                signal_rest(s, k->signal);
}

static void on_stop(struct supervisor *s, const struct wire_stop *stop)
{
        if (stop->timeout_ms != WIRE_STOP_DEFAULT)
                s->service.timeout_stop_usec = (uint64_t)stop->timeout_ms * 1000;
        (void)machine_stop(&s->machine);
}

static void on_reload(struct supervisor *s, unsigned client)
{
        int32_t r = -ENOTSUP;
        if (machine_reload(&s->machine)) {
                s->reload_client = client;
                s->reload_serial = s->hub.clients[client].serial;
                tell_reload(s);
        } else
                hub_send(&s->hub, client, WIRE_DONE, &r, sizeof r);
}

/* Nothing begins in a supervisor that is about to end: who asks is to begin with another. */
static bool is_too_late(struct supervisor *s, unsigned client)
{
        int32_t r = -ESTALE;
        if (!machine_is_over(&s->machine))
                return false;
        hub_send(&s->hub, client, WIRE_DONE, &r, sizeof r);
        return true;
}

static void on_start(struct supervisor *s, unsigned client)
{
        const enum service_state at = s->machine.state;
        int32_t taken = 0;
        if (is_too_late(s, client))
                return;
        hub_send(&s->hub, client, WIRE_DONE, &taken, sizeof taken);
        if (machine_is_active(&s->machine)) {
                tell_past(s, client);
                return;
        }
        s->told = false;
        s->restarts = at >= STATE_STOP;
        if (at >= STATE_STOP && at <= STATE_FINAL_SIGKILL)
                hub_send_all(&s->hub, WIRE_OVERTAKEN, NULL, 0);
        (void)machine_start(&s->machine);
}

static void on_restart(struct supervisor *s, unsigned client)
{
        if (is_too_late(s, client))
                return;
        if (s->machine.stop_asked && s->machine.state >= STATE_STOP)
                hub_send_all(&s->hub, WIRE_OVERTAKEN, NULL, 0);
        s->told = false;
        s->restarts = true;
        (void)machine_restart(&s->machine);
}

static void on_message(void *context, unsigned client, const unsigned char *m, size_t size)
{
        struct supervisor *s = context;
        struct wire_hello hello = { 0 };
        struct wire_stop stop = { 0 };
        struct wire_kill k = { 0 };
        switch (m[0]) {
        case WIRE_HELLO:
                memcpy(&hello, m + 1, size - 1 < sizeof hello ? size - 1 : sizeof hello);
                hub_hello(&s->hub, client, &hello);
                tell_past(s, client);
                return;
        case WIRE_WAIT:
                tell_past(s, client);
                return;
        case WIRE_STOP:
                memcpy(&stop, m + 1, size - 1 < sizeof stop ? size - 1 : sizeof stop);
                on_stop(s, &stop);
                return;
        case WIRE_KILL:
                memcpy(&k, m + 1, size - 1 < sizeof k ? size - 1 : sizeof k);
                on_kill(s, &k);
                return;
        case WIRE_RELOAD:
                on_reload(s, client);
                return;
        case WIRE_RESTART:
                on_restart(s, client);
                return;
        case WIRE_START:
                on_start(s, client);
                return;
        case WIRE_DETACHED:
                hub_drop(&s->hub, client);
                return;
        default: /* what a newer client may say, and input, which services have none of */
                return;
        }
}

/* ---- the end ---- */

static void drain(struct supervisor *s)
{
        for (unsigned i = 0; i < 2; i++) {
                unsigned id = i ? SOURCE_ERR : SOURCE_OUT;
                hub_settle(&s->hub);
                while (hub_pump(&s->hub, id, (int)i + 1) > 0)
                        hub_settle(&s->hub);
        }
}

static void record(struct supervisor *s, struct wire_exited *x)
{
        static const char *const codes[] = { "", "exited", "killed", "dumped" };
        CLEAN_RUN_STATE struct run_state st = { 0 };
        *x = (struct wire_exited){ .code = s->main_exit.code, .status = s->main_exit.status, .cpu_usec = s->cpu_usec,
                                   .runtime_usec = now_usec(NULL) - s->began_usec };
        (void)snprintf(x->result, sizeof x->result, "%s", service_result_word(s->machine.result));
        if (run_load_state(s->run.dir_fd, &st, NULL) < 0)
                st.unit = xstrdup(s->run.unit);
        fill_state(s, &st);
        st.ended_usec = state_now_usec();
        st.cpu_usec = s->cpu_usec;
        st.status = x->status;
        (void)snprintf(st.code, sizeof st.code, "%s", codes[x->code]);
        (void)snprintf(st.result, sizeof st.result, "%s", x->result);
        if (s->machine.state == STATE_FAILED && s->error.id[0] && !st.error_id) {
                st.error_id = xstrdup(s->error.id);
                st.error_cause = xstrdup(s->error.cause);
                st.error_hint = xstrdup(s->error.hint);
        }
        (void)run_record_end(s->run.dir_fd, &st);
}

static void finish(struct supervisor *s)
{
        struct wire_exited x;
        const bool failed = s->machine.state == STATE_FAILED;
        if (failed)
                describe_failure(s);
        (void)run_undo_all(s->run.dir_fd); /* what was kept for a restart */
        record(s, &x);
        hub_hear_late(&s->hub);
        drain(s);
        if (s->o.collect)
                run_remove_own(s->run.dir_fd, s->run.unit);
        if (failed && !s->told)
                hub_send_all(&s->hub, WIRE_FAILED, &s->error, sizeof s->error);
        hub_send_all(&s->hub, WIRE_EXITED, &x, sizeof x);
}

/* ---- the loop ---- */

static int time_left(const struct supervisor *s)
{
        uint64_t deadline = machine_deadline(&s->machine), now = now_usec(NULL);
        int left = !deadline ? -1 : deadline <= now ? 0 : deadline - now > 3600000000ULL ? 3600000 : (int)((deadline - now + 999) / 1000);
        return s->machine.waits_for_main && (left < 0 || left > PID_FILE_RETRY_MS) ? PID_FILE_RETRY_MS : left;
}

static void on_time(struct supervisor *s)
{
        uint64_t deadline = machine_deadline(&s->machine);
        if (deadline && now_usec(NULL) >= deadline)
                machine_time(&s->machine);
        if (s->machine.waits_for_main && op_find_main(s) > 0)
                machine_main_found(&s->machine);
}

static void loop(struct supervisor *s)
{
        while (!machine_is_over(&s->machine)) {
                const uint32_t output = hub_owes(&s->hub) ? 0 : EPOLLIN;
                hub_want(&s->hub, SOURCE_OUT, output);
                hub_want(&s->hub, SOURCE_ERR, output);
                hub_want(&s->hub, SOURCE_MAIN, EPOLLIN);
                hub_want(&s->hub, SOURCE_CONTROL, EPOLLIN);
                hub_want(&s->hub, SOURCE_NOTIFY, EPOLLIN);
                if (s->saves)
                        save(s);
                if (s->shrinks) {
                        s->shrinks = false;
                        activation_rest(&s->activation);
                        daemon_shrink();
                }
                hub_turn(&s->hub, time_left(s));
                if (s->notify.fd >= 0)
                        on_notify(s); /* what it said before its end counts */
                if (s->oom.fd >= 0)
                        on_memory(s); /* and why it ended */
                reap(s);
                on_time(s);
        }
}

/* ---- the start ---- */

#define ROW(name, field, kind) { name, offsetof(struct service_options, field), kind }
static const struct option_row rows[] = {
        ROW("--dir", dir_fd, OPTION_FD), ROW("--lock", lock_fd, OPTION_FD), ROW("--sock", sock_fd, OPTION_FD),
        ROW("--root", root_path, OPTION_TEXT), ROW("--unit", unit, OPTION_TEXT), ROW("--names", names, OPTION_TEXT),
        ROW("--environment", environment, OPTION_TEXT), ROW("--seal", seal, OPTION_TEXT), ROW("--profile", profile, OPTION_TEXT), ROW("--folders", folders, OPTION_TEXT), ROW("--listen", listen_count, OPTION_COUNT), ROW("--room", room, OPTION_COUNT),
        ROW("--user", user_mode, OPTION_FLAG), ROW("--lenient", lenient, OPTION_FLAG), ROW("--collect", collect, OPTION_FLAG),
};

int service_options_parse(int argc, char **argv, struct service_options *ret, struct error *e)
{
        struct service_options o = SERVICE_OPTIONS_INIT;
        int r = options_parse(rows, ELEMENTS(rows), argc, argv, &o, e);
        if (r < 0)
                return r;
        if (o.dir_fd < 0 || o.lock_fd < 0 || o.sock_fd < 0 || !o.root_path || !o.unit)
                return error_set(e, EINVAL, "shim.option", "--dir, --lock, --sock, --root and --unit are needed");
        enum plan_seal ignored;
        if (o.seal && plan_seal_parse(o.seal, &ignored) < 0)
                return error_set(e, EINVAL, "shim.option", "--seal takes %s", PLAN_SEAL_WORDS);
        *ret = o;
        return 0;
}

int service_exec(const char *path, const struct service_options *o, char *const *environment, struct error *e)
{
        struct service_options copy = *o;
        CLEAN_STRINGS struct strings argv = { 0 };
        strings_add(&argv, "bulkhead-service");
        int r = options_format(rows, ELEMENTS(rows), &copy, &argv, e);
        return r < 0 ? r : options_exec(path, "bulkhead-service", argv.items, environment, e);
}

static int open_streams(struct supervisor *s, struct error *e)
{
        s->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (s->null_fd < 0 || pipe2(s->out, O_CLOEXEC) < 0 || pipe2(s->err, O_CLOEXEC) < 0)
                return error_errno(e, errno, "shim.start", "making the service's pipes");
        hub_watch(&s->hub, SOURCE_OUT, s->out[0]);
        hub_watch(&s->hub, SOURCE_ERR, s->err[0]);
        return 0;
}

static int set_up(struct supervisor *s, struct error *e)
{
        static const int signals[] = { SIGCHLD, SIGTERM, SIGINT };
        int r = service_notify_init(&s->notify, s->o.listen_count, s->o.room, s->o.names, e);
        if (r == 0)
                r = hub_open(&s->hub, s->run.dir_fd, s->run.sock_fd, signals, ELEMENTS(signals), e);
        s->hub.signal = on_signal, s->hub.source = on_source, s->hub.message = on_message, s->hub.context = s;
        if (r == 0)
                r = open_streams(s, e);
        if (r == 0)
                r = daemon_detach(e);
        if (r == 0)
                log_open(&s->hub.log, s->run.dir_fd);
        return r;
}

static void close_others(const struct service_options *o)
{
        const int kept[] = { o->dir_fd, o->lock_fd, o->sock_fd };
        process_close_others(kept, ELEMENTS(kept), 3 + o->listen_count);
        for (size_t i = 0; i < ELEMENTS(kept); i++)
                (void)fcntl(kept[i], F_SETFD, FD_CLOEXEC);
}

int service_supervise(const struct service_options *o, struct error *e)
{
        static struct supervisor s;
        s = (struct supervisor){ .o = *o, .run = { .runs_fd = -EBADF, .dir_fd = o->dir_fd, .lock_fd = o->lock_fd, .sock_fd = o->sock_fd },
                                 .began_usec = now_usec(NULL), .main = SERVICE_PROCESS_NONE, .control = SERVICE_PROCESS_NONE, .oom = { -EBADF, -EBADF, 0 } };
        s.run.unit = xstrdup(o->unit);
        s.activation = (struct activation){ .run = &s.run, .root_path = o->root_path, .name = s.run.unit, .user_mode = o->user_mode,
                                            .lenient = o->lenient };
        s.activation.profile = o->profile;
        if (o->seal)
                (void)plan_seal_parse(o->seal, &s.activation.seal);
        close_others(o);
        int r = set_up(&s, e);
        if (r < 0)
                return r;
        service_init(&s.service);
        machine_init(&s.machine, &s.service, &ops, &s);
        hub_hear_late(&s.hub);
        (void)machine_start(&s.machine);
        loop(&s);
        finish(&s);
        return 0;
}
