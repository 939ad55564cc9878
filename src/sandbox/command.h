/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commands of a service: several, one after another or beside each other, in what one sandbox_prepare has prepared. They share its
 * control group, its user, its folders, and its namespaces of network and inter-process communication; mounts, filters and all
 * else each has for itself.
 */
#pragma once

#include "plan/exec_line.h"
#include "sandbox/sandbox.h"

struct command {
        struct plan plan;       /* its own where it differs, the service's else */
        struct sandbox sandbox; /* likewise */
        struct strings environment, argv;
        char *program;
};

/*
 * What the command runs with: of the sandbox all that its prefixes leave (systemd.service(5)), and the environment with the variables added, which
 * replace those of the same name. s must outlive it. listen: LISTEN_PID is to be set. start: it is one of ExecStart=.
 */
int command_prepare(struct sandbox *s, const struct exec_line *line, const struct strings *variables, bool listen, bool start, struct command *ret,
                    struct error *e);
void command_done(struct command *c);
#define CLEAN_COMMAND CLEAN(command_done)

/* Opens the namespaces that the plan names by path: all commands enter them. */
int command_open_namespaces(struct sandbox *s, struct error *e);
/* Makes the other namespaces that all commands share, where the plan has any and that can be had; else each command makes its own. */
int command_share_namespaces(struct sandbox *s, struct error *e);

struct child;
/* In the child: enters them. */
int command_join(struct child *c, struct error *e);
