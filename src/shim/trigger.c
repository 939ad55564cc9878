/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/trigger.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "os/file.h"
#include "os/process.h"
#include "shim/client.h"
#include "shim/condition_check.h"
#include "shim/daemon.h"
#include "shim/service_launch.h"
#include "shim/start_limit.h"
#include "shim/undo.h"
#include "shim/unit_snapshot.h"

/* ---- telling ---- */

void trigger_log(struct trigger *t, const struct error *e)
{
        CLEAN_FREE char *line = xprintf("%s%s%s", e->cause, e->hint[0] ? "; " : "", e->hint);
        hub_log(&t->hub, line);
}

static void save(struct trigger *t, enum run_phase phase)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        if (run_load_state(t->run.dir_fd, &st, NULL) < 0)
                return;
        st.phase = phase;
        st.supervisor_pid = getpid();
        (void)snprintf(st.sub, sizeof st.sub, "%s", t->sub);
        if (t->invocation_id) {
                free(st.invocation_id);
                st.invocation_id = xstrdup(t->invocation_id);
        }
        (void)run_save_state(t->run.dir_fd, &st, NULL);
}

void trigger_set(struct trigger *t, const char *sub)
{
        t->sub = sub;
        save(t, t->up ? RUN_RUNNING : RUN_STARTING);
}

void trigger_is_up(struct trigger *t, const char *sub)
{
        t->up = true;
        trigger_set(t, sub);
        hub_send_all(&t->hub, WIRE_STARTED, NULL, 0);
        daemon_shrink();
}

void trigger_fail(struct trigger *t, const char *result, const struct error *e)
{
        (void)snprintf(t->result, sizeof t->result, "%s", result);
        if (e)
                t->error = *e;
        else
                error_set(&t->error, EIO, "service.failed", "the %s failed: %s", unit_type_word(t->name.type), result);
        trigger_log(t, &t->error);
        t->stops = true;
}

int trigger_check(const struct trigger *t, struct error *e)
{
        struct start_limit limit;
        int r = start_limit_read(&t->file, &t->facts.facts, &limit, e);
        if (r == 0)
                r = conditions_hold(&t->file, &t->facts.facts, t->o.lenient, e); /* what was not to start is not counted */
        return r < 0 ? r : start_limit_count(t->run.dir_fd, t->run.unit, &limit, e);
}

void trigger_give_up(struct trigger *t, const struct error *e)
{
        if (e->code != -ECANCELED) {
                trigger_fail(t, text_equal(e->id, "service.start-limit") ? "start-limit-hit" : "resources", e);
                return;
        }
        (void)snprintf(t->result, sizeof t->result, "exec-condition");
        t->skipped = t->stops = true;
        hub_hear_late(&t->hub);
        hub_say(&t->hub, e->cause);
}

/* ---- events ---- */

static void on_signal(void *context, int number, pid_t from)
{
        struct trigger *t = context;
        (void)from;
        if (number == SIGTERM || number == SIGINT)
                t->stops = true;
        int status;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) /* most are supervisors that we started */
                if (t->reaped)
                        t->reaped(t->context, pid, status);
}

static void on_source(void *context, unsigned id, uint32_t events)
{
        struct trigger *t = context;
        t->source(t->context, id, events);
}

static void on_message(void *context, unsigned client, const unsigned char *m, size_t size)
{
        struct trigger *t = context;
        struct wire_hello hello = { 0 };
        int32_t done = 0;
        if (t->message && t->message(t->context, client, m, size))
                return;
        switch (m[0]) {
        case WIRE_HELLO:
                memcpy(&hello, m + 1, size - 1 < sizeof hello ? size - 1 : sizeof hello);
                hub_hello(&t->hub, client, &hello);
                __attribute__((fallthrough));
        case WIRE_WAIT:
                if (t->up)
                        hub_send(&t->hub, client, WIRE_STARTED, NULL, 0);
                return;
        case WIRE_STOP:
                t->stops = true;
                return;
        case WIRE_RESET:
                start_count_forget(t->run.dir_fd);
                hub_send(&t->hub, client, WIRE_DONE, &done, sizeof done);
                return;
        case WIRE_DETACHED:
                hub_drop(&t->hub, client);
                return;
        default:
                return;
        }
}

/* ---- the start ---- */

static void split_folders(struct trigger *t, const char *folders)
{
        CLEAN_FREE char *copy = xstrdup(folders ? folders : "");
        char *rest = copy;
        for (char *folder; (folder = strsep(&rest, ":"));)
                if (*folder)
                        strings_add(&t->folders, folder);
}

int trigger_open(struct trigger *t, const struct service_options *o, enum unit_type type, struct error *e)
{
        static const int signals[] = { SIGCHLD, SIGTERM, SIGINT };
        const int kept[] = { o->dir_fd, o->lock_fd, o->sock_fd };
        t->o = *o;
        t->run = (struct run){ .runs_fd = -EBADF, .dir_fd = o->dir_fd, .lock_fd = o->lock_fd, .sock_fd = o->sock_fd, .unit = xstrdup(o->unit) };
        t->began_ms = hub_now_ms();
        process_close_others(kept, ELEMENTS(kept), 3);
        for (size_t i = 0; i < ELEMENTS(kept); i++)
                (void)fcntl(kept[i], F_SETFD, FD_CLOEXEC);
        int r = hub_open(&t->hub, t->run.dir_fd, t->run.sock_fd, signals, ELEMENTS(signals), e);
        t->hub.signal = on_signal, t->hub.source = on_source, t->hub.message = on_message, t->hub.context = t;
        if (r == 0)
                r = daemon_detach(e);
        if (r < 0)
                return r;
        log_open(&t->hub.log, t->run.dir_fd);
        split_folders(t, o->folders);
        t->root_fd = open(o->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        t->root_path = xstrdup(o->root_path);
        if (t->root_fd < 0)
                return error_errno(e, errno, "state.root", "open(%s)", o->root_path);
        facts_gather(&t->facts, t->run.unit, o->user_mode);
        r = unit_name_parse(t->run.unit, &t->name, e);
        return r == 0 ? unit_snapshot_load(t->run.dir_fd, type, o->lenient, &t->file, e) : r;
}

/* ---- services ---- */

bool trigger_is_over_limit(struct trigger_limit *l)
{
        return !rate_take(&l->count, state_boot_usec(), l->interval_usec, l->burst);
}

int trigger_launch(struct trigger *t, const char *unit, const int *fds, unsigned count, const char *names, const char *variables)
{
        const struct service_launch how = { .root_fd = t->root_fd, .root_path = t->root_path, .user_mode = t->o.user_mode, .lenient = t->o.lenient,
                                            .report_denials = t->o.report_denials,
                                            .folders = &t->folders, .seal = t->o.seal, .profile = t->o.profile, .collect = fds && count && variables, .listen_fds = fds,
                                            .listen_count = count, .listen_names = names, .variables = variables };
        CLEAN_UNIT struct unit u = { 0 };
        CLEAN_STRINGS struct strings notes = { 0 };
        struct error e = { 0 };
        int r = unit_load(&t->folders, unit, t->o.lenient, &u, &e);
        if (r == 0)
                r = service_start(&how, &u, &notes, &e);
        if (r < 0) {
                error_while(&e, "starting %s", unit);
                trigger_log(t, &e);
                t->launch_error = e;
        }
        return r;
}

/* ---- the end ---- */

void trigger_finish(struct trigger *t)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        const bool failed = t->result[0] && !t->skipped;
        struct wire_exited x = { .code = WIRE_CODE_NONE, .runtime_usec = (hub_now_ms() - t->began_ms) * 1000 };
        (void)snprintf(x.result, sizeof x.result, "%s", t->result[0] ? t->result : "success");
        (void)run_undo_all(t->run.dir_fd);
        if (run_load_state(t->run.dir_fd, &st, NULL) < 0)
                st.unit = xstrdup(t->run.unit);
        st.phase = failed ? RUN_FAILED : RUN_EXITED;
        st.ended_usec = state_now_usec();
        (void)snprintf(st.sub, sizeof st.sub, "%s", failed ? "failed" : "dead");
        (void)snprintf(st.result, sizeof st.result, "%s", x.result);
        if (failed) {
                st.error_id = xstrdup(t->error.id);
                st.error_cause = xstrdup(t->error.cause);
                st.error_hint = xstrdup(t->error.hint);
        }
        (void)run_record_end(t->run.dir_fd, &st);
        hub_hear_late(&t->hub);
        if (failed)
                hub_send_all(&t->hub, WIRE_FAILED, &t->error, sizeof t->error);
        hub_send_all(&t->hub, WIRE_EXITED, &x, sizeof x);
}
