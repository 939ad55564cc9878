/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What clients ask of a supervisor. */
#include <signal.h>
#include <string.h>

#include "os/process.h"
#include "shim/service_supervisor.h"
#include "shim/start_limit.h"

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
                service_signal_rest(s, k->signal);
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
                service_tell_reload(s);
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

static void on_restart(struct supervisor *s, unsigned client, const struct wire_restart *w)
{
        if (is_too_late(s, client))
                return;
        if (s->machine.stop_asked && s->machine.state >= STATE_STOP)
                hub_send_all(&s->hub, WIRE_OVERTAKEN, NULL, 0);
        if (w->flags & WIRE_RESTART_REPORT)
                service_watch_denials(s);
        s->told = false;
        s->restarts = true;
        (void)machine_restart(&s->machine);
}

static void on_reset(struct supervisor *s, unsigned client)
{
        int32_t done = 0;
        s->machine.starts = (struct rate_count){ 0 };
        s->machine.restarts = 0;
        start_count_forget(s->run.dir_fd);
        service_save(s);
        hub_send(&s->hub, client, WIRE_DONE, &done, sizeof done);
}

void service_on_message(void *context, unsigned client, const unsigned char *m, size_t size)
{
        struct supervisor *s = context;
        struct wire_hello hello = { 0 };
        struct wire_stop stop = { 0 };
        struct wire_kill k = { 0 };
        struct wire_restart w = { 0 };
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
                memcpy(&w, m + 1, size - 1 < sizeof w ? size - 1 : sizeof w);
                on_restart(s, client, &w);
                return;
        case WIRE_START:
                on_start(s, client);
                return;
        case WIRE_RESET:
                on_reset(s, client);
                return;
        case WIRE_DETACHED:
                hub_drop(&s->hub, client);
                return;
        default: /* what a newer client may say, and input, which services have none of */
                return;
        }
}
