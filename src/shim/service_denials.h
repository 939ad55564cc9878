/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What directives stop in a service, as its observers tell (sandbox/denials.h): counted over restarts, written into the log once each and again when
 * the service's processes are gone, and kept in a file for whoever shows the service. Neither the file nor the log follows each denial.
 */
#pragma once

#include "plan/denial_table.h"
#include "shim/hub.h"

struct service_denials {
        int pipe[2];           /* both ends are ours: observers come and go. Negative: nobody watches */
        int dir_fd;            /* of the run; borrowed */
        struct hub *hub;       /* borrowed */
        struct denial_table table;
        uint64_t save_at_usec; /* 0: the file is as the table */
        uint64_t saved_usec;
};
#define SERVICE_DENIALS_NONE { .pipe = { -EBADF, -EBADF } }

/* Has the commands to come watched; once is enough. Id: "report.failed". */
int service_denials_open(struct service_denials *d, struct hub *hub, int dir_fd, struct error *e);
/* Reads what observers have told. Times are of the caller's clock. */
void service_denials_read(struct service_denials *d, uint64_t now_usec);
/* When service_denials_save is to be called next; 0: not. */
static inline uint64_t service_denials_deadline(const struct service_denials *d)
{
        return d->save_at_usec;
}
void service_denials_save(struct service_denials *d, uint64_t now_usec);
/* At the end: waits a little for the last words of observers, and saves. */
void service_denials_finish(struct service_denials *d);
