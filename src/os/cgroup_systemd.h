/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Groups on hosts whose tree of groups belongs to systemd: a container gets a transient scope unit.  The scope's own folder is then used as any
 * other, with cgroup_make(path of cgroup_scope_parse, all, may_exist), which also writes what systemd has no property for.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "os/cgroup_resources.h"

struct cgroup_scope {
        char *unit;  /* "docker-ID.scope" */
        char *slice; /* "system.slice" */
        char *path;  /* "/system.slice/docker-ID.scope": below the top, or below the user manager's own folder */
};
void cgroup_scope_done(struct cgroup_scope *s);

/* "SLICE:PREFIX:NAME"; an empty or missing SLICE: system.slice, or user.slice for a user. path NULL: of the id. "cgroup.path". */
int cgroup_scope_parse(const char *path, const char *id, bool user, struct cgroup_scope *ret, struct error *e);

struct cgroup_systemd {
        bool user;          /* the user's manager */
        const char *socket; /* NULL: found by trying */
        bool is_bus;        /* of socket: a bus, not the manager itself */
};
/*
 * Starts the scope with the process in it and waits until it stands. ret_folder, unless NULL: the manager's own folder, below which s->path is; NULL
 * where it does not tell. Errors: "systemd.missing" and those of dbus.h.
 */
int cgroup_scope_start(const struct cgroup_systemd *m, const struct cgroup_scope *s, pid_t pid, const struct cgroup_resources *r,
                       bool v2, char **ret_folder, struct error *e);
/* Tells systemd the new limits, so that it does not write the old ones again. */
int cgroup_scope_update(const struct cgroup_systemd *m, const char *unit, const struct cgroup_resources *r, bool v2, struct error *e);
/* Stops the unit and forgets a failure. A unit that is gone is success. */
int cgroup_scope_stop(const struct cgroup_systemd *m, const char *unit, struct error *e);
