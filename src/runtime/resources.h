/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a container may use: its control groups, made by us or by systemd, and its class of cache and bandwidth. */
#pragma once

#include "runtime/create.h"

/* Makes all of it, and saves the record. What was made stands in the record also after a failure. */
int resources_make(struct creation *c, struct error *e);
/* The container's process is in its groups: what stood in for it may go. */
void resources_entered(struct creation *c);
/* Puts a process that was born into the class. Its control groups are entered by the executor. */
int resources_add(const struct record *r, pid_t pid, struct error *e);
/* l3, bandwidth: schemata of the class, or NULL. */
int resources_update(struct record *r, const struct cgroup_resources *resources, const char *l3, const char *bandwidth, struct error *e);
/* Takes all of it away once nothing runs. */
int resources_remove(struct record *r, unsigned timeout_ms, struct error *e);
