/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One activation of a service: what lasts from before its first command to after its last. The unit is read from its snapshot, compiled to
 * a plan, and prepared; then commands are started in it.
 */
#pragma once

#include "plan/service.h"
#include "sandbox/command.h"
#include "shim/facts.h"
#include "shim/service_notify.h"
#include "shim/state.h"

struct activation {
        struct run *run;           /* borrowed */
        const char *root_path;     /* of the state, borrowed */
        const char *name;          /* of the unit: specifiers go by it; borrowed */
        bool user_mode, lenient;
        bool outlives;             /* commands do not die with us: KillMode=none */
        enum plan_seal seal;
        const char *profile;       /* whose lines come before the unit's (plan/run_profile.h), or NULL */
        const struct service_notify *given; /* sockets and stored descriptors, for streams; or NULL; borrowed */
        int observe_fd;            /* of whoever watches all commands (sandbox/observe.h); 0: nobody; borrowed */
        int report_fd;             /* where denials are told of (sandbox/denials.h); 0: nowhere; borrowed */
        char invocation_id[33];
        struct host_facts facts;
        struct settings *settings; /* until it rests: large, and needed to make the plan only */
        struct plan plan;
        struct plan beside;        /* for commands that do not see its root, where there are some (sandbox_host) */
        struct sandbox_host host;
        struct sandbox sandbox;
        bool open, keeps_folders;
        char *notify_path;         /* of the socket that commands are told of, or NULL */
};

/*
 * Reads the snapshot: how the service lives, into service (initialised, replaced), and its plan. -ECANCELED, "condition.unmet": a condition of
 * the unit does not hold.
 */
int activation_read(struct activation *a, struct service *service, struct error *e);
/* How the service lives, and nothing else of it. */
int activation_read_life(struct activation *a, struct service *service, struct error *e);
/* The same of a unit that is read already, of another section and without conditions: what its commands run in. */
int activation_read_section(struct activation *a, const struct unit_file *file, const char *section, struct error *e);
/* Prepares the sandbox. Whatever lasts is noted in the undo list of the run. service: NULL: not one that notifies. */
int activation_open(struct activation *a, const struct service *service, struct error *e);
/*
 * Starts a command as our child. variables: added to its environment. out_fd, err_fd: where its output goes unless the unit says otherwise.
 * pass_fds: descriptors that it finds from 3 on. start: it is one of ExecStart=.
 */
int activation_spawn(struct activation *a, const struct exec_line *line, bool start, const struct strings *variables, const struct sandbox_io *io,
                     struct sandbox_child *ret, struct error *e);
/* Whether a stream is the socket that the service is started by: then it is passed on as nothing else. */
bool activation_uses_socket(const struct activation *a);
/* Until the next command there is none: lets go of what can be had again. */
void activation_rest(struct activation *a);
/*
 * Lets go of everything and undoes it; restarts: but for runtime folders that are kept for the next; spares: but for processes that are left in its
 * control group.
 */
void activation_close(struct activation *a, bool restarts, bool spares);
/* Compiles the directives of a unit's section alone, for a check before anything is made. */
int activation_compile(const struct unit_file *u, const char *section, const struct facts *facts, const char *profile, bool lenient,
                       struct settings *settings, struct plan *plan, struct error *e);
