/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/service_denials.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "sandbox/denials.h"
#include "shim/denial_file.h"

enum { READ_AT_ONCE = 64, SAVE_PAUSE_USEC = 500000, FINISH_PATIENCE_MS = 1000 };

int service_denials_open(struct service_denials *d, struct hub *hub, int dir_fd, struct error *e)
{
        if (d->pipe[0] >= 0)
                return 0;
        if (pipe2(d->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
                return error_errno(e, errno, "report.failed", "making the observers' pipe");
        d->hub = hub;
        d->dir_fd = dir_fd;
        (void)denial_file_save(dir_fd, &d->table); /* that it is watched can be seen */
        return 0;
}

static void write_log(struct service_denials *d, struct denial *row)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "stopped ");
        denial_text(row, &t);
        hub_log(d->hub, t.data);
        row->told = row->times;
}

static void take(struct service_denials *d, const struct denial_message *m)
{
        if (!m->call[0]) {
                d->table.lost += m->more;
                return;
        }
        struct denial *row = denial_table_add(&d->table, m->call, m->object, m->origin, m->more);
        if (!row)
                return;
        row = denial_table_move_last(&d->table, row);
        if (!row->told || (m->last && row->told != row->times))
                write_log(d, row);
}

/* 1: a message, 0: none, -EPIPE: no observer is left. */
static int read_one(struct service_denials *d)
{
        struct denial_message m;
        ssize_t n = read(d->pipe[0], &m, sizeof m);
        if (n != (ssize_t)sizeof m)
                return n == 0 ? -EPIPE : 0;
        m.call[sizeof m.call - 1] = m.object[sizeof m.object - 1] = m.origin[sizeof m.origin - 1] = 0;
        take(d, &m);
        return 1;
}

void service_denials_read(struct service_denials *d, uint64_t now_usec)
{
        for (int i = 0; i < READ_AT_ONCE && read_one(d) > 0; i++)
                if (!d->save_at_usec)
                        d->save_at_usec = d->saved_usec + SAVE_PAUSE_USEC > now_usec ? d->saved_usec + SAVE_PAUSE_USEC : now_usec;
}

void service_denials_save(struct service_denials *d, uint64_t now_usec)
{
        d->save_at_usec = 0;
        d->saved_usec = now_usec;
        (void)denial_file_save(d->dir_fd, &d->table);
}

/* Processes that the service leaves behind keep their observer, which is not waited for. */
void service_denials_finish(struct service_denials *d)
{
        if (d->pipe[0] < 0)
                return;
        d->pipe[1] = fd_close(d->pipe[1]);
        const uint64_t until_ms = hub_now_ms() + FINISH_PATIENCE_MS;
        for (uint64_t now_ms; (now_ms = hub_now_ms()) < until_ms;) {
                struct pollfd p = { .fd = d->pipe[0], .events = POLLIN };
                int r;
                while ((r = read_one(d)) > 0)
                        ;
                if (r < 0)
                        break;
                (void)poll(&p, 1, (int)(until_ms - now_ms));
        }
        d->pipe[0] = fd_close(d->pipe[0]);
        service_denials_save(d, 0);
}
