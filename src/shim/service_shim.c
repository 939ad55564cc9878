/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/service_shim.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/deadline.h"
#include "base/exit_status.h"
#include "os/cgroup.h"
#include "os/process.h"
#include "shim/activation.h"
#include "shim/daemon.h"
#include "shim/hub.h"
#include "shim/options.h"
#include "shim/service_bus.h"
#include "shim/start_limit.h"
#include "shim/undo.h"

enum { PID_FILE_RETRY_MS = 20 /* where it cannot be watched */ };

/* ---- what happens ---- */

static void on_exit_of(struct supervisor *s, struct service_process *p, int status)
{
        const bool main = p == &s->main;
        service_on_status(s, main ? SOURCE_MAIN : SOURCE_CONTROL); /* its last words before its exit */
        /* What ends with a status and without a word of its set-up did run its program. */
        if (main && !p->failed && WIFEXITED(status))
                machine_main_executed(&s->machine);
        const struct process_exit x = service_exit_of(status, p->killed_for);
        service_forget_process(s, p);
        if (main)
                s->main_exit = x;
        (main ? machine_main_exited : machine_control_exited)(&s->machine, x);
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
        if (m->main_pid && m->main_pid != s->main.pid && may_be_main(s, m->main_pid) && service_adopt_main(s, m->main_pid) == 0) {
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
                service_unwatch_memory(s);
        if (n > 0)
                machine_out_of_memory(&s->machine);
}

/* Nobody follows any more: what it does now would not be seen. */
static void on_observer_gone(struct supervisor *s)
{
        hub_unwatch(&s->hub, SOURCE_OBSERVER);
        (void)machine_stop(&s->machine);
}

static void stop_watching(struct supervisor *s)
{
        hub_unwatch(&s->hub, SOURCE_PID_FILE);
        path_watch_close(&s->pid_file);
}

/* on_time looks then, as after all that happens. */
static void on_pid_file(struct supervisor *s)
{
        if (path_watch_read(&s->pid_file) && path_watch_renew(&s->pid_file, NULL) < 0)
                stop_watching(s);
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
        else if (id == SOURCE_BUS)
                service_on_bus(s);
        else if (id == SOURCE_OBSERVER)
                on_observer_gone(s);
        else if (id == SOURCE_DENIALS)
                service_denials_read(&s->denials, service_now_usec(NULL));
        else if (id == SOURCE_PID_FILE)
                on_pid_file(s);
        else if (id == SOURCE_MAIN || id == SOURCE_CONTROL)
                service_on_status(s, id);
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
        CLEAN_RUN_STATE struct run_state st = { 0 };
        *x = (struct wire_exited){ .code = s->main_exit.code, .status = s->main_exit.status, .cpu_usec = s->cpu_usec,
                                   .runtime_usec = service_now_usec(NULL) - s->began_usec };
        (void)snprintf(x->result, sizeof x->result, "%s", service_result_word(s->machine.result));
        if (run_load_state(s->run.dir_fd, &st, NULL) < 0)
                st.unit = xstrdup(s->run.unit);
        service_fill_state(s, &st);
        st.ended_usec = state_now_usec();
        st.cpu_usec = s->cpu_usec;
        st.status = x->status;
        (void)snprintf(st.code, sizeof st.code, "%s", exit_code_word(x->code));
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
                service_describe_failure(s);
        (void)run_undo_all(s->run.dir_fd); /* what was kept for a restart */
        service_denials_finish(&s->denials);
        hub_pump_now(&s->hub, SOURCE_OUT, 1); /* whoever reads the record finds the log whole */
        hub_pump_now(&s->hub, SOURCE_ERR, 2);
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
        uint64_t deadline = machine_deadline(&s->machine), now = service_now_usec(NULL);
        deadline_sooner(&deadline, service_denials_deadline(&s->denials));
        int left = !deadline ? -1 : deadline <= now ? 0 : deadline - now > 3600000000ULL ? 3600000 : (int)((deadline - now + 999) / 1000);
        return s->machine.waits_for_main && s->pid_file.fd < 0 && (left < 0 || left > PID_FILE_RETRY_MS) ? PID_FILE_RETRY_MS : left;
}

static void on_time(struct supervisor *s)
{
        uint64_t deadline = machine_deadline(&s->machine), other = service_denials_deadline(&s->denials);
        if (other && service_now_usec(NULL) >= other)
                service_denials_save(&s->denials, service_now_usec(NULL));
        if (deadline && service_now_usec(NULL) >= deadline)
                machine_time(&s->machine);
        if (s->machine.waits_for_main && service_find_main(s) > 0)
                machine_main_found(&s->machine);
}

/* It may have come before it was watched. */
static void watch_pid_file(struct supervisor *s)
{
        if (!s->machine.waits_for_main || s->pid_file.fd >= 0 || !s->service.pid_file) {
                if (!s->machine.waits_for_main && s->pid_file.fd >= 0)
                        stop_watching(s);
                return;
        }
        if (path_watch_open(&s->pid_file, NULL) < 0)
                return;
        path_watch_add(&s->pid_file, s->service.pid_file, IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF);
        if (path_watch_renew(&s->pid_file, NULL) < 0) {
                path_watch_close(&s->pid_file);
                return;
        }
        hub_watch(&s->hub, SOURCE_PID_FILE, s->pid_file.fd);
        hub_want(&s->hub, SOURCE_PID_FILE, EPOLLIN);
        on_time(s);
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
                        service_save(s);
                if (s->shrinks) {
                        s->shrinks = false;
                        activation_rest(&s->activation);
                        daemon_shrink();
                }
                watch_pid_file(s);
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
        ROW("--dir", dir_fd, OPTION_FD), ROW("--lock", lock_fd, OPTION_FD), ROW("--sock", sock_fd, OPTION_FD), ROW("--observe", observe_fd, OPTION_FD),
        ROW("--root", root_path, OPTION_TEXT), ROW("--unit", unit, OPTION_TEXT), ROW("--names", names, OPTION_TEXT),
        ROW("--environment", environment, OPTION_TEXT), ROW("--seal", seal, OPTION_TEXT), ROW("--profile", profile, OPTION_TEXT), ROW("--folders", folders, OPTION_TEXT), ROW("--listen", listen_count, OPTION_COUNT), ROW("--room", room, OPTION_COUNT),
        ROW("--user", user_mode, OPTION_FLAG), ROW("--lenient", lenient, OPTION_FLAG), ROW("--collect", collect, OPTION_FLAG), ROW("--report-denials", report_denials, OPTION_FLAG),
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
        s->hub.signal = on_signal, s->hub.source = on_source, s->hub.message = service_on_message, s->hub.context = s;
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
        const int kept[] = { o->dir_fd, o->lock_fd, o->sock_fd, o->observe_fd };
        process_close_others(kept, ELEMENTS(kept), 3 + o->listen_count);
        for (size_t i = 0; i < ELEMENTS(kept); i++)
                if (kept[i] >= 0)
                        (void)fcntl(kept[i], F_SETFD, FD_CLOEXEC);
}

/* Where starts were counted before, the limit must be known before the first; what cannot be read the start itself will say. */
static void take_starts(struct supervisor *s)
{
        struct rate_count c;
        start_count_load(s->run.dir_fd, &c);
        if (!c.count || activation_read_life(&s->activation, &s->service, NULL) < 0)
                return;
        s->machine.starts = c;
}

int service_supervise(const struct service_options *o, struct error *e)
{
        static struct supervisor s; /* all zero, and a page of it that is never written costs nothing */
        s.o = *o;
        s.run = (struct run){ .runs_fd = -EBADF, .dir_fd = o->dir_fd, .lock_fd = o->lock_fd, .sock_fd = o->sock_fd, .unit = xstrdup(o->unit) };
        s.began_usec = service_now_usec(NULL);
        s.main = s.control = (struct service_process)SERVICE_PROCESS_NONE;
        s.oom = (struct cgroup_oom){ -EBADF, -EBADF, 0 };
        s.denials = (struct service_denials)SERVICE_DENIALS_NONE;
        s.activation.run = &s.run;
        s.activation.root_path = o->root_path;
        s.activation.name = s.run.unit;
        s.activation.user_mode = o->user_mode;
        s.activation.lenient = o->lenient;
        s.pid_file = (struct path_watch)PATH_WATCH_INIT;
        s.bus = (struct dbus){ .fd = -EBADF };
        s.activation.profile = o->profile;
        s.activation.given = &s.notify;
        if (o->seal)
                (void)plan_seal_parse(o->seal, &s.activation.seal);
        close_others(o);
        int r = set_up(&s, e);
        if (r < 0)
                return r;
        service_init(&s.service);
        machine_init(&s.machine, &s.service, &service_ops, &s);
        if (o->report_denials)
                service_watch_denials(&s);
        if (o->observe_fd >= 0) {
                s.activation.observe_fd = o->observe_fd;
                hub_watch(&s.hub, SOURCE_OBSERVER, o->observe_fd);
                hub_want(&s.hub, SOURCE_OBSERVER, EPOLLIN);
        }
        hub_hear_late(&s.hub);
        take_starts(&s);
        (void)machine_start(&s.machine);
        loop(&s);
        finish(&s);
        return 0;
}
