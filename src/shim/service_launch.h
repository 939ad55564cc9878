/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The start of a service, socket, timer or path: from its files to a supervisor of its own. Whoever starts units does it here. */
#pragma once

#include "shim/state.h"
#include "shim/unit_load.h"

struct service_launch {
        int root_fd;                 /* of the state */
        const char *root_path;
        bool user_mode, lenient, collect, report_denials;
        const struct strings *folders; /* sockets and timers: where their service is looked for; the unit's own comes first */
        int observe_fd;              /* of whoever watches all commands (sandbox/observe.h), or 0 */
        const int *listen_fds;       /* sockets for the service, and their names, between colons */
        unsigned listen_count;
        const char *listen_names;
        const char *variables;       /* NAME=VALUE lines for each command, or NULL */
        bool output;                 /* the caller wants to hear all output, from the first byte on */
        const char *profile;         /* whose lines come before the unit's (plan/run_profile.h), or NULL */
        const char *seal;            /* "auto", "landlock", "userns", "off"; NULL: auto */
        const char *program;         /* of the supervisor, or NULL: found beside this program */
        bool orphan;                 /* it is nobody's child: for whoever stays, and is not to reap it */
};

/*
 * Checks all of the unit before anything is made, makes its run, and starts its supervisor. The connection to it, on which the start is
 * awaited (client.h), or -errno: "unit.exists" when it runs already, "unit.kind", and those of service.h and directive.h. Notes of a
 * lenient start are added to ret_notes. A service whose socket unit runs gets its sockets from there, unless it is given some.
 */
int service_launch(const struct service_launch *l, const struct unit *u, struct strings *ret_notes, struct error *e);
/*
 * The same where it may run already: then the connection is to that one, which is started again if it is about to stop. What is not a service
 * stays as it is.
 */
int service_start(const struct service_launch *l, const struct unit *u, struct strings *ret_notes, struct error *e);
/*
 * The connection to what runs under a name. starts: a service that is about to stop is started again; -ESTALE: it has just ended, and is to be
 * launched anew.
 */
int service_join(int root_fd, const char *name, bool starts, struct error *e);
/* Of a unit that runs: checks its files again, and has it restarted with them. The connection, as above. */
int service_relaunch(const struct service_launch *l, const struct unit *u, int dir_fd, struct strings *ret_notes, struct error *e);
