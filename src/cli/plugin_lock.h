/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who looks after a plugin: a lock on the file .NAME.supervisor in the folder of the plugins, with the supervisor's pid in it.  It holds as long
 * as the supervisor lives and has not been told to stop, also while the plugin itself is down.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

/* A descriptor that holds the lock; -EBUSY when somebody else has it, without an error text. Id: "file.write". */
int plugin_lock(const char *folder, const char *name, struct error *e);
/* Writes our pid into it: by the process that takes the signals. */
void plugin_lock_sign(int fd);
/* Takes the file away and closes the descriptor. */
void plugin_unlock(const char *folder, const char *name, int fd);
/* The supervisor's pid; 0: there is none. */
pid_t plugin_locked_by(const char *folder, const char *name);
/* Names of all that listen or are looked after, sorted. 0 or -errno. */
int plugin_names(const char *folder, struct strings *ret);

/* Asks a supervisor to end a plugin for good: a mark beside the lock, and then the signal. Id: "plugin.stop". */
int plugin_stop_ask(const char *folder, const char *name, pid_t supervisor, struct error *e);
/* Whether that was asked; the mark is taken away. */
bool plugin_stop_asked(const char *folder, const char *name);
#define PLUGIN_STOP_SIGNAL SIGUSR1
