/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a supervisor records of its service, and tells those who wait. */
#include <stdio.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "base/signal_name.h"
#include "shim/service_supervisor.h"
#include "shim/start_limit.h"

void service_keep_error(struct supervisor *s, const struct error *e)
{
        if (!s->error.id[0] && e->code != -ECANCELED)
                s->error = *e;
        CLEAN_FREE char *line = xprintf("%s%s%s", e->cause, e->hint[0] ? "; " : "", e->hint);
        (e->code == -ECANCELED ? hub_say : hub_log)(&s->hub, line); /* a failure its starter is told as such */
}

/* Why a start is a failure, where nothing that we set up failed. */
void service_describe_failure(struct supervisor *s)
{
        char buffer[16];
        const struct process_exit x = s->main_exit;
        const char *what = x.code == EXIT_CODE_EXITED ? exit_status_name(x.status) : x.code ? signal_name(x.status, buffer) : NULL;
        if (s->machine.result == RESULT_START_LIMIT) {
                s->error = (struct error){ 0 };
                (void)start_limit_error(&s->error, s->run.unit, s->machine.starts.count, s->service.start_limit_usec);
        }
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

void service_fill_state(struct supervisor *s, struct run_state *st)
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
        st->usage = s->usage;
        (void)snprintf(st->sub, sizeof st->sub, "%s", service_state_word(s->machine.state));
        free(st->status_text);
        st->status_text = s->status_text ? xstrdup(s->status_text) : NULL;
        free(st->invocation_id);
        st->invocation_id = xstrdup(s->activation.invocation_id);
}

void service_save(struct supervisor *s)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        s->saves = false;
        if (run_load_state(s->run.dir_fd, &st, NULL) < 0)
                return;
        service_fill_state(s, &st);
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
                service_save(s); /* who hears it may look */
                hub_send_all(&s->hub, WIRE_STARTED, NULL, 0);
        } else if (m->state == STATE_AUTO_RESTART && m->result != RESULT_SUCCESS) {
                s->told = true;
                service_describe_failure(s);
                service_save(s);
                hub_send_all(&s->hub, WIRE_FAILED, &s->error, sizeof s->error);
        }
}

void service_tell_reload(struct supervisor *s)
{
        int32_t r = s->machine.reload_result == RESULT_SUCCESS && machine_is_active(&s->machine) ? 0 : -EIO;
        if (!s->reload_serial || s->machine.state == STATE_RELOAD)
                return;
        const struct hub_client *c = &s->hub.clients[s->reload_client];
        bool stays = c->used && c->serial == s->reload_serial;
        s->reload_serial = 0;
        service_save(s); /* who hears it may look */
        if (stays)
                hub_send(&s->hub, s->reload_client, WIRE_DONE, &r, sizeof r);
}

void service_changed(void *context)
{
        struct supervisor *s = context;
        s->saves = true;
        s->shrinks |= machine_is_active(&s->machine);
        tell(s);
        service_tell_reload(s);
}
