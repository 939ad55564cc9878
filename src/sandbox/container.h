/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What containers add to the executor: the supervisor's preparation, and the child's stages that a unit has not.
 *
 * The child asks its supervisor for what takes the host's privilege, a byte each, and goes on when it is answered:
 */
#pragma once

#include "sandbox/child.h"

enum container_request {
        CONTAINER_MAPS = 'u',    /* write the id maps of the plan; answered here */
        CONTAINER_DEVICES = 'n', /* move network devices into the network namespace */
        CONTAINER_HOOKS = 'h',   /* run the hooks prestart and createRuntime: all is mounted, the root is not entered */
        CONTAINER_BIRTH = 'b',   /* another process goes on in the child's place: its pid and pidfd follow (container_be_born) */
};

/* As sandbox_prepare, for a plan with a container. host->note is not used; control groups are the caller's. */
int container_prepare(struct sandbox *s, struct plan *p, const struct sandbox_host *host, struct error *e);
/* How many requests the child will make. */
int container_requests(const struct sandbox *s);
/* Writes the maps of the plan for a process in a new user namespace. */
int container_write_maps(const struct sandbox *s, pid_t pid, struct error *e);
/* Namespaces that clone makes; the others are entered or made by the child. */
uint64_t container_clone_flags(const struct sandbox *s);
/* Decides where the child of a container that joins a process namespace is born (late_pid_fd); before container_requests. */
int container_plan_birth(struct sandbox *s, struct error *e);
/* What the child of a container does, and never returns from. */
struct container_life {
        void (*live)(void *data);
        void *data;
};
/* Clones the child, which lives as told: past the namespaces that must be entered before it exists. Its pid or -errno. */
pid_t container_clone(struct sandbox *s, uint64_t flags, const struct sandbox_io *io, const struct container_life *life, int *ret_pidfd,
                      struct error *e);
/* Enters the namespaces of process pidfd, flags of them, for a child that is cloned next (exec). */
int container_enter(int pidfd, uint64_t flags, struct error *e);

/* Stages. */
int container_begin(struct child *c, struct error *e);
int container_handles(struct child *c, struct error *e); /* of a child of exec */
int container_join(struct child *c, struct error *e);
int container_become_root(struct child *c, struct error *e);
int container_names(struct child *c, struct error *e);      /* host name, domain name, kernel settings */
int container_ask(struct child *c, enum container_request request, struct error *e);
int container_attributes(struct child *c, struct error *e); /* limits, scheduling and the like */
int container_terminal(struct child *c, struct error *e);
int container_credentials(struct child *c, struct error *e);
int container_be_born(struct child *c, struct error *e);
/* The supervisor's side of CONTAINER_BIRTH: takes the new process, and the exit of the old one. 0 or -errno. */
int container_take_birth(int sync_fd, pid_t *pid, int *pidfd, struct error *e);
int container_labels(struct child *c, struct error *e);
int container_directory(struct child *c, struct error *e);
int container_filter(struct child *c, struct error *e);
int container_wait(struct child *c, struct error *e);
