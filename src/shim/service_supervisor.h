/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The supervisor of a service, for its own files alone: service_shim.c (events and the loop), service_state.c, service_ops.c, service_clients.c. */
#pragma once

#include "os/cgroup.h"
#include "os/dbus.h"
#include "os/path_watch.h"
#include "plan/service_machine.h"
#include "shim/activation.h"
#include "shim/hub.h"
#include "shim/service_denials.h"
#include "shim/service_notify.h"
#include "shim/service_process.h"
#include "shim/service_shim.h"

enum {
        SOURCE_OUT = HUB_OWN,
        SOURCE_ERR,
        SOURCE_MAIN,
        SOURCE_CONTROL,
        SOURCE_NOTIFY,
        SOURCE_ADOPTED,
        SOURCE_MEMORY,
        SOURCE_PID_FILE,
        SOURCE_BUS,
        SOURCE_DENIALS,
        SOURCE_OBSERVER
};

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
        struct dbus bus; /* Type=dbus, while it is active */
        struct service_denials denials;
        struct path_watch pid_file; /* open while it is waited for */
        int null_fd, out[2], err[2]; /* both ends are ours: commands come and go */
        struct error error;          /* the first of this start, when id is set */
        struct process_exit main_exit; /* the last */
        char *status_text, *source;
        uint64_t cpu_usec, began_usec;
        struct cgroup_usage usage; /* of the last activation that is over */
        bool told;     /* that it is started, or that it failed to */
        bool restarts; /* somebody waits for the next start; what goes on until then is the end of the last */
        bool shrinks, saves;
        unsigned reload_client, reload_serial; /* who asked; serial 0: nobody */
};

/* CLOCK_BOOTTIME. The context is not used: it is one of the machine's operations. */
uint64_t service_now_usec(void *context);

/* service_state.c: what is recorded and what is told */

/* The first error of a start; the log has all. */
void service_keep_error(struct supervisor *s, const struct error *e);
/* Fills s->error where nothing that we set up failed. */
void service_describe_failure(struct supervisor *s);
void service_fill_state(struct supervisor *s, struct run_state *st);
void service_save(struct supervisor *s);
void service_tell_reload(struct supervisor *s);
/* The machine has changed its state. */
void service_changed(void *context);

/* service_ops.c: the operations of the machine */

extern const struct machine_ops service_ops;
void service_forget_process(struct supervisor *s, struct service_process *p);
void service_unwatch_memory(struct supervisor *s);
/* From the next command on, what directives stop is told of. */
void service_watch_denials(struct supervisor *s);
/* Reads what the set-up of a command tells; source is SOURCE_MAIN or SOURCE_CONTROL. */
void service_on_status(struct supervisor *s, unsigned source);
/* All but the main process. */
void service_signal_rest(struct supervisor *s, int sig);
/* Takes a process that another one has named as the main process. 0 or -errno. */
int service_adopt_main(struct supervisor *s, pid_t pid);
/* Looks for a main process by its PID file or by guessing: 1 found, 0 not yet, -errno. */
int service_find_main(void *context);

/* service_clients.c */

void service_on_message(void *context, unsigned client, const unsigned char *m, size_t size);
