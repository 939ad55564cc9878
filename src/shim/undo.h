/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The undo list of a run, and the end of its processes.  Each line is written before the thing is made, so
 * that whoever finds the run dead can put the host back as it was:
 *
 *   tree PATH             remove the folder with all below
 *   runtime PATH          the same, and it stays when the run starts again (run_undo_for_restart)
 *   file PATH             unlink
 *   lock PATH             unlink unless somebody holds it with flock: it may have found a new owner since
 *   ipc /UID              remove the user id's objects of inter-process communication
 *   cgroup PATH           kill all in it, remove it
 *   left PATH             a control group that was left to its processes (run_undo_spare): remove it if it is empty
 *   made DEV:INODE PATH   this very object was made for the run (run_undo_made)
 *
 * A line is believed only when the path carries our marker: below the state root, a component that starts with
 * "systemd-private-" as the last or second-last, or noted as made; for cgroups "/bulkhead/" in the path.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "os/cgroup_usage.h"

int run_undo_note(int dir_fd, const char *kind, const char *path);
/* Notes that the object which now stands at "at" is ours under path as well, outside the marked places. */
int run_undo_made(int dir_fd, const char *at, const char *path);
/* Kills, removes, and empties the list when all went well. Missing things are fine. 0 or the first -errno. */
int run_undo_all(int dir_fd);
/* The same, but what stays until the run is over stays, on the list as well. */
int run_undo_for_restart(int dir_fd);
/* Leaves control groups with processes in them to these: KillMode=process and none. What comes later only removes them, once they are empty. 0 or -errno. */
int run_undo_spare(int dir_fd);

/* How many processes are in groups that were left so. */
size_t run_count_left(int dir_fd);

/* Sends a signal to all processes in the run's cgroups but one; how many got it. */
int run_signal_cgroups(int dir_fd, int signal, pid_t except);
/* What the run's cgroups say of their use. */
void run_read_usage(int dir_fd, struct cgroup_usage *ret);
/* SIGKILL to all in the run's cgroups, until they are empty or 5 seconds passed. */
void run_kill_cgroups(int dir_fd);
/* SIGKILL to every process that was started with this INVOCATION_ID and whose environment can be read. */
void run_kill_invocation(const char *invocation_id);
/* Sends a signal to the descendants of pid but not to itself; how many got it. */
int run_signal_descendants(pid_t pid, int signal, pid_t except);
