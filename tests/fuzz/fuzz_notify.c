/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a message of sd_notify(3): what comes out is within its limits, and the same when only what was understood is said again. */
#include <stdlib.h>
#include <string.h>

#include "plan/notify_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void say(struct text *t, bool is, const char *word)
{
        if (is)
                text_addf(t, "%s\n", word);
}

static void say_again(const struct notify_message *m, struct text *t)
{
        say(t, m->ready, "READY=1");
        say(t, m->reloading, "RELOADING=1");
        say(t, m->stopping, "STOPPING=1");
        say(t, m->alive, "WATCHDOG=1");
        say(t, m->trigger, "WATCHDOG=trigger");
        say(t, m->store_fds, "FDSTORE=1");
        say(t, m->remove_fds, "FDSTOREREMOVE=1");
        say(t, m->barrier, "BARRIER=1");
        if (m->status)
                text_addf(t, "STATUS=%s\n", m->status);
        if (m->fd_name)
                text_addf(t, "FDNAME=%s\n", m->fd_name);
        if (m->main_pid)
                text_addf(t, "MAINPID=%d\n", (int)m->main_pid);
        if (m->error)
                text_addf(t, "ERRNO=%d\n", m->error);
        if (m->sets_watchdog)
                text_addf(t, "WATCHDOG_USEC=%llu\n", (unsigned long long)m->watchdog_usec);
        if (m->extends)
                text_addf(t, "EXTEND_TIMEOUT_USEC=%llu\n", (unsigned long long)m->extend_usec);
}

static void check_same(const struct notify_message *a, const struct notify_message *b)
{
        check(a->ready == b->ready && a->reloading == b->reloading && a->stopping == b->stopping && a->alive == b->alive && a->trigger == b->trigger);
        check(a->store_fds == b->store_fds && a->remove_fds == b->remove_fds && a->barrier == b->barrier);
        check(a->extends == b->extends && a->sets_watchdog == b->sets_watchdog && a->error == b->error && a->main_pid == b->main_pid);
        check(!a->extends || a->extend_usec == b->extend_usec);
        check(!a->sets_watchdog || a->watchdog_usec == b->watchdog_usec);
        check(!a->status == !b->status && (!a->status || !strcmp(a->status, b->status)));
        check(!a->fd_name == !b->fd_name && (!a->fd_name || !strcmp(a->fd_name, b->fd_name)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_NOTIFY_MESSAGE struct notify_message m = { 0 }, again = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        notify_message_parse((const char *)data, size, &m);
        check(m.main_pid >= 0 && m.error >= 0 && m.error < 4096);
        check(!m.status || strlen(m.status) <= NOTIFY_STATUS_MAX);
        check(!m.fd_name || notify_fd_name_valid(m.fd_name));
        say_again(&m, &t);
        check(size <= NOTIFY_MESSAGE_MAX || !t.length);
        if (t.length > NOTIFY_MESSAGE_MAX)
                return 0;
        notify_message_parse(t.data, t.length, &again);
        check_same(&m, &again);
        return 0;
}
