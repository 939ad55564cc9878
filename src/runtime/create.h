/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a container: made, started, waited for, ended.
 *
 *      creation_make    reads the configuration, makes control groups and the process, which is set up completely
 *      creation_start   (run) or container_start (in another process) lets it execute its program
 *      container_delete ends what is left and takes away all that was made
 */
#pragma once

#include "plan/oci.h"
#include "runtime/record.h"
#include "sandbox/container.h"

enum cgroup_manager { MANAGER_CGROUPFS, MANAGER_SYSTEMD, MANAGER_DISABLED };

struct creation_options {
        const char *id, *bundle, *config; /* config NULL: config.json in the bundle */
        const char *pid_file, *console_socket, *pidfd_socket;
        enum cgroup_manager manager;
        bool no_pivot, no_new_keyring;
        bool waits;   /* create: the process waits for the word to start */
        bool detaches; /* a terminal must go to a console socket */
        unsigned preserve_fds;
        struct sandbox_io io;
        const struct checkpoint_options *restore; /* the process comes from there (checkpoint.h); NULL: a new one */
};

struct creation {
        const struct creation_options *o;
        struct record record;
        const struct record *container; /* exec: the one that it is in. Borrowed */
        struct json_document config;
        struct plan plan;
        struct sandbox sandbox;
        struct sandbox_host host;
        struct sandbox_child child;
        int terminal_fd; /* the main side of the terminal, when there is no console socket; else negative */
        bool made, born;
        pid_t stand_in; /* keeps systemd's scope until the process is in it, or 0 */
        int stand_in_fd;
        int notify_fd;  /* run: the socket that the payload tells its state, or negative */
        int network_fd; /* the network namespace that got devices, until all went well; else negative */
};
#define CREATION_INIT                                                                                        \
        { .record = RECORD_INIT, .sandbox = SANDBOX_INIT, .child = { .pidfd = -EBADF, .status_fd = -EBADF }, .terminal_fd = -EBADF, \
          .stand_in_fd = -EBADF, .network_fd = -EBADF, .notify_fd = -EBADF }

/* On success the payload runs, or with o->waits is set up and waits. On failure nothing is left. */
int creation_make(int root_fd, const struct creation_options *o, struct creation *ret, struct error *e);
/* The step that make and exec share: the process, its terminal, and the files and sockets that tell of it. */
int creation_spawn(struct creation *c, struct error *e);
/* Its parts for a process that comes from elsewhere: where the terminal's main side is to be sent, negative without a terminal ... */
int creation_connect_console(struct creation *c, int *ret, struct error *e);
/* ... and, when that was ourselves, the terminal received: what was the socket becomes the terminal. */
int creation_receive_terminal(struct creation *c, struct error *e);
void creation_done(struct creation *c);
#define CLEAN_CREATION CLEAN(creation_done)

/* Gives the word to a container that waits, and waits until its program runs or could not be executed. */
int container_start(struct record *r, const struct plan *p, struct error *e);
/* Runs the hooks that follow the start of the program; a failure ends the container. */
int container_poststart(struct record *r, const struct plan *p, struct error *e);
/* Takes all away. Without force only of a container that is stopped or never started. */
int container_delete(struct record *r, bool force, struct error *e);
/* Sends a signal to its process, or with all to everything in its group. */
int container_kill(struct record *r, int signal, bool all, struct error *e);

/* The plan of a container's own configuration; *ret_config must outlive it. */
int container_plan(const struct record *r, struct json_document *ret_config, struct plan *p, struct error *e);
