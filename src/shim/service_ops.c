/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What plan/service_machine.h decides, carried out: activations, commands, signals. */
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "base/signal_name.h"
#include "os/process.h"
#include "sandbox/status.h"
#include "shim/service_bus.h"
#include "shim/start_limit.h"
#include "shim/undo.h"

uint64_t service_now_usec(void *context)
{
        (void)context;
        return state_boot_usec();
}

/* ---- activation ---- */

void service_forget_process(struct supervisor *s, struct service_process *p)
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

void service_unwatch_memory(struct supervisor *s)
{
        hub_unwatch(&s->hub, SOURCE_MEMORY);
        cgroup_oom_close(&s->oom);
}

void service_watch_denials(struct supervisor *s)
{
        struct error e = { 0 };
        if (service_denials_open(&s->denials, &s->hub, s->run.dir_fd, &e) < 0) {
                service_keep_error(s, &e);
                return;
        }
        hub_watch(&s->hub, SOURCE_DENIALS, s->denials.pipe[0]);
        hub_want(&s->hub, SOURCE_DENIALS, EPOLLIN);
        s->activation.report_fd = s->denials.pipe[1];
}

static int op_open(void *context)
{
        struct supervisor *s = context;
        struct error e = { 0 };
        s->restarts = false;
        s->error = (struct error){ 0 };
        s->main_exit = (struct process_exit){ 0 };
        int r = activation_read(&s->activation, &s->service, &e);
        if (r != -ECANCELED && s->machine.starts.count)
                (void)start_count_save(s->run.dir_fd, &s->machine.starts);
        s->activation.outlives = s->service.kill_mode == KILL_MODE_NONE;
        if (r == 0)
                r = activation_open(&s->activation, &s->service, &e);
        if (r == 0 && s->activation.notify_path)
                r = service_notify_open(&s->notify, s->activation.notify_path, &e);
        if (r == 0)
                r = service_bus_open(s, &e);
        if (r < 0) {
                service_keep_error(s, &e);
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
        service_forget_process(s, &s->main); /* what outlives this is nobody's */
        service_forget_process(s, &s->control);
        service_unwatch_memory(s);
        service_bus_close(s);
        service_notify_close(&s->notify, restarts);
        if (!restarts && s->error.id[0] == 0 && s->machine.result != RESULT_SUCCESS && s->machine.result != RESULT_CONDITION)
                service_describe_failure(s);
        s->usage = (struct cgroup_usage){ 0 };
        run_read_usage(s->run.dir_fd, &s->usage);
        cgroup_usage_end(&s->usage);
        activation_close(&s->activation, restarts, s->service.kill_mode == KILL_MODE_PROCESS || s->service.kill_mode == KILL_MODE_NONE);
}

/* ---- commands ---- */

static void add_exit(struct supervisor *s, struct strings *l)
{
        char buffer[16];
        const struct process_exit x = s->machine.main_exit;
        strings_take(l, xprintf("SERVICE_RESULT=%s", service_result_word(s->machine.result)));
        if (!x.code)
                return;
        strings_take(l, xprintf("EXIT_CODE=%s", exit_code_word(x.code)));
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

/* A service that has its socket as a standard stream, as inetd gave it, finds it nowhere else. */
static unsigned passed(const struct supervisor *s)
{
        return activation_uses_socket(&s->activation) ? 0 : service_notify_passed(&s->notify);
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
        if (main && passed(s)) {
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
                                       .keep_fds = main ? passed(s) : 0, .pass_fds = service_notify_fds(&s->notify) };
        variables_of(s, list, main, &variables);
        int r = activation_spawn(&s->activation, &s->service.lines[list].items[index], main, &variables, &io, &child, &e);
        if (r < 0) {
                error_while(&e, "starting %s=", service_list_name(list));
                service_keep_error(s, &e);
                return r;
        }
        hub_unwatch(&s->hub, as == PROCESS_MAIN ? SOURCE_MAIN : SOURCE_CONTROL);
        service_process_set(p, child.pid, child.pidfd, child.status_fd);
        hub_watch(&s->hub, as == PROCESS_MAIN ? SOURCE_MAIN : SOURCE_CONTROL, child.status_fd);
        hub_want(&s->hub, as == PROCESS_MAIN ? SOURCE_MAIN : SOURCE_CONTROL, EPOLLIN);
        s->saves = true;
        return 0;
}

void service_on_status(struct supervisor *s, unsigned source)
{
        struct service_process *p = source == SOURCE_MAIN ? &s->main : &s->control;
        struct status_message m;
        int r;
        if (p->status_fd < 0)
                return;
        while ((r = service_process_hear(p, &m)) > 0) {
                if (m.kind == STATUS_ERROR) {
                        p->failed = true;
                        service_keep_error(s, &m.error);
                } else if (m.kind == STATUS_NOTE)
                        hub_say(&s->hub, m.note);
        }
        if (r == 0)
                return;
        hub_unwatch(&s->hub, source);
        if (source == SOURCE_MAIN && !p->failed && service_process_lives(p))
                machine_main_executed(&s->machine);
}

/* ---- signals ---- */

static void signal_process(struct service_process *p, int sig, bool also_hup)
{
        if (p->pidfd < 0)
                return;
        if (service_process_is_deaf(p, sig)) { /* it would only make all wait for the time-out */
                p->killed_for = sig;
                sig = SIGKILL;
        }
        (void)process_signal(p->pidfd, sig);
        if (also_hup)
                (void)process_signal(p->pidfd, SIGHUP);
        if (sig != SIGKILL && sig != SIGCONT)
                (void)process_signal(p->pidfd, SIGCONT); /* who stands still hears nothing */
}

void service_signal_rest(struct supervisor *s, int sig)
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
                service_signal_rest(s, sig);
                if (also_hup)
                        service_signal_rest(s, SIGHUP);
                if (sig != SIGKILL)
                        service_signal_rest(s, SIGCONT);
        }
        return (processes & PROCESS_MAIN && m->main_alive) || (processes & PROCESS_CONTROL && m->control_alive) ||
               (processes & PROCESS_REST && service_has_children());
}

/* A process that is no child of ours ends without a word to us: its descriptor is watched. */
int service_adopt_main(struct supervisor *s, pid_t pid)
{
        struct service_process p = SERVICE_PROCESS_NONE;
        int r = service_process_adopt(&p, pid);
        if (r < 0)
                return r;
        service_forget_process(s, &s->main);
        s->main = p;
        if (!service_is_child(pid)) {
                hub_watch(&s->hub, SOURCE_ADOPTED, p.pidfd);
                hub_want(&s->hub, SOURCE_ADOPTED, EPOLLIN);
        }
        s->saves = true;
        return 0;
}

int service_find_main(void *context)
{
        struct supervisor *s = context;
        struct error e = { 0 };
        pid_t pid = 0;
        int r = s->service.pid_file ? service_read_pid_file(s->service.pid_file, &pid, &e)
                : s->service.no_main_guess ? 0 : service_guess_main(&pid);
        if (r < 0 && r != -EAGAIN)
                service_keep_error(s, &e);
        if (r > 0)
                r = service_adopt_main(s, pid) < 0 ? 0 : 1;
        return r;
}

const struct machine_ops service_ops = { service_now_usec, op_open, op_close, op_spawn, op_kill, op_group_lives, service_find_main, service_changed };
